/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* How a job comes from one state to the next, and what that means for the queue, the counts, the timers and the store:
 * every change goes through supervisor_set_state() or supervisor_finish(), which hold it against the table of job.c. */

#include "engine/supervisor/supervisor_private.h"

#include "engine/base/clock.h"
#include "engine/base/log.h"
#include "engine/supervisor/job_log.h"
#include "engine/supervisor/job_report.h"

#include <stdlib.h>
#include <string.h>

#define BACKOFF_MAX_USEC (3600 * USEC_PER_SECOND)
#define UNSETTLED_USEC (100 * USEC_PER_MSEC)
#define TIMER_ACCURACY_USEC (10 * USEC_PER_MSEC)

void supervisor_enter_queue(Supervisor *s, Job *job)
{
        _cleanup_error_ Error e = ERROR_NULL;

        if (job->held) {
                cache_leave(s, job);
                array_left(s, job);
                return;
        }
        /* It is gone: a job that ran when this process began can run no more. */
        if (!job->policy && supervisor_find_job_policy(s, job, &e) < 0) {
                if (s->settled)
                        supervisor_finish(s, job, JOB_FAILED,
                                          job_report_own(job, JAIL_SETUP_FAILED, error_text(&e), NULL));
                return;
        }
        if (!array_may_enter(job) || cache_enter(s, job))
                return;
        if (queue_add(&s->queue, job) < 0) {
                log_error("out of memory");
                abort(); /* it is stored, and is in the queue again after the restart */
        }
        /* It may come and go as often as somebody holds and releases it, and is one job to be run. */
        if (!job->arrived)
                scaling_arrived(s->scaling, job->policy_name);
        job->arrived = true;
        scaling_counts(s->scaling);
}

static void take_room(Supervisor *s, Job *job)
{
        s->n_running++;
        job->arrived = false;
        queue_started(&s->queue, job, monotonic_usec());
        scaling_started(s->scaling, realtime_usec() - job->submitted_usec);
}

/* Out of the queue, or out of the count of those that run. */
static void leave_place(Supervisor *s, Job *job)
{
        if (array_is_whole(job))
                return;
        queue_remove(&s->queue, job);
        cache_unfollow(s, job);
        if (job->state == JOB_QUEUED) {
                s->n_queued--;
        } else if (job->state == JOB_STARTING || job->state == JOB_RUNNING) {
                s->n_running--;
                scaling_ended(s->scaling, monotonic_usec() - job->charge.since_usec);
                queue_ended(&s->queue, job, monotonic_usec());
                account_add_output(job, output_size(s->outputs, &job->id, job->attempt));
        }
        job->due = sd_event_source_disable_unref(job->due);
        job->due_usec = 0;
        job->worker = NULL;
        job->requeueing = false;
}

static bool check_transition(const Job *job, JobState state)
{
        if (!job->ended && job_state_may_become(job->state, state))
                return true;
        const LogFields fields = job_log_fields(job, LOG_EVENT_NONE, NULL);
        log_message(LOG_LEVEL_ERROR, &fields, "job %s: %s cannot become %s", fields.job, job_state_name(job->state),
                    job_state_name(state));
        return false;
}

bool supervisor_set_state(Supervisor *s, Job *job, JobState state)
{
        if (!check_transition(job, state))
                return false;
        if (state != JOB_RUNNING) {
                leave_place(s, job);
                s->n_queued += state == JOB_QUEUED;
        }
        if (state == JOB_STARTING) {
                job->deadline = sd_event_source_disable_unref(job->deadline);
                take_room(s, job);
        }
        if (state == JOB_QUEUED || state == JOB_BACKOFF)
                job->started_usec = 0;
        const JobState before = job->state;
        job->state = state;
        scaling_counts(s->scaling);
        account_set_state(job, state);
        array_moved(s, job, before, state);
        if (state == JOB_QUEUED)
                supervisor_enter_queue(s, job);
        return true;
}

/* The end is on the disk. */
static void on_ended(const Error *error _unused_, void *userdata)
{
        Job *job = userdata;
        Supervisor *s = job->supervisor;

        const JobState before = job->state;
        job->state = job->ending;
        job_log_ended(job);
        free(job->ran_on);
        job->ran_on = NULL;
        /* The job does not run again: what it was given is not needed any more. */
        inputs_take_back(s, job);
        s->n_finished++;
        cache_ended(s, job);
        dependencies_ended(s, job);
        if (s->events)
                s->events->finished(job, s->events_userdata);
        if (job->member)
                array_moved(s, job, before, job->state);
        else
                retention_add(s, job);
}

