/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Jails that were made before their job: as many of a kind as the caller wants, each for one job.
 *
 * One takes as long to make as any, so it is made when that keeps nobody waiting: one at a time, when no job is about
 * to start, none was started or has ended a moment ago, and a processor has nothing to do. A program that has its jobs
 * run one after the other without a pause gets jails that are made for them; it would have to wait for the others just
 * as long. Where jobs keep all processors busy for long, some are made all the same: the next job needs one even more. */

#include "engine/base/clock.h"
#include "jail/running_jail.h"

#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <sys/stat.h>

#define PAUSE_USEC (2 * USEC_PER_MSEC)
#define BUSY_PAUSE_USEC USEC_PER_MSEC  /* when no processor is idle: until we look again */
#define BUSY_USEC (50 * USEC_PER_MSEC) /* and until one is made all the same */
#define RETRY_USEC USEC_PER_SECOND /* where one after the other ends before it is of use */

static WarmKind *find_kind(const Launcher *l, uint64_t number)
{
        WarmKind *k = l->kinds;

        while (k && k->number != number)
                k = k->next;
        return k;
}

static size_t count(const Launcher *l, uint64_t number, bool built)
{
        size_t n = 0;

        for (const RunningJail *j = l->jails; j; j = j->next)
                if (j->kind == number && !j->killed &&
                    (j->phase == PHASE_WAITING || (!built && j->phase == PHASE_BUILDING)))
                        n++;
        return n;
}

/* ---- what a kind is made of ---- */

static uint64_t stamp_of(const char *path)
{
        struct stat st;

        return stat(path, &st) < 0 ? 0 : (uint64_t)st.st_dev * 31 + (uint64_t)st.st_ino;
}

static uint64_t stamp_of_all(char *const *paths, uint64_t stamp)
{
        for (size_t i = 0; paths && paths[i]; i++)
                stamp = stamp * 31 + stamp_of(paths[i]);
        return stamp;
}

/* What of the host is in such a jail, by its paths: where one means something else by now, a jail that waits has what
 * it meant before. */
static uint64_t stamp_of_kind(const WarmKind *k)
{
        static const char *const always[] = {"/usr", "/etc/ld.so.cache", "/etc/alternatives"};
        const Plan *plan = &k->file.plan;
        uint64_t stamp = 0;

        for (size_t i = 0; i < ELEMENTS(always); i++)
                stamp = stamp * 31 + stamp_of(always[i]);
        stamp = stamp_of_all(plan->read_only, stamp);
        stamp = stamp_of_all(plan->writable, stamp);
        return stamp_of_all(plan->devices, stamp);
}

/* ---- what is wanted ---- */

static void end_surplus(Launcher *l, uint64_t number, size_t wanted)
{
        size_t n = 0;

        for (RunningJail *j = l->jails; j; j = j->next)
                if (j->kind == number && (j->phase == PHASE_WAITING || j->phase == PHASE_BUILDING) && !j->killed &&
                    ++n > wanted)
                        running_jail_kill(j, JAIL_CANCELLED);
}

static void kind_free(WarmKind *k)
{
        plan_file_done(&k->file);
        free(k);
}

static WarmKind *add_kind(Launcher *l, uint64_t number, int plan_fd)
{
        WarmKind *k = plan_fd < 0 ? NULL : calloc(1, sizeof *k);

        if (!k)
                return NULL;
        *k = (WarmKind){.next = l->kinds, .number = number};
        if (plan_file_open(plan_fd, &k->file) < 0 || !k->file.plan.waits) {
                kind_free(k);
                return NULL;
        }
        l->kinds = k;
        return k;
}

static void forget_kind(Launcher *l, uint64_t number)
{
        for (WarmKind **at = &l->kinds; *at; at = &(*at)->next)
                if ((*at)->number == number) {
                        WarmKind *k = *at;
                        *at = k->next;
                        kind_free(k);
                        return;
                }
}

