/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Which job is the next.
 *
 * Between tenants the machine is shared by what they have used of it, in the relation of their weights. Each has a
 * virtual time: what its jobs have used, divided by its weight. Who has the least of it is next. So a tenant with a
 * hundred thousand jobs has no more of the machine than one with ten; each of its starts puts it behind the other.
 *
 * What is used is the time for which a job has its room in the pool (in processors, or in memory where it takes more of
 * that: a sleeping job keeps others out as well as one that computes), and the processor time that its report tells of.
 * Room is charged as time passes, so that long jobs count while they run. That is too late for starts that come at the
 * same moment: so each start is charged in advance with what the tenant's jobs cost lately, and that is given back at
 * the end. In the long run, only what was really used remains.
 *
 * A tenant that comes with a first job has used nothing, and would have everything for itself until it had caught up
 * with the others. So it begins where the foremost of those that wait stands (`virtual_usec` of the queue), and what it
 * did not use while it was away is gone; but its first job is the next (`fresh`). The same goes for one that had
 * reached its ceiling of running jobs, or of output. Who comes back having used more than the others waits for his turn.
 *
 * Tenants that have jobs here and may start one more stand in a heap by their virtual time. Times of those that run jobs
 * advance by themselves; the heap is put in order again when something is started and a tenth of a second has passed
 * since the last time. Within a tenant there is a line for each priority (job_line.c), and a bitmap of those that are
 * not empty. So to add and to remove are O(log tenants + log jobs), and to find the next O(log tenants).
 *
 * A job also needs room in the pool (resources.c). When there is none for the one that is the next, others go before
 * it: of the first TENANTS_LOOKED_AT tenants, the first JOBS_LOOKED_AT jobs of each are looked at, never more. Else a
 * job that needs much room would be held up by small ones for ever: so when some have gone before it (PASSES_MAX; those
 * of other tenants, who take its share, weigh more), room is reserved for it. For STRICT_USEC nothing else is started:
 * as a rule enough of what runs has ended by then. If not, it may have to wait for one that runs for days, and others
 * are started again, as long as there would still be room for it if all had ended that ran before. That may be nobody:
 * so where it is jobs of its own tenant that are still in its way after KEPT_USEC, none is kept for that tenant for as
 * long, and then for twice as long, until one has been started that waited so. */

#include "engine/supervisor/queue.h"

#include "engine/base/clock.h"
#include "engine/supervisor/job.h"

#include <stdlib.h>
#include <string.h>

#define TENANTS_LOOKED_AT 16
#define JOBS_LOOKED_AT 16
#define PASSES_MAX 16
#define PASS_OF_OTHER 8 /* counts as so many of its own tenant's */
#define STRICT_USEC (2 * USEC_PER_SECOND)
#define KEPT_USEC (10 * USEC_PER_SECOND)
#define REST_MAX_USEC (60 * 60 * USEC_PER_SECOND)
#define REFRESH_USEC (100 * USEC_PER_MSEC)
#define TYPICAL_USEC_DEFAULT 100000.0
#define TYPICAL_USEC_MIN 100.0
#define TYPICAL_OF_LAST 8 /* jobs, about so many of which count */

/* ---- virtual time ---- */

static double key_of(const Tenant *t)
{
        return t->share.virtual_usec + t->share.advance_usec / (double)t->rules.weight;
}

static void use(Tenant *t, double usec)
{
        t->share.virtual_usec += usec / (double)t->rules.weight;
        t->used_usec += (uint64_t)usec;
}

/* Charges the room that its jobs have had since the last time. */
static void accrue(Tenant *t, uint64_t now_usec)
{
        if (t->share.slots_milli > 0)
                use(t, (double)(now_usec - t->share.accrued_usec) * (double)t->share.slots_milli / 1000);
        t->share.accrued_usec = now_usec;
}