void supervisor_finish(Supervisor *s, Job *job, JobState state, char *report)
{
        if (!check_transition(job, state)) {
                free(report);
                return;
        }
        free(job->ran_on);
        job->ran_on = job->worker ? strdup(pool_worker_name(job->worker)) : NULL;
        leave_place(s, job);
        scaling_counts(s->scaling);
        account_set_state(job, state);
        job->ended = true;
        job->ending = state;
        job->finished_usec = realtime_usec();
        /* The last attempt keeps its own. */
        job->report_attempt = job->attempt + (job->report && job->report_attempt == job->attempt);
        free(job->report);
        job->report = report;
        store_update(s->store, job, state, report, on_ended, job);
        array_left(s, job);
}

/* Twice as long after each failure, and not at the same moment for all that failed together. */
static uint64_t backoff_usec(const Job *job)
{
        uint64_t usec = job->spec.retry.backoff_usec;

        for (uint64_t i = 1; i < job->failures && usec < BACKOFF_MAX_USEC; i++)
                usec *= 2;
        if (usec > BACKOFF_MAX_USEC)
                usec = BACKOFF_MAX_USEC;
        uint32_t jitter = (uint32_t)(usec / 4);
        return usec - jitter / 2 + (jitter ? arc4random_uniform(jitter) : 0);
}

static int on_due(sd_event_source *source _unused_, uint64_t usec _unused_, void *userdata)
{
        Job *job = userdata;
        Supervisor *s = job->supervisor;

        supervisor_set_state(s, job, JOB_QUEUED);
        store_update(s->store, job, JOB_QUEUED, NULL, NULL, NULL);
        supervisor_dispatch(s);
        return 0;
}

static int on_deadline(sd_event_source *source, uint64_t usec _unused_, void *userdata)
{
        Job *job = userdata;

        /* It may have been started, by the supervisor before: one of its workers will say so. */
        if (!job->supervisor->settled) {
                int r = sd_event_source_set_time_relative(source, UNSETTLED_USEC);
                return r < 0 ? r : sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
        }
        job->deadline = sd_event_source_disable_unref(job->deadline);
        if (!job->ended && !job->worker)
                supervisor_finish(job->supervisor, job, JOB_FAILED,
                                  job_report_own(job, JAIL_DEADLINE, "the job was not started before its deadline",
                                                 NULL));
        return 0;
}

/* By the clock of the wall, since they must be the same after a restart; but a timer that runs is not moved by it. */
static void set_timer(Supervisor *s, sd_event_source **timer, uint64_t realtime, sd_event_time_handler_t handler,
                      Job *job)
{
        uint64_t now = realtime_usec();

        *timer = sd_event_source_disable_unref(*timer);
        int r = sd_event_add_time_relative(s->event, timer, CLOCK_MONOTONIC, realtime > now ? realtime - now : 0,
                                           TIMER_ACCURACY_USEC, handler, job);
        if (r < 0) {
                const LogFields fields = job_log_fields(job, LOG_EVENT_NONE, NULL);
                log_message(LOG_LEVEL_ERROR, &fields, "job %s: its timer cannot be set: %s", fields.job, strerror(-r));
        }
}

/* Of a job that is in the table: its deadline, and the end of its backoff. */
static void set_timers(Supervisor *s, Job *job)
{
        /* What has been started once has kept its deadline. */
        if (job->spec.deadline_usec && job->attempt == 0)
                set_timer(s, &job->deadline, job->submitted_usec + job->spec.deadline_usec, on_deadline, job);
        if (job->state == JOB_BACKOFF)
                set_timer(s, &job->due, job->due_usec, on_due, job);
}

/* How the attempt ended is on the disk: whoever comes after a crash knows of each one before the last. */
static void on_failure_stored(const Error *error _unused_, void *userdata)
{
        Job *job = userdata;

        if (!job->ended)
                set_timers(job->supervisor, job);
}

