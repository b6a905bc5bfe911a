/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What workers say of the attempts that they run. A report is acknowledged when it is on the disk; until then the worker
 * keeps it, and tells the next supervisor of it.
 *
 * A supervisor begins with what the one before has written down, and that may be less than what has happened: an attempt
 * may have been handed out, or have ended. So nothing is started before each worker that lives has said what it has, or has
 * ended (`settled`). What they have and is still wanted is taken up; what ran and nobody has, is lost. */

#include "engine/supervisor/supervisor_private.h"

#include "engine/base/clock.h"
#include "engine/base/json.h"
#include "engine/base/log.h"
#include "engine/supervisor/job_log.h"
#include "engine/supervisor/job_report.h"

#include <string.h>

/* ---- acknowledging ---- */

typedef struct Acknowledgement {
        char worker[8];
        Id job;
        uint64_t attempt;
} Acknowledgement;

static void acknowledge(Supervisor *s, void *userdata)
{
        const Acknowledgement *a = userdata;

        pool_acknowledge(s->pool, a->worker, a->job.text, a->attempt);
}

static void acknowledge_when_stored(Supervisor *s, const PoolWorker *worker, const char *id, uint64_t attempt)
{
        Acknowledgement *a = malloc(sizeof *a);

        if (!a)
                return; /* it is told of again, some day */
        a->attempt = attempt;
        snprintf(a->worker, sizeof a->worker, "%s", pool_worker_name(worker));
        snprintf(a->job.text, sizeof a->job.text, "%s", id);
        stored_then(s, acknowledge, a);
}

/* ---- while a supervisor lives ---- */

static Job *find_running(Supervisor *s, const PoolWorker *worker, const char *id, uint64_t attempt)
{
        Job *job = job_table_get(&s->jobs, id);

        return job && job->worker == worker && job->attempt == attempt ? job : NULL;
}

static void on_started(PoolWorker *worker, const char *id, uint64_t attempt, void *userdata)
{
        Supervisor *s = userdata;
        Job *job = find_running(s, worker, id, attempt);

        if (!job || job->state != JOB_STARTING)
                return;
        supervisor_set_state(s, job, JOB_RUNNING);
        job->started_usec = realtime_usec();
        array_started(job);
        job_log_started(job, pool_worker_name(worker));
}

static void take_report(Supervisor *s, Job *job, const PoolWorker *worker, const char *text)
{
        _cleanup_json_ json_object *report = NULL;
        _cleanup_error_ Error e = ERROR_NULL;

        if (json_parse_text(text, strlen(text), &report, &e) < 0 || !json_object_is_type(report, json_type_object)) {
                const LogFields fields = job_log_fields(job, LOG_EVENT_NONE, pool_worker_name(worker));
                log_message(LOG_LEVEL_ERROR, &fields, "worker %s: its report on job %s cannot be read", fields.worker,
                            fields.job);
                supervisor_finish(s, job, JOB_FAILED,
                                  job_report_own(job, JAIL_LOST, "the worker's report cannot be read",
                                                 pool_worker_name(worker)));
                return;
        }
        JobState state = job_report_state(report);
        job->charge.cpu_usec = job_report_cpu_usec(report);
        char *complete = job_report_complete(report, job, pool_worker_name(worker));
        if (state == JOB_FAILED || job->requeueing)
                supervisor_attempt_failed(s, job, job_report_reason(report), complete);
        else
                supervisor_finish(s, job, state, complete);
}

static void on_reported(PoolWorker *worker, const char *id, uint64_t attempt, const char *text, void *userdata)
{
        Supervisor *s = userdata;
        Job *job = find_running(s, worker, id, attempt);

        /* Nobody waits for it where the job is not known, has ended, or has come to a later attempt. */
        if (job)
                take_report(s, job, worker, text);
        acknowledge_when_stored(s, worker, id, attempt);
}

/* Its worker may have been packing what it has left. */
static void lose(Supervisor *s, Job *job, const char *why, const char *worker)
{
        const JailReason reason = job->cancelling ? JAIL_CANCELLED : JAIL_LOST;

        output_drop_files(s->outputs, &job->id, job->attempt);
        supervisor_attempt_failed(s, job, reason, job_report_own(job, reason, why, worker));
}

