/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* skep-worker: runs jobs in jails for the supervisor that it connects to; several at a time, from one event loop. When
 * the supervisor goes, the jobs go on, and their reports wait for the next one: see protocol.h. Its number is a lock on
 * that byte of the file beside the socket, so that a supervisor which did not start it knows that it lives, and who it
 * is. */

#include "engine/base/clock.h"
#include "engine/base/fd.h"
#include "engine/base/log.h"
#include "engine/base/options.h"
#include "engine/base/size.h"
#include "engine/worker/link.h"
#include "engine/worker/run.h"
#include "engine/worker/unit.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <systemd/sd-daemon.h>

#ifndef SKEP_VERSION
#define SKEP_VERSION "0"
#endif

#define CONDITION_USEC USEC_PER_SECOND

typedef struct WorkerOptions {
        const char *socket, *name;
        uint64_t orphan_grace_usec;
        WarmLimits warm;
        bool help, version;
} WorkerOptions;

typedef struct Worker {
        sd_event *event;
        Runs *runs;
        Link *link;
        uint64_t orphan_grace_usec;
        sd_event_source *orphaned;
        size_t warm_said, unkept_said; /* to the supervisor */
        sd_event_source *telling;   /* it is told anew then; NULL: it knows */
        bool stopping;
} Worker;

/* ---- when to end ---- */

static int on_orphaned(sd_event_source *source _unused_, uint64_t usec _unused_, void *userdata)
{
        Worker *w = userdata;

        log_message(LOG_LEVEL_WARNING, &(LogFields){.event = LOG_EVENT_WORKER_LEFT},
                    "no supervisor has come for what this worker has (%zu reports): it ends", runs_count(w->runs));
        return sd_event_exit(w->event, 0);
}

/* Told to stop, it ends with the last report acknowledged; without a supervisor, some time after its last job. */
static void consider_end(Worker *w)
{
        if (w->stopping && runs_count(w->runs) == 0) {
                sd_event_exit(w->event, 0);
                return;
        }
        bool orphan = !link_is_up(w->link) && runs_running(w->runs) == 0 && w->orphan_grace_usec != USEC_INFINITY;
        if (!orphan)
                w->orphaned = sd_event_source_disable_unref(w->orphaned);
        else if (!w->orphaned && sd_event_add_time_relative(w->event, &w->orphaned, CLOCK_MONOTONIC,
                                                            w->orphan_grace_usec, 0, on_orphaned, w) < 0)
                sd_event_exit(w->event, 1);
}

/* ---- what the supervisor can see ---- */

static void tell_condition(Worker *w)
{
        w->telling = sd_event_source_disable_unref(w->telling);
        w->warm_said = runs_warm(w->runs);
        link_send(w->link, &(WorkerMessage){.kind = WORKER_CONDITION, .warm = w->warm_said});
}

static int on_telling(sd_event_source *source _unused_, uint64_t usec _unused_, void *userdata)
{
        tell_condition(userdata);
        return 0;
}

static void tell_unkept(Worker *w)
{
        w->unkept_said = runs_unkept(w->runs);
        link_send(w->link, &(WorkerMessage){.kind = WORKER_UNKEPT, .unkept = w->unkept_said});
}

/* Jails come and go with each job, and who looks at the pool is a person. */
static void on_changed(void *userdata)
{
        Worker *w = userdata;

        if (runs_unkept(w->runs) != w->unkept_said)
                tell_unkept(w);
        if (!w->telling && runs_warm(w->runs) != w->warm_said)
                sd_event_add_time_relative(w->event, &w->telling, CLOCK_MONOTONIC, CONDITION_USEC, 0, on_telling, w);
}

/* ---- what runs ---- */

static void on_started(const char *job, uint64_t attempt, void *userdata)
{
        Worker *w = userdata;

        link_send(w->link, &(WorkerMessage){.kind = WORKER_STARTED, .job = job, .attempt = attempt});
}

static void on_ended(const char *job, uint64_t attempt, const char *report, void *userdata)
{
        Worker *w = userdata;

        link_send(w->link, &(WorkerMessage){.kind = WORKER_REPORT, .job = job, .attempt = attempt, .report = report});
        consider_end(w);
}

static const RunsEvents runs_events = {.started = on_started, .ended = on_ended, .changed = on_changed};

