/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The runs: in every round each contestant once, in an order of its own, so that what else the machine does meets them
 * all alike. */

#include "tests/bench/bench.h"

#include "engine/base/clock.h"
#include "tests/bench/peers.h"
#include "tests/bench/policy.h"

#define WARM_UP 5
#define RATE_BLOCKS 10

/* ---- one run ---- */

static int run_command(Bench *b, size_t which, Error *e)
{
        uint64_t usec, cpu_usec;
        int r = command_run(&b->commands[which], &usec, &cpu_usec, e);

        if (r >= 0)
                samples_add(&b->samples[which], usec, cpu_usec);
        return r;
}

static void keep_run(const LibraryRun *run, void *userdata)
{
        Bench *b = userdata;

        samples_add(&b->library_samples, run->told_usec - run->asked_usec, 0);
        steps_add(&b->steps, run);
}

static int run_library(Bench *b, Error *e)
{
        uint64_t cpu_usec = library_cpu_usec(&b->library);
        int r = library_run(&b->library, 1, 1, keep_run, b, e);

        b->library_samples.cpu_usec += library_cpu_usec(&b->library) - cpu_usec;
        return r;
}

static void keep_warm_run(const LibraryRun *run, void *userdata)
{
        Bench *b = userdata;

        if (!run->report->warm)
                b->n_cold++;
        samples_add(&b->warm_samples, run->told_usec - run->asked_usec, 0);
        samples_add(&b->warm_reaped, run->steps->done_usec[STEP_GONE] - run->steps->done_usec[STEP_RECEIVED], 0);
        steps_add(&b->warm_steps, run);
}

static int run_warm(Bench *b, Error *e)
{
        int r = library_run_warm(&b->library, keep_warm_run, b, e);

        return r < 0 || b->n_cold == 0 ? r : error_set(e, -EIO, "a job got no jail that was there before");
}

static int run_floor(Bench *b, Error *e)
{
        FloorRun run;
        int r = floor_process_run(&b->floor, &run, e);

        if (r >= 0)
                samples_add(&b->floor_samples, run.usec, run.cpu_usec);
        return r;
}

static int run_one_of_process(Bench *b, size_t which, Error *e)
{
        return which == 0 ? run_library(b, e) : which == 1 ? run_warm(b, e) : run_floor(b, e);
}

/* ---- series ---- */

/* `runs` rounds of the numbers below `n`, each round in another order. */
static int interleave(Bench *b, size_t n, size_t runs, int (*run)(Bench *, size_t, Error *), Error *e)
{
        size_t order[WHOLES];

        for (size_t i = 0; i < n; i++)
                order[i] = i;
        for (size_t round = 0; round < runs; round++) {
                for (size_t i = n - 1; i > 0; i--) {
                        size_t k = (size_t)random() % (i + 1), kept = order[i];
                        order[i] = order[k];
                        order[k] = kept;
                }
                for (size_t i = 0; i < n; i++) {
                        bool left_out = run == run_command && b->absent[order[i]];
                        int r = left_out ? 0 : run(b, order[i], e);
                        if (r < 0)
                                return r;
                }
        }
        return 0;
}

void bench_forget(Bench *b)
{
        for (size_t i = 0; i < WHOLES; i++)
                samples_done(&b->samples[i]);
        samples_done(&b->library_samples);
        samples_done(&b->warm_samples);
        samples_done(&b->warm_reaped);
        samples_done(&b->floor_samples);
        samples_done(&b->policy_compiled);
        samples_done(&b->policy_kept);
        steps_done(&b->steps);
        steps_done(&b->warm_steps);
}

/* Others may not be here, or not work here; what is ours has to. */
static int try_all(Bench *b, Error *e)
{
        for (size_t i = 0; i < WHOLES; i++) {
                int r = run_command(b, i, e);
                if (r < 0 && (i == SKEP_JAIL || i == VERSION || i == SPAWN))
                        return r;
                if (r < 0) {
                        printf("%s is left out: %s\n", whole_names[i], error_text(e));
                        b->absent[i] = true;
                        error_clear(e);
                }
        }
        return run_floor(b, e);
}

/* Runs per second, in blocks that take turns. */
static int measure_rates(Bench *b, size_t runs, Error *e)
{
        static const size_t compared[] = {SKEP_JAIL, BUBBLEWRAP};
        size_t block = runs / RATE_BLOCKS + 1;
        uint64_t library_usec = 0, usec[WHOLES] = {0};

        for (size_t i = 0; i < RATE_BLOCKS; i++) {
                uint64_t start = monotonic_usec();
                int r = library_run(&b->library, block, 2, NULL, NULL, e);
                library_usec += monotonic_usec() - start;
                for (size_t k = 0; k < ELEMENTS(compared) && r >= 0; k++) {
                        if (b->absent[compared[k]])
                                continue;
                        start = monotonic_usec();
                        r = command_run_many(&b->commands[compared[k]], block, 2, e);
                        usec[compared[k]] += monotonic_usec() - start;
                }
                if (r < 0)
                        return r;
        }
        const double total = (double)(block * RATE_BLOCKS) * (double)USEC_PER_SECOND;
        b->library_rate = total / (double)library_usec;
        for (size_t k = 0; k < ELEMENTS(compared); k++)
                if (usec[compared[k]] > 0)
                        b->rates[compared[k]] = total / (double)usec[compared[k]];
        return 0;
}

/* ---- while a job sleeps ---- */

static int measure_waiting(Bench *b, Error *e)
{
        char seconds[8], *arguments[] = {(char *)"sleep", seconds, NULL};
        _cleanup_command_ Command ours = COMMAND_NULL, theirs = COMMAND_NULL;
        int r;

        snprintf(seconds, sizeof seconds, "%d", WAITING_SECONDS);
        if ((r = peer_skep_jail(b->sleeper, b->missing, arguments, &ours, e)) < 0 ||
            (r = waiting_measure(&ours, "payload", &b->waiting[SKEP_JAIL], e)) < 0 || b->absent[BUBBLEWRAP])
                return r;
        if ((r = peer_bubblewrap(b->sleeper, arguments, &theirs, e)) < 0)
                return r;
        return waiting_measure(&theirs, "payload", &b->waiting[BUBBLEWRAP], e);
}

int bench_measure(Bench *b, size_t runs, Error *e)
{
        int r;

        if ((r = try_all(b, e)) < 0 || (r = interleave(b, WHOLES, WARM_UP, run_command, e)) < 0 ||
            (r = interleave(b, 3, WARM_UP, run_one_of_process, e)) < 0)
                return r;
        bench_forget(b);
        if ((r = interleave(b, WHOLES, runs, run_command, e)) < 0 ||
            (r = interleave(b, 3, runs, run_one_of_process, e)) < 0 || (r = measure_rates(b, runs, e)) < 0 ||
            (r = measure_waiting(b, e)) < 0)
                return r;
        return policy_measure(b->folder, runs, &b->policy_compiled, &b->policy_kept, e);
}
