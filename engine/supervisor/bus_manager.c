/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* org.skep.Engine1.Manager */

#include "engine/supervisor/bus.h"

#include "engine/base/strv.h"

#include <stdlib.h>
#include <string.h>

#ifndef SKEP_VERSION
#define SKEP_VERSION "0"
#endif

#define IDS_PER_WAIT 100000
#define JOBS_PER_LIST 1000

static char *path_of_job(const Job *job)
{
        char *path = NULL;

        return asprintf(&path, BUS_JOB_PATH "/%s", job->id.text) < 0 ? NULL : path;
}

/* Finds a job by its id, or answers that there is none. Returns 1 when it has answered. */
static int find_job(sd_bus_message *m, BusClient *client, const char *id, Job **ret)
{
        const Caller caller = bus_client_caller(client);
        int r = supervisor_find(bus_client_supervisor(client), &caller, id, ret);

        if (r == -ENOTUNIQ)
                return sd_bus_reply_method_errorf(m, "org.skep.Engine1.Error.NoSuchJob",
                                                  "more than one job's id starts so: write more of it");
        if (r < 0)
                return sd_bus_reply_method_errorf(m, "org.skep.Engine1.Error.NoSuchJob", "there is no such job");
        return 0;
}

static int reply_strings(sd_bus_message *m, char **texts)
{
        sd_bus_message *reply = NULL;
        int r = sd_bus_message_new_method_return(m, &reply);

        if (r >= 0)
                r = sd_bus_message_append_strv(reply, texts);
        if (r >= 0)
                r = sd_bus_send(NULL, reply, NULL);
        sd_bus_message_unref(reply);
        return r < 0 ? r : 1;
}

/* ---- Submit ---- */

typedef struct Answer {
        sd_bus_message *message;
        BusClient *client;
} Answer;

static void on_submitted(const Job *job, const Error *error, void *userdata)
{
        Answer *answer = userdata;

        if (job) {
                _cleanup_free_ char *path = path_of_job(job);
                sd_bus_reply_method_return(answer->message, "so", job->id.text, path ? path : "/");
        } else if (error) {
                bus_reply_error(answer->message, error);
        }
        /* Dropped, it is the client itself that is going. */
        if (job || error)
                bus_client_submitted(answer->client, answer->message);
        sd_bus_message_unref(answer->message);
        free(answer);
}

static int read_inputs(sd_bus_message *m, JailInput *inputs, size_t *n, Error *e)
{
        int r = sd_bus_message_enter_container(m, 'a', "(sh)");

        for (;;) {
                const char *name;
                int fd;
                if (r < 0)
                        return error_errno(e, r, "reading the inputs");
                r = sd_bus_message_read(m, "(sh)", &name, &fd);
                if (r == 0)
                        return 0;
                if (r > 0 && *n == JAIL_INPUTS_MAX)
                        return error_set(e, -EINVAL, "a job may have %d inputs", JAIL_INPUTS_MAX);
                if (r > 0)
                        inputs[(*n)++] = (JailInput){name, fd};
        }
}

static int method_submit(sd_bus_message *m, void *userdata, sd_bus_error *error _unused_)
{
        _cleanup_error_ Error e = ERROR_NULL;
        BusClient *client = userdata;
        const Caller caller = bus_client_caller(client);
        JailInput inputs[JAIL_INPUTS_MAX];
        Submission *submission;
        const char *spec;
        size_t n = 0;
        int r = sd_bus_message_read(m, "s", &spec);

        if (r < 0)
                return r;
        if (read_inputs(m, inputs, &n, &e) < 0)
                return bus_reply_error(m, &e);
        Answer *answer = malloc(sizeof *answer);
        if (!answer)
                return -ENOMEM;
        *answer = (Answer){sd_bus_message_ref(m), client};
        supervisor_submit(bus_client_supervisor(client), &caller, spec, inputs, n, on_submitted, answer, &submission);
        if (submission)
                bus_client_add_submission(client, submission, m);
        return 1;
}

