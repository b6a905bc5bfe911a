/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Many jobs by one call, all or none of them, and one commit. Their inputs are files that were added before, one by
 * one; what they run after may be others of the batch, whose ids are put in where they are named by their index. */

#include "engine/supervisor/supervisor_private.h"

#include "engine/base/clock.h"
#include "engine/base/json.h"
#include "engine/base/name.h"
#include "engine/base/strv.h"

#include <stdlib.h>
#include <string.h>

#define DEPTH_MAX 256 /* of jobs that are named before they stand there */

typedef enum Mark { MARK_NONE, MARK_UNDER_WAY, MARK_DONE } Mark;

typedef struct BatchItem {
        const BatchJob *asked; /* while the batch is read */
        json_object *spec;
        Job *job; /* NULL: it stands for one that was submitted earlier */
        Id own, id; /* what it would be called, and what it is: the same, but for one that was submitted earlier */
        Mark mark;
} BatchItem;

typedef struct Batch {
        BatchItem *items;
        size_t n, depth;
        Tenant *own; /* the caller's, of the submission */
        bool blamed; /* the error names a job of it */
        Job **jobs; /* the new ones, in the order of their ids */
        size_t n_jobs;
} Batch;

void batch_free(Batch *batch)
{
        for (size_t i = 0; i < batch->n; i++) {
                json_object_put(batch->items[i].spec);
                if (batch->items[i].job) {
                        submission_forget_key(batch->items[i].job->supervisor, batch->items[i].job);
                        account_revoke(batch->items[i].job);
                        job_free(batch->items[i].job);
                }
        }
        free(batch->items);
        free(batch->jobs);
        free(batch);
}

/* ---- inputs that are added ---- */

static void on_input(char *const *blobs, const Error *error, void *userdata)
{
        _cleanup_error_ Error e = ERROR_NULL;
        Submission *submission = userdata;
        int r = error->code < 0 ? error_set(&e, error->code, "%s", error_text(error))
                                : inputs_add(submission->supervisor, submission->tenant, blobs[0], &e);

        submission->request = NULL;
        submission->answered(r < 0 ? NULL : blobs, &e, submission->userdata);
        submission_free(submission);
}

void supervisor_add_input(Supervisor *s, const Caller *caller, Porter *given, size_t index, SupervisorAnswered answered, void *userdata,
                          Submission **ret)
{
        _cleanup_(porter_freep) Porter *porter = given;
        _cleanup_error_ Error e = ERROR_NULL;
        Submission *submission = submission_new(s, userdata);
        const PorterInput input = {"input", index};
        int r = supervisor_check_intake(s, &e);

        *ret = NULL;
        if (!submission || tenants_get(s->tenants, caller->tenant, &submission->tenant) < 0)
                r = error_oom(&e);
        else if (r >= 0 && (r = tenant_check_input(submission->tenant, 1, &e)) >= 0)
                r = blobs_add(s->blobs, submission->tenant, take(porter), &input, 1, on_input, submission,
                              &submission->request, &e);
        if (r < 0) {
                answered(NULL, &e, userdata);
                if (submission)
                        submission_free(submission);
                return;
        }
        submission->answered = answered;
        *ret = submission;
}

/* ---- reading a batch ---- */

static int read_item(Supervisor *s, const Caller *caller, Batch *batch, size_t index, Error *e);

/* The index in "#3"; SIZE_MAX where it is none of the batch's. */
static size_t index_of(const Batch *batch, const char *text)
{
        char *end;
        unsigned long index = text[1] >= '0' && text[1] <= '9' ? strtoul(text + 1, &end, 10) : batch->n;

        return index < batch->n && *end == '\0' ? index : SIZE_MAX;
}

/* Those that it runs after come first, so that their ids are known. */
static int resolve_after(Supervisor *s, const Caller *caller, Batch *batch, BatchItem *item, Error *e)
{
        json_object *after = NULL;

        if (!json_object_is_type(item->spec, json_type_object) ||
            !json_object_object_get_ex(item->spec, "after", &after) || !json_object_is_type(after, json_type_object))
                return 0;
        json_object_object_foreach(after, name, value)
        {
                const char *text = json_object_is_type(value, json_type_string) ? json_object_get_string(value) : "";
                if (text[0] != '#')
                        continue;
                _cleanup_free_ char *here = json_path_key("after", name), *shown = name_escape(text);
                if (!here || !shown)
                        return error_oom(e);
                size_t index = index_of(batch, text);
                if (index == SIZE_MAX)
                        return json_error(here, e, "\"%s\" is no job of this batch; the first is \"#0\"", shown);
                if (batch->items[index].mark == MARK_UNDER_WAY)
                        return json_error(here, e, "the jobs wait for each other in a circle");
                if (batch->depth == DEPTH_MAX)
                        return json_error(here, e,
                                          "more than %d jobs in a row come before those that they run after: turn them "
                                          "around",
                                          DEPTH_MAX);
                batch->depth++;
                int r = read_item(s, caller, batch, index, e);
                batch->depth--;
                if (r < 0)
                        return r;
                json_object_object_add(after, name, json_object_new_string(batch->items[index].id.text));
        }
        return 0;
}

