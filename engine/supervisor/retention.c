/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Jobs that have ended are remembered, with their reports and output, until they are too old or too many; the oldest go
 * first, and where there are too many, those of the tenant that has most: nobody's go for another's. They stand in a list, in the order of their ends, so that only its head has to be looked at: when another job
 * ends, and when the time of the head has come. A job that others are to run after leaves the list, and is
 * not counted, until those have ended; so does an array for those after its members. An array counts as its members; the
 * last to have ended stays, however many these are. What one turn of the event loop does is bounded: what remains is done
 * in the next. */

#include "engine/supervisor/supervisor_private.h"

#include "engine/base/clock.h"
#include "engine/base/log.h"
#include "engine/base/strv.h"

#include <stdlib.h>
#include <string.h>

#define FORGOTTEN_AT_ONCE 32
#define TIMER_ACCURACY_USEC USEC_PER_SECOND

/* For how many jobs it counts. */
static uint64_t size_of(const Job *job)
{
        return array_is_whole(job) ? job->array->count : 1;
}

/* Others are to run after it. An array goes with its members, or not at all. */
static bool is_needed(const Job *job)
{
        return job->n_children > 0 || (array_is_whole(job) && job->array->n_children > 0);
}

static void leave_list(Supervisor *s, Job *job)
{
        TAILQ_REMOVE(&s->ended, job, queue);
        job->in_retention = false;
        s->n_ended -= size_of(job);
        job->tenant->n_ended -= size_of(job);
}

/* Jobs that are forgotten, whose output is to go. */
typedef struct Forgotten {
        size_t n;
        Id ids[];
} Forgotten;

static void remove_outputs(Supervisor *s, void *userdata)
{
        const Forgotten *gone = userdata;

        for (size_t i = 0; i < gone->n; i++)
                output_remove(s->outputs, &gone->ids[i]);
}

/* What is being copied goes after the copy; or with the next start, when there is no memory to note it. */
static void note_output(Supervisor *s, const Job *job, Forgotten *gone)
{
        if (!job->in_copy)
                gone->ids[gone->n++] = job->id;
        else if (strv_add(&s->copied_outputs, job->id.text) < 0)
                log_error("out of memory");
}

/* When it is on the disk that they are forgotten: whoever comes after a crash knows none whose output is gone. What is left
 * then is nobody's, and is removed by recovery. */
static void remove_output_later(Supervisor *s, const Job *job)
{
        size_t n = array_is_whole(job) ? job->array->count : 0;
        Forgotten *gone = malloc(sizeof *gone + (1 + n) * sizeof *gone->ids);

        if (!gone)
                return;
        gone->n = 0;
        note_output(s, job, gone);
        for (size_t i = 0; i < n; i++)
                note_output(s, job->array->members[i], gone);
        stored_then(s, remove_outputs, gone);
}

void retention_hold_outputs(Supervisor *s, bool held)
{
        Id id;

        for (size_t i = 0; i < s->jobs.n; i++) {
                Job *job = s->jobs.jobs[i];
                job->in_copy = held && (job->n_children > 0 || (job->member && !job_state_is_final(job->array->whole->state)));
        }
        for (size_t i = 0; s->copied_outputs && s->copied_outputs[i]; i++) {
                snprintf(id.text, sizeof id.text, "%s", s->copied_outputs[i]);
                output_remove(s->outputs, &id);
        }
        s->copied_outputs = strv_free(s->copied_outputs);
}

static void forget_parts(Supervisor *s, Job *job)
{
        submission_forget_key(s, job);
        account_close(job);
        cache_forget(s, job);
        s->n_finished--;
}

static void forget(Supervisor *s, Job *job)
{
        if (job->in_retention)
                leave_list(s, job);
        store_remove(s->store, &job->id);
        remove_output_later(s, job);
        for (size_t i = 0; array_is_whole(job) && i < job->array->count; i++)
                forget_parts(s, job->array->members[i]);
        forget_parts(s, job);
}

/* The table is an array: many are taken out in one pass. */
static void remove_forgotten(Supervisor *s, Job **jobs, size_t n)
{
        for (size_t i = 0; i < n; i++) {
                JobArray *array = array_is_whole(jobs[i]) ? jobs[i]->array : NULL;
                if (array)
                        job_table_remove(&s->jobs, array->members, array->count);
                for (size_t k = 0; array && k < array->count; k++)
                        job_free(array->members[k]);
        }
        job_table_remove(&s->jobs, jobs, n);
        for (size_t i = 0; i < n; i++)
                job_free(jobs[i]);
}

static bool is_too_old(const Supervisor *s, const Job *job, uint64_t now_usec)
{
        return job->finished_usec + s->config->retention.age_usec <= now_usec;
}

/* When there are too many, some more go than must: so that not each end of a job costs a pass over the table. */
static uint64_t count_wanted(const Supervisor *s)
{
        uint64_t most = s->config->retention.count, more = most / 64;

        return s->n_ended <= most ? most : most - (more < FORGOTTEN_AT_ONCE ? more : FORGOTTEN_AT_ONCE - 1);
}

static int on_due(sd_event_source *source, uint64_t usec, void *userdata);

