/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/bench-engine/bench.h"

#include "engine/base/clock.h"

#define ROUNDS 6
#define BATCH 1000
#define LOOPS 2

typedef struct Rates {
        uint64_t engine_usec, bubblewrap_usec, spawn_usec;
        Samples batches;
} Rates;

static int run_round(Bench *b, const Engine *engine, size_t n, Rates *rates, Error *e)
{
        uint64_t usec, start;
        int r = load_batch(engine, b->spec, n, &usec, e);

        if (r < 0)
                return r;
        rates->engine_usec += usec;
        samples_add(&rates->batches, usec, 0);
        start = monotonic_usec();
        if (!b->no_bubblewrap && (r = command_run_many(&b->bubblewrap, n, LOOPS, e)) < 0)
                return r;
        rates->bubblewrap_usec += monotonic_usec() - start;
        start = monotonic_usec();
        r = command_run_many(&b->spawn, n, LOOPS, e);
        rates->spawn_usec += monotonic_usec() - start;
        return r;
}

static double per_second(size_t n, uint64_t usec)
{
        return (double)n * (double)USEC_PER_SECOND / (double)usec;
}

int rates_measure(Bench *b, Error *e)
{
        size_t n = bench_scale(b, BATCH, 10), total = n * ROUNDS;
        Engine engine = {0};
        Rates rates = {0};
        uint64_t usec;
        int r = engine_new(&engine, b->folder, "rates", b->missing, e);

        if (r >= 0)
                r = load_batch(&engine, b->spec, n / 4 + 1, &usec, e);
        for (size_t i = 0; r >= 0 && i < ROUNDS; i++)
                r = run_round(b, &engine, n, &rates, e);
        engine_done(&engine);
        if (r < 0)
                return r;

        b->jobs_rate = per_second(total, rates.engine_usec);
        double theirs = b->no_bubblewrap ? 0 : per_second(total, rates.bubblewrap_usec);
        printf("\na batch of %zu, from its submission to the last report: median %.0f ms, longest %.0f ms\n", n,
               samples_msec(&rates.batches, 500), samples_msec(&rates.batches, 1000));
        printf("two loops of a bare spawn: %.0f a second\n", per_second(total, rates.spawn_usec));
        results_add(&b->results, (Result){"jobs a second, end to end, durable / two loops of bubblewrap", "a second",
                                          b->jobs_rate, theirs, true, 1.5, false});
        /* What 333 a second of bubblewrap's are elsewhere, they are here. */
        results_add(&b->results, (Result){"jobs an hour, in millions / what bubblewrap's two loops reach", "millions",
                                          b->jobs_rate * 3600 / 1e6, theirs * 3600 / 1e6, true, 1.8e6 / 3600 / 333,
                                          false});
        samples_done(&rates.batches);
        return 0;
}
