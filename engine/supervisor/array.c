/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* An array is a job with members: <id>_0, <id>_1 and so on. The members are jobs like others, which are queued, run,
 * fail and are tried again by themselves; but they have the specification and the inputs of the whole, and are stored,
 * and forgotten, with it. The whole is never queued and never runs. Its state follows from theirs, and it ends when the
 * last of them has, and when what they have left has been put together (array_output.c).
 *
 * `parallel` of them are let into the queue at a time: so no more run, and an array of thousands is as much to the
 * queue as one of ten. The next is let in when one has ended, or is held. */

#include "engine/supervisor/array.h"

#include "engine/base/clock.h"
#include "engine/supervisor/collector.h"
#include "engine/supervisor/job_report.h"
#include "engine/supervisor/supervisor_private.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

const Job *array_source(const Job *job)
{
        return job->member ? job->array->whole : job;
}

bool array_is_whole(const Job *job)
{
        return job->array && !job->member;
}

/* ---- making ---- */

/* What it points to of the specification is the whole's. */
static Job *member_new(Job *whole, size_t index)
{
        Job *member = calloc(1, sizeof *member);

        if (!member)
                return NULL;
        member->supervisor = whole->supervisor;
        member->spec = whole->spec;
        member->array = whole->array;
        member->member = true;
        member->index = index;
        member->tenant = tenant_ref(whole->tenant);
        member->demand = whole->demand;
        member->policy = whole->policy ? jail_policy_ref(whole->policy) : NULL;
        member->policy_name = strdup(whole->policy_name);
        if (!member->policy_name)
                member = job_free(member);
        return member;
}

int array_make(Job *whole, bool charge, Error *e)
{
        JobArray *array = calloc(1, sizeof *array);

        if (!array)
                return error_oom(e);
        array->whole = whole;
        array->count = whole->spec.array.count;
        array->parallel = whole->spec.array.parallel ? whole->spec.array.parallel : array->count;
        whole->array = array;
        array->members = calloc(array->count, sizeof *array->members);
        if (!array->members)
                return error_oom(e);
        for (size_t i = 0; charge && i < array->count; i++) {
                if (!(array->members[i] = member_new(whole, i)))
                        return error_oom(e);
                account_open_member(array->members[i]);
        }
        return 0;
}

void array_free(Job *whole)
{
        JobArray *array = whole->array;

        array_stop_collecting(array);
        for (size_t i = 0; !array->admitted && array->members && i < array->count; i++)
                if (array->members[i]) {
                        account_close(array->members[i]);
                        job_free(array->members[i]);
                }
        free(array->members);
        free(array);
        whole->array = NULL;
}

void array_name(Job *whole)
{
        for (size_t i = 0; i < whole->array->count; i++) {
                Job *member = whole->array->members[i];
                id_of_member(&whole->id, i, &member->id);
                member->state = whole->state;
                member->submitted_usec = whole->submitted_usec;
        }
}

int array_adopt(const JobTable *table, Job *member)
{
        Id id;
        size_t index;

        if (!id_split(member->id.text, &id, &index))
                return -ENOENT;
        Job *whole = job_table_get(table, id.text);
        if (!whole || !array_is_whole(whole) || index >= whole->array->count || whole->array->members[index])
                return -ENOENT;
        member->spec = whole->spec;
        member->array = whole->array;
        member->member = true;
        member->index = index;
        whole->array->members[index] = member;
        whole->array->admitted = true;
        return 0;
}

/* ---- the state of the whole ---- */

static size_t count_final(const JobArray *array)
{
        return array->in_state[JOB_SUCCEEDED] + array->in_state[JOB_FAILED] + array->in_state[JOB_CANCELLED];
}

static JobState derive_state(const JobArray *array)
{
        if (count_final(array) == array->count)
                return array->in_state[JOB_FAILED]      ? JOB_FAILED
                       : array->in_state[JOB_CANCELLED] ? JOB_CANCELLED
                                                        : JOB_SUCCEEDED;
        for (JobState state = JOB_RUNNING; state > JOB_WAITING; state--)
                if (array->in_state[state])
                        return state;
        return array->in_state[JOB_BACKOFF] ? JOB_QUEUED : JOB_WAITING;
}

static const Job *first_in_state(const JobArray *array, JobState state)
{
        for (size_t i = 0; i < array->count; i++)
                if (array->members[i]->state == state)
                        return array->members[i];
        return NULL;
}

/* Why what the members have left could not be put together. */
static char *describe_result(int result)
{
        char *text = NULL;
        int n = result == -E2BIG ? asprintf(&text, "what the members have left could not be put together: it has more than %" PRIu64
                                            " files and directories", COLLECTED_ENTRIES_MAX)
                                 : asprintf(&text, "what the members have left could not be put together: %s", strerror(-result));

        return n < 0 ? NULL : text;
}

