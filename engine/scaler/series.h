/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "engine/scaler/state.h"

/* What was counted, a value a step, of the last eight days: so that yesterday and a week ago can be looked up, and the
 * mean of any span at once (running sums). A step is known by its number, the time divided by the step's length.
 *
 * *Load* is what the counted jobs keep busy: how many arrived within the time that a job takes. A step that nobody
 * watched (the host was off) is a gap: it gets the load of a day before, or of the last known step, to look
 * plausible to those that take means, and is marked, so that nobody learns from it. */

typedef struct Series {
        int64_t step_sec;
        double window_steps; /* the time that a job takes; at least 1 */
        int64_t day_steps;   /* 0: the step is too long for a day to be looked at */
        int64_t hour_steps;
        int64_t cycle_steps; /* of what repeats within hours (cycle.h); 0: nothing does */
        size_t room;
        int64_t first, next; /* the steps kept are first … next - 1 */
        uint8_t *known;      /* owned, as are the following: rings of `room` */
        float *count;
        int *offset_sec;  /* of local time */
        double *load;     /* jobs at work */
        double *load_log; /* log(1 + load) */
        double *raw;      /* what the load would be if all steps were as this one */
        double *raw_log;
        double *count_sum, *load_log_sum, *raw_sum, *raw_log_sum;
        double *peaks; /* owned: the largest load of each SERIES_PEAK_STEPS, a ring */
} Series;

#define SERIES_PEAK_STEPS 60

/* -ENOMEM. */
int series_init(Series *series, int64_t step_sec, double job_sec);
void series_done(Series *series);

/* Another time that a job takes; the whole past is seen by it. */
void series_set_job_sec(Series *series, double job_sec);

/* The next step; a count that is NaN is a gap. */
void series_add(Series *series, double count);

/* Forgets all, and goes on at this step. */
void series_restart(Series *series, int64_t step);

static inline size_t series_slot(const Series *series, int64_t step)
{
        if (step < series->first)
                step = series->first;
        return (size_t)step % series->room;
}

/* The value at a step; of the oldest, for those before it. */
static inline double series_at(const Series *series, const double *values, int64_t step)
{
        return values[series_slot(series, step)];
}

/* The mean over steps `from` … `to`, of running sums. */
double series_mean(const Series *series, const double *sums, int64_t from, int64_t to);

/* The largest load since that step, or a little before. */
double series_most(const Series *series, int64_t from);

/* No gap among the last `n` steps up to this one. */
bool series_whole(const Series *series, int64_t step, int n);

/* Which step had, so many days before, the local time that `step` has. `step` may be ahead. */
int64_t series_days_before(const Series *series, int64_t step, int offset_sec, int days);

void series_state(Series *series, State *state);
