/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/bench-engine/bench.h"

#include "engine/base/clock.h"
#include "tests/bench-engine/callers.h"

#define ROUNDS 5
#define BATCH 1000
#define BATCHES 10
#define SUBMITS 6000
#define CALLERS 16
#define IN_FLIGHT 16 /* of each caller */

typedef struct Times {
        uint64_t batches, groups, submits, puts, single, calls;
} Times;

static int run_round(Bench *b, const Engine *engine, size_t submits, size_t batch, Times *t, Error *e)
{
        const char *spec = b->spec;
        const Callers batches = {.clients = 1, .in_flight = 2, .specs = &spec, .n_specs = 1, .batch = batch, .calls = BATCHES},
                      singles = {.clients = CALLERS, .in_flight = IN_FLIGHT, .specs = &spec, .n_specs = 1, .calls = submits};
        int r = callers_run(&batches, engine, &t->batches, e);

        if (r >= 0)
                r = callers_run(&singles, engine, &t->submits, e);
        uint64_t start = monotonic_usec();
        if (r >= 0 && !b->no_beanstalk)
                r = beanstalk_put(&b->beanstalk, b->spec, submits, CALLERS, IN_FLIGHT, e);
        t->puts += monotonic_usec() - start;
        start = monotonic_usec();
        if (r >= 0)
                r = rows_write(&b->rows, b->spec, BATCHES * batch, batch, e);
        t->groups += monotonic_usec() - start;
        start = monotonic_usec();
        if (r >= 0)
                r = rows_write(&b->rows, b->spec, submits, 1, e);
        t->single += monotonic_usec() - start;
        start = monotonic_usec();
        if (r >= 0)
                r = echo_call_many(&b->echo, b->spec, submits, CALLERS * IN_FLIGHT, e);
        t->calls += monotonic_usec() - start;
        return r;
}

static double per_second(size_t n, uint64_t usec)
{
        return (double)n * ROUNDS * (double)USEC_PER_SECOND / (double)usec;
}

int submissions_measure(Bench *b, Error *e)
{
        size_t submits = bench_scale(b, SUBMITS, 20), batch = bench_scale(b, BATCH, 10);
        Engine engine = {0};
        Times t = {0};
        int r = engine_new(&engine, b->folder, "submissions", b->missing, e);

        if (r >= 0)
                r = engine_call(&engine, "Pause", e);
        for (size_t i = 0; r >= 0 && i < ROUNDS; i++)
                r = run_round(b, &engine, submits, batch, &t, e);
        engine_done(&engine);
        if (r < 0)
                return r;

        double batched = per_second(BATCHES * batch, t.batches), grouped = per_second(BATCHES * batch, t.groups),
               submitted = per_second(submits, t.submits), single = per_second(submits, t.single),
               puts = b->no_beanstalk ? 0 : per_second(submits, t.puts);
        printf("\nbare calls by sd-bus, %d in flight: %.0f a second\n", CALLERS * IN_FLIGHT, per_second(submits, t.calls));
        results_add(&b->results, (Result){"SubmitBatch, jobs / SQLite alone, as many rows a commit", "a second", batched,
                                          grouped, false, 30000, false});
        results_add(&b->results, (Result){"Submit from 16 callers / SQLite alone, one row a commit", "a second",
                                          submitted, single, false, 10000, false});
        results_add(&b->results, (Result){"Submit from 16 callers / beanstalkd's puts with fsync", "a second", submitted,
                                          puts, true, 2, false});
        return 0;
}