/* They were added for the tenant that a caller's jobs are of when they name none, and this job may be of another one. */
static int take_inputs(Supervisor *s, Tenant *own, Job *job, char *const *inputs, Error *e)
{
        int r = 0;

        for (size_t i = 0; r >= 0 && inputs && inputs[i]; i += 2) {
                if (!inputs_are_added(s, job->tenant, inputs[i + 1]) && !inputs_are_added(s, own, inputs[i + 1]))
                        r = error_set(e, -EINVAL, "input \"%s\": AddInput has not answered with this digest", inputs[i]);
                else if (blobs_adopt(s->blobs, inputs[i + 1]) < 0)
                        r = error_oom(e);
                else
                        r = inputs_give(s, job, inputs[i], inputs[i + 1], true, e);
        }
        return r;
}

/* Ids ascend. */
static int compare_to_own(const void *id, const void *item)
{
        return strcmp(id, ((const BatchItem *)item)->own.text);
}

static int check_parents(const Supervisor *s, const Batch *batch, const Job *job, Error *e)
{
        for (size_t i = 0; i < job->spec.n_after; i++) {
                const char *id = job->spec.after[i].id;
                const BatchItem *here = bsearch(id, batch->items, batch->n, sizeof *batch->items, compare_to_own);
                const Job *parent = here && here->job ? here->job : job_table_get(&s->jobs, id);
                if (!parent || parent->tenant != job->tenant)
                        return error_set(e, -EINVAL, "after.%s: there is no such job", job->spec.after[i].name);
        }
        return 0;
}

/* Whether there is something to answer with: a job that is stored, or one that is stored with this batch. Of another batch
 * nobody knows yet. */
static bool is_known(const Supervisor *s, const Batch *batch, const Job *job)
{
        if (!*job->id.text)
                return false;
        const BatchItem *here = bsearch(job->id.text, batch->items, batch->n, sizeof *batch->items, compare_to_own);
        return (here && here->job == job) || job_table_get(&s->jobs, job->id.text);
}

static int try_item(Supervisor *s, const Caller *caller, Batch *batch, size_t index, Error *e)
{
        BatchItem *item = &batch->items[index];
        PorterInput inputs[JAIL_INPUTS_MAX];
        Job *job, *earlier = NULL;
        size_t n = 0;
        int r;

        if (item->mark == MARK_DONE)
                return 0;
        item->mark = MARK_UNDER_WAY;
        if ((r = spec_parse_text(item->asked->spec, &item->spec, e)) < 0 ||
            (r = resolve_after(s, caller, batch, item, e)) < 0)
                return r;
        for (char *const *pair = item->asked->inputs; pair && *pair; pair += 2) {
                if (n == JAIL_INPUTS_MAX)
                        return error_set(e, -EINVAL, "a job may have %d inputs", JAIL_INPUTS_MAX);
                inputs[n++] = (PorterInput){*pair, 0};
        }
        r = submission_read(s, caller, json_object_to_json_string_ext(item->spec, JSON_C_TO_STRING_PLAIN), inputs, n,
                            true, &job, e);
        if (r < 0)
                return r;
        r = submission_find_earlier(s, job, &earlier, e);
        if (r != 0) {
                account_revoke(job);
                job_free(job);
                if (r < 0)
                        return r;
                if (!is_known(s, batch, earlier))
                        return error_set(e, -EBUSY, "idempotency_key: its job is being stored; try again");
                item->id = earlier->id;
        } else {
                item->job = job;
                job->id = item->id;
                job->state = job->spec.n_after ? JOB_WAITING : JOB_QUEUED;
                r = take_inputs(s, batch->own, job, item->asked->inputs, e);
                if (r >= 0)
                        r = check_parents(s, batch, job, e);
        }
        if (r >= 0)
                item->mark = MARK_DONE;
        return r < 0 ? r : 0;
}

/* It may be read for the sake of another: the error names that one which is wrong. */
static int read_item(Supervisor *s, const Caller *caller, Batch *batch, size_t index, Error *e)
{
        int r = try_item(s, caller, batch, index, e);

        if (r < 0 && !batch->blamed) {
                error_prefix(e, "job %zu", index);
                batch->blamed = true;
        }
        return r;
}

static int read_batch(Supervisor *s, const Caller *caller, Batch *batch, const BatchJob *jobs, Error *e)
{
        uint64_t now = realtime_usec();
        int r = 0;

        for (size_t i = 0; r >= 0 && i < batch->n; i++) {
                batch->items[i].asked = &jobs[i];
                if ((r = id_make(&s->ids, now, &batch->items[i].own)) < 0)
                        error_errno(e, r, "making an id");
                batch->items[i].id = batch->items[i].own;
        }
        for (size_t i = 0; r >= 0 && i < batch->n; i++)
                r = read_item(s, caller, batch, i, e);
        for (size_t i = 0; r >= 0 && i < batch->n; i++)
                if (batch->items[i].job) {
                        batch->items[i].job->submitted_usec = now;
                        if (batch->items[i].job->array)
                                array_name(batch->items[i].job);
                        batch->jobs[batch->n_jobs++] = batch->items[i].job;
                }
        return r;
}

