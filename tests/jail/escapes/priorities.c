/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Before all others: realtime, priorities, limits of one's own that go up. */

#include "attack.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

static Verdict realtime(Attempt *a)
{
        static const int policies[] = {SCHED_FIFO, SCHED_RR, SCHED_FIFO | 0x40000000 /* SCHED_RESET_ON_FORK */};
        struct sched_param param = {.sched_priority = 1};

        for (size_t i = 0; i < ELEMENTS(policies); i++)
                if (sched_setscheduler(0, policies[i], &param) == 0) {
                        struct sched_param normal = {0};
                        sched_setscheduler(0, SCHED_OTHER, &normal);
                        return escaped(a, "realtime was had");
                }
        return by_result(a, -1, "sched_setscheduler");
}

/* include/uapi/linux/sched/types.h, which does not go with every <sched.h> */
typedef struct SchedulingAttribute {
        uint32_t size, policy;
        uint64_t flags;
        int32_t nice;
        uint32_t priority;
        uint64_t runtime, deadline, period;
} SchedulingAttribute;

static Verdict deadline(Attempt *a)
{
        SchedulingAttribute attr = {.size = sizeof attr, .policy = 6 /* SCHED_DEADLINE */, .runtime = 1000000,
                                    .deadline = 10000000, .period = 10000000};

        return by_result(a, syscall(SYS_sched_setattr, 0, &attr, 0), "sched_setattr");
}

static Verdict priority(Attempt *a)
{
        int now = getpriority(PRIO_PROCESS, 0);

        return by_result(a, setpriority(PRIO_PROCESS, 0, now - 1), "setpriority");
}

/* Of everybody with our id, on the host too where that is shared. */
static Verdict priority_of_user(Attempt *a)
{
        if (host_is_seen(a))
                return not_applicable(a, "the host's processes are among them");
        int now = getpriority(PRIO_USER, 0);
        return by_result(a, setpriority(PRIO_USER, 0, now - 1), "setpriority");
}

static Verdict io_realtime(Attempt *a)
{
        return by_result(a, syscall(SYS_ioprio_set, 1 /* IOPRIO_WHO_PROCESS */, 0, 1 << 13 /* IOPRIO_CLASS_RT */),
                         "ioprio_set");
}

static Verdict limits(Attempt *a)
{
        for (int i = 0; i < RLIM_NLIMITS; i++) {
                struct rlimit limit, more;
                if (getrlimit(i, &limit) < 0 || limit.rlim_max == RLIM_INFINITY)
                        continue;
                more = (struct rlimit){limit.rlim_cur, limit.rlim_max + 1};
                if (setrlimit(i, &more) == 0 || prlimit(0, i, &more, NULL) == 0)
                        return escaped(a, "limit %d was raised", i);
        }
        return held(a, "%s", strerrorname_np(errno));
}

static Verdict limits_of_1(Attempt *a)
{
        struct rlimit limit;

        if (prlimit(1, RLIMIT_NOFILE, NULL, &limit) < 0)
                return by_result(a, -1, "prlimit");
        return by_result(a, prlimit(1, RLIMIT_NOFILE, &limit, NULL), "prlimit");
}

static Verdict oom_score(Attempt *a)
{
        char now[16] = "", wanted[24];
        int fd = open("/proc/self/oom_score_adj", O_RDONLY | O_CLOEXEC);
        ssize_t n = fd < 0 ? -1 : read(fd, now, sizeof now - 1);

        if (n <= 0)
                return held(a, "it cannot be read: %s", strerrorname_np(errno));
        snprintf(wanted, sizeof wanted, "%ld", strtol(now, NULL, 10) - 1);
        return by_result(a, write_to("/proc/self/oom_score_adj", wanted), "lowering it");
}

/* A core that the job was kept away from. Processors are counted from outside too. */
static Verdict processors_of_1(Attempt *a)
{
        cpu_set_t set;

        if (sched_getaffinity(1, sizeof set, &set) < 0)
                return by_result(a, -1, "sched_getaffinity");
        return by_result(a, sched_setaffinity(1, sizeof set, &set), "sched_setaffinity of process 1");
}

/* A slice of the scheduler that is counted for the session, and not for the user (autogroup). */
static Verdict session_priority(Attempt *a)
{
        return by_result(a, write_to("/proc/self/autogroup", "-5"), "writing to /proc/self/autogroup");
}

/* A task with a cookie shares a core with none that has another: its other half runs nothing, whose ever that was. */
static Verdict core_alone(Attempt *a)
{
        if (prctl(62 /* PR_SCHED_CORE */, 1 /* PR_SCHED_CORE_CREATE */, 0, 0, 0) < 0 && errno != EPERM)
                return is_filtered() ? escaped(a, "prctl: %s, since this host has no such cores", strerrorname_np(errno))
                                     : not_applicable(a, "no such cores");
        return errno == EPERM ? by_result(a, -1, "PR_SCHED_CORE") : escaped(a, "it has a core for itself");
}

const Attack attacks_on_priorities[] = {
        {"realtime", "run before everybody (SCHED_FIFO, SCHED_RR)", realtime, NULL, 0, NULL},
        {"deadline", "reserve time (SCHED_DEADLINE)", deadline, NULL, 0, NULL},
        {"priority", "raise the own priority", priority, NULL, 0, NULL},
        {"priority-of-user", "raise that of all with our id", priority_of_user, NULL, 0, NULL},
        {"io-realtime", "read and write before everybody (ioprio_set)", io_realtime, NULL, 0, NULL},
        {"limits", "raise the own limits (setrlimit, prlimit)", limits, NULL, 0, NULL},
        {"limits-of-1", "set the limits of process 1", limits_of_1, NULL, 0, NULL},
        {"processors-of-1", "set the processors of process 1", processors_of_1, NULL, 0, NULL},
        {"oom-score", "be the last to be ended without memory", oom_score, NULL, 0, NULL},
        {"core-alone", "have the other half of a core left idle (PR_SCHED_CORE)", core_alone, NULL, 0, NULL},
        {"session-priority", "raise the priority of the session", session_priority, NULL, 0, NULL},
        {0},
};
