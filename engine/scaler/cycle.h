/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "engine/scaler/series.h"

/* The period of what repeats within hours, whatever it is: a timer of 100 minutes, say. What repeats by the day or the week is
 * looked up by the calendar; this one is found where the load of some days, without its slow changes, is most like itself
 * some time before. */

#define CYCLE_LAGS 720     /* steps: the longest period */
#define CYCLE_WINDOW 2880  /* steps that are compared with those so long before */

typedef struct Cycle {
        float *values;  /* owned: of the steps that are looked at */
        float *likeness; /* owned: by lag, from -1 to 1 */
        int n;
        int lag;     /* the next to be looked at; 0: none is */
        double mean; /* of the squares of the values */
        int64_t due; /* step at which all is looked at again */
} Cycle;

/* -ENOMEM. */
int cycle_init(Cycle *cycle);
void cycle_done(Cycle *cycle);

/* A step has ended: from time to time, this begins to look. */
void cycle_step(Cycle *cycle, const Series *series);

/* Looks at some lags: some 100 µs. The last one sets the series' `cycle_steps`. Returns whether there is more. */
bool cycle_train(Cycle *cycle, Series *series);
