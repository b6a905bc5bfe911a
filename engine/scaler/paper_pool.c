/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "engine/scaler/paper_pool.h"

#include <math.h>

#define WORKERS_MAX 1000000
#define SLACK_SHARE 0.1

void paper_pool_init(PaperPool *pool, int workers, int delay_steps)
{
        *pool = (PaperPool){.ready = workers, .delay_steps = delay_steps};
}

static int *due_at(PaperPool *pool, int64_t step)
{
        return &pool->due[step % (POOL_DELAY_MAX + 1)];
}

void paper_pool_advance(PaperPool *pool)
{
        int *due = due_at(pool, ++pool->step);

        pool->ready += *due;
        pool->starting -= *due;
        *due = 0;
}

void paper_pool_set(PaperPool *pool, int target)
{
        int change = target - paper_pool_size(pool);

        if (change > 0 && pool->delay_steps > 0) {
                *due_at(pool, pool->step + pool->delay_steps) += change;
                pool->starting += change;
                return;
        }
        for (int later = pool->delay_steps; change < 0 && pool->starting > 0 && later > 0; later--) {
                int *due = due_at(pool, pool->step + later);
                int ended = *due < -change ? *due : -change;
                *due -= ended;
                pool->starting -= ended;
                change += ended;
        }
        pool->ready += change;
}

int pool_limit(const PoolLimits *limits, int current, double wanted, double load, double slack, PoolBound *ret_bound)
{
        double most = fmax(current + 1, floor(current * (1 + limits->up) + 1e-9));
        double least = fmin(current - 1, ceil(current * (1 - limits->down) - 1e-9));
        double target = ceil(fmin(fmax(wanted, 0), WORKERS_MAX) - 1e-9), busy = ceil(fmin(load, WORKERS_MAX) - 1e-9);

        *ret_bound = BOUND_NONE;
        if (target < current && wanted > current - 1 - slack * fmax(1, current * SLACK_SHARE)) {
                target = current;
                *ret_bound = BOUND_SLACK;
        } else if (target < current && target < busy) {
                target = fmin(current, busy);
                *ret_bound = BOUND_LOAD;
        }
        if (target > most) {
                target = most;
                *ret_bound = BOUND_UP;
        } else if (target < least) {
                target = least;
                *ret_bound = BOUND_DOWN;
        }
        /* These hold before those of a cycle: the pool never leaves its bounds. */
        if (target > limits->maximum) {
                target = limits->maximum;
                *ret_bound = BOUND_MAXIMUM;
        } else if (target < limits->minimum) {
                target = limits->minimum;
                *ret_bound = BOUND_MINIMUM;
        }
        return (int)target;
}

void paper_pool_state(PaperPool *pool, State *state)
{
        int64_t due[POOL_DELAY_MAX + 1], sum = 0;

        state_int(state, &pool->ready, 0, WORKERS_MAX);
        state_int(state, &pool->starting, 0, WORKERS_MAX);
        state_integers(state, &pool->step, 1, 0, INT64_MAX / 4);
        /* All at once: there are many pools. */
        for (int i = 0; i <= POOL_DELAY_MAX; i++)
                due[i] = pool->due[i];
        state_integers(state, due, POOL_DELAY_MAX + 1, 0, WORKERS_MAX);
        for (int i = 0; i <= POOL_DELAY_MAX; i++)
                sum += pool->due[i] = (int)due[i];
        if (sum != pool->starting)
                state->failed = true;
}
