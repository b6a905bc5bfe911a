/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A policy's level is the largest number of its jobs that were started within a moment, a moment being about what the
 * launcher needs to replace a few jails. More at once raises it at once; after each period in which it was not needed
 * it is halved, so that what nobody uses any more is gone within some minutes, and a burst that comes again soon finds
 * what the last one needed. A burst that comes again tomorrow finds it by what the supervisor expects, which is kept as long
 * as he says so, beside the level: the larger one counts. Where all of it is more than what may be kept, each policy gets
 * its share.
 *
 * Jails that wait hold memory that jobs may need. They are given up when the kernel says that processes are held up by
 * the lack of it (pressure stall information), here or in this worker's own cgroup, and are not made while less is
 * available than the configuration asks for. */

#include "engine/worker/warm.h"

#include "engine/base/clock.h"
#include "engine/base/fd.h"

#include <fcntl.h>
#include <string.h>
#include <sys/epoll.h>

#define POLICIES_MAX 64
#define MOMENT_USEC (200 * USEC_PER_MSEC)
#define REVIEW_USEC USEC_PER_SECOND
#define PERIOD_USEC (120 * USEC_PER_SECOND)
#define PRESSURE "some 150000 1000000" /* of each second 150 ms; Documentation/accounting/psi.rst */
#define FILE_MAX ((size_t)64 << 10)

enum { OF_HOST, OF_CGROUP, PRESSURES };

typedef struct Use {
        JailPolicy *policy;              /* NULL: this and the following ones are free */
        uint64_t level, peak;            /* `peak`: of this period */
        uint64_t expected;               /* by the supervisor */
        uint64_t moment_usec, in_moment; /* when the moment began, and how many have started since */
} Use;

struct Warm {
        JailLauncher *launcher;
        WarmLimits limits;
        Use uses[POLICIES_MAX];  /* the latest used first */
        sd_event_source *period; /* enabled while anything is kept */
        sd_event_source *pressure[PRESSURES];
        int pressure_fds[PRESSURES];
        uint64_t short_until_usec, reviewed_usec;
};

/* ---- memory ---- */

/* In /proc/meminfo, proc(5). Where it cannot be read, nothing is known to be available. */
static uint64_t available_bytes(void)
{
        _cleanup_close_ int fd = open("/proc/meminfo", O_RDONLY | O_CLOEXEC);
        char text[4096];
        ssize_t n = fd < 0 ? -1 : read_full(fd, text, sizeof text - 1);

        text[n > 0 ? n : 0] = '\0';
        const char *line = strstr(text, "\nMemAvailable:");
        return line ? strtoull(line + strlen("\nMemAvailable:"), NULL, 10) << 10 : 0;
}

static bool memory_is_short(const Warm *w)
{
        return monotonic_usec() < w->short_until_usec || available_bytes() < w->limits.memory_bytes;
}

/* ---- what is kept ---- */

static uint64_t wanted(const Warm *w, const Use *u)
{
        uint64_t n = u->expected > u->level ? u->expected : u->level;

        return n < w->limits.maximum ? n : w->limits.maximum;
}

/* Where all together want more than may be kept, each gets its share of it. */
void warm_review(Warm *w)
{
        uint64_t maximum = memory_is_short(w) ? 0 : w->limits.maximum, sum = 0;

        w->reviewed_usec = monotonic_usec();
        for (const Use *u = w->uses; u < w->uses + POLICIES_MAX && u->policy; u++)
                sum += wanted(w, u);
        for (Use *u = w->uses; u < w->uses + POLICIES_MAX && u->policy; u++) {
                uint64_t n = wanted(w, u);
                /* What cannot be kept is started cold. */
                jail_launcher_keep_warm(w->launcher, u->policy, sum > maximum ? n * maximum / sum : n, NULL);
        }
        sd_event_source_set_enabled(w->period, sum > 0 ? SD_EVENT_ONESHOT : SD_EVENT_OFF);
}

static int on_period(sd_event_source *source, uint64_t usec _unused_, void *userdata)
{
        Warm *w = userdata;

        for (Use *u = w->uses; u < w->uses + POLICIES_MAX && u->policy; u++) {
                u->level = u->peak > u->level / 2 ? u->peak : u->level / 2;
                u->peak = 0;
        }
        sd_event_source_set_time_relative(source, PERIOD_USEC);
        warm_review(w);
        return 0;
}

static int on_pressure(sd_event_source *source, int fd _unused_, uint32_t events, void *userdata)
{
        Warm *w = userdata;

        /* Its cgroup has gone. */
        if (events & EPOLLERR)
                return sd_event_source_set_enabled(source, SD_EVENT_OFF);
        w->short_until_usec = monotonic_usec() + PERIOD_USEC;
        warm_review(w);
        return 0;
}

