/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "jail/running_jail.h"

#include "engine/base/clock.h"

#include <sys/timerfd.h>

#define SETUP_LIMIT_USEC (60 * USEC_PER_SECOND) /* a bound file system that does not answer must not hold a jail */
#define CPU_CHECK_MIN_USEC (2 * USEC_PER_MSEC)

static uint64_t earliest(uint64_t a, uint64_t b)
{
        return a < b ? a : b;
}

static uint64_t processors(void)
{
        long n = sysconf(_SC_NPROCESSORS_ONLN);

        return n > 0 ? (uint64_t)n : 1;
}

/* Since the job came into the jail, which may have been there before. What cannot be read now is looked at again. */
static uint64_t cpu_used(const RunningJail *j)
{
        const Outcome *before = &j->before;
        uint64_t used = cgroup_cpu_usec(j->cgroup), others = 0;

        if (j->kind > 0 && before->cpu_user_usec != JAIL_UNKNOWN && before->cpu_system_usec != JAIL_UNKNOWN)
                others = before->cpu_user_usec + before->cpu_system_usec;
        return used > others ? used - others : 0;
}

/* Holds a jail against its clocks, and returns when to look again. */
static uint64_t check_clocks(Launcher *l, RunningJail *j, uint64_t now)
{
        const JailLimits *limits = &j->file.plan.limits;
        uint64_t next = USEC_INFINITY;

        if (j->phase == PHASE_GONE) {
                next = j->retry_usec;
                if (now >= next)
                        running_jail_gone(l, j); /* may free it */
                return next > now ? next : now + REMOVE_RETRY_USEC;
        }
        if (j->killed || j->ended || j->phase == PHASE_WAITING)
                return next;
        if (j->phase == PHASE_SETUP || j->phase == PHASE_BUILDING) {
                next = j->received_usec + SETUP_LIMIT_USEC;
                if (now >= next) {
                        j->setup_failed = true;
                        error_set(&j->error, -ETIMEDOUT, "the jail was not ready after 60 s");
                        running_jail_kill(j, JAIL_SETUP_FAILED);
                }
                return next;
        }
        if (limits->wall_usec != JAIL_UNLIMITED) {
                next = j->started_usec + limits->wall_usec;
                if (now >= next)
                        running_jail_kill(j, JAIL_WALL_LIMIT);
        }
        if (limits->cpu_time_usec != JAIL_UNLIMITED && j->cgroup >= 0) {
                if (now >= j->cpu_check_usec) {
                        uint64_t used = cpu_used(j);
                        uint64_t left = used < limits->cpu_time_usec ? limits->cpu_time_usec - used : 0;
                        if (left == 0)
                                running_jail_kill(j, JAIL_CPU_LIMIT);
                        /* All processors together cannot use it up before that. */
                        uint64_t pause = left / processors();
                        j->cpu_check_usec = now + (pause > CPU_CHECK_MIN_USEC ? pause : CPU_CHECK_MIN_USEC);
                }
                next = earliest(next, j->cpu_check_usec);
        }
        return next;
}

void clocks_check(Launcher *l)
{
        uint64_t now = monotonic_usec(), next = USEC_INFINITY;

        for (RunningJail *j = l->jails, *following; j; j = following) {
                following = j->next;
                next = earliest(next, check_clocks(l, j, now));
        }
        next = earliest(next, warm_refill(l, now));
        if (next == l->timer_usec)
                return;
        struct itimerspec at = {{0, 0}, {0, 0}};
        if (next != USEC_INFINITY) {
                at.it_value.tv_sec = (time_t)(next / USEC_PER_SECOND);
                at.it_value.tv_nsec = (long)(next % USEC_PER_SECOND) * 1000;
        }
        timerfd_settime(l->timer, TFD_TIMER_ABSTIME, &at, NULL);
        l->timer_usec = next;
}
