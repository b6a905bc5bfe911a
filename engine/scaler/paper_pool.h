/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "engine/scaler/state.h"

/* Workers as they would be: what is started is ready after the start delay; what is not needed any more ends at once,
 * the starting ones first. The replay has one, and each policy that the decider weighs against the others. */

#define POOL_DELAY_MAX 400 /* steps */

typedef struct PaperPool {
        int delay_steps;
        int ready, starting;
        int due[POOL_DELAY_MAX + 1]; /* how many become ready in a step, a ring */
        int64_t step;
} PaperPool;

/* How a pool may change in a cycle. */
typedef struct PoolLimits {
        int minimum, maximum;
        double up, down; /* shares; at least one worker */
} PoolLimits;

typedef enum PoolBound {
        BOUND_NONE,
        BOUND_MINIMUM,
        BOUND_MAXIMUM,
        BOUND_UP,
        BOUND_DOWN,
        BOUND_HOST, /* memory and pressure, as the caller says */
        BOUND_LOAD, /* no less than the load of now */
        BOUND_OFF,
        BOUND_SLACK, /* not worth a change */
} PoolBound;

void paper_pool_init(PaperPool *pool, int workers, int delay_steps);

/* The next step begins: who is due is ready. */
void paper_pool_advance(PaperPool *pool);

/* Starts or ends workers, so that there are as many. */
void paper_pool_set(PaperPool *pool, int target);

static inline int paper_pool_size(const PaperPool *pool)
{
        return pool->ready + pool->starting;
}

/* The next size on the way from `current` to `wanted`, and what held it. Down, only what the load of now leaves idle,
 * and only if it is more than `slack` workers (times a tenth of them, when that is more) beyond a whole one: 0 for
 * none. */
int pool_limit(const PoolLimits *limits, int current, double wanted, double load, double slack, PoolBound *ret_bound);

void paper_pool_state(PaperPool *pool, State *state);
