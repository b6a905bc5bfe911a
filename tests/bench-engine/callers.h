/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "tests/bench-engine/client.h"
#include "tests/bench-engine/engine.h"

#define CALLERS_MAX 16

/* Clients that submit at the same time, and do not wait for what becomes of the jobs. */
typedef struct Callers {
        size_t clients, in_flight; /* and so many calls of each of them under way */
        const char *const *specs;  /* in turn */
        size_t n_specs;
        size_t batch; /* so many jobs in one call, by SubmitBatch; 0: one, by Submit */
        size_t calls; /* of all together */
} Callers;

/* Adds the time from the first call to the last answer. */
int callers_run(const Callers *callers, const Engine *engine, uint64_t *usec, Error *e);