/* Moves the policy's to the front. The one that was used longest ago is forgotten where there are too many. */
static Use *find_use(Warm *w, JailPolicy *policy)
{
        Use found = {0};
        size_t i = 0;

        while (i < POLICIES_MAX - 1 && w->uses[i].policy &&
               strcmp(jail_policy_digest(w->uses[i].policy), jail_policy_digest(policy)) != 0)
                i++;
        found = w->uses[i];
        if (!found.policy || strcmp(jail_policy_digest(found.policy), jail_policy_digest(policy)) != 0) {
                if (found.policy)
                        jail_launcher_keep_warm(w->launcher, found.policy, 0, NULL);
                jail_policy_unref(found.policy);
                found = (Use){.policy = jail_policy_ref(policy)};
        }
        memmove(&w->uses[1], &w->uses[0], i * sizeof found);
        w->uses[0] = found;
        return &w->uses[0];
}

void warm_used(Warm *w, JailPolicy *policy)
{
        uint64_t now = monotonic_usec();
        Use *u = find_use(w, policy);

        if (now - u->moment_usec >= MOMENT_USEC) {
                u->moment_usec = now;
                u->in_moment = 0;
        }
        u->in_moment++;
        if (u->in_moment > u->peak)
                u->peak = u->in_moment;
        bool higher = u->peak > u->level && u->level < w->limits.maximum;
        if (higher)
                u->level = u->peak < w->limits.maximum ? u->peak : w->limits.maximum;
        /* What was started is going to be replaced: not where memory has become short since. */
        if (higher || now - w->reviewed_usec >= REVIEW_USEC)
                warm_review(w);
}

void warm_expect(Warm *w, JailPolicy *policy, uint64_t jails)
{
        find_use(w, policy)->expected = jails;
}

void warm_expect_nothing(Warm *w)
{
        for (Use *u = w->uses; u < w->uses + POLICIES_MAX && u->policy; u++)
                u->expected = 0;
}

/* ---- its life ---- */

/* Has `on_pressure` called when processes wait for memory. What the host does not have is not watched. */
static int watch_pressure(Warm *w, sd_event *event, int which, const char *path)
{
        w->pressure_fds[which] = open(path, O_RDWR | O_CLOEXEC | O_NONBLOCK);
        if (w->pressure_fds[which] < 0 || write(w->pressure_fds[which], PRESSURE, sizeof PRESSURE) < 0)
                return 0;
        return sd_event_add_io(event, &w->pressure[which], w->pressure_fds[which], EPOLLPRI, on_pressure, w);
}

/* The file of this process's own group in the one hierarchy, which its name in /proc/self/cgroup ends; NULL: none. */
static char *pressure_of_cgroup(void)
{
        _cleanup_free_ char *text = NULL;
        char *path, *line;

        if (read_file_at(AT_FDCWD, "/proc/self/cgroup", FILE_MAX, &text, NULL) < 0 || !(line = strstr(text, "0::/")))
                return NULL;
        line += strlen("0::/");
        line[strcspn(line, "\n")] = '\0';
        return *line && asprintf(&path, "/sys/fs/cgroup/%s/memory.pressure", line) >= 0 ? path : NULL;
}

int warm_new(sd_event *event, JailLauncher *launcher, const WarmLimits *limits, Warm **ret, Error *e)
{
        _cleanup_free_ char *own = pressure_of_cgroup();
        Warm *w = calloc(1, sizeof *w);

        if (!w)
                return error_oom(e);
        *w = (Warm){.launcher = launcher, .limits = *limits, .pressure_fds = {-1, -1}};
        int r = sd_event_add_time_relative(event, &w->period, CLOCK_MONOTONIC, PERIOD_USEC, USEC_PER_SECOND, on_period,
                                           w);
        if (r >= 0)
                r = sd_event_source_set_enabled(w->period, SD_EVENT_OFF);
        if (r >= 0)
                r = watch_pressure(w, event, OF_HOST, "/proc/pressure/memory");
        if (r >= 0 && own)
                r = watch_pressure(w, event, OF_CGROUP, own);
        if (r < 0) {
                warm_free(w);
                return error_errno(e, r, "event loop");
        }
        *ret = w;
        return 0;
}

Warm *warm_free(Warm *w)
{
        sd_event_source_disable_unref(w->period);
        for (int i = 0; i < PRESSURES; i++) {
                sd_event_source_disable_unref(w->pressure[i]);
                close_fd(w->pressure_fds[i]);
        }
        for (size_t i = 0; i < POLICIES_MAX; i++)
                jail_policy_unref(w->uses[i].policy);
        free(w);
        return NULL;
}
