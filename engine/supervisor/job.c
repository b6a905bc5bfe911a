/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "engine/supervisor/array.h"

#include "engine/base/json.h"

#include <string.h>

static const char *const state_names[JOB_STATE_MAX] = {
        [JOB_WAITING] = "waiting", [JOB_QUEUED] = "queued",       [JOB_STARTING] = "starting",
        [JOB_RUNNING] = "running", [JOB_BACKOFF] = "backoff",     [JOB_SUCCEEDED] = "succeeded",
        [JOB_FAILED] = "failed",   [JOB_CANCELLED] = "cancelled",
};

#define TO(state) (1U << (state))

static const unsigned transitions[JOB_STATE_MAX] = {
        [JOB_WAITING] = TO(JOB_QUEUED) | TO(JOB_CANCELLED) | TO(JOB_FAILED),
        /* Succeeded: by the result cache. */
        [JOB_QUEUED] = TO(JOB_STARTING) | TO(JOB_SUCCEEDED) | TO(JOB_CANCELLED) | TO(JOB_FAILED),
        /* Back to the queue when somebody wants that; later, when the attempt failed and another may not. */
        [JOB_STARTING] = TO(JOB_RUNNING) | TO(JOB_QUEUED) | TO(JOB_BACKOFF) | TO(JOB_SUCCEEDED) | TO(JOB_FAILED) |
                         TO(JOB_CANCELLED),
        [JOB_RUNNING] = TO(JOB_QUEUED) | TO(JOB_BACKOFF) | TO(JOB_SUCCEEDED) | TO(JOB_FAILED) | TO(JOB_CANCELLED),
        [JOB_BACKOFF] = TO(JOB_QUEUED) | TO(JOB_FAILED) | TO(JOB_CANCELLED),
};

const char *job_state_name(JobState state)
{
        return state_names[state];
}

bool job_state_parse(const char *name, JobState *ret)
{
        for (JobState state = 0; state < JOB_STATE_MAX; state++)
                if (strcmp(state_names[state], name) == 0) {
                        *ret = state;
                        return true;
                }
        return false;
}

bool job_state_is_final(JobState state)
{
        return transitions[state] == 0;
}

bool job_state_runs(JobState state)
{
        return state == JOB_STARTING || state == JOB_RUNNING;
}

bool job_state_may_become(JobState from, JobState to)
{
        return transitions[from] & TO(to);
}

bool job_end_is_stored(const Job *job)
{
        return !job->ended || job_state_is_final(job->state);
}

Job *job_free(Job *job)
{
        if (job->array && !job->member)
                array_free(job);
        if (!job->member)
                spec_done(&job->spec);
        tenant_unref(job->tenant);
        free(job->report);
        free(job->policy_name);
        free(job->digest);
        free(job->origin);
        free(job->ran_on);
        free(job->children);
        sd_event_source_disable_unref(job->due);
        sd_event_source_disable_unref(job->deadline);
        jail_policy_unref(job->policy);
        for (size_t i = 0; i < job->n_inputs; i++) {
                free(job->inputs[i].name);
                free(job->inputs[i].blob);
        }
        free(job->inputs);
        free(job);
        return NULL;
}

char *job_inputs_text(const Job *job)
{
        _cleanup_json_ json_object *list = json_object_new_array();

        for (size_t i = 0; list && i < job->n_inputs; i++) {
                json_object *pair = json_object_new_array();
                json_object_array_add(pair, json_object_new_string(job->inputs[i].name));
                json_object_array_add(pair, json_object_new_string(job->inputs[i].blob));
                json_object_array_add(list, pair);
        }
        const int style = JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE;
        return list ? strdup(json_object_to_json_string_ext(list, style)) : NULL;
}

/* The first index whose id is not below. */
static size_t lower_bound(const JobTable *table, const char *id)
{
        size_t low = 0, high = table->n;

        while (low < high) {
                size_t middle = low + (high - low) / 2;
                if (id_compare(table->jobs[middle]->id.text, id) < 0)
                        low = middle + 1;
                else
                        high = middle;
        }
        return low;
}

int job_table_add(JobTable *table, Job *job)
{
        if (table->n == table->room) {
                size_t room = table->room ? table->room * 2 : 64;
                Job **larger = reallocarray(table->jobs, room, sizeof *larger);
                if (!larger)
                        return -ENOMEM;
                table->jobs = larger;
                table->room = room;
        }
        /* As a rule at the end. Members of an array are not stored in their order. */
        size_t at = table->n > 0 && id_compare(table->jobs[table->n - 1]->id.text, job->id.text) > 0
                            ? lower_bound(table, job->id.text)
                            : table->n;
        memmove(&table->jobs[at + 1], &table->jobs[at], (table->n - at) * sizeof *table->jobs);
        table->jobs[at] = job;
        table->n++;
        return 0;
}

Job *job_table_get(const JobTable *table, const char *id)
{
        size_t i = lower_bound(table, id);

        return i < table->n && strcmp(table->jobs[i]->id.text, id) == 0 ? table->jobs[i] : NULL;
}

size_t job_table_after(const JobTable *table, const char *id)
{
        size_t i = lower_bound(table, id);

        return i < table->n && strcmp(table->jobs[i]->id.text, id) == 0 ? i + 1 : i;
}

static int by_id(const void *a, const void *b)
{
        return id_compare((*(Job *const *)a)->id.text, (*(Job *const *)b)->id.text);
}

void job_table_remove(JobTable *table, Job **jobs, size_t n)
{
        size_t to = 0;

        qsort(jobs, n, sizeof *jobs, by_id);
        for (size_t i = 0; i < n; i++) {
                size_t at = lower_bound(table, jobs[i]->id.text),
                       next = i + 1 < n ? lower_bound(table, jobs[i + 1]->id.text) : table->n;
                if (i == 0)
                        to = at;
                /* What stands between this one and the next; the array behind it is still as it was. */
                memmove(&table->jobs[to], &table->jobs[at + 1], (next - at - 1) * sizeof *table->jobs);
                to += next - at - 1;
        }
        if (n)
                table->n = to;
}

void job_table_done(JobTable *table)
{
        for (size_t i = 0; i < table->n; i++)
                job_free(table->jobs[i]);
        free(table->jobs);
        *table = (JobTable){0};
}