static void on_answered(char *const *texts, const Error *error, void *userdata)
{
        Answer *answer = userdata;
        bool one = strcmp(sd_bus_message_get_member(answer->message), "AddInput") == 0;

        if (texts && one) {
                sd_bus_reply_method_return(answer->message, "s", texts[0]);
        } else if (!error) {
                /* The client itself is going. */
        } else if (error->code < 0) {
                bus_reply_error(answer->message, error);
        } else {
                sd_bus_message *reply = NULL;
                if (sd_bus_message_new_method_return(answer->message, &reply) >= 0 &&
                    sd_bus_message_append_strv(reply, (char **)texts) >= 0)
                        sd_bus_send(NULL, reply, NULL);
                sd_bus_message_unref(reply);
        }
        if (error)
                bus_client_submitted(answer->client, answer->message);
        sd_bus_message_unref(answer->message);
        free(answer);
}

static Answer *answer_new(sd_bus_message *m, BusClient *client)
{
        Answer *answer = malloc(sizeof *answer);

        if (answer)
                *answer = (Answer){sd_bus_message_ref(m), client};
        return answer;
}

static int method_add_input(sd_bus_message *m, void *userdata, sd_bus_error *error _unused_)
{
        const Caller caller = bus_client_caller(userdata);
        Submission *submission;
        int fd, r = sd_bus_message_read(m, "h", &fd);

        if (r < 0)
                return r;
        Answer *answer = answer_new(m, userdata);
        if (!answer)
                return -ENOMEM;
        supervisor_add_input(bus_client_supervisor(userdata), &caller, fd, on_answered, answer, &submission);
        if (submission)
                bus_client_add_submission(userdata, submission, m);
        return 1;
}

typedef struct BatchMessage {
        BatchJob *jobs;
        size_t n, room;
} BatchMessage;

static void batch_message_done(BatchMessage *batch)
{
        for (size_t i = 0; i < batch->n; i++)
                strv_free(batch->jobs[i].inputs);
        free(batch->jobs);
}

static int read_batch_job(sd_bus_message *m, BatchMessage *batch)
{
        const char *name, *digest;
        BatchJob job = {0};

        if (batch->n == batch->room) {
                size_t room = batch->room ? 2 * batch->room : 64;
                BatchJob *jobs = reallocarray(batch->jobs, room, sizeof *jobs);
                if (!jobs)
                        return -ENOMEM;
                batch->jobs = jobs;
                batch->room = room;
        }
        int r = sd_bus_message_read(m, "s", &job.spec);
        if (r >= 0)
                r = sd_bus_message_enter_container(m, 'a', "(ss)");
        while (r >= 0 && (r = sd_bus_message_read(m, "(ss)", &name, &digest)) > 0)
                if (strv_add(&job.inputs, name) < 0 || strv_add(&job.inputs, digest) < 0)
                        r = -ENOMEM;
        batch->jobs[batch->n++] = job;
        return r < 0 ? r : sd_bus_message_exit_container(m);
}

static int method_submit_batch(sd_bus_message *m, void *userdata, sd_bus_error *error _unused_)
{
        _cleanup_(batch_message_done) BatchMessage batch = {0};
        const Caller caller = bus_client_caller(userdata);
        Submission *submission;
        int r = sd_bus_message_enter_container(m, 'a', "(sa(ss))");

        /* One more than is taken is enough to be refused. */
        while (r >= 0 && batch.n <= BATCH_JOBS_MAX && (r = sd_bus_message_enter_container(m, 'r', "sa(ss)")) > 0)
                if ((r = read_batch_job(m, &batch)) >= 0)
                        r = sd_bus_message_exit_container(m);
        if (r < 0)
                return r;
        Answer *answer = answer_new(m, userdata);
        if (!answer)
                return -ENOMEM;
        supervisor_submit_batch(bus_client_supervisor(userdata), &caller, batch.jobs, batch.n, on_answered, answer,
                                &submission);
        if (submission)
                bus_client_add_submission(userdata, submission, m);
        return 1;
}

/* ---- the others ---- */

