/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A submission, up to the moment when the job stands in the queue. */

#include "engine/supervisor/supervisor_private.h"

#include "engine/base/clock.h"
#include "engine/base/json.h"
#include "engine/base/name.h"
#include "engine/base/strv.h"

#include <search.h>
#include <string.h>

/* ---- idempotency ---- */

/* The same key of the same tenant stands for the same job. What is compared is the specification: inputs are files that
 * are read once, and a caller that submits again may not have them any more. */

static int compare_keys(const void *a, const void *b)
{
        const Job *one = a, *other = b;
        int r = strcmp(one->spec.idempotency_key, other->spec.idempotency_key);

        return r ? r : strcmp(one->tenant->name, other->tenant->name);
}

int submission_remember_key(Supervisor *s, Job *job)
{
        Job **known = tsearch(job, &s->keys, compare_keys);

        return !known ? -ENOMEM : *known == job ? 0 : -EEXIST;
}

void submission_forget_key(Supervisor *s, Job *job)
{
        Job **known = job->spec.idempotency_key && job->tenant ? tfind(job, &s->keys, compare_keys) : NULL;

        if (known && *known == job)
                tdelete(job, &s->keys, compare_keys);
}

static void keep_job(void *job _unused_)
{
}

void submission_forget_keys(Supervisor *s)
{
        tdestroy(s->keys, keep_job);
        s->keys = NULL;
}

/* Programs write the keys of an object in any order; what they mean by it is the same. */
static bool is_same(const char *text, const char *other)
{
        _cleanup_json_ json_object *one = NULL, *two = NULL;

        return strcmp(text, other) == 0 ||
               (json_parse_text(text, strlen(text), &one, NULL) >= 0 &&
                json_parse_text(other, strlen(other), &two, NULL) >= 0 && json_object_equal(one, two));
}

/* The same again is answered with what it was the first time: also when no more is taken by now, or a job that it was to
 * run after is forgotten. */
static bool is_repeat(const Supervisor *s, const Job *job)
{
        Job *const *known = job->spec.idempotency_key ? tfind(job, &s->keys, compare_keys) : NULL;

        return known && is_same((*known)->spec.text, job->spec.text);
}

int submission_find_earlier(Supervisor *s, Job *job, Job **ret, Error *e)
{
        if (!job->spec.idempotency_key)
                return 0;
        Job **known = tsearch(job, &s->keys, compare_keys);
        if (!known)
                return error_oom(e);
        if (*known == job)
                return 0;
        if (!is_same((*known)->spec.text, job->spec.text))
                return error_set(e, -EEXIST,
                                 "idempotency_key: it was given to another job, with another specification");
        *ret = *known;
        return 1;
}

/* ---- what is asked for ---- */

static int check_inputs(const JobSpec *spec, const PorterInput *inputs, size_t n, Error *e)
{
        if (n + spec->n_after > JAIL_INPUTS_MAX)
                return error_set(e, -EINVAL, "%zu inputs: a job may have %d, with those of \"after\"",
                                 n + spec->n_after, JAIL_INPUTS_MAX);
        for (size_t i = 0; i < n; i++) {
                int r = name_check_input(inputs[i].name, e);
                if (r < 0)
                        return r;
                if (spec->stdin_text && strcmp(inputs[i].name, "stdin") == 0)
                        return error_set(e, -EINVAL, "stdin: given as text and as an input");
                for (size_t k = 0; k < spec->n_after; k++) {
                        size_t length = strcspn(inputs[i].name, "/");
                        if (strncmp(inputs[i].name, spec->after[k].name, length) == 0 && !spec->after[k].name[length])
                                return error_set(e, -EINVAL, "after.%s: an input has this name", spec->after[k].name);
                }
                for (size_t k = 0; k < i; k++) {
                        size_t a = strcspn(inputs[i].name, "/"), b = strcspn(inputs[k].name, "/");
                        if (a == b && memcmp(inputs[i].name, inputs[k].name, a) == 0)
                                return error_set(e, -EINVAL, "two inputs are named \"%s\"", inputs[i].name);
                }
        }
        return 0;
}

