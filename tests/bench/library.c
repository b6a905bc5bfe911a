/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/bench/library.h"

#include "engine/base/clock.h"
#include "engine/base/fd.h"
#include "engine/base/places.h"
#include "engine/base/strv.h"
#include "jail/client.h"

#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/resource.h>

/* ---- runs ---- */

typedef struct Series {
        Library *library;
        size_t to_start, running;
        LibraryEnded ended;
        void *userdata;
        Error error;
} Series;

typedef struct One {
        Series *series;
        LibraryRun run;
} One;

static int start_one(Series *s, Error *e);

static void on_ended(Jail *jail, const JailReport *report, void *userdata)
{
        _cleanup_free_ One *one = userdata;
        Series *s = one->series;

        one->run.told_usec = monotonic_usec();
        one->run.steps = &jail->steps;
        one->run.report = report;
        s->running--;
        if (report->reason != JAIL_EXITED || report->exit_code != 0)
                error_set(&s->error, -EIO, "a jail ended with \"%s\": %s", jail_reason_name(report->reason),
                          report->message ? report->message : "");
        else if (s->ended)
                s->ended(&one->run, s->userdata);
        if (s->error.code == 0 && s->to_start > 0)
                start_one(s, &s->error);
}

static void on_output(Jail *jail _unused_, int stream _unused_, const void *data, size_t size, void *userdata _unused_)
{
        fwrite(data, 1, size, stderr);
}

static const JailEvents events = {.output = on_output, .ended = on_ended};

static int start_one(Series *s, Error *e)
{
        const Library *l = s->library;
        char *command[] = {(char *)"/input/payload", (char *)"true", NULL};
        const JailSpec spec = {
                .policy = l->policy,
                .limits = jail_limits_none,
                .command = command,
                .stdin_fd = -1,
                .inputs = &l->payload,
                .n_inputs = 1,
                .allow_missing = l->missing,
        };
        One *one = malloc(sizeof *one);
        Jail *jail;

        if (!one)
                return error_oom(e);
        *one = (One){.series = s, .run = {.asked_usec = monotonic_usec()}};
        int r = jail_start(l->launcher, &spec, &events, one, &jail, e);
        if (r < 0) {
                free(one);
                return r;
        }
        one->run.sent_usec = monotonic_usec();
        s->to_start--;
        s->running++;
        return 0;
}

static int serve(Library *l, Error *e)
{
        struct pollfd p = {.fd = jail_launcher_fd(l->launcher), .events = POLLIN};

        if (poll(&p, 1, -1) < 0 && errno != EINTR)
                return error_errno(e, -errno, "poll");
        return jail_launcher_dispatch(l->launcher, e);
}

int library_run(Library *l, size_t total, size_t at_once, LibraryEnded ended, void *userdata, Error *e)
{
        Series s = {.library = l, .to_start = total, .ended = ended, .userdata = userdata};
        int r = 0;

        while (r >= 0 && s.to_start > 0 && s.running < at_once)
                r = start_one(&s, e);
        while (s.running > 0)
                if ((r = serve(l, e)) < 0)
                        return r;
        if (s.error.code < 0) {
                *e = s.error;
                return e->code;
        }
        return r;
}

int library_run_warm(Library *l, LibraryEnded ended, void *userdata, Error *e)
{
        int r = jail_launcher_keep_warm(l->launcher, l->policy, 1, e);

        while (r >= 0 && jail_launcher_warm(l->launcher, l->policy) == 0)
                r = serve(l, e);
        if (r >= 0)
                r = library_run(l, 1, 1, ended, userdata, e);
        return r < 0 ? r : jail_launcher_keep_warm(l->launcher, l->policy, 0, e);
}

/* ---- its life ---- */

/* What a policy's limits ask for and this host does not enforce, the jails go without. */
static int find_missing(Library *l, Error *e)
{
        JailReport report;
        int r = jail_policy_on_host(l->policy, &(JailLauncherOptions){0}, &report, e);

        l->missing = report.not_enforced;
        jail_report_done(&report);
        return r;
}

int library_open(Library *l, const char *payload, Error *e)
{
        _cleanup_strv_ char **directories = place_policies(e);

        *l = (Library){.payload = {.name = "payload", .fd = open(payload, O_RDONLY | O_CLOEXEC)}};
        if (l->payload.fd < 0)
                return error_errno(e, -errno, "%s", payload);
        int r = directories ? jail_policy_load("strict", directories, &l->policy, e) : -ENOMEM;
        if (r >= 0)
                r = find_missing(l, e);
        return r < 0 ? r : jail_launcher_new(&(JailLauncherOptions){0}, &l->launcher, e);
}

void library_close(Library *l)
{
        jail_launcher_freep(&l->launcher);
        jail_policy_unrefp(&l->policy);
        l->payload.fd = close_fd(l->payload.fd);
}

/* Of /proc/PID/stat, proc(5): utime, stime, cutime and cstime are the fields 14 to 17. */
static uint64_t process_cpu_usec(pid_t pid)
{
        _cleanup_free_ char *text = NULL;
        char path[64];
        unsigned long ticks[4] = {0};

        snprintf(path, sizeof path, "/proc/%d/stat", pid);
        if (read_file_at(AT_FDCWD, path, 4096, &text, NULL) < 0)
                return 0;
        const char *behind_name = strrchr(text, ')');
        if (!behind_name || sscanf(behind_name + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu %lu %lu",
                                   &ticks[0], &ticks[1], &ticks[2], &ticks[3]) != 4)
                return 0;
        return (ticks[0] + ticks[1] + ticks[2] + ticks[3]) * USEC_PER_SECOND / (uint64_t)sysconf(_SC_CLK_TCK);
}

uint64_t library_cpu_usec(const Library *l)
{
        return clock_usec(CLOCK_PROCESS_CPUTIME_ID) + process_cpu_usec(l->launcher->pid);
}

char *library_missing(const Library *l)
{
        _cleanup_strv_ char **names = NULL;

        for (JailLayer layer = 0; layer < JAIL_LAYER_MAX; layer++)
                if ((l->missing & (1U << layer)) && strv_add(&names, jail_layer_name(layer)) < 0)
                        return NULL;
        return strv_join(names, ",");
}