static int method_cancel(sd_bus_message *m, void *userdata, sd_bus_error *error _unused_)
{
        BusClient *client = userdata;
        const char *id;
        Job *job;
        int r = sd_bus_message_read(m, "s", &id);

        if (r < 0 || (r = find_job(m, client, id, &job)) != 0)
                return r;
        /* Who cancels what has just ended has got what he wanted. */
        supervisor_cancel(bus_client_supervisor(client), job);
        return sd_bus_reply_method_return(m, NULL);
}

static int method_hold(sd_bus_message *m, void *userdata, sd_bus_error *error _unused_)
{
        Supervisor *supervisor = bus_client_supervisor(userdata);
        const char *member = sd_bus_message_get_member(m), *id;
        Job *job;
        int r = sd_bus_message_read(m, "s", &id);

        if (r < 0 || (r = find_job(m, userdata, id, &job)) != 0)
                return r;
        r = strcmp(member, "Requeue") == 0 ? supervisor_requeue(supervisor, job)
                                           : supervisor_hold(supervisor, job, strcmp(member, "Hold") == 0);
        if (r < 0)
                return sd_bus_reply_method_errorf(m, SD_BUS_ERROR_FAILED,
                                                  "job %s has ended, and stays as it is: submit it again",
                                                  job->id.text);
        return sd_bus_reply_method_return(m, NULL);
}

static int method_forget(sd_bus_message *m, void *userdata, sd_bus_error *error _unused_)
{
        const char *id;
        Job *job;
        int r = sd_bus_message_read(m, "s", &id);

        if (r < 0 || (r = find_job(m, userdata, id, &job)) != 0)
                return r;
        r = supervisor_forget(bus_client_supervisor(userdata), job);
        if (r == -ENOTEMPTY)
                return sd_bus_reply_method_errorf(m, SD_BUS_ERROR_FAILED, "job %s stays until those that run after it "
                                                  "have ended", job->id.text);
        if (r < 0)
                return sd_bus_reply_method_errorf(m, SD_BUS_ERROR_FAILED, "job %s has not ended: cancel it first",
                                                  job->id.text);
        return sd_bus_reply_method_return(m, NULL);
}

/* Pause, Resume, Drain: for all tenants, so not for one. */
static int method_pause(sd_bus_message *m, void *userdata, sd_bus_error *error _unused_)
{
        const Caller caller = bus_client_caller(userdata);
        const char *member = sd_bus_message_get_member(m);

        if (!caller.root)
                return sd_bus_reply_method_errorf(m, SD_BUS_ERROR_ACCESS_DENIED,
                                                  "only root may pause, drain and resume the engine");
        supervisor_pause(bus_client_supervisor(userdata), strcmp(member, "Pause") == 0, strcmp(member, "Drain") == 0);
        return sd_bus_reply_method_return(m, NULL);
}

static int method_reload(sd_bus_message *m, void *userdata, sd_bus_error *error _unused_)
{
        const Caller caller = bus_client_caller(userdata);
        _cleanup_error_ Error e = ERROR_NULL;
        _cleanup_strv_ char **later = NULL;

        if (!caller.root)
                return sd_bus_reply_method_errorf(m, SD_BUS_ERROR_ACCESS_DENIED,
                                                  "only root may make the engine read its configuration again");
        if (supervisor_reload(bus_client_supervisor(userdata), &later, &e) < 0)
                return sd_bus_reply_method_errorf(m, SD_BUS_ERROR_INVALID_ARGS, "%s", error_text(&e));
        return reply_strings(m, later);
}

static int method_get_config(sd_bus_message *m, void *userdata, sd_bus_error *error _unused_)
{
        _cleanup_free_ char *text = config_show(supervisor_config(bus_client_supervisor(userdata)));

        return text ? sd_bus_reply_method_return(m, "s", text) : -ENOMEM;
}

static int method_get_job(sd_bus_message *m, void *userdata, sd_bus_error *error _unused_)
{
        const char *id;
        Job *job;
        int r = sd_bus_message_read(m, "s", &id);

        if (r < 0 || (r = find_job(m, userdata, id, &job)) != 0)
                return r;
        _cleanup_free_ char *path = path_of_job(job);
        return path ? sd_bus_reply_method_return(m, "o", path) : -ENOMEM;
}