/* ---- what the supervisor says ---- */

static void on_welcome(void *userdata)
{
        Worker *w = userdata;
        WorkerAttempt attempts[WORKER_ATTEMPTS_MAX];
        size_t n = runs_list(w->runs, attempts, ELEMENTS(attempts));

        /* What the last one wanted this one does not know, and may have jobs for us: it says so again, if it wants that, too. */
        w->stopping = false;
        link_send(w->link, &(WorkerMessage){.kind = WORKER_ATTEMPTS, .attempts = attempts, .n_attempts = n});
        tell_condition(w);
        if (runs_unkept(w->runs) > 0)
                tell_unkept(w);
        runs_report_again(w->runs);
        consider_end(w);
}

static int take_policy(Worker *w, const char *name, int fd, Error *e)
{
        const void *text;
        size_t size;
        int r = map_file(fd, WORKER_DOCUMENT_MAX, &text, &size);

        if (r < 0)
                return error_errno(e, r, "a policy of the supervisor");
        _cleanup_free_ char *copy = strndup(text ? text : "", size);
        munmap((void *)text, size);
        return copy ? runs_add_policy(w->runs, name, copy, e) : error_oom(e);
}

static int take_run(Worker *w, int *fds, size_t n_fds, Error *e)
{
        const void *order;
        size_t size;
        int r = n_fds < RUN_INPUTS ? -EBADMSG : map_file(fds[RUN_ORDER], WORKER_DOCUMENT_MAX, &order, &size);

        if (r < 0)
                return error_errno(e, r, "a run order of the supervisor");
        r = runs_start(w->runs, order, size, fds, n_fds);
        munmap((void *)order, size);
        return r < 0 ? error_errno(e, r, "a run order of the supervisor") : 0;
}

static int on_message(const WorkerMessage *m, int *fds, size_t n_fds, void *userdata, Error *e)
{
        Worker *w = userdata;

        switch (m->kind) {
        case WORKER_POLICY:
                return take_policy(w, m->name, fds[0], e);
        case WORKER_RUN:
                return take_run(w, fds, n_fds, e);
        case WORKER_CANCEL:
                runs_cancel(w->runs, m->job, m->attempt);
                return 0;
        case WORKER_ACKNOWLEDGE:
                for (size_t i = 0; i < m->n_attempts; i++)
                        runs_acknowledge(w->runs, m->attempts[i].job, m->attempts[i].attempt);
                consider_end(w);
                return 0;
        case WORKER_KEEP_WARM:
                runs_keep_warm(w->runs, m->levels, m->n_levels);
                return 0;
        case WORKER_STOP:
                w->stopping = true;
                /* No job comes any more, and the last one may run for days. */
                runs_keep_warm(w->runs, NULL, 0);
                consider_end(w);
                return 0;
        default:
                return error_set(e, -EPROTO, "message %d of the supervisor is unknown", m->kind);
        }
}

/* Without a supervisor no job comes: what the last one foresaw is not kept ready. */
static void on_lost(void *userdata)
{
        Worker *w = userdata;

        runs_keep_warm(w->runs, NULL, 0);
        consider_end(w);
}

static const LinkEvents link_events = {.welcome = on_welcome, .message = on_message, .lost = on_lost};

/* ---- start and end ---- */

/* The first lock is this process's own, and goes with it, whatever it dies of; the second goes with the launcher. */
static int take_number(const WorkerOptions *o, int *ret_lock, Error *e)
{
        struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_len = 1};
        _cleanup_free_ char *path = NULL;
        uint64_t number;
        int r = count_parse(o->name, 1, WORKER_NUMBER_MAX, &number, e);

        if (r < 0)
                return error_prefix(e, "--name"), r;
        if (asprintf(&path, "%s" WORKER_LOCK_SUFFIX, o->socket) < 0)
                return error_oom(e);
        lock.l_start = (off_t)number;
        *ret_lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
        if (*ret_lock < 0)
                return error_errno(e, -errno, "%s", path);
        if (fcntl(*ret_lock, F_SETLK, &lock) < 0)
                return errno == EAGAIN || errno == EACCES
                               ? error_set(e, -EBUSY, "worker %s runs already", o->name)
                               : error_errno(e, -errno, "%s", path);
        lock.l_type = F_RDLCK;
        lock.l_start += WORKER_JAILS_LOCK;
        return fcntl(*ret_lock, F_OFD_SETLK, &lock) < 0 ? error_errno(e, -errno, "%s", path) : 0;
}

