/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#define RESULTS_MAX 32

/* A number that was measured, beside what it is held against. */
typedef struct Result {
        const char *name, *unit;
        double ours, theirs; /* theirs 0: there is none, or it was not here */
        bool ratio;          /* what is judged is ours / theirs, and not ours alone */
        double bound;
        bool at_most;
} Result;

typedef struct Results {
        Result list[RESULTS_MAX];
        size_t n;
} Results;

void results_add(Results *results, Result result);
/* The table: what was measured, the peer's, the ratio, the target, and whether it was reached. */
void results_print(const Results *results);