typedef struct Filter {
        unsigned states; /* a set; 0: all */
        const char *tenant, *name;
} Filter;

static int read_filter(sd_bus_message *m, Filter *filter, Error *e)
{
        const char *key, *value;
        JobState state;
        int r = sd_bus_message_enter_container(m, 'a', "{sv}");

        if (r < 0)
                return error_errno(e, r, "reading the filter");
        while ((r = sd_bus_message_enter_container(m, 'e', "sv")) > 0) {
                r = sd_bus_message_read(m, "s", &key);
                if (r >= 0)
                        r = sd_bus_message_read(m, "v", "s", &value);
                if (r >= 0)
                        r = sd_bus_message_exit_container(m);
                if (r < 0)
                        return error_set(e, -EINVAL, "filter: each value is a string");
                if (strcmp(key, "state") == 0 && job_state_parse(value, &state))
                        filter->states |= 1U << state;
                else if (strcmp(key, "state") == 0)
                        return error_set(e, -EINVAL, "filter: there is no such state");
                else if (strcmp(key, "tenant") == 0)
                        filter->tenant = value;
                else if (strcmp(key, "name") == 0)
                        filter->name = value;
                else
                        return error_set(e, -EINVAL, "filter: unknown key; known are state, tenant and name");
        }
        return r < 0 ? error_errno(e, r, "reading the filter") : sd_bus_message_exit_container(m);
}

static bool filter_takes(const Filter *filter, const Job *job)
{
        return (!filter->states || filter->states & (1U << job->state)) &&
               (!filter->tenant || strcmp(filter->tenant, job->tenant->name) == 0) &&
               (!filter->name || strcmp(filter->name, job->spec.name ? job->spec.name : "") == 0);
}

static int append_jobs(sd_bus_message *reply, BusClient *client, const Filter *filter, const char *cursor,
                       uint32_t limit)
{
        const Caller caller = bus_client_caller(client);
        const JobTable *table = supervisor_jobs(bus_client_supervisor(client));
        const char *next = "";
        uint32_t n = 0;
        int r = sd_bus_message_open_container(reply, 'a', "a{sv}");

        for (size_t i = job_table_after(table, cursor); r >= 0 && i < table->n; i++) {
                const Job *job = table->jobs[i];
                if (!supervisor_may_see(&caller, job) || !filter_takes(filter, job))
                        continue;
                if (n == limit) {
                        /* There is one more: the page ends before it. */
                        next = table->jobs[i - 1]->id.text;
                        break;
                }
                r = bus_append_job(reply, job);
                n++;
        }
        if (r >= 0)
                r = sd_bus_message_close_container(reply);
        return r < 0 ? r : sd_bus_message_append(reply, "s", next);
}

static int method_list_jobs(sd_bus_message *m, void *userdata, sd_bus_error *error _unused_)
{
        _cleanup_error_ Error e = ERROR_NULL;
        sd_bus_message *reply = NULL;
        Filter filter = {0};
        const char *cursor;
        uint32_t limit;

        if (read_filter(m, &filter, &e) < 0)
                return sd_bus_reply_method_errorf(m, SD_BUS_ERROR_INVALID_ARGS, "%s", error_text(&e));
        int r = sd_bus_message_read(m, "su", &cursor, &limit);
        if (r >= 0)
                r = sd_bus_message_new_method_return(m, &reply);
        if (r >= 0)
                r = append_jobs(reply, userdata, &filter, cursor,
                                limit == 0 || limit > JOBS_PER_LIST ? JOBS_PER_LIST : limit);
        if (r >= 0)
                r = sd_bus_send(NULL, reply, NULL);
        sd_bus_message_unref(reply);
        return r < 0 ? r : 1;
}

