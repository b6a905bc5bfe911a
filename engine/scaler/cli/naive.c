/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "engine/scaler/cli/naive.h"
#include "engine/scaler/paper_pool.h"

#include <math.h>

#define DAY_SEC 86400
#define HOLD_SEC 300

/* The rate at this time; of the row before, where there is a hole. */
static double rate_then(const Trace *trace, const double *rates, int64_t time_sec)
{
        size_t low = 0, high = trace->n - 1;

        while (low < high) {
                size_t middle = (low + high + 1) / 2;
                if (trace->rows[middle].time_sec <= time_sec)
                        low = middle;
                else
                        high = middle - 1;
        }
        return rates[low];
}

int naive_run(const Trace *trace, const ScalerSettings *settings, double capacity, double utilisation, Replay *ret,
              Error *e)
{
        _cleanup_free_ double *rates = trace_rates(trace, settings->job_sec), *wants = calloc(trace->n, sizeof *wants);
        PoolLimits limits = {settings->minimum, settings->maximum, settings->up, settings->down};
        int delay = (int)ceil(settings->start_delay_sec / (double)settings->step_sec - 1e-9);
        int64_t cycle = settings->cycle_sec / settings->step_sec;
        PoolBound bound;
        PaperPool pool;

        ret->rows = calloc(trace->n, sizeof *ret->rows);
        if (!rates || !wants || !ret->rows)
                return error_oom(e);
        paper_pool_init(&pool, settings->minimum, delay);
        for (size_t at = 1; at < trace->n; at++) {
                int64_t now = trace->rows[at].time_sec, then = now + delay * trace->step_sec - DAY_SEC;
                double want = then >= trace->rows[0].time_sec && delay * trace->step_sec < DAY_SEC
                                      ? rate_then(trace, rates, then)
                                      : rates[at - 1];
                wants[at] = want / capacity / utilisation;
                paper_pool_advance(&pool);
                if ((int64_t)(at - 1) % cycle != 0)
                        continue;
                for (size_t i = at; i-- > 1 && now - trace->rows[i].time_sec < HOLD_SEC;)
                        want = fmax(want, wants[i] * capacity * utilisation);
                paper_pool_set(&pool, pool_limit(&limits, paper_pool_size(&pool), want / capacity / utilisation, 0, 0, &bound));
                ret->rows[ret->n++] = (ReplayRow){.time_sec = now,
                                                  .demand = rates[at] / capacity,
                                                  .ready = pool.ready,
                                                  .target = paper_pool_size(&pool)};
        }
        return 0;
}
