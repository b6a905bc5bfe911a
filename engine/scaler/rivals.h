/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "engine/scaler/forecaster.h"
#include "engine/scaler/paper_pool.h"

/* Ways to size the pool that are tried out, all the time and on paper: each has a pool of its own, with the same start
 * delay and the same limits, and it is counted how often that was too small, and how large it was. So it is known at
 * which headroom the forecast costs as much as reacting would, and whether it then misses less. */

#define RIVALS_LEVELS 24  /* of headroom */
#define RIVALS_REACTIVE 9 /* degrees of utilisation */
#define RIVALS_HOLD 40    /* steps: what is wanted is held so long, for steps of 10 s and more */

typedef enum RivalKind {
        RIVAL_FORECAST, /* a quantile of the forecast */
        RIVAL_FLOOR,    /* the same, and no less than the load of the last five minutes */
        RIVAL_REACTIVE, /* the load of the last five minutes over a utilisation */
        RIVAL_CHOSEN,   /* the quantile that was asked for */
} RivalKind;

/* Forecasts flutter: a pool that follows one shrinks only by what is worth it (pool_limit()). */
static inline double rival_slack(RivalKind kind)
{
        return kind == RIVAL_REACTIVE ? 0 : 0.5;
}

typedef struct Rival {
        RivalKind kind;
        double miss;        /* forecast: the share of misses that is aimed at */
        double utilisation; /* reactive */
        double wanted[RIVALS_HOLD];
        double want; /* the highest of the last */
        PaperPool pool;
        double short_of, size; /* sums over the past, fading: of cycles too small, of workers */
} Rival;

#define RIVALS (2 * RIVALS_LEVELS + RIVALS_REACTIVE + 1)

typedef struct RivalsSetup {
        PoolLimits limits;
        double utilisation; /* of the reactive policy */
        double quantile;    /* that is asked for; 0: none */
        double per_worker;  /* jobs that a worker has room for */
        int delay_steps, cycle_steps;
        int soon; /* the last horizon that this cycle's decision rules: what is started now is ready from delay_steps + 1 on */
} RivalsSetup;

typedef struct Rivals {
        RivalsSetup setup;
        Rival *all;    /* owned: RIVALS of them */
        double weight; /* of the past: the sum of what each step counts */
        double fade;
        double loads[RIVALS_HOLD]; /* of the last steps, in workers */
        int64_t steps;
        RivalKind kind; /* that is in use */
} Rivals;

/* The setup may change at any time; a new start delay begins the count anew. -ENOMEM. */
int rivals_setup(Rivals *rivals, const RivalsSetup *setup, int64_t step_sec);
void rivals_done(Rivals *rivals);

/* The step has ended with this load, in workers: was each pool large enough? */
void rivals_account(Rivals *rivals, double load);

/* A cycle: each sizes its pool anew. `waiting` is what the queueing formula asks for, at least. */
void rivals_decide(Rivals *rivals, const Forecaster *forecaster, double waiting);

/* The next step begins. */
void rivals_advance(Rivals *rivals);

/* The want of the one that would have missed least for so much of what reacting would have cost (`budget` 1: as much);
 * with a quantile asked for, for what that costs. */
typedef struct RivalsChoice {
        RivalKind kind;
        double want;
        double miss;                   /* the headroom that the forecast has then; of the reactive policy 0 */
        double short_share, mean_size; /* of the past */
} RivalsChoice;

RivalsChoice rivals_choose(Rivals *rivals, double budget);

/* The reactive policy itself. */
RivalsChoice rivals_reactive(const Rivals *rivals);

void rivals_state(Rivals *rivals, State *state);