static int method_wait(sd_bus_message *m, void *userdata, sd_bus_error *error _unused_)
{
        _cleanup_strv_ char **ids = NULL, **full = NULL;
        uint64_t timeout_usec;
        int r = sd_bus_message_read_strv(m, &ids);

        if (r >= 0)
                r = sd_bus_message_read(m, "t", &timeout_usec);
        if (r < 0)
                return r;
        if (strv_length(ids) > IDS_PER_WAIT)
                return sd_bus_reply_method_errorf(m, SD_BUS_ERROR_INVALID_ARGS, "at most %d ids", IDS_PER_WAIT);
        for (size_t i = 0; ids && ids[i]; i++) {
                Job *job;
                if ((r = find_job(m, userdata, ids[i], &job)) != 0)
                        return r;
                if (strv_add(&full, job->id.text) < 0)
                        return -ENOMEM;
        }
        return bus_client_add_wait(userdata, m, take(full), timeout_usec);
}

static int get_version(sd_bus *bus _unused_, const char *path _unused_, const char *interface _unused_,
                       const char *property _unused_, sd_bus_message *reply, void *userdata _unused_,
                       sd_bus_error *error _unused_)
{
        return sd_bus_message_append(reply, "s", SKEP_VERSION);
}

static int get_status(sd_bus *bus _unused_, const char *path _unused_, const char *interface _unused_,
                      const char *property, sd_bus_message *reply, void *userdata, sd_bus_error *error _unused_)
{
        const SupervisorStatus status = supervisor_status(bus_client_supervisor(userdata));
        uint64_t value = strcmp(property, "Workers") == 0  ? status.workers
                         : strcmp(property, "Queued") == 0 ? status.queued
                                                           : status.running;

        return sd_bus_message_append(reply, "u", (uint32_t)value);
}

const sd_bus_vtable bus_manager_vtable[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_METHOD_WITH_ARGS("Submit", SD_BUS_ARGS("s", spec, "a(sh)", inputs), SD_BUS_RESULT("s", id, "o", job),
                                method_submit, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("AddInput", SD_BUS_ARGS("h", file), SD_BUS_RESULT("s", digest), method_add_input,
                                SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("SubmitBatch", SD_BUS_ARGS("a(sa(ss))", specs_with_named_digests),
                                SD_BUS_RESULT("as", ids), method_submit_batch, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Cancel", SD_BUS_ARGS("s", id), SD_BUS_NO_RESULT, method_cancel,
                                SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Hold", SD_BUS_ARGS("s", id), SD_BUS_NO_RESULT, method_hold,
                                SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Release", SD_BUS_ARGS("s", id), SD_BUS_NO_RESULT, method_hold,
                                SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Requeue", SD_BUS_ARGS("s", id), SD_BUS_NO_RESULT, method_hold,
                                SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Forget", SD_BUS_ARGS("s", id), SD_BUS_NO_RESULT, method_forget,
                                SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Pause", SD_BUS_NO_ARGS, SD_BUS_NO_RESULT, method_pause, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Resume", SD_BUS_NO_ARGS, SD_BUS_NO_RESULT, method_pause, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Drain", SD_BUS_NO_ARGS, SD_BUS_NO_RESULT, method_pause, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Reload", SD_BUS_NO_ARGS, SD_BUS_RESULT("as", needs_restart), method_reload,
                                SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("GetConfig", SD_BUS_NO_ARGS, SD_BUS_RESULT("s", config), method_get_config,
                                SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("GetJob", SD_BUS_ARGS("s", id), SD_BUS_RESULT("o", job), method_get_job,
                                SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("ListJobs", SD_BUS_ARGS("a{sv}", filter, "s", cursor, "u", limit),
                                SD_BUS_RESULT("aa{sv}", jobs, "s", next), method_list_jobs, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Wait", SD_BUS_ARGS("as", ids, "t", timeout_usec), SD_BUS_RESULT("a(ss)", ended),
                                method_wait, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_PROPERTY("Version", "s", get_version, 0, SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_PROPERTY("Workers", "u", get_status, 0, 0),
        SD_BUS_PROPERTY("Queued", "u", get_status, 0, 0),
        SD_BUS_PROPERTY("Running", "u", get_status, 0, 0),
        SD_BUS_VTABLE_END,
};