static bool is_before(const Tenant *a, const Tenant *b)
{
        double one = key_of(a), other = key_of(b);

        if (a->share.fresh != b->share.fresh)
                return a->share.fresh;
        if (!a->share.fresh && (one < other || one > other))
                return one < other;
        return a->share.entered < b->share.entered;
}

/* ---- the heap ---- */

static void heap_put(Queue *q, size_t at, Tenant *t)
{
        q->heap[at] = t;
        t->share.place = at + 1;
}

static void heap_raise(Queue *q, size_t at)
{
        Tenant *t = q->heap[at];

        for (; at > 0 && is_before(t, q->heap[(at - 1) / 2]); at = (at - 1) / 2)
                heap_put(q, at, q->heap[(at - 1) / 2]);
        heap_put(q, at, t);
}

static void heap_lower(Queue *q, size_t at)
{
        Tenant *t = q->heap[at];

        for (size_t child; (child = 2 * at + 1) < q->n; at = child) {
                if (child + 1 < q->n && is_before(q->heap[child + 1], q->heap[child]))
                        child++;
                if (!is_before(q->heap[child], t))
                        break;
                heap_put(q, at, q->heap[child]);
        }
        heap_put(q, at, t);
}

static void heap_insert(Queue *q, Tenant *t)
{
        heap_put(q, q->n++, t);
        heap_raise(q, q->n - 1);
}

static void heap_take(Queue *q, Tenant *t)
{
        size_t at = t->share.place - 1;

        t->share.place = 0;
        if (at == --q->n)
                return;
        heap_put(q, at, q->heap[q->n]);
        heap_raise(q, at);
        heap_lower(q, at);
}

static void heap_moved(Queue *q, const Tenant *t)
{
        if (t->share.place == 0)
                return;
        heap_raise(q, t->share.place - 1);
        heap_lower(q, t->share.place - 1);
}

/* Times have advanced: all of it is put in order again. */
static void refresh(Queue *q, uint64_t now_usec)
{
        if (now_usec - q->refreshed_usec < REFRESH_USEC)
                return;
        q->refreshed_usec = now_usec;
        for (size_t i = 0; i < q->n; i++)
                accrue(q->heap[i], now_usec);
        for (size_t i = q->n / 2; i > 0; i--)
                heap_lower(q, i - 1);
}

static void end_reservation(Queue *q)
{
        q->reserved = NULL;
        q->strict_until_usec = 0;
        q->beside = (Demand){0};
}

static void count_startable(Queue *q, Tenant *t, bool any)
{
        uint64_t more = any ? t->rules.limits.running - t->share.running : 0, n = t->share.n_jobs < more ? t->share.n_jobs : more;

        q->n_startable += n - t->share.n_startable;
        t->share.n_startable = n;
}

/* In the heap, or not, as it is now to be. */
static int settle(Queue *q, Tenant *t)
{
        bool belongs = t->share.n_jobs > 0 && t->share.running < t->rules.limits.running && tenant_has_output_room(t);

        count_startable(q, t, belongs);
        if (!belongs && t->share.place > 0)
                heap_take(q, t);
        if (!belongs && q->reserved && q->reserved->tenant == t)
                end_reservation(q);
        if (!belongs || t->share.place > 0)
                return 0;
        if (q->n == q->room) {
                size_t room = q->room ? q->room * 2 : 16;
                Tenant **larger = reallocarray(q->heap, room, sizeof(Tenant *));
                if (!larger)
                        return -ENOMEM;
                q->heap = larger;
                q->room = room;
        }
        double behind = q->virtual_usec - t->share.virtual_usec;
        if (behind >= 0) {
                t->share.virtual_usec += behind;
                t->share.fresh = true;
        }
        t->share.entered = ++q->serial;
        heap_insert(q, t);
        return 0;
}

/* ---- a tenant's jobs ---- */

static int highest_priority(const Share *share)
{
        for (int word = 1; word >= 0; word--)
                if (share->present[word])
                        return word * 64 + 63 - __builtin_clzll(share->present[word]);
        return -1;
}

