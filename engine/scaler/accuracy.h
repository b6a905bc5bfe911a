/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "engine/scaler/state.h"

/* How good the forecasts of the last week were, kept by the hour. */

#define ACCURACY_HOURS 168
#define ACCURACY_BANDS 3

/* The chances that the load is above each band: median, 90 %, 99 %. */
extern const double accuracy_misses[ACCURACY_BANDS];

typedef struct AccuracyHour {
        int64_t hour;                             /* since 1970 */
        double n, load, error, error_persistence; /* sums, the errors absolute */
        double below[ACCURACY_BANDS];             /* how often the load came at or below */
} AccuracyHour;

typedef struct Accuracy {
        AccuracyHour hours[ACCURACY_HOURS];
} Accuracy;

void accuracy_add(Accuracy *accuracy, int64_t time_sec, const double *bands, double came, double was);

/* The sums over so many hours up to this time. */
AccuracyHour accuracy_sum(const Accuracy *accuracy, int64_t time_sec, int hours);

void accuracy_state(Accuracy *accuracy, State *state);