static void on_lost(PoolWorker *worker, void *userdata)
{
        Supervisor *s = userdata;

        /* What has ended is forgotten later: the table stays as it is. */
        for (size_t i = 0; i < s->jobs.n; i++)
                if (s->jobs.jobs[i]->worker == worker)
                        lose(s, s->jobs.jobs[i], "the worker that ran the job has died", pool_worker_name(worker));
        supervisor_judge_room(s);
        supervisor_dispatch(s);
}

static void on_unkept(void *userdata)
{
        supervisor_judge_room(userdata);
}

/* ---- from one supervisor to the next ---- */

/* Whether an attempt that a worker has is the job's last one: the one that is written down, or one that came after it. */
static bool is_wanted(const Supervisor *s, const Job *job, uint64_t attempt)
{
        if (s->settled || job->ended || job_state_is_final(job->state) || attempt < job->attempt)
                return false;
        if (attempt > job->attempt || (job_state_runs(job->state) && !job->worker))
                return true;
        if (job->state != JOB_QUEUED || job->worker)
                return false;
        /* Queued behind this attempt: somebody has requeued it while it ran. Or its report was on the disk, and the
         * acknowledgement on its way. Where that cannot be read, the job stays queued, as it is written. */
        _cleanup_free_ char *report = NULL;
        return store_report(s->store, &job->id, attempt, &report, NULL) >= 0 && !report;
}

static bool on_claimed(PoolWorker *worker, const WorkerAttempt *a, void *userdata)
{
        Supervisor *s = userdata;
        Job *job = job_table_get(&s->jobs, a->job);

        if (!job || !is_wanted(s, job, a->attempt))
                return false;
        bool requeued = !job_state_runs(job->state) && a->attempt == job->attempt;
        if (!job_state_runs(job->state) && job->state != JOB_QUEUED)
                supervisor_set_state(s, job, JOB_QUEUED);
        job->attempt = a->attempt;
        array_claimed(s, job);
        if (job->state == JOB_QUEUED)
                supervisor_set_state(s, job, JOB_STARTING);
        if (job->state == JOB_STARTING)
                supervisor_set_state(s, job, JOB_RUNNING);
        job->worker = worker;
        job->started_usec = a->started_usec;
        array_started(job);
        job->requeueing |= requeued;
        cache_lead(s, job);
        /* That it is to be cancelled is written down already. */
        if (!job->cancelling)
                store_update(s->store, job, job->requeueing ? JOB_QUEUED : job->state, NULL, NULL, NULL);
        if (job->cancelling || job->requeueing)
                pool_cancel(worker, job->id.text, job->attempt);
        return true;
}

void attempts_settle(Supervisor *s)
{
        s->settled = true;
        for (size_t i = 0; i < s->jobs.n; i++) {
                Job *job = s->jobs.jobs[i];
                if (!job->ended && job_state_runs(job->state) && !job->worker && !array_is_whole(job))
                        lose(s, job, "the worker that ran the job ended while there was no supervisor", NULL);
                else if (!job->ended && job->state == JOB_QUEUED && !job->policy && !array_is_whole(job))
                        supervisor_enter_queue(s, job);
        }
        cache_settled(s);
        supervisor_dispatch(s);
}

static void on_settled(void *userdata)
{
        attempts_settle(userdata);
}

static void on_room(void *userdata)
{
        supervisor_dispatch(userdata);
}

static void on_changed(const PoolWorker *worker, PoolChange change, void *userdata)
{
        const Supervisor *s = userdata;

        /* Those that are found at the start are there when the first client asks. */
        if (s->events && s->pool)
                s->events->worker_changed(worker, change, s->events_userdata);
}

const PoolEvents attempts_events = {
        .changed = on_changed,
        .has_room = on_room,
        .started = on_started,
        .reported = on_reported,
        .claimed = on_claimed,
        .settled = on_settled,
        .unkept = on_unkept,
        .lost = on_lost,
};