static Job *first_job(const Tenant *t)
{
        return t->share.jobs[highest_priority(&t->share)].first;
}

/* The one behind, of the same priority or of the next lower one; NULL at the end. */
static Job *job_behind(const Tenant *t, const Job *job)
{
        Job *next = job_line_next(job);

        for (int priority = (int)job->spec.priority - 1; !next && priority >= 0; priority--)
                if (t->share.present[priority / 64] & (UINT64_C(1) << priority % 64))
                        next = t->share.jobs[priority].first;
        return next;
}

int queue_add(Queue *q, Job *job)
{
        Share *share = &job->tenant->share;
        uint64_t priority = job->spec.priority;

        if (!share->jobs) {
                share->jobs = calloc(PRIORITY_MAX + 1, sizeof *share->jobs);
                if (!share->jobs)
                        return -ENOMEM;
        }
        share->n_jobs++;
        int r = settle(q, job->tenant);
        if (r < 0) {
                share->n_jobs--;
                return r;
        }
        job_line_add(&share->jobs[priority], job);
        share->present[priority / 64] |= UINT64_C(1) << priority % 64;
        job->in_queue = true;
        return 0;
}

void queue_remove(Queue *q, Job *job)
{
        Share *share = &job->tenant->share;
        uint64_t priority = job->spec.priority;

        if (!job->in_queue)
                return;
        job_line_remove(&share->jobs[priority], job);
        if (!share->jobs[priority].root)
                share->present[priority / 64] &= ~(UINT64_C(1) << priority % 64);
        share->n_jobs--;
        job->in_queue = false;
        job->passes = 0;
        if (q->reserved == job)
                end_reservation(q);
        if (q->passed == job)
                q->passed = NULL;
        settle(q, job->tenant);
}

size_t queue_jobs_before(const Job *job, size_t most)
{
        size_t n = 0;

        for (const Job *other = first_job(job->tenant); other && other != job && n < most;
             other = job_behind(job->tenant, other))
                n++;
        return n;
}

/* ---- the next ---- */

static bool has_room(const Queue *q, const Job *job, uint64_t now_usec)
{
        if (!q->reserved || q->reserved == job)
                return resources_fit(&q->resources, &job->demand);
        return now_usec >= q->strict_until_usec &&
               resources_fit_beside(&q->resources, &job->demand, &q->beside, &q->reserved->demand);
}

static Job *first_with_room(const Queue *q, const Tenant *t, uint64_t now_usec)
{
        Job *job = first_job(t);

        for (int i = 0; job && i < JOBS_LOOKED_AT; i++, job = job_behind(t, job))
                if (has_room(q, job, now_usec))
                        return job;
        return NULL;
}

static void look_at_reservation(Queue *q, uint64_t now_usec)
{
        Job *job = q->reserved;
        Share *share = &job->tenant->share;

        if (resources_have_room(&q->resources, &job->demand, &share->used)) {
                q->kept_until_usec = now_usec + KEPT_USEC;
                return;
        }
        share->rest_usec = share->rest_usec ? 2 * share->rest_usec : KEPT_USEC;
        if (share->rest_usec > REST_MAX_USEC)
                share->rest_usec = REST_MAX_USEC;
        share->resting_until_usec = now_usec + share->rest_usec;
        job->passes = 0;
        end_reservation(q);
}