static int run(const WorkerOptions *o, Error *e)
{
        Worker w = {.orphan_grace_usec = o->orphan_grace_usec};
        _cleanup_close_ int lock = -1;
        _cleanup_free_ char *cgroup = NULL;
        sigset_t set;
        int r = sd_event_default(&w.event);

        if (r < 0)
                return error_errno(e, r, "event loop");
        sigemptyset(&set);
        sigaddset(&set, SIGTERM);
        sigprocmask(SIG_BLOCK, &set, NULL);
        /* Ctrl-C is for the supervisor, which then tells us. */
        signal(SIGINT, SIG_IGN);
        signal(SIGPIPE, SIG_IGN);
        r = take_number(o, &lock, e);
        if (r >= 0 && (r = sd_event_add_signal(w.event, NULL, SIGTERM, NULL, NULL)) < 0)
                error_errno(e, r, "event loop");
        if (r >= 0)
                r = unit_enter_cgroup(&cgroup, e);
        if (r >= 0)
                r = runs_new(w.event, cgroup, lock, &o->warm, &runs_events, &w, &w.runs, e);
        if (r >= 0)
                r = link_new(w.event, o->socket, o->name, &link_events, &w, &w.link, e);
        if (r >= 0) {
                sd_notify(0, "READY=1");
                consider_end(&w);
                r = sd_event_loop(w.event);
        }
        sd_event_source_disable_unref(w.orphaned);
        sd_event_source_disable_unref(w.telling);
        if (w.runs)
                runs_free(w.runs);
        if (w.link)
                link_free(w.link);
        sd_event_unref(w.event);
        return r;
}

static int take_grace(const Option *option _unused_, const char *value, void *target, Error *e)
{
        return duration_parse(value, &((WorkerOptions *)target)->orphan_grace_usec, e);
}

static int take_warm_maximum(const Option *option _unused_, const char *value, void *target, Error *e)
{
        return count_parse(value, 0, UINT16_MAX, &((WorkerOptions *)target)->warm.maximum, e);
}

static int take_warm_memory(const Option *option _unused_, const char *value, void *target, Error *e)
{
        return size_parse(value, &((WorkerOptions *)target)->warm.memory_bytes, e);
}

static const Option options_table[] = {
        {"socket", "PATH", NULL, option_set_string, offsetof(WorkerOptions, socket)},
        {"name", "NUMBER", NULL, option_set_string, offsetof(WorkerOptions, name)},
        {"orphan-grace", "DURATION", NULL, take_grace, 0},
        {"warm-maximum", "NUMBER", NULL, take_warm_maximum, 0},
        {"warm-memory", "SIZE", NULL, take_warm_memory, 0},
        {"help", NULL, NULL, option_set_flag, offsetof(WorkerOptions, help)},
        {"version", NULL, NULL, option_set_flag, offsetof(WorkerOptions, version)},
};

static void print_help(void)
{
        puts("Usage: skep-worker --socket PATH --name N [--orphan-grace DURATION] [--warm-maximum N] [--warm-memory SIZE]\n"
             "Run jobs in jails for skepd, which starts its workers itself, or has systemd do it. See skep-worker(8).");
}

int main(int argc, char **argv)
{
        WorkerOptions options = {.name = "1", .orphan_grace_usec = USEC_INFINITY};
        _cleanup_error_ Error e = ERROR_NULL;

        open_missing_stdio();
        raise_descriptor_limit();
        log_open("skep-worker");
        int r = options_read(options_table, ELEMENTS(options_table), argc, argv, false, &options, &e);
        if (r >= 0 && options.help) {
                print_help();
                return 0;
        }
        if (r >= 0 && options.version) {
                puts("skep-worker " SKEP_VERSION);
                return 0;
        }
        if (r < 0 || !options.socket) {
                log_error("%s", r < 0 ? error_text(&e) : "it is started by skepd, with --socket PATH and --name NUMBER");
                return 125;
        }
        log_set_worker(options.name);
        r = run(&options, &e);
        if (e.code < 0)
                log_error("%s", error_text(&e));
        return r < 0 ? 1 : r;
}
