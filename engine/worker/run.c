/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "engine/worker/run.h"

#include "engine/base/archive.h"
#include "engine/base/clock.h"
#include "engine/base/disk_room.h"
#include "engine/base/fd.h"
#include "engine/base/json.h"
#include "engine/base/strv.h"
#include "engine/worker/files.h"

#include <fcntl.h>
#include <pthread.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define POLICIES_MAX 64

typedef struct Run {
        struct Run *next;
        Runs *runs;
        char *job;
        uint64_t attempt, started_usec; /* CLOCK_REALTIME */
        Jail *jail;                     /* NULL once it has ended */
        Files written;
        int files; /* where /output goes; -1: there is nothing in it */
        json_object *report; /* once the jail has ended */
        char *text;          /* the report, once everything is in it: there is nothing more to do */
        /* /output is packed by a thread: it may be large, and the other jobs must not wait for it. */
        pthread_t packer;
        bool packing;
        int directory, outputs; /* what the job saw as /output; where those of all jobs are kept */
        ArchiveRules rules;
        Error pack_error;
        char *skipped; /* what of it was not packed */
        sd_event_source *packed;
        int packed_fd;
        uint64_t kept_bytes; /* of `files` */
        /* Where there is no room for it, it stays where it is until there is some. */
        bool unkept, cancelled;
        DiskRoom room;
        sd_event_source *look_again;
} Run;

struct Runs {
        sd_event *event;
        JailLauncher *launcher;
        Warm *warm;
        sd_event_source *source;
        const RunsEvents *events;
        void *userdata;
        Run *list;
        size_t n, n_running, n_unkept;
        JailPolicy *policies[POLICIES_MAX]; /* the latest used first */
};

static Run *run_free(Run *run)
{
        if (run->packing)
                pthread_join(run->packer, NULL);
        sd_event_source_disable_unref(run->packed);
        sd_event_source_disable_unref(run->look_again);
        close_fd(run->packed_fd);
        close_fd(run->directory);
        close_fd(run->outputs);
        files_done(&run->written);
        close_fd(run->files);
        json_object_put(run->report);
        error_clear(&run->pack_error);
        free(run->skipped);
        free(run->text);
        free(run->job);
        free(run);
        return NULL;
}

static void set_unkept(Run *run, bool unkept)
{
        Runs *runs = run->runs;

        if (run->unkept == unkept)
                return;
        run->unkept = unkept;
        runs->n_unkept += unkept ? 1 : -1;
        runs->events->changed(runs->userdata);
}

/* The attempt has ended: its report remains. */
static int run_finish(Run *run)
{
        Runs *runs = run->runs;

        files_complete_report(&run->written, run->report);
        json_add_number(run->report, "files_bytes", run->kept_bytes);
        run->text = strdup(json_object_to_json_string_ext(run->report, JSON_C_TO_STRING_PLAIN));
        if (!run->text)
                return sd_event_exit(runs->event, 1);
        run->packed = sd_event_source_disable_unref(run->packed);
        run->packed_fd = close_fd(run->packed_fd);
        run->look_again = sd_event_source_disable_unref(run->look_again);
        run->directory = close_fd(run->directory);
        run->outputs = close_fd(run->outputs);
        run->files = close_fd(run->files);
        json_object_put(take(run->report));
        runs->n_running--;
        set_unkept(run, false);
        runs->events->ended(run->job, run->attempt, run->text, runs->userdata);
        return 0;
}

/* ---- the job's files ---- */

static void *pack_thread(void *argument)
{
        Run *run = argument;

        archive_pack(run->directory, run->files, &run->rules, &run->skipped, &run->pack_error);
        eventfd_write(run->packed_fd, 1);
        return NULL;
}

/* What the job has made could not be kept: then it has not succeeded. Where that is not its own doing, another attempt
 * may bring more. */
static void output_failed(Run *run, int r, const char *text)
{
        JailReason failed = r == -E2BIG || r == -ELOOP ? JAIL_OUTPUT_FAILED
                            : run->cancelled           ? JAIL_CANCELLED
                                                       : JAIL_LOST;
        json_object *reason = NULL, *code = NULL;

        json_object_object_get_ex(run->report, "reason", &reason);
        json_object_object_get_ex(run->report, "exit_code", &code);
        if (reason && strcmp(json_object_get_string(reason), jail_reason_name(JAIL_EXITED)) == 0 &&
            json_object_get_int(code) == 0) {
                json_add_string(run->report, "reason", jail_reason_name(failed));
                json_add_number(run->report, "exit_code", UINT64_MAX);
        }
        json_add_string(run->report, "message", text);
}

