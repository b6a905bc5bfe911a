/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "engine/scaler/forecaster.h"

#include <errno.h>
#include <math.h>

#define COUNT_MAX 1e12
#define BACK_SEC 900  /* the clock is set by little: wait until it is there again */
#define GAP_MAX 40000 /* steps that are filled in at once: 5 ms */

const int forecaster_named_sec[FORECASTER_NAMED] = {300, 600, 900};

int forecaster_init(Forecaster *forecaster, int64_t step_sec, double job_sec)
{
        *forecaster = (Forecaster){0};
        return cycle_init(&forecaster->cycle) < 0 ? -ENOMEM : series_init(&forecaster->series, step_sec, job_sec);
}

static Horizon *horizon_free(Horizon *horizon)
{
        if (horizon)
                horizon_done(horizon);
        free(horizon);
        return NULL;
}

void forecaster_done(Forecaster *forecaster)
{
        for (size_t i = 0; i < forecaster->n; i++)
                horizon_free(forecaster->horizons[i]);
        cycle_done(&forecaster->cycle);
        series_done(&forecaster->series);
        *forecaster = (Forecaster){0};
}

int forecaster_ahead(const Forecaster *forecaster, double later_sec)
{
        return 1 + (int)ceil(later_sec / (double)forecaster->series.step_sec - 1e-9);
}

static Horizon *find(const Forecaster *forecaster, int ahead)
{
        for (size_t i = 0; i < forecaster->n; i++)
                if (forecaster->horizons[i]->ahead == ahead)
                        return forecaster->horizons[i];
        return NULL;
}

const Horizon *forecaster_horizon(const Forecaster *forecaster, int ahead)
{
        return find(forecaster, ahead);
}

static void add_ahead(int *aheads, size_t *n, int ahead)
{
        size_t at = 0;

        while (at < *n && aheads[at] < ahead)
                at++;
        if (*n == FORECASTER_HORIZONS || (at < *n && aheads[at] == ahead))
                return;
        for (size_t i = *n; i > at; i--)
                aheads[i] = aheads[i - 1];
        aheads[at] = ahead;
        (*n)++;
}

int forecaster_set_horizons(Forecaster *forecaster, const int *aheads, size_t n)
{
        int wanted[FORECASTER_HORIZONS];
        Horizon *horizons[FORECASTER_HORIZONS] = {0};
        size_t n_wanted = 0;

        for (size_t i = 0; i < n; i++)
                add_ahead(wanted, &n_wanted, aheads[i]);
        for (int i = 0; i < FORECASTER_NAMED; i++)
                add_ahead(wanted, &n_wanted, forecaster_ahead(forecaster, forecaster_named_sec[i]));
        for (size_t i = 0; i < n_wanted; i++) {
                horizons[i] = find(forecaster, wanted[i]);
                if (horizons[i])
                        continue;
                horizons[i] = calloc(1, sizeof **horizons);
                if (!horizons[i] || horizon_init(horizons[i], &forecaster->series, wanted[i]) < 0) {
                        for (size_t j = 0; j <= i; j++)
                                if (horizons[j] && !find(forecaster, wanted[j]))
                                        horizon_free(horizons[j]);
                        return -ENOMEM;
                }
        }
        for (size_t i = 0; i < forecaster->n; i++) {
                bool kept = false;
                for (size_t j = 0; j < n_wanted; j++)
                        kept = kept || horizons[j] == forecaster->horizons[i];
                if (!kept)
                        horizon_free(forecaster->horizons[i]);
        }
        for (size_t i = 0; i < n_wanted; i++)
                forecaster->horizons[i] = horizons[i];
        forecaster->n = n_wanted;
        return 0;
}

static void restart(Forecaster *forecaster, int64_t step)
{
        series_restart(&forecaster->series, step);
        forecaster->series.cycle_steps = forecaster->cycle.lag = 0;
        forecaster->cycle.due = 0;
        for (size_t i = 0; i < forecaster->n; i++)
                horizon_forget(forecaster->horizons[i]);
}

int forecaster_observe(Forecaster *forecaster, int64_t time_sec, double count)
{
        Series *series = &forecaster->series;
        int64_t step = time_sec / series->step_sec;

        if (time_sec < 0 || count < 0 || count > COUNT_MAX)
                return -EINVAL;
        if (series->next == series->first || step - series->next > (int64_t)series->room ||
            step - series->next > GAP_MAX || (series->next - step) * series->step_sec > BACK_SEC)
                restart(forecaster, step);
        if (step < series->next)
                return -ESTALE;
        while (series->next < step)
                series_add(series, NAN);
        series_add(series, count);
        cycle_step(&forecaster->cycle, series);
        for (size_t i = 0; i < forecaster->n; i++)
                horizon_step(forecaster->horizons[i], series);
        return 0;
}

bool forecaster_train(Forecaster *forecaster)
{
        if (cycle_train(&forecaster->cycle, &forecaster->series))
                return true;
        for (size_t i = 0; i < forecaster->n; i++)
                if (horizon_train(forecaster->horizons[i]))
                        return true;
        return false;
}

double forecaster_load(const Forecaster *forecaster)
{
        const Series *series = &forecaster->series;

        return series->next > series->first ? series_at(series, series->load, series->next - 1) : 0;
}

void forecaster_state(Forecaster *forecaster, State *state)
{
        series_state(&forecaster->series, state);
        for (size_t i = 0; !state->failed && i < forecaster->n; i++) {
                int ahead = forecaster->horizons[i]->ahead;
                state_int(state, &ahead, forecaster->horizons[i]->ahead, forecaster->horizons[i]->ahead);
                horizon_state(forecaster->horizons[i], state);
        }
}
