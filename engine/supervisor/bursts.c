/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "engine/supervisor/bursts.h"

#include "engine/base/cleanup.h"
#include "engine/base/clock.h"

#include <string.h>

#define MINUTE_SEC 60
/* At once is what comes within a moment: a worker does not make new jails in it (engine/worker/warm.c). */
#define MOMENT_USEC (200 * USEC_PER_MSEC)

static PolicyBursts *policy_free(PolicyBursts *p)
{
        free(p->name);
        recurrence_done(&p->recurrence);
        free(p);
        return NULL;
}

void bursts_done(Bursts *b)
{
        for (size_t i = 0; i < b->n; i++)
                policy_free(b->policies[i]);
        *b = (Bursts){0};
}

static PolicyBursts *policy_new(const char *name)
{
        PolicyBursts *p = calloc(1, sizeof *p);

        if (!p)
                return NULL;
        p->name = strdup(name);
        return p->name && recurrence_init(&p->recurrence) >= 0 ? p : policy_free(p);
}

/* The one of this name, which is the first then. Where there are too many, it takes the place of the one used longest ago.
 * NULL: out of memory; then it is not foreseen. */
static PolicyBursts *find(Bursts *b, const char *name)
{
        PolicyBursts *p = NULL;
        size_t i = 0;

        while (i < b->n && strcmp(b->policies[i]->name, name) != 0)
                i++;
        if (i < b->n) {
                p = b->policies[i];
        } else {
                if (!(p = policy_new(name)))
                        return NULL;
                if (b->n == BURSTS_POLICIES)
                        policy_free(b->policies[--i]);
                else
                        b->n++;
        }
        memmove(&b->policies[1], &b->policies[0], i * sizeof p);
        b->policies[0] = p;
        return p;
}

void bursts_arrived(Bursts *b, const char *policy, uint64_t jobs, uint64_t monotonic_usec)
{
        PolicyBursts *p = find(b, policy);

        if (!p)
                return;
        if (monotonic_usec - p->moment_usec >= MOMENT_USEC) {
                p->moment_usec = monotonic_usec;
                p->in_moment = 0;
        }
        p->in_moment += jobs;
        p->arrivals += jobs;
        p->at_once = p->in_moment > p->at_once ? p->in_moment : p->at_once;
}

size_t bursts_end_minute(Bursts *b, int64_t time_sec, uint64_t most, PolicyMinute ret[BURSTS_POLICIES])
{
        int64_t minute = time_sec / MINUTE_SEC;
        int64_t unwatched = minute - b->next;
        size_t n = 0;

        for (size_t i = 0; i < b->n; i++) {
                PolicyBursts *p = b->policies[i];
                for (int64_t j = 1; j <= unwatched && j <= (int64_t)ELEMENTS(p->hour); j++)
                        p->hour[(minute - j) % (int64_t)ELEMENTS(p->hour)] = 0;
                uint64_t at_once = p->at_once < most ? p->at_once : most;
                recurrence_add(&p->recurrence, minute, at_once);
                p->hour[minute % (int64_t)ELEMENTS(p->hour)] = p->arrivals;
                if (p->arrivals > 0)
                        ret[n++] = (PolicyMinute){p->name, time_sec, p->arrivals, at_once};
                p->arrivals = p->at_once = 0;
        }
        b->next = minute + 1;
        return n;
}

void bursts_remember_policy(Bursts *b, const char *policy, int64_t time_sec)
{
        PolicyBursts *p = find(b, policy);

        if (p)
                recurrence_add(&p->recurrence, time_sec / MINUTE_SEC, 0);
}

void bursts_remember_minute(Bursts *b, int64_t time_sec)
{
        for (size_t i = 0; i < b->n; i++)
                if (time_sec / MINUTE_SEC >= b->policies[i]->recurrence.first)
                        recurrence_add(&b->policies[i]->recurrence, time_sec / MINUTE_SEC, 0);
        b->next = time_sec / MINUTE_SEC + 1;
}

void bursts_remember(Bursts *b, const PolicyMinute *m)
{
        for (size_t i = 0; i < b->n; i++)
                if (strcmp(b->policies[i]->name, m->policy) == 0)
                        recurrence_add(&b->policies[i]->recurrence, m->time_sec / MINUTE_SEC, m->at_once);
}

uint64_t bursts_expect(const Bursts *b, const PolicyBursts *p, int minutes, RecurrenceClock *ret_clock)
{
        return recurrence_expect(&p->recurrence, b->next - BURSTS_LATE, b->next + minutes, ret_clock);
}

uint64_t bursts_in_hour(const PolicyBursts *p)
{
        uint64_t sum = 0;

        for (size_t i = 0; i < ELEMENTS(p->hour); i++)
                sum += p->hour[i];
        return sum;
}