/* Sets the timer to the end of the oldest, or to at once. */
static void wait_for_oldest(Supervisor *s, bool at_once)
{
        const Job *oldest = TAILQ_FIRST(&s->ended);
        uint64_t now = realtime_usec(), due = oldest ? oldest->finished_usec + s->config->retention.age_usec : 0;
        int r = 0;

        if (!oldest) {
                if (s->retention)
                        sd_event_source_set_enabled(s->retention, SD_EVENT_OFF);
                return;
        }
        uint64_t wait = at_once || due <= now ? 0 : due - now;
        if (!s->retention)
                r = sd_event_add_time_relative(s->event, &s->retention, CLOCK_MONOTONIC, wait, TIMER_ACCURACY_USEC,
                                               on_due, s);
        else if ((r = sd_event_source_set_time_relative(s->retention, wait)) >= 0)
                r = sd_event_source_set_enabled(s->retention, SD_EVENT_ONESHOT);
        if (r < 0)
                log_error("jobs that have ended are not forgotten: %s", strerror(-r));
}

/* `ret_floor`: with fewer, another has most. Not by one job, where there are many: who has as many as another would take turns
 * with it, and each turn is a pass over the table. */
static const Tenant *tenant_with_most(const Supervisor *s, uint64_t *ret_floor)
{
        const Tenant *most = NULL;
        uint64_t next = 0;

        for (size_t i = 0; i < tenants_count(s->tenants); i++) {
                const Tenant *t = tenants_at(s->tenants, i);
                if (most && t->n_ended <= most->n_ended) {
                        next = t->n_ended > next ? t->n_ended : next;
                        continue;
                }
                next = most ? most->n_ended : 0;
                most = t;
        }
        *ret_floor = next - next / 64;
        return most;
}

void retention_run(Supervisor *s)
{
        uint64_t now = realtime_usec(), wanted = count_wanted(s), floor = 0;
        Job *gone[FORGOTTEN_AT_ONCE], *next;
        const Tenant *most = NULL;
        size_t n = 0, looked_at = 0;

        for (Job *job = TAILQ_FIRST(&s->ended); job && looked_at < FORGOTTEN_AT_ONCE; job = next) {
                bool old = is_too_old(s, job, now);
                next = TAILQ_NEXT(job, queue);
                if (!old && (s->n_ended <= wanted || !next))
                        break;
                if (!old && !most)
                        most = tenant_with_most(s, &floor);
                /* Its oldest may have been passed over: they are found in the next turn. */
                if (!old && most->n_ended < floor)
                        break;
                /* Where there are too many, those of others stay. */
                if (!old && most != job->tenant)
                        continue;
                looked_at++;
                if (is_needed(job)) {
                        leave_list(s, job);
                        continue;
                }
                forget(s, job);
                gone[n++] = job;
        }
        if (n) {
                remove_forgotten(s, gone, n);
                supervisor_dispatch(s); /* a tenant may have room for output again */
        }
        wait_for_oldest(s, looked_at == FORGOTTEN_AT_ONCE || (looked_at > 0 && s->n_ended > s->config->retention.count));
}

static int on_due(sd_event_source *source _unused_, uint64_t usec _unused_, void *userdata)
{
        retention_run(userdata);
        return 0;
}

void retention_add(Supervisor *s, Job *job)
{
        const Job *last = TAILQ_LAST(&s->ended, JobList);
        Job *behind = NULL;

        /* One that had left the list is older than most. */
        if (last && last->finished_usec > job->finished_usec)
                for (behind = TAILQ_FIRST(&s->ended); behind->finished_usec <= job->finished_usec;)
                        behind = TAILQ_NEXT(behind, queue);
        if (behind)
                TAILQ_INSERT_BEFORE(behind, job, queue);
        else
                TAILQ_INSERT_TAIL(&s->ended, job, queue);
        job->in_retention = true;
        s->n_ended += size_of(job);
        job->tenant->n_ended += size_of(job);
        if (s->n_ended > s->config->retention.count)
                retention_run(s);
        else if (TAILQ_FIRST(&s->ended) == job)
                wait_for_oldest(s, false);
}

void retention_parent_freed(Supervisor *s, Job *job)
{
        if (job_state_is_final(job->state) && !job->in_retention && !is_needed(job))
                retention_add(s, job);
}

static int by_end(const void *a, const void *b)
{
        const Job *one = *(Job *const *)a, *other = *(Job *const *)b;

        return one->finished_usec < other->finished_usec ? -1 : one->finished_usec > other->finished_usec;
}

int retention_start(Supervisor *s)
{
        Job **jobs = calloc(s->jobs.n + 1, sizeof *jobs);
        size_t n = 0;

        if (!jobs)
                return -ENOMEM;
        for (size_t i = 0; i < s->jobs.n; i++)
                if (job_state_is_final(s->jobs.jobs[i]->state) && !s->jobs.jobs[i]->in_retention &&
                    !s->jobs.jobs[i]->member)
                        jobs[n++] = s->jobs.jobs[i];
        qsort(jobs, n, sizeof *jobs, by_end);
        for (size_t i = 0; i < n; i++) {
                TAILQ_INSERT_TAIL(&s->ended, jobs[i], queue);
                jobs[i]->in_retention = true;
                s->n_ended += size_of(jobs[i]);
                jobs[i]->tenant->n_ended += size_of(jobs[i]);
        }
        free(jobs);
        retention_run(s);
        return 0;
}

int supervisor_forget(Supervisor *s, Job *job)
{
        if (job->member)
                return -EXDEV;
        if (!job_state_is_final(job->state))
                return -EBUSY;
        if (is_needed(job))
                return -ENOTEMPTY;
        forget(s, job);
        remove_forgotten(s, &job, 1);
        supervisor_dispatch(s);
        return 0;
}
