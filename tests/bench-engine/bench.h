/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "tests/bench-engine/beanstalk.h"
#include "tests/bench-engine/echo.h"
#include "tests/bench-engine/load.h"
#include "tests/bench-engine/results.h"
#include "tests/bench-engine/rows.h"
#include "tests/bench/command.h"
#include "tests/bench/library.h"

/* The contestants of `make bench-engine`, and what came of them. */
typedef struct Bench {
        const char *folder;
        unsigned percent; /* of the jobs and runs that give numbers to believe in */
        char *spec;       /* owned: a job that runs the program that does nothing */
        char *missing;    /* owned: for --allow-missing */
        Library library;
        Command bubblewrap, spawn;
        bool no_bubblewrap, no_beanstalk;
        Beanstalk beanstalk;
        Echo echo;
        Rows rows;
        double jobs_rate; /* of the engine, once rates_measure() has found it */
        Results results;
} Bench;

/* `full` of them at 100 percent, and never less than `least`. */
size_t bench_scale(const Bench *b, size_t full, size_t least);

/* Each measures a part of the numbers, prints what it finds, and adds what is judged to the results. */
int rates_measure(Bench *b, Error *e);       /* jobs from end to end, beside two loops of bubblewrap */
int latency_measure(Bench *b, Error *e);     /* from a submission to its report, idle and under load */
int submissions_measure(Bench *b, Error *e); /* durable submissions a second */
int depth_measure(Bench *b, Error *e);       /* with 100,000 queued jobs, and with 1,000 tenants */
int idle_measure(Bench *b, Error *e);        /* what an engine does that has nothing to do */