/* Unless there is something else to be said. */
static void say_skipped(Run *run)
{
        _cleanup_free_ char *text = NULL;
        json_object *message = NULL;

        if (!run->skipped || (json_object_object_get_ex(run->report, "message", &message) && message))
                return;
        if (asprintf(&text, "of /output, %s", run->skipped) < 0)
                text = NULL;
        else
                json_add_string(run->report, "message", text);
}

static int on_look_again(sd_event_source *source, uint64_t usec _unused_, void *userdata);

static int look_again_later(Run *run)
{
        const uint64_t pause = disk_room_pause_usec();

        if (!run->look_again)
                return sd_event_add_time_relative(run->runs->event, &run->look_again, CLOCK_MONOTONIC, pause, 0,
                                                  on_look_again, run);
        int r = sd_event_source_set_time_relative(run->look_again, pause);
        return r < 0 ? r : sd_event_source_set_enabled(run->look_again, SD_EVENT_ONESHOT);
}

/* It is kept, or it failed; or there was no room. */
static int on_kept(Run *run)
{
        int r = run->pack_error.code;
        const off_t end = run->files < 0 ? -1 : lseek(run->files, 0, SEEK_CUR);

        run->packed = sd_event_source_disable_unref(run->packed);
        run->packed_fd = close_fd(run->packed_fd);
        if (r >= 0) {
                run->kept_bytes = end > 0 ? (uint64_t)end : 0;
                say_skipped(run);
                return run_finish(run);
        }
        if (run->files >= 0 && (ftruncate(run->files, 0) < 0 || lseek(run->files, 0, SEEK_SET) < 0))
                r = error_errno(&run->pack_error, -errno, "keeping /output failed, and so did removing half of it");
        if (disk_room_lacks(r) && !run->cancelled) {
                disk_room_tried(&run->room, run->outputs, end < 0 ? UINT64_MAX : (uint64_t)end);
                set_unkept(run, true);
                if (look_again_later(run) >= 0)
                        return 0;
        }
        output_failed(run, r, error_text(&run->pack_error));
        return run_finish(run);
}

static int on_packed(sd_event_source *source _unused_, int fd _unused_, uint32_t events _unused_, void *userdata)
{
        Run *run = userdata;

        pthread_join(run->packer, NULL);
        run->packing = false;
        error_prefix(&run->pack_error, "keeping /output");
        return on_kept(run);
}

static int start_packing(Run *run)
{
        sigset_t all, before;

        run->packed_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        if (run->packed_fd < 0)
                return -errno;
        int r = sd_event_add_io(run->runs->event, &run->packed, run->packed_fd, EPOLLIN, on_packed, run);
        if (r < 0)
                return r;
        /* Signals are the main thread's. */
        sigfillset(&all);
        pthread_sigmask(SIG_SETMASK, &all, &before);
        r = pthread_create(&run->packer, NULL, pack_thread, run);
        pthread_sigmask(SIG_SETMASK, &before, NULL);
        run->packing = r == 0;
        return -r;
}

/* Opens the file for what is in /output. */
static int open_archive(Run *run, int outputs, bool create)
{
        int fd = run_output_open(outputs, run->job, run->attempt, "files", true, create);

        if (fd >= 0)
                run->files = fd;
        return fd < 0 ? fd : 0;
}

/* Puts what is in /output into its file; on_kept() says what came of it. */
static int keep_output(Run *run)
{
        error_clear(&run->pack_error);
        int r = run->files < 0 ? open_archive(run, run->outputs, true) : 0;
        if (r >= 0)
                r = start_packing(run);
        if (r >= 0)
                return 0;
        error_errno(&run->pack_error, r, "keeping /output");
        return on_kept(run);
}

static int on_look_again(sd_event_source *source _unused_, uint64_t usec _unused_, void *userdata)
{
        Run *run = userdata;

        if (!disk_room_may_do(&run->room, run->outputs))
                return look_again_later(run);
        return keep_output(run);
}

/* ---- the jail's events ---- */

static void on_output(Jail *jail _unused_, int stream, const void *data, size_t size, void *userdata)
{
        Run *run = userdata;

        files_write(&run->written, stream, data, size);
}

/* What cannot be looked into is left to who packs it, and says why. */
static bool is_empty(int directory)
{
        int fd = openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        _cleanup_closedir_ DIR *dir = fd < 0 ? NULL : fdopendir(fd);
        struct dirent *d = NULL;

        if (!dir)
                close_fd(fd);
        while (dir && (d = readdir(dir)) && (strcmp(d->d_name, ".") == 0 || strcmp(d->d_name, "..") == 0))
                ;
        return dir && !d;
}