static int check_spec(Supervisor *s, const Caller *caller, Job *job, bool batch, Error *e)
{
        const JobSpec *spec = &job->spec;
        int r;

        if (spec->tenant && !caller_may_act(caller, spec->tenant))
                return error_set(e, -EPERM, "tenant: you may not act for \"%s\"", spec->tenant);
        if (tenants_get(s->tenants, spec->tenant ? spec->tenant : caller->tenant, &job->tenant) < 0)
                return error_oom(e);
        if (is_repeat(s, job))
                return 0;
        if ((r = supervisor_check_intake(s, e)) < 0)
                return r;
        if ((r = supervisor_find_policy(s, spec->policy ? spec->policy : s->config->default_policy, &job->policy, e)) < 0)
                return r;
        if (!batch && (r = dependencies_check(s, job, e)) < 0)
                return r;
        job->policy_name = strdup(jail_policy_name(job->policy));
        if (!job->policy_name)
                return error_oom(e);
        if ((r = jail_policy_admit(job->policy, &spec->limits, e)) < 0 ||
            (r = resources_check(&s->queue.resources, &spec->limits, e)) < 0)
                return r;
        job->demand = resources_demand(&spec->limits, job->policy);
        if ((r = cache_check(job, e)) < 0)
                return r;
        if ((r = account_open(s, job, e)) < 0)
                return r;
        return spec->array.count ? array_make(job, true, e) : 0;
}

void submission_free(Submission *submission)
{
        Supervisor *s = submission->supervisor;

        for (Submission **at = &s->submissions; *at; at = &(*at)->next)
                if (*at == submission) {
                        *at = submission->next;
                        break;
                }
        if (submission->job) {
                submission_forget_key(s, submission->job);
                account_revoke(submission->job);
                job_free(submission->job);
        }
        if (submission->batch)
                batch_free(submission->batch);
        strv_free(submission->names);
        tenant_unref(submission->tenant);
        free(submission);
}

static bool has_twin(const Submission *submission)
{
        for (const Submission *twin = submission->supervisor->submissions; twin; twin = twin->next)
                if (twin->earlier == submission->job && twin->submitted)
                        return true;
        return false;
}

void submission_answer_twin(Submission *twin, const Job *job, const Error *error)
{
        if (twin->submitted)
                twin->submitted(job, error, twin->userdata);
        submission_free(twin);
}

/* Those who have submitted the same again while it was being stored. */
static void answer_twins(const Submission *submission, const Job *job, const Error *error)
{
        const Job *which = job ? job : submission->job;

        for (Submission *twin = submission->supervisor->submissions, *next; twin; twin = next) {
                next = twin->next;
                if (twin->earlier == which)
                        submission_answer_twin(twin, job, error);
        }
}

/* Nobody waits for it any more. */
void submission_drop(Submission *submission)
{
        _cleanup_error_ Error e = ERROR_NULL;

        if (submission->answered)
                submission->answered(NULL, NULL, submission->userdata);
        else
                submission->submitted(NULL, NULL, submission->userdata);
        submission->answered = NULL;
        submission->submitted = NULL;
        /* While it is being stored it cannot be stopped: on_stored() takes it back. */
        if (submission->storing)
                return;
        if (submission->request)
                blobs_drop(submission->request);
        error_set(&e, -EAGAIN, "the submission that had this idempotency_key was given up: try again");
        if (submission->job && !submission->earlier)
                answer_twins(submission, NULL, &e);
        submission_free(submission);
}

static void on_stored(const Error *error, void *userdata)
{
        _cleanup_error_ Error e = ERROR_NULL;
        Submission *submission = userdata;
        Supervisor *s = submission->supervisor;
        Job *job = submission->job;
        int r = error->code < 0 ? error_set(&e, error->code, "%s", error_text(error)) : 0;

        bool wanted = submission->submitted || has_twin(submission);
        if (r >= 0 && wanted && ((r = supervisor_admit(s, job)) < 0 || (job->array && (r = array_admit(s, job)) < 0) ||
                                    (r = dependencies_link(s, job)) < 0))
                error_oom(&e);
        if (r >= 0 && wanted) {
                submission->job = NULL;
        } else {
                if (error->code >= 0)
                        store_remove(s->store, &job->id);
                inputs_take_back(s, job);
        }
        answer_twins(submission, r < 0 ? NULL : job, &e);
        if (submission->submitted)
                submission->submitted(r < 0 ? NULL : job, &e, submission->userdata);
        submission_free(submission);
        supervisor_dispatch(s);
}

/* Its inputs are stored, or there are none: so is the job, next. */
static int begin_storing(Submission *submission, Error *e)
{
        Job *job = submission->job;
        Supervisor *s = submission->supervisor;

        int r = supervisor_check_intake(s, e);
        /* While inputs were copied, one of them may have been forgotten. */
        if (r < 0 || (r = dependencies_check(s, job, e)) < 0)
                return r;
        job->submitted_usec = realtime_usec();
        r = id_make(&s->ids, job->submitted_usec, &job->id);
        if (r < 0)
                return error_errno(e, r, "making an id");
        job->state = job->spec.n_after ? JOB_WAITING : JOB_QUEUED;
        if (job->array)
                array_name(job);
        submission->storing = true;
        store_add(s->store, job, on_stored, submission);
        return 0;
}

