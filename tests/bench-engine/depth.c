/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/bench-engine/bench.h"

#include "engine/base/clock.h"
#include "tests/bench-engine/callers.h"

#include <time.h>

#define ROUNDS 8
#define JOBS 200       /* that are submitted and run in a round */
#define SLOTS 16       /* so many more are no queue yet */
#define FEW 10
#define MANY (100000 - JOBS) /* with those of a round as many as one tenant may have waiting */
#define TENANTS 1000
#define OF_TENANTS 10000 /* queued jobs */

/* An engine whose queue is kept at a depth. */
typedef struct Deep {
        Engine engine;
        const char *name;
        size_t depth;
        const char *const *specs;
        size_t n_specs;
        Samples submit, dispatch; /* of a round */
} Deep;

static int fill(Deep *d, size_t n, Error *e)
{
        Callers c = {.clients = 1, .in_flight = 2, .specs = d->specs, .n_specs = d->n_specs, .batch = 1000};
        uint64_t usec = 0;
        int r = 0;

        c.calls = n / c.batch;
        if (c.calls > 0)
                r = callers_run(&c, &d->engine, &usec, e);
        c.calls = n % c.batch;
        c.batch = 0;
        return r < 0 || c.calls == 0 ? r : callers_run(&c, &d->engine, &usec, e);
}

/* Nothing runs, and as many as ever wait. */
static int settle(Deep *d, Error *e)
{
        const struct timespec moment = {.tv_nsec = 20000000};
        uint32_t running, queued;
        int r;

        while ((r = engine_count(&d->engine, "Running", &running, e)) >= 0 && running > 0)
                nanosleep(&moment, NULL);
        if (r < 0 || (r = engine_count(&d->engine, "Queued", &queued, e)) < 0)
                return r;
        return queued < d->depth ? fill(d, d->depth - queued, e) : 0;
}

static int run_round(Deep *d, size_t jobs, Error *e)
{
        const Callers caller = {.clients = 1, .in_flight = 1, .specs = d->specs, .n_specs = d->n_specs, .calls = jobs};
        uint64_t usec = 0;
        int r = settle(d, e);

        if (r < 0 || (r = callers_run(&caller, &d->engine, &usec, e)) < 0)
                return r;
        samples_add(&d->submit, usec, 0);
        if ((r = load_drain(&d->engine, jobs, &usec, e)) < 0)
                return r;
        samples_add(&d->dispatch, usec, 0);
        return 0;
}

static int deep_start(Deep *d, const Bench *b, Error *e)
{
        int r = engine_new(&d->engine, b->folder, d->name, b->missing, e);

        if (r >= 0)
                r = engine_call(&d->engine, "Pause", e);
        return r < 0 ? r : fill(d, d->depth, e);
}

static void deep_done(Deep *d)
{
        engine_done(&d->engine);
        samples_done(&d->submit);
        samples_done(&d->dispatch);
}

/* The two take turns. */
static int compare(Bench *b, Deep *ours, Deep *theirs, const char *submit, const char *dispatch, Error *e)
{
        size_t jobs = bench_scale(b, JOBS, 10), rounds = bench_scale(b, ROUNDS, 1);
        int r = 0;

        for (size_t i = 0; r >= 0 && i < 2 * rounds; i++)
                r = run_round((i + i / 2) % 2 ? ours : theirs, jobs, e);
        if (r < 0)
                return r;
        results_add(&b->results, (Result){submit, "us", samples_msec(&ours->submit, 500) * 1000 / (double)jobs,
                                          samples_msec(&theirs->submit, 500) * 1000 / (double)jobs, true, 1.1, true});
        results_add(&b->results, (Result){dispatch, "us", samples_msec(&ours->dispatch, 500) * 1000 / (double)jobs,
                                          samples_msec(&theirs->dispatch, 500) * 1000 / (double)jobs, true, 1.1, true});
        return 0;
}

static int measure_many(Bench *b, Error *e)
{
        const char *spec = b->spec;
        Deep few = {.name = "few", .depth = FEW + SLOTS, .specs = &spec, .n_specs = 1},
             many = {.name = "many", .depth = bench_scale(b, MANY, 100), .specs = &spec, .n_specs = 1};
        Usage usage;
        int r = deep_start(&few, b, e);

        if (r >= 0)
                r = deep_start(&many, b, e);
        if (r >= 0)
                r = compare(b, &many, &few, "100,000 queued: a Submit / with 10", "100,000 queued: a job run / with 10", e);
        if (r >= 0)
                r = settle(&many, e);
        if (r >= 0) {
                engine_usage(&many.engine, NULL, &usage);
                engine_stop(&many.engine);
                r = engine_start(&many.engine, e);
        }
        if (r >= 0) {
                results_add(&b->results, (Result){"100,000 queued: the supervisor's memory", "MB",
                                                  (double)usage.rss_bytes / 1e6, 0, false, 150, true});
                results_add(&b->results, (Result){"100,000 queued: from the start until ready", "s",
                                                  (double)many.engine.start_usec / 1e6, 0, false, 3, true});
        }
        deep_done(&few);
        deep_done(&many);
        return r;
}

static int measure_tenants(Bench *b, Error *e)
{
        char *specs[TENANTS] = {NULL};
        size_t depth = bench_scale(b, OF_TENANTS, 100);
        Deep one = {.name = "one", .depth = depth, .specs = (const char *const *)specs, .n_specs = 1},
             all = {.name = "all", .depth = depth, .specs = (const char *const *)specs, .n_specs = TENANTS};
        int r = 0;

        for (size_t i = 0; r >= 0 && i < TENANTS; i++)
                if (asprintf(&specs[i], "{\"tenant\": \"t%zu\", %s", i, b->spec + 1) < 0)
                        r = error_oom(e);
        if (r >= 0)
                r = deep_start(&one, b, e);
        if (r >= 0)
                r = deep_start(&all, b, e);
        if (r >= 0)
                r = compare(b, &all, &one, "1,000 tenants: a Submit / with one", "1,000 tenants: a job run / with one", e);
        deep_done(&one);
        deep_done(&all);
        for (size_t i = 0; i < TENANTS; i++)
                free(specs[i]);
        return r;
}

int depth_measure(Bench *b, Error *e)
{
        int r = measure_many(b, e);

        return r < 0 ? r : measure_tenants(b, e);
}