/* What is in /output is ours. -ENOENT: nothing is, and nobody has asked for it. */
static int take_output(Run *run, Jail *jail)
{
        int directory = jail_output_directory(jail);
        int r = directory < 0 ? -ENOENT : open_archive(run, run->written.directory, !is_empty(directory));

        if (r < 0 && !disk_room_lacks(r))
                return r;
        run->rules = (ArchiveRules){.max_bytes = jail_output_bytes_max(jail),
                                    .max_entries = jail_output_files_max(jail)};
        run->directory = fcntl(directory, F_DUPFD_CLOEXEC, 3);
        run->outputs = fcntl(run->written.directory, F_DUPFD_CLOEXEC, 3);
        return run->directory < 0 || run->outputs < 0 ? -errno : 0;
}

static void on_ended(Jail *jail, const JailReport *report, void *userdata)
{
        Run *run = userdata;
        int r = take_output(run, jail);

        run->jail = NULL;
        files_done(&run->written);
        /* With the launcher's death, this process ends, too; then the supervisor sees that its jobs are lost. */
        if (report->reason == JAIL_LOST)
                return;
        run->report = jail_report_to_json(report);
        if (r >= 0) {
                keep_output(run);
                return;
        }
        if (r != -ENOENT)
                output_failed(run, r, "keeping /output failed");
        run_finish(run);
}

static const JailEvents jail_events = {.output = on_output, .ended = on_ended};

/* Where the list points to it, or where it ends. */
static Run **find(Runs *runs, const char *job, uint64_t attempt)
{
        Run **at = &runs->list;

        while (*at && ((*at)->attempt != attempt || strcmp((*at)->job, job) != 0))
                at = &(*at)->next;
        return at;
}

/* ---- starting ---- */

static JailPolicy *find_policy(Runs *runs, const char *digest)
{
        for (size_t i = 0; i < POLICIES_MAX && runs->policies[i]; i++) {
                JailPolicy *policy = runs->policies[i];
                if (strcmp(jail_policy_digest(policy), digest) != 0)
                        continue;
                memmove(&runs->policies[1], &runs->policies[0], i * sizeof policy);
                runs->policies[0] = policy;
                return policy;
        }
        return NULL;
}

int runs_add_policy(Runs *runs, const char *name, const char *text, Error *e)
{
        JailPolicy *policy;
        int r = jail_policy_from_text(name, text, &policy, e);

        if (r < 0)
                return r;
        jail_policy_unref(runs->policies[POLICIES_MAX - 1]);
        memmove(&runs->policies[1], &runs->policies[0], (POLICIES_MAX - 1) * sizeof policy);
        runs->policies[0] = policy;
        return 0;
}

static int start_jail(Run *run, const RunOrder *order, const int *fds, size_t n_fds, Error *e)
{
        JailPolicy *policy = find_policy(run->runs, order->policy_digest);
        JailInput inputs[JAIL_INPUTS_MAX];
        size_t n = strv_length(order->inputs);

        if (!policy)
                return error_set(e, -EPROTO, "the policy %s was not sent before the job", order->policy_digest);
        if (n > JAIL_INPUTS_MAX || n_fds != RUN_INPUTS + n)
                return error_set(e, -EPROTO, "the run order and its descriptors do not fit");
        for (size_t i = 0; i < n; i++)
                inputs[i] = (JailInput){order->inputs[i], fds[RUN_INPUTS + i]};
        const JailSpec spec = {
                .policy = policy,
                .limits = order->limits,
                .command = order->command,
                .environment = order->environment,
                .working_directory = order->working_directory,
                .stdin_fd = fds[RUN_STDIN],
                .inputs = inputs,
                .n_inputs = n,
                .allow_missing = order->allow_missing,
        };
        int r = jail_start(run->runs->launcher, &spec, &jail_events, run, &run->jail, e);
        if (r >= 0)
                warm_used(run->runs->warm, policy);
        return r;
}

void runs_keep_warm(Runs *runs, const WarmLevel *levels, size_t n)
{
        warm_expect_nothing(runs->warm);
        for (size_t i = 0; i < n; i++) {
                JailPolicy *policy = find_policy(runs, levels[i].policy);
                if (policy)
                        warm_expect(runs->warm, policy, levels[i].jails);
        }
        warm_review(runs->warm);
}

static json_object *refusal(const RunOrder *order, const Error *e)
{
        JailReport report;

        jail_report_init(&report);
        report.reason = JAIL_SETUP_FAILED;
        report.message = (char *)error_text(e);
        snprintf(report.policy_digest, sizeof report.policy_digest, "%s", order->policy_digest);
        return jail_report_to_json(&report);
}

