/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "engine/scaler/series.h"

/* What is known at a step about the load some steps ahead, as a row of numbers for regression. The same questions are
 * asked of the load itself and of its logarithm: how it was over the last minutes and hours, how it went on from here
 * an hour, a day, some days and a week ago (compared with how it stood then, so that a level that has changed does no
 * harm), what the calendar says, how restless it is. Nothing after `step` is looked at. */

#define FEATURES_MAX 48

typedef struct Scale {
        double now;  /* the level of the last hour, which is subtracted */
        double unit; /* what one is */
} Scale;

/* Of the logarithm: its level; unit 1. Of the load: its level; unit level + 1. */
Scale features_scale_log(const Series *series, int64_t step);
Scale features_scale_linear(const Series *series, int64_t step);

/* Fill in the row and return its length. `ahead` is in steps, `offset_sec` that of local time then. */
size_t features_log(const Series *series, int64_t step, int ahead, int offset_sec, Scale scale, double *row);
size_t features_linear(const Series *series, int64_t step, int ahead, int offset_sec, Scale scale, double *row);
