/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "engine/scaler/cli/trace.h"
#include "engine/scaler/scaler.h"

/* A trace through the scaler, step by step. At the beginning of a step the scaler knows what came until then, and
 * decides; whoever it starts is ready after the start delay. Then the step's own arrivals come, and its demand is
 * compared with who is ready. */

typedef struct ReplayRow {
        int64_t time_sec; /* the beginning of the step */
        double demand;    /* workers */
        int ready, target;
        ScalerBand band; /* ten minutes on */
} ReplayRow;

typedef struct ReplayScore {
        double cycles;
        double under; /* share of cycles with fewer ready than needed, where the maximum is all that can be */
        double over;  /* mean of workers that were not needed */
        double mean_ready;
        double lost;                      /* worker minutes that were missing */
        double turns;                     /* changes of direction of the target */
        double below50, below90, below99; /* shares of the demand ten minutes on */
        double forecasts;
} ReplayScore;

typedef struct Replay {
        ReplayRow *rows; /* owned */
        size_t n;
        ScalerAccuracy accuracy; /* of ten minutes on, the last week */
        ScalerRecord record;
        char *sentence; /* owned: of the last decision */
} Replay;

void replay_done(Replay *replay);
#define _cleanup_replay_ _cleanup_(replay_done)

/* What the options leave open: the capacity with which the 99.5th percentile of the demand is 35 workers, in jobs a
 * minute. */
double replay_capacity(const Trace *trace, double job_sec);

/* The settings' steps become the trace's, its slots follow from the capacity, and its cycle becomes whole steps. */
void replay_fit(ScalerSettings *settings, const Trace *trace, double capacity);

/* Runs all of the settings over the trace, with one forecaster: they may differ in what is asked, not in times.
 * `replays` has room for `n`; the caller owns what is in them. */
int replay_run(const Trace *trace, const ScalerSettings *settings, size_t n, double capacity, Replay *replays,
               Error *e);

/* Of the rows from that share of the trace on (0: all of it). */
ReplayScore replay_score(const Replay *replay, const ScalerSettings *settings, double from);

/* The demand of each row of the trace, in jobs a minute. Owned by the caller; NULL when out of memory. */
double *trace_rates(const Trace *trace, double job_sec);
