/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Submit, AddInput and SubmitBatch of the Manager: a message becomes what the supervisor takes, and waits for its
 * answer. */

#include "engine/supervisor/bus_private.h"

#include "engine/base/strv.h"

#include <string.h>

/* Without a job and without an error the submission was dropped, with the client. */
static void on_submitted(const Job *job, const Error *error, void *userdata)
{
        BusPending *p = userdata;

        if (!job && !error)
                return;
        _cleanup_free_ char *path = job ? bus_path_of_job(job) : NULL;
        if (job)
                sd_bus_reply_method_return(p->message, "so", job->id.text, path ? path : "/");
        else
                bus_reply_error(p->message, error);
        bus_pending_free(p);
}

static void on_batch(char *const *ids, const Error *error, void *userdata)
{
        BusPending *p = userdata;

        if (!error)
                return;
        if (error->code < 0)
                bus_reply_error(p->message, error);
        else
                bus_reply_strings(p->message, ids);
        bus_pending_free(p);
}

static void on_added(char *const *digests, const Error *error, void *userdata)
{
        BusPending *p = userdata;

        if (!error)
                return;
        if (error->code < 0 || !digests)
                bus_reply_error(p->message, error);
        else
                sd_bus_reply_method_return(p->message, "s", digests[0]);
        bus_pending_free(p);
}

static int read_inputs(sd_bus_message *m, PorterInput *inputs, size_t *n, Error *e)
{
        int r = sd_bus_message_enter_container(m, 'a', "(sh)");

        for (;;) {
                const char *name;
                size_t index = 0;
                int fd;
                if (r >= 0)
                        r = sd_bus_message_read(m, "(sh)", &name, &fd);
                if (r == 0)
                        return 0;
                if (r < 0 || bus_placeholder_index(fd, &index) < 0)
                        return error_set(e, -EINVAL, "the inputs: each is a name and a descriptor of this message");
                if (*n == JAIL_INPUTS_MAX)
                        return error_set(e, -EINVAL, "a job may have %d inputs", JAIL_INPUTS_MAX);
                inputs[(*n)++] = (PorterInput){name, index};
        }
}

static int read_submission(sd_bus_message *m, const char **spec, PorterInput *inputs, size_t *n, Error *e)
{
        int r = sd_bus_message_read(m, "s", spec);

        *n = 0;
        return r < 0 ? error_set(e, -EINVAL, "the specification is not UTF-8") : read_inputs(m, inputs, n, e);
}

int bus_method_submit(sd_bus_message *m, void *userdata, sd_bus_error *error _unused_)
{
        _cleanup_error_ Error e = ERROR_NULL;
        BusLink *link = userdata;
        PorterInput inputs[JAIL_INPUTS_MAX];
        Submission *submission;
        const char *spec;
        size_t n;
        int r = read_submission(m, &spec, inputs, &n, &e);

        if (r < 0)
                return bus_reply_error(m, &e);
        BusPending *p = bus_pending_new(link->client, m);
        if (!p)
                return 1;
        supervisor_submit(bus_supervisor(link), &link->client->caller, spec, n > 0 ? take(link->load->porter) : NULL, inputs, n,
                          on_submitted, p, &submission);
        if (submission)
                p->submission = submission;
        return 1;
}

int bus_method_add_input(sd_bus_message *m, void *userdata, sd_bus_error *error _unused_)
{
        _cleanup_error_ Error e = ERROR_NULL;
        BusLink *link = userdata;
        Submission *submission;
        size_t index;
        int fd;

        if (sd_bus_message_read(m, "h", &fd) < 0 || bus_placeholder_index(fd, &index) < 0) {
                error_set(&e, -EINVAL, "the input: it is a descriptor of this message");
                return bus_reply_error(m, &e);
        }
        BusPending *p = bus_pending_new(link->client, m);
        if (!p)
                return 1;
        supervisor_add_input(bus_supervisor(link), &link->client->caller, take(link->load->porter), index, on_added, p, &submission);
        if (submission)
                p->submission = submission;
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
        size_t n = 0;

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
        /* Here too, one more than is taken is enough. */
        while (r >= 0 && (r = sd_bus_message_read(m, "(ss)", &name, &digest)) > 0)
                if (n++ <= JAIL_INPUTS_MAX && (strv_add(&job.inputs, name) < 0 || strv_add(&job.inputs, digest) < 0))
                        r = -ENOMEM;
        batch->jobs[batch->n++] = job;
        return r < 0 ? r : sd_bus_message_exit_container(m);
}

/* `at`: the index of the one that it stands at. */
static int read_batch(sd_bus_message *m, BatchMessage *batch, size_t *at)
{
        int r = sd_bus_message_enter_container(m, 'a', "(sa(ss))");

        /* One more than is taken is enough to be refused. */
        for (*at = 0; r >= 0 && *at <= BATCH_JOBS_MAX; ++*at)
                if ((r = sd_bus_message_enter_container(m, 'r', "sa(ss)")) <= 0 || (r = read_batch_job(m, batch)) < 0 ||
                    (r = sd_bus_message_exit_container(m)) < 0)
                        return r;
        return r;
}

int bus_method_submit_batch(sd_bus_message *m, void *userdata, sd_bus_error *error _unused_)
{
        _cleanup_(batch_message_done) BatchMessage batch = {0};
        _cleanup_error_ Error e = ERROR_NULL;
        BusLink *link = userdata;
        Submission *submission;
        size_t at;
        int r = read_batch(m, &batch, &at);

        if (r == -EBADMSG) {
                error_set(&e, -EINVAL, "job %zu: the specification, or what names its inputs, is not UTF-8", at);
                return bus_reply_error(m, &e);
        }
        if (r < 0)
                return r;
        BusPending *p = bus_pending_new(link->client, m);
        if (!p)
                return 1;
        supervisor_submit_batch(bus_supervisor(link), &link->client->caller, batch.jobs, batch.n, on_batch, p,
                                &submission);
        if (submission)
                p->submission = submission;
        return 1;
}