void array_collected(Supervisor *s, JobArray *array, int result)
{
        _cleanup_free_ char *why = NULL, *lacks = result < 0 ? describe_result(result) : NULL;
        JobState state = derive_state(array);
        const Job *first = state == JOB_SUCCEEDED ? NULL : first_in_state(array, state);

        if (first && asprintf(&why, "%zu of %zu members have %s; the first is %s%s%s", array->in_state[state], array->count,
                              state == JOB_FAILED ? "failed" : "been cancelled", first->id.text, lacks ? "; " : "",
                              lacks ? lacks : "") < 0)
                why = NULL;
        if (result < 0 && state == JOB_SUCCEEDED) {
                state = array->cancelled ? JOB_CANCELLED : JOB_FAILED;
                why = take(lacks);
        }
        Job *whole = array->whole;
        account_add_output(whole, output_size(s->outputs, &whole->id, whole->attempt));
        uint64_t files_bytes = output_file_size(s->outputs, &whole->id, whole->attempt, OUTPUT_FILES);
        const JailReason reason = array->cancelled ? JAIL_CANCELLED : JAIL_SETUP_FAILED;
        supervisor_finish(s, whole, state,
                          result < 0 && !first ? job_report_own(whole, reason, why, NULL)
                                               : job_report_array(whole, first, files_bytes, why));
}

static void finish(Supervisor *s, JobArray *array)
{
        array->ending = true;
        array->whole->attempt = 1;
        array_collect(s, array);
}

static void settle(Supervisor *s, JobArray *array)
{
        JobState state = derive_state(array);

        if (array->whole->ended || array->ending)
                return;
        /* From here it may come to every end. */
        array->whole->state = job_state_is_final(state) ? JOB_QUEUED : state;
        if (job_state_is_final(state))
                finish(s, array);
}

void array_count(Job *member)
{
        JobArray *array = member->array;

        array->in_state[member->state]++;
        if (job_state_runs(member->state) || (member->state == JOB_BACKOFF && !member->held)) {
                member->let_in = true;
                array->active++;
        }
}

void array_moved(Supervisor *s, Job *member, JobState from, JobState to)
{
        if (!member->member)
                return;
        member->array->in_state[from]--;
        member->array->in_state[to]++;
        settle(s, member->array);
}

void array_started(const Job *job)
{
        if (!job->member || !job->started_usec)
                return;
        Job *whole = job->array->whole;
        if (whole->ended || (whole->started_usec && whole->started_usec <= job->started_usec))
                return;
        whole->started_usec = job->started_usec;
        /* That member may run again, and have started later then. */
        store_note(whole->supervisor->store, whole, whole->state);
}

/* ---- so many at a time ---- */

bool array_may_enter(Job *job)
{
        JobArray *array = job->array;

        if (!job->member || job->let_in)
                return true;
        if (!array->open || array->active >= array->parallel) {
                if (array->next > job->index)
                        array->next = job->index;
                return false;
        }
        job->let_in = true;
        array->active++;
        return true;
}

/* Members have one deadline, and are not all ended by it at once: one that is, lets in none that is next. */
static bool is_overdue(const Job *member)
{
        return member->deadline && member->submitted_usec + member->spec.deadline_usec <= realtime_usec();
}

/* One that is let in may end at once, by the result cache, and bring us here again. */
static void refill(Supervisor *s, JobArray *array)
{
        if (array->filling || !array->open)
                return;
        array->filling = true;
        while (array->active < array->parallel && array->next < array->count) {
                Job *member = array->members[array->next++];
                if (member->state == JOB_QUEUED && !member->ended && !member->held && !member->let_in && !is_overdue(member))
                        supervisor_enter_queue(s, member);
        }
        array->filling = false;
}

/* All members are admitted. */
static void end_admission(Supervisor *s, JobArray *array)
{
        array->open = true;
        refill(s, array);
        settle(s, array);
}

void array_left(Supervisor *s, Job *member)
{
        if (!member->member || !member->let_in)
                return;
        member->let_in = false;
        member->array->active--;
        refill(s, member->array);
}

void array_begin_all(JobArray *array)
{
        array->filling = true;
}

void array_end_all(Supervisor *s, JobArray *array)
{
        array->filling = false;
        refill(s, array);
}

void array_claimed(Supervisor *s, Job *member)
{
        JobArray *array = member->array;

        if (!member->member || member->let_in)
                return;
        member->let_in = true;
        array->active++;
        for (size_t i = array->count; i > 0 && array->active > array->parallel; i--) {
                Job *last = array->members[i - 1];
                if (last == member || !last->let_in || last->state != JOB_QUEUED || last->ended)
                        continue;
                queue_remove(&s->queue, last);
                cache_leave(s, last);
                last->let_in = false;
                array->active--;
                if (array->next > last->index)
                        array->next = last->index;
        }
}

/* ---- all of them ---- */

int array_adopted(Supervisor *s, Job *whole, Error *e)
{
        for (size_t i = 0; i < whole->array->count; i++) {
                _cleanup_free_ char *why = NULL;
                if (whole->array->members[i]) {
                        array_started(whole->array->members[i]);
                        continue;
                }
                if (asprintf(&why, "the member %zu of job %s is not there", i, whole->id.text) < 0)
                        return why = NULL, error_oom(e);
                return store_damaged(s->store, why, e);
        }
        end_admission(s, whole->array);
        return 0;
}

int array_admit(Supervisor *s, Job *whole)
{
        JobArray *array = whole->array;

        array->admitted = true;
        for (size_t i = 0; i < array->count; i++)
                if (supervisor_admit(s, array->members[i]) < 0)
                        return -ENOMEM;
        end_admission(s, array);
        return 0;
}

void array_start(Supervisor *s, Job *whole)
{
        for (size_t i = 0; i < whole->array->count; i++) {
                Job *member = whole->array->members[i];
                if (member->ended || member->state != JOB_WAITING)
                        continue;
                supervisor_set_state(s, member, JOB_QUEUED);
                store_update(s->store, member, JOB_QUEUED, NULL, NULL, NULL);
        }
}