static void fail(Submission *submission, const Error *error)
{
        inputs_take_back(submission->supervisor, submission->job);
        answer_twins(submission, NULL, error);
        submission->submitted(NULL, error, submission->userdata);
        submission_free(submission);
}

static void on_blobs(char *const *blobs, const Error *error, void *userdata)
{
        _cleanup_error_ Error e = ERROR_NULL;
        Submission *submission = userdata;
        Job *job = submission->job;
        int r = error->code < 0 ? error_set(&e, error->code, "%s", error_text(error)) : 0;

        submission->request = NULL;
        for (size_t i = 0; r >= 0 && blobs && blobs[i]; i++) {
                r = inputs_give(submission->supervisor, job, submission->names[i], blobs[i], true, &e);
                if (r < 0)
                        for (i++; blobs[i]; i++)
                                blobs_unref(submission->supervisor->blobs, blobs[i]);
        }
        if (r >= 0)
                r = begin_storing(submission, &e);
        if (r < 0)
                fail(submission, &e);
}

int submission_read(Supervisor *s, const Caller *caller, const char *spec, const PorterInput *inputs, size_t n,
                    bool batch, Job **ret, Error *e)
{
        _cleanup_(job_freep) Job *job = calloc(1, sizeof *job);

        if (!job)
                return error_oom(e);
        job->supervisor = s;
        int r = spec_parse(spec, &job->spec, e);
        if (r >= 0)
                r = check_inputs(&job->spec, inputs, n, e);
        if (r >= 0)
                r = check_spec(s, caller, job, batch, e);
        if (r >= 0)
                *ret = take(job);
        return r;
}

int supervisor_check_intake(const Supervisor *s, Error *e)
{
        if (s->closed)
                return error_set(e, -ESHUTDOWN, "the supervisor is ending: it takes no more jobs");
        if (s->draining)
                return error_set(e, -ESHUTDOWN,
                                 "the engine is being drained: it takes no more jobs until \"skepctl resume\"");
        return 0;
}

static int begin(Submission *submission, const Caller *caller, const char *spec, const PorterInput *inputs, size_t n,
                 Error *e)
{
        int r = submission_read(submission->supervisor, caller, spec, inputs, n, false, &submission->job, e);

        for (size_t i = 0; r >= 0 && i < n; i++)
                r = strv_add(&submission->names, inputs[i].name);
        return r;
}

Submission *submission_new(Supervisor *s, void *userdata)
{
        Submission *submission = calloc(1, sizeof *submission);

        if (submission) {
                *submission = (Submission){.next = s->submissions, .supervisor = s, .userdata = userdata};
                s->submissions = submission;
        }
        return submission;
}

void supervisor_submit(Supervisor *s, const Caller *caller, const char *spec, Porter *given, const PorterInput *inputs, size_t n,
                       SupervisorSubmitted submitted, void *userdata, Submission **ret)
{
        _cleanup_(porter_freep) Porter *porter = given;
        _cleanup_error_ Error e = ERROR_NULL;
        Submission *submission = submission_new(s, userdata);

        *ret = NULL;
        if (!submission) {
                error_oom(&e);
                submitted(NULL, &e, userdata);
                return;
        }
        submission->submitted = submitted;
        Job *earlier = NULL;
        int r = begin(submission, caller, spec, inputs, n, &e);
        if (r >= 0)
                r = submission_find_earlier(s, submission->job, &earlier, &e);
        if (r > 0) {
                /* It is in the table as soon as it is stored. */
                if (job_table_get(&s->jobs, earlier->id.text) == earlier) {
                        submitted(earlier, &e, userdata);
                        submission_free(submission);
                } else {
                        submission->earlier = earlier;
                        *ret = submission;
                }
                return;
        }
        if (r >= 0)
                r = n > 0 ? blobs_add(s->blobs, submission->job->tenant, take(porter), inputs, n, on_blobs, submission,
                                      &submission->request, &e)
                          : begin_storing(submission, &e);
        if (r >= 0) {
                *ret = submission;
                return;
        }
        submitted(NULL, &e, userdata);
        submission_free(submission);
}

void submissions_end(Supervisor *s)
{
        while (s->submissions) {
                Submission *submission = s->submissions;
                if (submission->answered)
                        submission->answered(NULL, NULL, submission->userdata);
                else if (submission->submitted)
                        submission->submitted(NULL, NULL, submission->userdata);
                submission_free(submission);
        }
}

Porters *supervisor_porters(const Supervisor *s)
{
        return blobs_porters(s->blobs);
}