Job *queue_next(Queue *q, uint64_t now_usec)
{
        Tenant *looked_at[TENANTS_LOOKED_AT];
        size_t n = 0;
        Job *job = NULL;

        if (q->n == 0)
                return NULL;
        refresh(q, now_usec);
        if (q->reserved && now_usec >= q->kept_until_usec)
                look_at_reservation(q, now_usec);
        /* Not what was charged in advance: that may have been far too much. */
        if (q->heap[0]->share.virtual_usec > q->virtual_usec)
                q->virtual_usec = q->heap[0]->share.virtual_usec;
        Tenant *tenant = q->reserved ? q->reserved->tenant : NULL;
        if (tenant && tenant->share.place > 0 && has_room(q, q->reserved, now_usec)) {
                tenant->share.rest_usec = 0;
                return q->reserved;
        }
        Job *first = first_job(q->heap[0]);
        while (!job && q->n > 0 && n < TENANTS_LOOKED_AT) {
                looked_at[n] = q->heap[0];
                job = first_with_room(q, q->heap[0], now_usec);
                heap_take(q, looked_at[n++]);
        }
        while (n > 0)
                heap_insert(q, looked_at[--n]);
        q->passed = job && job != first ? first : NULL;
        return job;
}

uint64_t queue_look_again_usec(const Queue *q, uint64_t now_usec)
{
        return !q->reserved ? 0 : q->strict_until_usec > now_usec ? q->strict_until_usec : q->kept_until_usec;
}

/* One has gone before the first: when that has happened to it too often, room is kept for it. */
static void count_pass(Queue *q, const Tenant *by, uint64_t now_usec)
{
        Job *job = q->passed;

        if (!job || q->reserved || now_usec < job->tenant->share.resting_until_usec)
                return;
        job->passes += job->tenant == by ? 1 : PASS_OF_OTHER;
        if (job->passes < PASSES_MAX)
                return;
        q->reserved = job;
        q->kept_until_usec = now_usec + KEPT_USEC;
        q->reservation++;
        q->strict_until_usec = now_usec + STRICT_USEC;
        q->beside = (Demand){0};
}

void queue_started(Queue *q, Job *job, uint64_t now_usec)
{
        Tenant *t = job->tenant;
        Share *share = &t->share;

        accrue(t, now_usec);
        job->charge = (Charge){
                .since_usec = now_usec,
                .slots_milli = resources_share_milli(&q->resources, &job->demand),
                .reservation = q->reserved ? q->reservation : 0,
                .advance_usec = share->typical_usec > 0 ? share->typical_usec : TYPICAL_USEC_DEFAULT,
        };
        share->running++;
        share->slots_milli += job->charge.slots_milli;
        share->advance_usec += job->charge.advance_usec;
        share->fresh = false;
        demand_add(&q->resources.used, &job->demand);
        demand_add(&share->used, &job->demand);
        if (q->reserved)
                demand_add(&q->beside, &job->demand);
        count_pass(q, t, now_usec);
        settle(q, t);
        heap_moved(q, t);
}

void queue_ended(Queue *q, Job *job, uint64_t now_usec)
{
        Tenant *t = job->tenant;
        Share *share = &t->share;
        double cpu_usec = (double)job->charge.cpu_usec,
               cost = (double)(now_usec - job->charge.since_usec) * (double)job->charge.slots_milli / 1000 + cpu_usec;

        accrue(t, now_usec);
        use(t, cpu_usec);
        share->running--;
        share->slots_milli -= job->charge.slots_milli;
        share->advance_usec = share->running > 0 ? share->advance_usec - job->charge.advance_usec : 0;
        if (cost < TYPICAL_USEC_MIN)
                cost = TYPICAL_USEC_MIN;
        share->typical_usec += share->typical_usec > 0 ? (cost - share->typical_usec) / TYPICAL_OF_LAST : cost;
        demand_subtract(&q->resources.used, &job->demand);
        demand_subtract(&share->used, &job->demand);
        if (q->reserved && job->charge.reservation == q->reservation)
                demand_subtract(&q->beside, &job->demand);
        /* It may start one more than before. */
        settle(q, t);
        heap_moved(q, t);
}

void queue_tenant_changed(Queue *q, Tenant *t, uint64_t now_usec)
{
        accrue(t, now_usec);
        settle(q, t);
        heap_moved(q, t);
}

void share_done(Share *share)
{
        free(share->jobs);
}

void queue_done(Queue *q)
{
        free(q->heap);
}
