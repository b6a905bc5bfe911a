/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/bench-engine/load.h"

#include "engine/base/clock.h"
#include "engine/base/id.h"

#include <math.h>
#include <string.h>

/* A job that was submitted and has not ended. */
typedef struct Arrival {
        Id id;
        uint64_t due_usec;
} Arrival;

typedef struct Load {
        sd_event *event;
        Client *client;
        const char *const *specs;
        size_t n_specs, total, submitted, answered, finished;
        uint64_t start_usec, due_usec; /* when the next arrives; an open load */
        double gap_usec;
        Arrival *arrivals; /* in the order of their submission; only those of latencies */
        Samples *latency;
        Error *error;
} Load;

static void stop(Load *l, int code, const char *why)
{
        if (code < 0 && l->error->code == 0)
                error_set(l->error, code, "%s", why);
        sd_event_exit(l->event, 0);
}

static void submit(Load *l, uint64_t due_usec)
{
        if (l->arrivals)
                l->arrivals[l->submitted].due_usec = due_usec;
        if (client_submit(l->client, l->specs[l->submitted % l->n_specs], l->error) < 0)
                stop(l, -EIO, "submitting");
        l->submitted++;
}

static void on_submitted(Client *client _unused_, const char *id, void *userdata)
{
        Load *l = userdata;

        if (!id)
                stop(l, -EIO, "a submission was refused");
        else if (l->arrivals && l->answered < l->total)
                snprintf(l->arrivals[l->answered].id.text, sizeof l->arrivals->id.text, "%s", id);
        l->answered++;
}

/* One after another they are answered, and ended, in nearly the order in which they came. */
static Arrival *find_arrival(Load *l, const char *id)
{
        for (size_t i = l->answered; i-- > 0;)
                if (strcmp(l->arrivals[i].id.text, id) == 0)
                        return &l->arrivals[i];
        return NULL;
}

static void on_finished(Client *client _unused_, const char *id, const char *state, void *userdata)
{
        Load *l = userdata;
        const Arrival *arrival = l->arrivals ? find_arrival(l, id) : NULL;

        if (strcmp(state, "succeeded") != 0) {
                stop(l, -EIO, "a job did not succeed");
                return;
        }
        if (l->arrivals && !arrival)
                return;
        if (l->latency)
                samples_add(l->latency, monotonic_usec() - arrival->due_usec, 0);
        if (++l->finished == l->total)
                stop(l, 0, NULL);
}

static const ClientEvents events = {on_submitted, on_finished};

static int load_run(Load *l, const Engine *engine, int (*begin)(Load *l, Error *e), uint64_t *ret_usec, Error *e)
{
        _cleanup_client_ Client *client = NULL;
        int r = sd_event_new(&l->event);

        l->error = e;
        if (r < 0)
                return error_errno(e, r, "event loop");
        if (l->latency && !(l->arrivals = calloc(l->total, sizeof *l->arrivals)))
                r = error_oom(e);
        if (r >= 0)
                r = client_new(l->event, engine, &events, l, &client, e);
        l->client = client;
        l->start_usec = monotonic_usec();
        if (r >= 0)
                r = begin(l, e);
        if (r >= 0 && sd_event_loop(l->event) != 0 && e->code == 0)
                r = error_set(e, -ECONNRESET, "the engine has closed the connection");
        if (ret_usec)
                *ret_usec = monotonic_usec() - l->start_usec;
        if (client)
                client = client_free(client);
        sd_event_unref(l->event);
        free(l->arrivals);
        return r < 0 ? r : e->code;
}

/* ---- a batch ---- */

static int begin_batch(Load *l, Error *e)
{
        const char **specs = calloc(l->total, sizeof *specs);

        for (size_t i = 0; specs && i < l->total; i++)
                specs[i] = l->specs[0];
        int r = specs ? client_submit_batch(l->client, specs, l->total, e) : error_oom(e);
        free(specs);
        return r;
}

int load_batch(const Engine *engine, const char *spec, size_t n, uint64_t *ret_usec, Error *e)
{
        Load l = {.specs = &spec, .n_specs = 1, .total = n};

        return load_run(&l, engine, begin_batch, ret_usec, e);
}

/* ---- one ---- */

static int begin_one(Load *l, Error *e)
{
        submit(l, monotonic_usec());
        return e->code;
}

int load_one(const Engine *engine, const char *spec, Samples *latency, Error *e)
{
        Load l = {.specs = &spec, .n_specs = 1, .total = 1, .latency = latency};

        return load_run(&l, engine, begin_one, NULL, e);
}

/* ---- what is queued ---- */

static int begin_drain(Load *l, Error *e)
{
        return client_call(l->client, "Resume", e);
}

int load_drain(const Engine *engine, size_t total, uint64_t *ret_usec, Error *e)
{
        Load l = {.total = total};
        int r = load_run(&l, engine, begin_drain, ret_usec, e);

        return r < 0 ? r : engine_call(engine, "Pause", e);
}

/* ---- an open load ---- */

static int on_arrival(sd_event_source *source, uint64_t usec _unused_, void *userdata)
{
        Load *l = userdata;

        /* Those that are late arrive together. */
        for (uint64_t now = monotonic_usec(); l->due_usec <= now && l->submitted < l->total;) {
                submit(l, l->due_usec);
                l->due_usec += (uint64_t)(-log(1 - drand48()) * l->gap_usec);
        }
        if (l->submitted == l->total)
                return 0;
        int r = sd_event_source_set_time(source, l->due_usec);
        return r < 0 ? r : sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

static int begin_open(Load *l, Error *e)
{
        l->due_usec = l->start_usec;
        int r = sd_event_add_time(l->event, NULL, CLOCK_MONOTONIC, l->due_usec, 1, on_arrival, l);
        return r < 0 ? error_errno(e, r, "timer") : 0;
}

int load_open(const Engine *engine, const char *spec, size_t total, double rate, Samples *latency, Error *e)
{
        Load l = {.specs = &spec,
                  .n_specs = 1,
                  .total = total,
                  .gap_usec = (double)USEC_PER_SECOND / rate,
                  .latency = latency};

        return load_run(&l, engine, begin_open, NULL, e);
}