int runs_start(Runs *runs, const void *data, size_t size, int *fds, size_t n_fds)
{
        RunOrder order;
        char *job = NULL;
        _cleanup_error_ Error e = ERROR_NULL;
        Run *run = calloc(1, sizeof *run);

        int r = n_fds < RUN_INPUTS ? -EBADMSG : run_order_unpack(data, size, &order);
        if (r >= 0 && (!run || !(job = strdup(order.job)))) {
                run_order_done(&order);
                r = -ENOMEM;
        }
        if (r < 0) {
                close_many(fds, n_fds);
                free(run);
                return r;
        }
        *run = (Run){
                .runs = runs,
                .next = runs->list,
                .job = job,
                .attempt = order.attempt,
                .started_usec = realtime_usec(),
                .files = -1,
                .directory = -1,
                .outputs = -1,
                .packed_fd = -1,
        };
        files_init(&run->written, take_fd(fds[RUN_OUTPUT]), run->job, run->attempt);
        runs->list = run;
        runs->n++;
        runs->n_running++;
        r = start_jail(run, &order, fds, n_fds, &e);
        if (r == -EPIPE || r == -ECONNRESET) {
                /* The launcher has died: so does this process, and the job is lost (on_jails). */
                sd_event_exit(runs->event, 1);
        } else if (r < 0) {
                run->report = refusal(&order, &e);
                run_finish(run);
        } else {
                files_limit_index(&run->written, jail_output_limit(run->jail));
                runs->events->started(run->job, run->attempt, runs->userdata);
        }
        run_order_done(&order);
        close_many(fds, n_fds);
        return 0;
}

void runs_cancel(Runs *runs, const char *job, uint64_t attempt)
{
        Run *run = *find(runs, job, attempt);

        if (!run || run->text)
                return;
        run->cancelled = true;
        if (run->jail)
                jail_cancel(run->jail);
        else if (run->unkept && !run->packing)
                on_kept(run);
}

void runs_acknowledge(Runs *runs, const char *job, uint64_t attempt)
{
        Run **at = find(runs, job, attempt), *run = *at;

        if (!run || !run->text)
                return;
        *at = run->next;
        runs->n--;
        run_free(run);
}

/* ---- all of them ---- */

size_t runs_count(const Runs *runs)
{
        return runs->n;
}

size_t runs_running(const Runs *runs)
{
        return runs->n_running;
}

size_t runs_unkept(const Runs *runs)
{
        return runs->n_unkept;
}

size_t runs_warm(const Runs *runs)
{
        return jail_launcher_warm(runs->launcher, NULL);
}

size_t runs_list(const Runs *runs, WorkerAttempt *ret, size_t room)
{
        size_t n = 0;

        for (const Run *run = runs->list; run && n < room; run = run->next)
                ret[n++] = (WorkerAttempt){run->job, run->attempt, run->started_usec, run->text != NULL};
        return n;
}

void runs_report_again(const Runs *runs)
{
        for (const Run *run = runs->list; run; run = run->next)
                if (run->text)
                        runs->events->ended(run->job, run->attempt, run->text, runs->userdata);
}

static int on_jails(sd_event_source *source _unused_, int fd _unused_, uint32_t events _unused_, void *userdata)
{
        Runs *runs = userdata;
        int r = jail_launcher_dispatch(runs->launcher, NULL);

        /* Without its launcher a worker is of no use: the pool replaces it, and its jobs run again. */
        if (r == -ECONNRESET)
                return sd_event_exit(runs->event, 1);
        runs->events->changed(runs->userdata);
        return 0;
}

int runs_new(sd_event *event, const char *cgroup, int held_fd, const WarmLimits *warm, const RunsEvents *events, void *userdata,
             Runs **ret, Error *e)
{
        _cleanup_(runs_freep) Runs *runs = calloc(1, sizeof *runs);

        if (!runs)
                return error_oom(e);
        *runs = (Runs){.event = event, .events = events, .userdata = userdata};
        int r = jail_launcher_new(&(JailLauncherOptions){.cgroup = cgroup, .held_fd = held_fd}, &runs->launcher, e);
        if (r >= 0)
                r = warm_new(event, runs->launcher, warm, &runs->warm, e);
        if (r < 0)
                return r;
        r = sd_event_add_io(event, &runs->source, jail_launcher_fd(runs->launcher), EPOLLIN, on_jails, runs);
        if (r < 0)
                return error_errno(e, r, "watching the launcher");
        *ret = take(runs);
        return 0;
}

Runs *runs_free(Runs *runs)
{
        sd_event_source_unref(runs->source);
        if (runs->warm)
                warm_free(runs->warm);
        if (runs->launcher)
                jail_launcher_free(runs->launcher);
        while (runs->list) {
                Run *run = runs->list;
                runs->list = run->next;
                run_free(run);
        }
        for (size_t i = 0; i < POLICIES_MAX; i++)
                jail_policy_unref(runs->policies[i]);
        free(runs);
        return NULL;
}
