/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "tests/bench/command.h"
#include "tests/bench/floor_process.h"
#include "tests/bench/library.h"
#include "tests/bench/samples.h"
#include "tests/bench/steps.h"
#include "tests/bench/waiting.h"

#include <stdbool.h>

/* What is started as a whole process for each run. */
typedef enum Whole { SKEP_JAIL, BUBBLEWRAP, BUBBLEWRAP_NEAR, CRUN, VERSION, SPAWN, WHOLES } Whole;

extern const char *const whole_names[WHOLES];

/* The contestants, and what was measured of them. */
typedef struct Bench {
        char *payload; /* owned: what runs in each, with the argument "true" */
        char *sleeper; /* owned */
        char *missing; /* owned: for --allow-missing */
        const char *folder;
        int filter_fd;
        FloorProcess floor;
        Library library;
        Command commands[WHOLES];
        bool absent[WHOLES]; /* others may not be here */

        Samples samples[WHOLES], library_samples, floor_samples, policy_compiled, policy_kept;
        Samples warm_samples, warm_reaped; /* as the caller sees it; from the hand-over to the end of its processes */
        size_t n_cold;                     /* of those that should have been warm */
        Steps steps, warm_steps;
        double library_rate, rates[WHOLES]; /* two at a time, runs per second; 0: not measured */
        Waiting waiting[WHOLES];
} Bench;

/* Runs all of them, `runs` times each. */
int bench_measure(Bench *b, size_t runs, Error *e);

void bench_forget(Bench *b);

void bench_print_host(const Bench *b);
void bench_print_tables(Bench *b);
void bench_print_targets(Bench *b);