void supervisor_attempt_failed(Supervisor *s, Job *job, JailReason reason, char *report)
{
        /* Queued again it is as after a failure that does not count, without a pause. */
        const bool requeued = job->requeueing;

        job->failures += !requeued;
        if (!requeued && (job->cancelling || !(job->spec.retry.on & (1U << reason)) ||
                          job->failures >= job->spec.retry.attempts)) {
                supervisor_finish(s, job, reason == JAIL_CANCELLED ? JOB_CANCELLED : JOB_FAILED, report);
                return;
        }
        if (!supervisor_set_state(s, job, JOB_BACKOFF)) {
                free(report);
                return;
        }
        free(job->report);
        job->report = report;
        job->report_attempt = job->attempt;
        job->due_usec = realtime_usec() + (requeued ? 0 : backoff_usec(job));
        store_update(s->store, job, JOB_BACKOFF, report, on_failure_stored, job);
}

int supervisor_admit(Supervisor *s, Job *job)
{
        if (job_table_add(&s->jobs, job) < 0)
                return -ENOMEM;
        if (array_is_whole(job)) {
                if (s->events)
                        s->events->admitted(job, s->events_userdata);
                return 0;
        }
        if (job->member)
                array_count(job);
        if (job->state == JOB_QUEUED) {
                s->n_queued++;
                supervisor_enter_queue(s, job);
        } else if (job->state == JOB_STARTING || job->state == JOB_RUNNING) {
                take_room(s, job);
                cache_lead(s, job);
        }
        set_timers(s, job);
        if (s->events)
                s->events->admitted(job, s->events_userdata);
        return 0;
}

/* ---- what people do with jobs ---- */

int supervisor_hold(Supervisor *s, Job *job, bool held)
{
        if (job->ended || job_state_is_final(job->state))
                return -EALREADY;
        if (array_is_whole(job)) {
                array_begin_all(job->array);
                for (size_t i = 0; i < job->array->count; i++)
                        supervisor_hold(s, job->array->members[i], held);
                array_end_all(s, job->array);
        }
        if (job->held == held)
                return 0;
        job->held = held;
        queue_remove(&s->queue, job);
        /* One that runs goes on, and those that are the same wait for it. */
        if (!job_state_runs(job->state))
                cache_leave(s, job);
        if (held && !job_state_runs(job->state))
                array_left(s, job);
        if (job->state == JOB_QUEUED && !array_is_whole(job))
                supervisor_enter_queue(s, job);
        /* What is being cancelled, or queued again, is written down as that. */
        if (!job->cancelling)
                store_update(s->store, job, job->requeueing ? JOB_QUEUED : job->state, NULL, NULL, NULL);
        scaling_counts(s->scaling);
        supervisor_dispatch(s);
        return 0;
}

/* Whether it has an attempt to be ended, or one to be waited for. */
static bool has_attempt(const Job *job)
{
        if (array_is_whole(job)) {
                for (size_t i = 0; i < job->array->count; i++)
                        if (has_attempt(job->array->members[i]))
                                return true;
                return false;
        }
        if (job->ended || job->cancelling || job->requeueing)
                return false;
        return job_state_runs(job->state) || job->state == JOB_BACKOFF;
}

static void requeue(Supervisor *s, Job *job)
{
        if (!has_attempt(job))
                return;
        if (job_state_runs(job->state)) {
                job->requeueing = true;
                /* It is to be known after a crash as well: then what the worker reports is no cancellation. */
                store_update(s->store, job, JOB_QUEUED, NULL, NULL, NULL);
                if (job->worker)
                        pool_cancel(job->worker, job->id.text, job->attempt);
        } else if (job->due) {
                on_due(NULL, 0, job);
        } else {
                job->due_usec = realtime_usec(); /* as soon as its failure is on the disk */
        }
}

int supervisor_requeue(Supervisor *s, Job *job, Error *e)
{
        uint64_t now = monotonic_usec();

        if (job->ended || job_state_is_final(job->state))
                return -EALREADY;
        if (!has_attempt(job))
                return 0;
        int r = tenant_check_rate(job->tenant, now, e);
        if (r < 0)
                return r;
        tenant_count_submission(job->tenant, now);
        if (!array_is_whole(job))
                requeue(s, job);
        else
                for (size_t i = 0; i < job->array->count; i++)
                        requeue(s, job->array->members[i]);
        return 0;
}