/* ---- the end of it ---- */

static void give_back(Supervisor *s, const Batch *batch)
{
        for (size_t i = 0; i < batch->n; i++)
                if (batch->items[i].job)
                        inputs_take_back(s, batch->items[i].job);
}

static int admit_all(Supervisor *s, Batch *batch)
{
        for (size_t i = 0; i < batch->n; i++) {
                Job *job = batch->items[i].job;
                if (!job)
                        continue;
                if (supervisor_admit(s, job) < 0 || (job->array && array_admit(s, job) < 0))
                        return -ENOMEM;
                batch->items[i].job = NULL;
                inputs_use(s, batch->own, job);
                inputs_use(s, job->tenant, job);
        }
        for (size_t i = 0; i < batch->n_jobs; i++)
                if (dependencies_link(s, batch->jobs[i]) < 0)
                        return -ENOMEM;
        return 0;
}

/* Those who have submitted a job of it alone, by its key, while it was being stored. Who has given the batch up has given up
 * theirs, too, since it is all or none. */
static void answer_twins(Supervisor *s, const Batch *batch, const Error *error, bool stored)
{
        _cleanup_error_ Error e = ERROR_NULL;

        if (!stored && error->code >= 0) {
                error_set(&e, -EAGAIN, "the batch that had this idempotency_key was given up: try again");
                error = &e;
        }
        for (Submission *twin = s->submissions, *next; twin; twin = next) {
                next = twin->next;
                if (twin->earlier &&
                    bsearch(twin->earlier->id.text, batch->items, batch->n, sizeof *batch->items, compare_to_own))
                        submission_answer_twin(twin, stored ? twin->earlier : NULL, error);
        }
}

static int list_ids(const Batch *batch, char ***ret, Error *e)
{
        _cleanup_strv_ char **ids = calloc(batch->n + 1, sizeof *ids);

        for (size_t i = 0; ids && i < batch->n; i++)
                if (!(ids[i] = strdup(batch->items[i].id.text)))
                        return error_oom(e);
        *ret = take(ids);
        return *ret ? 0 : error_oom(e);
}

static void on_stored(const Error *error, void *userdata)
{
        _cleanup_strv_ char **ids = NULL;
        _cleanup_error_ Error e = ERROR_NULL;
        Submission *submission = userdata;
        Batch *batch = submission->batch;
        Supervisor *s = submission->supervisor;
        int r = error && error->code < 0 ? error_set(&e, error->code, "%s", error_text(error)) : 0;

        if (r >= 0)
                r = list_ids(batch, &ids, &e);
        if (r >= 0 && submission->answered && admit_all(s, batch) < 0)
                r = error_oom(&e);
        if (r < 0 || !submission->answered) {
                for (size_t i = 0; (!error || error->code >= 0) && i < batch->n; i++)
                        if (batch->items[i].job)
                                store_remove(s->store, &batch->items[i].id);
                give_back(s, batch);
        }
        answer_twins(s, batch, &e, r >= 0 && submission->answered);
        if (submission->answered)
                submission->answered(r < 0 ? NULL : ids, &e, submission->userdata);
        submission_free(submission);
        supervisor_dispatch(s);
}

void supervisor_submit_batch(Supervisor *s, const Caller *caller, const BatchJob *jobs, size_t n,
                             SupervisorAnswered answered, void *userdata, Submission **ret)
{
        _cleanup_error_ Error e = ERROR_NULL;
        Submission *submission = submission_new(s, userdata);
        Batch *batch = submission ? calloc(1, sizeof *batch) : NULL;
        int r = 0;

        *ret = NULL;
        if (batch) {
                submission->batch = batch;
                batch->items = calloc(n ? n : 1, sizeof *batch->items);
                batch->jobs = calloc(n ? n : 1, sizeof(Job *));
        }
        if (!batch || !batch->items || !batch->jobs || tenants_get(s->tenants, caller->tenant, &submission->tenant) < 0)
                r = error_oom(&e);
        else if (n > BATCH_JOBS_MAX)
                r = error_set(&e, -EINVAL, "a batch may have %d jobs", BATCH_JOBS_MAX);
        if (r >= 0) {
                batch->n = n;
                batch->own = submission->tenant;
                r = read_batch(s, caller, batch, jobs, &e);
        }
        if (r < 0) {
                answered(NULL, &e, userdata);
                if (batch)
                        give_back(s, batch);
                if (submission)
                        submission_free(submission);
                return;
        }
        submission->answered = answered;
        submission->storing = true;
        if (batch->n_jobs > 0) {
                *ret = submission;
                store_add_many(s->store, batch->jobs, batch->n_jobs, on_stored, submission);
        } else {
                on_stored(NULL, submission);
        }
}
