/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "engine/scaler/cli/replay.h"
#include "engine/scaler/paper_pool.h"

#include <math.h>
#include <string.h>

#define PEAK_SHARE 0.995
#define PEAK_WORKERS 35
#define FORECAST_SEC 600

void replay_done(Replay *replay)
{
        free(replay->rows);
        free(replay->sentence);
        *replay = (Replay){0};
}

/* The mean of the arrivals over the time that a job takes, of what was counted: holes are no zeros. */
static double rate_at(const Trace *trace, size_t at, double job_sec)
{
        double window = fmax(1, job_sec / (double)trace->step_sec), sum = 0, weight = 0;
        int64_t now = trace->rows[at].time_sec;

        for (size_t i = at + 1; i-- > 0;) {
                double ago = (double)((now - trace->rows[i].time_sec) / trace->step_sec);
                double part = fmin(1, window - ago);
                if (part <= 0)
                        break;
                sum += part * trace->rows[i].count;
                weight += part;
        }
        return sum / weight * 60 / (double)trace->step_sec;
}

double *trace_rates(const Trace *trace, double job_sec)
{
        double *rates = calloc(trace->n, sizeof *rates);

        for (size_t i = 0; rates && i < trace->n; i++)
                rates[i] = rate_at(trace, i, job_sec);
        return rates;
}

static int compare(const void *a, const void *b)
{
        double x = *(const double *)a, y = *(const double *)b;

        return (x > y) - (x < y);
}

double replay_capacity(const Trace *trace, double job_sec)
{
        _cleanup_free_ double *rates = trace_rates(trace, job_sec);

        if (!rates)
                return 1;
        qsort(rates, trace->n, sizeof *rates, compare);
        double at = PEAK_SHARE * (double)(trace->n - 1);
        size_t below = (size_t)at, above = below + 1 < trace->n ? below + 1 : below;
        double peak = rates[below] + (rates[above] - rates[below]) * (at - (double)below);
        return peak > 0 ? peak / PEAK_WORKERS : 1;
}

void replay_fit(ScalerSettings *settings, const Trace *trace, double capacity)
{
        int64_t step = trace->step_sec;

        settings->step_sec = step;
        settings->cycle_sec = (settings->cycle_sec + step - 1) / step * step;
        if (settings->cycle_sec < step)
                settings->cycle_sec = step;
        settings->slots = capacity * (settings->job_sec > 0 ? settings->job_sec : (double)step) / 60;
}

typedef struct Run {
        Scaler *scaler;
        PaperPool pool;
        Replay *replay;
} Run;

static void runs_free(Run *runs, size_t n)
{
        /* The first leads. */
        for (size_t i = n; runs && i-- > 0;)
                scaler_free(runs[i].scaler);
        free(runs);
}

static void decide(Run *run, ReplayRow *row)
{
        ScalerHost host = {.workers = paper_pool_size(&run->pool), .jobs = NAN, .allowed = -1};
        _cleanup_scaler_decision_ ScalerDecision decision = {0};

        scaler_decide(run->scaler, &host, &decision);
        paper_pool_set(&run->pool, decision.target);
        row->target = decision.target;
        scaler_band(run->scaler, FORECAST_SEC, &row->band);
        free(run->replay->sentence);
        run->replay->sentence = take(decision.sentence);
}

/* One step of the trace: what came before is known, the step itself is not. */
static void step(Run *run, const Trace *trace, size_t at, double demand, const ScalerSettings *settings)
{
        int64_t passed = (trace->rows[at].time_sec - trace->rows[at - 1].time_sec) / trace->step_sec;
        int64_t cycle = settings->cycle_sec / settings->step_sec;

        scaler_observe(run->scaler, trace->rows[at - 1].time_sec, trace->rows[at - 1].count);
        while (scaler_train(run->scaler))
                ;
        for (int64_t i = 0; i < passed && i <= POOL_DELAY_MAX; i++)
                paper_pool_advance(&run->pool);
        if ((int64_t)(at - 1) % cycle != 0)
                return;
        ReplayRow *row = &run->replay->rows[run->replay->n++];
        *row = (ReplayRow){.time_sec = trace->rows[at].time_sec, .demand = demand};
        decide(run, row);
        row->ready = run->pool.ready;
}

static int run_start(Run *run, Run *leader, const Trace *trace, const ScalerSettings *settings, Replay *replay,
                     Error *e)
{
        int r = leader ? scaler_new_follower(&run->scaler, leader->scaler, settings, e)
                       : scaler_new(&run->scaler, settings, e);

        if (r < 0)
                return r;
        run->replay = replay;
        paper_pool_init(&run->pool, settings->minimum,
                  (int)ceil(settings->start_delay_sec / (double)settings->step_sec - 1e-9));
        replay->rows = calloc(trace->n, sizeof *replay->rows);
        return replay->rows ? 0 : error_oom(e);
}

int replay_run(const Trace *trace, const ScalerSettings *settings, size_t n, double capacity, Replay *replays, Error *e)
{
        _cleanup_free_ double *rates = trace_rates(trace, settings->job_sec);
        Run *runs = calloc(n, sizeof *runs);
        int r = rates && runs ? 0 : error_oom(e);

        for (size_t i = 0; r >= 0 && i < n; i++)
                r = run_start(&runs[i], i ? &runs[0] : NULL, trace, &settings[i], &replays[i], e);
        for (size_t at = 1; r >= 0 && at < trace->n; at++)
                for (size_t i = 0; i < n; i++)
                        step(&runs[i], trace, at, rates[at] / capacity, &settings[i]);
        for (size_t i = 0; r >= 0 && i < n; i++) {
                scaler_accuracy(runs[i].scaler, FORECAST_SEC, 168, &replays[i].accuracy);
                replays[i].record = scaler_record(runs[i].scaler);
        }
        runs_free(runs, n);
        return r;
}

/* The row of the demand that was forecast in this one; NULL where the trace has none. */
static const ReplayRow *row_forecast(const Replay *replay, size_t at)
{
        int64_t time_sec = replay->rows[at].time_sec + (int64_t)replay->rows[at].band.later_sec;

        while (at < replay->n && replay->rows[at].time_sec < time_sec)
                at++;
        return at < replay->n && replay->rows[at].time_sec == time_sec ? &replay->rows[at] : NULL;
}

ReplayScore replay_score(const Replay *replay, const ScalerSettings *settings, double from)
{
        ReplayScore s = {0};
        int direction = 0;

        for (size_t i = (size_t)(from * (double)replay->n); i < replay->n; i++) {
                const ReplayRow *row = &replay->rows[i], *came = row_forecast(replay, i);
                double due = fmin(row->demand, settings->maximum);
                s.cycles++;
                s.under += row->ready < due;
                s.over += fmax(0, row->ready - row->demand);
                s.mean_ready += row->ready;
                s.lost += fmax(0, due - row->ready) * (double)settings->cycle_sec / 60;
                int moved = i > 0 ? row->target - row[-1].target : 0;
                if (moved != 0 && direction != 0 && (moved > 0) != (direction > 0))
                        s.turns++;
                direction = moved ? moved : direction;
                if (!came)
                        continue;
                s.forecasts++;
                s.below50 += came->demand <= row->band.p50;
                s.below90 += came->demand <= row->band.p90;
                s.below99 += came->demand <= row->band.p99;
        }
        double cycles = fmax(s.cycles, 1), forecasts = fmax(s.forecasts, 1);
        s.under /= cycles;
        s.over /= cycles;
        s.mean_ready /= cycles;
        s.below50 /= forecasts;
        s.below90 /= forecasts;
        s.below99 /= forecasts;
        return s;
}