void warm_keep(Launcher *l, uint64_t number, uint64_t wanted, int plan_fd)
{
        WarmKind *k = find_kind(l, number);

        if (!k && wanted > 0)
                k = add_kind(l, number, plan_fd);
        if (!k)
                return;
        k->wanted = wanted;
        k->retry_usec = 0;
        end_surplus(l, number, wanted);
        warm_tell(l, number);
        if (wanted == 0)
                forget_kind(l, number);
}

void warm_tell(Launcher *l, uint64_t number)
{
        _cleanup_packer_ Packer p = {0};

        pack_number(&p, LAUNCHER_WARM);
        pack_number(&p, number);
        pack_number(&p, count(l, number, true));
        launcher_send(l, &p, NULL, 0);
}

void warm_failed(Launcher *l, uint64_t number)
{
        WarmKind *k = find_kind(l, number);

        if (k)
                k->retry_usec = monotonic_usec() + RETRY_USEC;
}

/* ---- what there is ---- */

RunningJail *warm_find(Launcher *l, uint64_t number)
{
        const WarmKind *k = find_kind(l, number);
        uint64_t stamp = k ? stamp_of_kind(k) : 0;
        RunningJail *oldest = NULL;

        for (RunningJail *j = l->jails; k && j; j = j->next) {
                if (j->kind != number || j->phase != PHASE_WAITING || j->killed)
                        continue;
                if (j->stamp != stamp)
                        running_jail_kill(j, JAIL_CANCELLED);
                else if (running_jail_is_alive(j))
                        oldest = j; /* the list begins with the youngest */
        }
        return oldest;
}

static bool somebody_waits(const Launcher *l)
{
        struct pollfd p = {.fd = l->socket, .events = POLLIN};

        for (const RunningJail *j = l->jails; j; j = j->next)
                if (j->phase == PHASE_SETUP || j->phase == PHASE_BUILDING)
                        return true;
        return poll(&p, 1, 0) > 0;
}

/* Of the processors that we may use, none is to be taken from anybody: no more processes run than there are of them, we
 * among these. In /proc/loadavg, proc(5); where it cannot be read, nothing is known against it. */
static bool processor_is_idle(const Launcher *l)
{
        char text[128];
        ssize_t n = l->loadavg < 0 ? -1 : pread(l->loadavg, text, sizeof text - 1, 0);
        unsigned long running;
        cpu_set_t ours;

        text[n > 0 ? n : 0] = '\0';
        if (sscanf(text, "%*s %*s %*s %lu/", &running) != 1 || sched_getaffinity(0, sizeof ours, &ours) < 0)
                return true;
        return running <= (unsigned long)CPU_COUNT(&ours);
}

/* When one may be made, as far as the host is concerned: `now`, or later. */
static uint64_t when_idle(const Launcher *l, uint64_t now)
{
        uint64_t latest = l->refilled_usec + BUSY_USEC, next = now + BUSY_PAUSE_USEC;

        if (now >= latest || processor_is_idle(l))
                return now;
        return next < latest ? next : latest;
}

uint64_t warm_refill(Launcher *l, uint64_t now)
{
        uint64_t next = USEC_INFINITY;

        /* What happens then wakes us. */
        if (l->closing || !l->kinds || somebody_waits(l))
                return USEC_INFINITY;
        for (WarmKind *k = l->kinds; k; k = k->next) {
                uint64_t pause_end = l->busy_usec + PAUSE_USEC,
                         due = k->retry_usec > pause_end ? k->retry_usec : pause_end;
                if (count(l, k->number, false) >= k->wanted)
                        continue;
                if (now >= due && (due = when_idle(l, now)) == now) {
                        l->refilled_usec = now;
                        if (running_jail_make_warm(l, k, stamp_of_kind(k)) >= 0)
                                return USEC_INFINITY;
                        due = k->retry_usec = now + RETRY_USEC;
                }
                next = due < next ? due : next;
        }
        return next;
}

void warm_done(Launcher *l)
{
        while (l->kinds)
                forget_kind(l, l->kinds->number);
}
