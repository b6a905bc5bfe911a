/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/bench-engine/callers.h"

#include "engine/base/clock.h"

typedef struct Run {
        const Callers *callers;
        sd_event *event;
        Client *clients[CALLERS_MAX];
        const char **batch; /* owned */
        size_t sent, answered, next_spec;
        Error *error;
} Run;

static const char *next_spec(Run *run)
{
        return run->callers->specs[run->next_spec++ % run->callers->n_specs];
}

static int send_one(Run *run, Client *client)
{
        const Callers *c = run->callers;

        run->sent++;
        if (c->batch == 0)
                return client_submit(client, next_spec(run), run->error);
        for (size_t i = 0; i < c->batch; i++)
                run->batch[i] = next_spec(run);
        return client_submit_batch(client, run->batch, c->batch, run->error);
}

static void on_submitted(Client *client, const char *id, void *userdata)
{
        Run *run = userdata;

        if (!id && run->error->code == 0)
                error_set(run->error, -EIO, "a submission was refused");
        if (!id || ++run->answered == run->callers->calls ||
            (run->sent < run->callers->calls && send_one(run, client) < 0))
                sd_event_exit(run->event, 0);
}

static const ClientEvents events = {.submitted = on_submitted};

static int run_all(Run *run, const Engine *engine, uint64_t *usec, Error *e)
{
        const Callers *c = run->callers;
        int r = 0;

        for (size_t i = 0; r >= 0 && i < c->clients; i++)
                r = client_new(run->event, engine, &events, run, &run->clients[i], e);
        uint64_t start = monotonic_usec();
        for (size_t i = 0; r >= 0 && i < c->clients * c->in_flight && run->sent < c->calls; i++)
                r = send_one(run, run->clients[i % c->clients]);
        if (r >= 0 && sd_event_loop(run->event) != 0 && e->code == 0)
                r = error_set(e, -ECONNRESET, "the engine has closed the connection");
        *usec += monotonic_usec() - start;
        for (size_t i = 0; i < c->clients; i++)
                client_freep(&run->clients[i]);
        return r < 0 ? r : e->code;
}

int callers_run(const Callers *callers, const Engine *engine, uint64_t *usec, Error *e)
{
        Run run = {.callers = callers, .batch = calloc(callers->batch + 1, sizeof *run.batch), .error = e};
        int r = run.batch ? sd_event_new(&run.event) : -ENOMEM;

        r = r < 0 ? error_errno(e, r, "event loop") : run_all(&run, engine, usec, e);
        sd_event_unref(run.event);
        free(run.batch);
        return r;
}
