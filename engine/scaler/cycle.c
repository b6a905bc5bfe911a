/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "engine/scaler/cycle.h"

#include <errno.h>
#include <math.h>

#define EVERY 120     /* steps */
#define LAG_MIN 10    /* what is shorter is in the last steps anyway */
#define LEVEL_STEPS 60
#define AT_ONCE 40    /* lags */
#define SEEN_MIN 3    /* times that a period must be seen */
#define ALIKE_MIN 0.3 /* or there is none */
#define AS_ALIKE 0.85 /* twice the period is as good, but longer */

int cycle_init(Cycle *cycle)
{
        *cycle = (Cycle){0};
        cycle->values = calloc(CYCLE_LAGS + CYCLE_WINDOW, sizeof *cycle->values);
        cycle->likeness = calloc(CYCLE_LAGS + 2, sizeof *cycle->likeness);
        return cycle->values && cycle->likeness ? 0 : -ENOMEM;
}

void cycle_done(Cycle *cycle)
{
        free(cycle->values);
        free(cycle->likeness);
        *cycle = (Cycle){0};
}

void cycle_step(Cycle *cycle, const Series *series)
{
        int64_t step = series->next - 1, n = series->next - series->first;

        if (cycle->lag > 0 || step < cycle->due)
                return;
        cycle->due = step + EVERY;
        cycle->n = (int)(n < CYCLE_LAGS + CYCLE_WINDOW ? n : CYCLE_LAGS + CYCLE_WINDOW);
        cycle->mean = 0;
        for (int i = 0; i < cycle->n; i++) {
                int64_t at = series->next - cycle->n + i;
                double value = series_at(series, series->load_log, at) -
                               series_mean(series, series->load_log_sum, at - LEVEL_STEPS + 1, at);
                cycle->values[i] = (float)value;
                cycle->mean += value * value / cycle->n;
        }
        cycle->lag = 1;
}

static float likeness(const Cycle *cycle, int lag)
{
        float sum = 0;

        for (int i = lag; i < cycle->n; i++)
                sum += cycle->values[i] * cycle->values[i - lag];
        return cycle->mean > 0 ? sum / (float)(cycle->n - lag) / (float)cycle->mean : 0;
}

static bool is_top(const Cycle *cycle, int lag)
{
        return cycle->likeness[lag] >= ALIKE_MIN && cycle->likeness[lag] >= cycle->likeness[lag - 1] &&
               cycle->likeness[lag] >= cycle->likeness[lag + 1];
}

/* The shortest of the lags that are best. Each load is like itself a moment before; so they begin where it is not. */
static int find(const Cycle *cycle, int end)
{
        float best = 0;
        int first = 1;

        while (first < end && cycle->likeness[first] > 0)
                first++;
        first = first < LAG_MIN ? LAG_MIN : first;
        for (int lag = first; lag < end; lag++)
                if (is_top(cycle, lag) && cycle->likeness[lag] > best)
                        best = cycle->likeness[lag];
        for (int lag = first; best > 0 && lag < end; lag++)
                if (is_top(cycle, lag) && cycle->likeness[lag] >= best * AS_ALIKE)
                        return lag;
        return 0;
}

bool cycle_train(Cycle *cycle, Series *series)
{
        int end = cycle->n / SEEN_MIN < CYCLE_LAGS ? cycle->n / SEEN_MIN : CYCLE_LAGS;

        if (cycle->lag == 0)
                return false;
        for (int i = 0; i < AT_ONCE && cycle->lag <= end; i++, cycle->lag++)
                cycle->likeness[cycle->lag] = likeness(cycle, cycle->lag);
        if (cycle->lag <= end)
                return true;
        series->cycle_steps = find(cycle, end);
        cycle->lag = 0;
        return false;
}
