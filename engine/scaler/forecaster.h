/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "engine/scaler/cycle.h"
#include "engine/scaler/horizon.h"

/* The forecasts of one series: a handful of horizons over one history. */

#define FORECASTER_HORIZONS 8
#define FORECASTER_NAMED 3 /* 5, 10 and 15 minutes */

extern const int forecaster_named_sec[FORECASTER_NAMED];

typedef struct Forecaster {
        Series series;
        Cycle cycle;
        Horizon *horizons[FORECASTER_HORIZONS]; /* owned, by how far they look */
        size_t n;
} Forecaster;

/* `step_sec` is at least 10. -ENOMEM. */
int forecaster_init(Forecaster *forecaster, int64_t step_sec, double job_sec);
void forecaster_done(Forecaster *forecaster);

/* Which horizons are kept, beside the named ones: those that are new begin with nothing. -ENOMEM. */
int forecaster_set_horizons(Forecaster *forecaster, const int *aheads, size_t n);

/* The count of the step that began at this time; NaN when nobody counted. Steps between the last and this are gaps;
 * after eight days without any, or when the clock was set back, the history begins anew, and what was learnt stays.
 * Returns 0; -ESTALE for a step that was given already, or a clock that went back by less than a quarter of an hour;
 * -EINVAL for a count that is negative or above 10^12. */
int forecaster_observe(Forecaster *forecaster, int64_t time_sec, double count);

/* One piece of training, at most some 100 µs. Returns whether there is more. */
bool forecaster_train(Forecaster *forecaster);

/* The horizon that looks so many steps ahead; NULL when there is none. */
const Horizon *forecaster_horizon(const Forecaster *forecaster, int ahead);

/* How many steps ahead the step is that begins this long after the next one. */
int forecaster_ahead(const Forecaster *forecaster, double later_sec);

/* The load of the last step, in jobs. */
double forecaster_load(const Forecaster *forecaster);

void forecaster_state(Forecaster *forecaster, State *state);
