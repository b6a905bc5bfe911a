/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/bench-engine/bench.h"

#include "engine/base/clock.h"

#include <time.h>

#define RUNS 500
#define PAUSE_MSEC 8 /* in which the engine makes a jail for the one that was used */
#define OPEN_ROUNDS 6
#define OPEN_BATCH 500
#define OPEN_JOBS 1000
#define OPEN_SHARE 0.7

/* A job, and what it is made of, one after the other, each after the same pause. */
typedef struct Idle {
        Samples job, run, call, commits;
} Idle;

static void pause_a_little(void)
{
        const struct timespec pause = {.tv_nsec = PAUSE_MSEC * 1000000L};

        nanosleep(&pause, NULL);
}

static void keep_run(const LibraryRun *run, void *userdata)
{
        samples_add(userdata, run->told_usec - run->asked_usec, 0);
}

static int run_round(Bench *b, const Engine *engine, Idle *idle, Error *e)
{
        int r = load_one(engine, b->spec, &idle->job, e);

        if (r < 0)
                return r;
        pause_a_little();
        if ((r = library_run_warm(&b->library, keep_run, &idle->run, e)) < 0)
                return r;
        pause_a_little();
        uint64_t start = monotonic_usec();
        if ((r = echo_call(&b->echo, b->spec, e)) < 0)
                return r;
        samples_add(&idle->call, monotonic_usec() - start, 0);
        pause_a_little();
        start = monotonic_usec();
        if ((r = rows_write(&b->rows, b->spec, 2, 1, e)) < 0)
                return r;
        samples_add(&idle->commits, monotonic_usec() - start, 0);
        pause_a_little();
        return 0;
}

static void judge(Bench *b, const char *name, Idle *idle, unsigned permille)
{
        double sum = samples_msec(&idle->run, permille) + samples_msec(&idle->call, permille) +
                     samples_msec(&idle->commits, permille);

        results_add(&b->results, (Result){name, "ms", samples_msec(&idle->job, permille), sum, true, 1.5, true});
}

static int measure_idle(Bench *b, const Engine *engine, Idle *idle, Error *e)
{
        size_t runs = bench_scale(b, RUNS, 3);
        Idle warm_up = {0};
        int r = 0;

        for (size_t i = 0; r >= 0 && i < 3; i++)
                r = run_round(b, engine, &warm_up, e);
        for (size_t i = 0; r >= 0 && i < runs; i++)
                r = run_round(b, engine, idle, e);
        if (r >= 0) {
                samples_print_head("an idle engine, ms");
                samples_print("a job, from its submission to its report", &idle->job);
                samples_print("a run of the library, in a jail that was there", &idle->run);
                samples_print("a bare call by sd-bus and its answer", &idle->call);
                samples_print("two commits of SQLite", &idle->commits);
                judge(b, "submit to report, idle, median / run + call + two commits", idle, 500);
                judge(b, "submit to report, idle, 99 % / the sum of their 99 %", idle, 990);
        }
        samples_done(&warm_up.job);
        samples_done(&warm_up.run);
        samples_done(&warm_up.call);
        samples_done(&warm_up.commits);
        return r;
}

/* The machine is not as fast in one minute as in the next, and what is 70 % of its rate in one is all of it in another: so
 * each part of the load has the rate that a batch had just before. */
static int measure_open(Bench *b, const Engine *engine, Error *e)
{
        _cleanup_samples_ Samples latency = {0};
        size_t jobs = bench_scale(b, OPEN_JOBS, 20), batch = bench_scale(b, OPEN_BATCH, 20);
        double rates = 0;

        for (size_t i = 0; i < OPEN_ROUNDS; i++) {
                uint64_t usec;
                int r = load_batch(engine, b->spec, batch, &usec, e);
                if (r < 0)
                        return r;
                double rate = (double)batch * (double)USEC_PER_SECOND / (double)usec;
                if ((r = load_open(engine, b->spec, jobs, OPEN_SHARE * rate, &latency, e)) < 0)
                        return r;
                rates += rate;
        }
        printf("\n%.0f jobs arrive in a second, 70 %% of what the engine reaches", OPEN_SHARE * rates / OPEN_ROUNDS);
        samples_print_head("from the intended arrival, ms");
        samples_print("a job, from its submission to its report", &latency);
        results_add(&b->results, (Result){"open load at 70 % of the rate, 99 %", "ms", samples_msec(&latency, 990), 0, false,
                                          25, true});
        return 0;
}

int latency_measure(Bench *b, Error *e)
{
        Engine engine = {0};
        Idle idle = {0};
        int r = engine_new(&engine, b->folder, "latency", b->missing, e);

        if (r >= 0)
                r = measure_idle(b, &engine, &idle, e);
        if (r >= 0)
                r = measure_open(b, &engine, e);
        engine_done(&engine);
        samples_done(&idle.job);
        samples_done(&idle.run);
        samples_done(&idle.call);
        samples_done(&idle.commits);
        return r;
}
