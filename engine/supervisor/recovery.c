/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What an earlier supervisor has left in the state directory. Jobs that had ended are shown; those that waited wait
 * again; those that ran are taken up when a worker says that it has them, or lost (attempts.c). What belongs to nobody
 * is removed: it was on its way when that supervisor ended. */

#include "engine/supervisor/supervisor_private.h"

#include "engine/base/clock.h"
#include "engine/base/json.h"
#include "engine/supervisor/job_report.h"

#include <string.h>

static int copy(const char *text, char **ret, Error *e)
{
        *ret = strdup(text ? text : "");
        return *ret ? 0 : error_oom(e);
}

static int read_blobs(Supervisor *s, Job *job, const char *text, Error *e)
{
        _cleanup_json_ json_object *list = NULL;
        int r = json_parse_text(text, strlen(text), &list, e);

        if (r >= 0 && !json_object_is_type(list, json_type_array))
                r = error_set(e, -EUCLEAN, "the inputs of the job cannot be read");
        for (size_t i = 0; r >= 0 && i < json_object_array_length(list) && i < JAIL_INPUTS_MAX; i++) {
                json_object *pair = json_object_array_get_idx(list, i);
                bool is_pair = json_object_is_type(pair, json_type_array) && json_object_array_length(pair) == 2;
                const char *name = is_pair ? json_object_get_string(json_object_array_get_idx(pair, 0)) : NULL,
                           *blob = is_pair ? json_object_get_string(json_object_array_get_idx(pair, 1)) : NULL;
                if (!name || !blob)
                        return error_set(e, -EUCLEAN, "the inputs of the job cannot be read");
                if (blobs_adopt(s->blobs, blob) < 0)
                        return error_set(e, -ENOENT, "the job's input \"%s\" is not there any more", name);
                r = inputs_give(s, job, name, blob, false, e);
        }
        return r;
}

/* What it needs to run. A worker that runs it has its policy (be it that its start was never written down); and an array is what
 * becomes of its members. */
static int read_for_running(Supervisor *s, Job *job, const StoredJob *stored, Error *e)
{
        int r = read_blobs(s, job, stored->inputs, e);

        if (r < 0)
                return r;
        r = supervisor_find_job_policy(s, job, e);
        return job_state_runs(job->state) || job->state == JOB_QUEUED || array_is_whole(job) ? 0 : r;
}

static int take_unfinished(Supervisor *s, Job *job, const StoredJob *stored, int bad, const Error *why)
{
        _cleanup_error_ Error e = ERROR_NULL;

        job->state = stored->state;
        /* It was queued again while it ran. */
        if (!job_state_runs(job->state) && !array_is_whole(job))
                job->started_usec = 0;
        bool lacks = bad < 0 || read_for_running(s, job, stored, &e) < 0;
        if (!lacks && job->member && job->array->whole->ended) {
                error_set(&e, -ENOENT, "the array cannot be run");
                lacks = true;
        }
        if (supervisor_admit(s, job) < 0)
                return -ENOMEM;
        if (lacks && !job->ended)
                supervisor_finish(s, job, JOB_FAILED,
                                  job_report_own(job, JAIL_SETUP_FAILED, error_text(bad < 0 ? why : &e), NULL));
        return 0;
}

/* A copy of the state has not what those have left that had ended, and somebody may have removed it. Then it takes no room. */
static void take_output(Supervisor *s, Job *job, uint64_t bytes)
{
        job->output_gone = bytes > 0 && !output_is_there(s->outputs, &job->id);
        account_add_output(job, job->output_gone ? 0 : bytes);
}

static int take_job(const StoredJob *stored, void *userdata, Error *e)
{
        _cleanup_error_ Error why = ERROR_NULL;
        _cleanup_(job_freep) Job *job = calloc(1, sizeof *job);
        Supervisor *s = userdata;
        int r;

        if (!job)
                return error_oom(e);
        job->supervisor = s;
        snprintf(job->id.text, sizeof job->id.text, "%s", stored->id);
        job->attempt = stored->attempt;
        job->report_attempt = stored->report_attempt;
        job->failures = stored->failures;
        job->due_usec = stored->due_usec;
        job->held = stored->held;
        job->submitted_usec = stored->submitted_usec;
        job->started_usec = stored->started_usec;
        job->finished_usec = stored->finished_usec;
        if (tenants_get(s->tenants, stored->tenant, &job->tenant) < 0)
                return error_oom(e);
        if ((r = copy(stored->policy, &job->policy_name, e)) < 0 ||
            (stored->report && (r = copy(stored->report, &job->report, e)) < 0) ||
            (stored->digest && (r = copy(stored->digest, &job->digest, e)) < 0) ||
            (stored->origin && (r = copy(stored->origin, &job->origin, e)) < 0))
                return r;
        /* Members come behind their array. */
        int bad = array_adopt(&s->jobs, job) >= 0 ? 0 : spec_parse(stored->spec, &job->spec, &why);
        if (bad < 0 && (r = copy(stored->spec, &job->spec.text, e)) < 0)
                return r;
        account_adopt(job);
        take_output(s, job, stored->output_bytes);
        id_continue(&s->ids, stored->id);
        if (bad >= 0 && !job->member && job->spec.idempotency_key && (r = submission_remember_key(s, job)) < 0 &&
            r != -EEXIST)
                return error_oom(e);
        if (bad >= 0 && !job->member && job->spec.array.count && (r = array_make(job, false, e)) < 0)
                return r;
        /* An array is known as one from here on: its members wait and run, and not the whole. */
        account_set_state(job, stored->state);
        if (!job_state_is_final(stored->state)) {
                r = take_unfinished(s, job, stored, bad, &why);
                if (r < 0)
                        return error_oom(e);
                take(job);
                return 0;
        }
        job->state = stored->state;
        job->ended = true;
        /* It was cancelled while it ran, and nobody has seen its end. */
        if (!job->finished_usec) {
                job->finished_usec = realtime_usec();
                account_add_output(job, output_size(s->outputs, &job->id, job->attempt));
                store_update(s->store, job, job->state, NULL, NULL, NULL);
        }
        if (job->member)
                array_count(job);
        if (job_table_add(&s->jobs, job) < 0)
                return error_oom(e);
        s->n_finished++;
        cache_ended(s, take(job));
        return 0;
}

static bool is_known(const char *id, const void *userdata)
{
        return job_table_get(userdata, id) != NULL;
}

int recovery_run(Supervisor *s, Error *e)
{
        int r = store_load(s->store, take_job, s, e);

        for (size_t i = 0; r >= 0 && i < s->jobs.n; i++)
                if (array_is_whole(s->jobs.jobs[i]))
                        r = array_adopted(s, s->jobs.jobs[i], e);
        /* In a batch, one may run after one that came behind it. */
        for (size_t i = 0; r >= 0 && i < s->jobs.n; i++)
                if (!s->jobs.jobs[i]->ended && dependencies_link(s, s->jobs.jobs[i]) < 0)
                        r = error_oom(e);
        if (r < 0)
                return r;
        /* A store that was made just now knows of no job, and cannot say that something is nobody's. */
        if (!store_is_new(s->store)) {
                blobs_sweep(s->blobs);
                output_sweep(s->outputs, is_known, &s->jobs);
        }
        return retention_start(s) < 0 ? error_oom(e) : 0;
}
