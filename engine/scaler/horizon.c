/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "engine/scaler/horizon.h"
#include "engine/scaler/calendar.h"

#include <errno.h>
#include <math.h>
#include <string.h>

#define FIT_EVERY 5  /* steps */
#define FIT_FIRST 30 /* rows */
#define RIDGE_HALF_LIFE_DAYS 4
#define DOUBT_HALF_LIFE_DAYS 3
#define ERROR_DAYS 3 /* that errors are kept */
#define ERRORS_MAX 8640
#define LOSS_HALF_LIFE_SEC 36000
#define ERROR_HALF_LIFE_STEPS 140
#define SHARPNESS 6 /* of the weights: a model twice as wrong counts 64 times less */
#define LEVEL_STEPS 10
#define CYCLES 4 /* the last ones that are known */
#define SPREAD_MIN 1e-3
#define SPREAD_MAX 2
#define WIDTH_FADE 0.0005 /* of the mean width, a step */
#define TREE_EVERY 30     /* steps */
#define FOREST_DAYS 10
#define LOOK_BACK 15 /* steps whose values are features one by one */
#define BEYOND 2     /* a model's word is at most e² times what was seen in the last days */
#define QUANTILE_BEYOND 0.7 /* and a quantile twice, or the median */

const char *model_name(ModelKind kind)
{
        static const char *const names[MODEL_KINDS] = {
                [MODEL_PERSISTENCE] = "persistence", [MODEL_LEVEL] = "the level",
                [MODEL_SEASON] = "the season",       [MODEL_CYCLE] = "the cycle",
                [MODEL_RIDGE_LOG] = "ridge (logarithm)", [MODEL_RIDGE] = "ridge (counts)",
                [MODEL_FOREST] = "the forest",
        };

        return names[kind];
}

int horizon_init(Horizon *horizon, const Series *series, int ahead)
{
        double row[FEATURES_MAX];
        int64_t day = series->day_steps ? series->day_steps : 1440;
        size_t room = (size_t)(day * ERROR_DAYS + 16);

        *horizon = (Horizon){.ahead = ahead, .tree_every = TREE_EVERY, .error_mean = 0.1};
        horizon->errors_room = room < ERRORS_MAX ? room : ERRORS_MAX;
        horizon->fade_loss = pow(0.5, (double)series->step_sec / LOSS_HALF_LIFE_SEC);
        horizon->fade_error = pow(0.5, 1.0 / ERROR_HALF_LIFE_STEPS);
        for (int i = 0; i < MODEL_KINDS; i++) {
                horizon->losses[i] = 1;
                horizon->weights[i] = 1.0 / MODEL_KINDS;
        }
        /* How long a row is, the features say. */
        size_t n = features_log(series, series->next - 1, ahead, 0, (Scale){0, 1}, row);
        horizon->log = malloc(sizeof *horizon->log);
        horizon->linear = malloc(sizeof *horizon->linear);
        horizon->doubt = malloc(sizeof *horizon->doubt);
        horizon->errors = calloc(horizon->errors_room, sizeof *horizon->errors);
        horizon->pending = calloc((size_t)ahead + 1, sizeof *horizon->pending);
        if (!horizon->log || !horizon->linear || !horizon->doubt || !horizon->errors || !horizon->pending)
                return -ENOMEM;
        for (int i = 0; i <= ahead; i++)
                horizon->pending[i].step = -1;
        ridge_init(horizon->log, n, (double)day * RIDGE_HALF_LIFE_DAYS, 3);
        ridge_init(horizon->linear, n, (double)day * RIDGE_HALF_LIFE_DAYS, 3);
        ridge_init(horizon->doubt, HORIZON_DOUBT, (double)day * DOUBT_HALF_LIFE_DAYS, 1);
        if (forest_init(&horizon->forest, n, 88172645463325252ULL + (uint64_t)ahead) < 0)
                return -ENOMEM;
        return residuals_init(&horizon->residuals, horizon->errors_room);
}

void horizon_done(Horizon *horizon)
{
        free(horizon->log);
        free(horizon->linear);
        free(horizon->doubt);
        free(horizon->errors);
        free(horizon->pending);
        forest_done(&horizon->forest);
        residuals_done(&horizon->residuals);
        *horizon = (Horizon){0};
}

static Prediction *pending_at(const Horizon *horizon, int64_t step)
{
        return &horizon->pending[step % (horizon->ahead + 1)];
}

static float *error_at(const Horizon *horizon, int64_t step)
{
        return &horizon->errors[(size_t)step % horizon->errors_room];
}

static void weigh(Horizon *horizon, const Prediction *said, double came)
{
        double sum = 0;

        for (int i = 0; i < MODEL_KINDS; i++) {
                double loss = fabs(said->models[i] - came);
                horizon->losses[i] = horizon->losses[i] * horizon->fade_loss + loss * (1 - horizon->fade_loss);
                sum += horizon->weights[i] = pow(horizon->losses[i] + 1e-6, -SHARPNESS);
        }
        for (int i = 0; i < MODEL_KINDS; i++)
                horizon->weights[i] /= sum;
}

static void learn(Horizon *horizon, const Series *series, const Prediction *said, int64_t step)
{
        double came = series_at(series, series->load_log, step), was = series_at(series, series->load_log, said->step);
        double grew = series_at(series, series->load, step) - series_at(series, series->load, said->step);
        double error = came - said->middle;
        double share = FOREST_ROWS * (double)series->step_sec / (FOREST_DAYS * (double)CALENDAR_DAY_SEC);

        ridge_add(horizon->log, said->row_log, came - was);
        ridge_add(horizon->linear, said->row_linear, fmin(fmax(grew / said->unit, -10), 10));
        ridge_add(horizon->doubt, said->row_doubt, log(fabs(error) + SPREAD_MIN));
        forest_add(&horizon->forest, said->row_log, came - was, share);
        residuals_add(&horizon->residuals, error / said->spread);
        weigh(horizon, said, came);
        *error_at(horizon, said->step) = (float)fabs(error);
        horizon->error_mean = horizon->error_mean * horizon->fade_error + fabs(error) * (1 - horizon->fade_error);
        horizon->learnt++;
        horizon->kept++;
        accuracy_add(&horizon->accuracy, step * series->step_sec, said->bands, series_at(series, series->load, step),
                     series_at(series, series->load, said->step));
}

static void fit(Horizon *horizon, int64_t step)
{
        if (horizon->learnt < FIT_FIRST || (step + horizon->ahead) % FIT_EVERY != 0)
                return;
        ridge_fit(horizon->log);
        ridge_fit(horizon->linear);
        ridge_fit(horizon->doubt);
}

/* By how much it went away, from `then` on, from where it stood; false: that is not known. */
static bool went_from(const Series *series, const Horizon *horizon, int64_t step, int64_t then, double *ret)
{
        if (then <= series->first || then + horizon->ahead > step)
                return false;
        *ret += series_at(series, series->load_log, then + horizon->ahead) -
                series_mean(series, series->load_log_sum, then - LEVEL_STEPS + 1, then);
        return true;
}

static double predict_season(const Series *series, const Horizon *horizon, int64_t step, int offset_sec)
{
        double went = 0, stands = series_mean(series, series->load_log_sum, step - LEVEL_STEPS + 1, step);
        int n = 0;

        for (int days = 1; series->day_steps > 0 && days <= 7; days++)
                n += went_from(series, horizon, step, series_days_before(series, step, offset_sec, days), &went);
        return n ? stands + went / n : series_at(series, series->load_log, step);
}

/* NaN: there is none. */
static double predict_cycle(const Series *series, const Horizon *horizon, int64_t step)
{
        double went = 0, stands = series_mean(series, series->load_log_sum, step - LEVEL_STEPS + 1, step);
        int n = 0;

        for (int i = 1; series->cycle_steps > 0 && n < CYCLES && i <= 2 * CYCLES; i++)
                n += went_from(series, horizon, step, step - i * series->cycle_steps, &went);
        return n ? stands + went / n : NAN;
}

/* The most of the last two days. */
static double seen_most(const Series *series, int64_t step)
{
        return log1p(series_most(series, step - 2 * series->day_steps));
}

static void ask_models(const Horizon *horizon, const Series *series, Prediction *p, int offset_sec)
{
        double now = series_at(series, series->load_log, p->step);
        double load = series_at(series, series->load, p->step);
        double seen = seen_most(series, p->step), most = seen + BEYOND;
        bool ready = horizon->log->fitted;

        p->models[MODEL_PERSISTENCE] = now;
        p->models[MODEL_LEVEL] = series_mean(series, series->raw_log_sum, p->step - LEVEL_STEPS + 1, p->step);
        p->models[MODEL_SEASON] = predict_season(series, horizon, p->step, offset_sec);
        p->models[MODEL_CYCLE] = predict_cycle(series, horizon, p->step);
        p->models[MODEL_RIDGE_LOG] = now + (ready ? ridge_predict(horizon->log, p->row_log) : 0);
        p->models[MODEL_RIDGE] =
                log1p(fmax(0, load + (ready ? ridge_predict(horizon->linear, p->row_linear) * p->unit : 0)));
        p->models[MODEL_FOREST] = now + forest_predict(&horizon->forest, p->row_log);
        double sum = 0, weight = 0;
        for (int i = 0; i < MODEL_KINDS; i++) {
                if (isnan(p->models[i]))
                        continue;
                p->models[i] = fmin(fmax(p->models[i], 0), most);
                sum += horizon->weights[i] * p->models[i];
                weight += horizon->weights[i];
        }
        p->middle = sum / weight;
        /* Who has nothing to say agrees with all others. */
        if (isnan(p->models[MODEL_CYCLE]))
                p->models[MODEL_CYCLE] = p->middle;
        p->most = fmax(p->middle, seen + QUANTILE_BEYOND);
}

static double recent_error(const Horizon *horizon, int64_t step)
{
        double sum = 0;
        int n = 0;

        for (int64_t at = step - horizon->ahead; at >= 0 && n < 10 && n < horizon->kept; at--, n++)
                sum += *error_at(horizon, at);
        return n ? sum / n : 0.1;
}

static int add_errors(const Horizon *horizon, const Series *series, int64_t step, int64_t then, double *sum)
{
        int n = 0;

        for (int64_t at = then - 3; at <= then + 3; at++)
                if (at > series->first && at <= step - horizon->ahead && step - at < (int64_t)horizon->errors_room &&
                    step - at < horizon->kept) {
                        *sum += *error_at(horizon, at);
                        n++;
                }
        return n;
}

/* What it was at this time of the days before, and of the cycles. */
static double usual_error(const Horizon *horizon, const Series *series, int64_t step)
{
        double sum = 0;
        int n = 0;

        for (int days = 1; series->day_steps > 0 && days <= ERROR_DAYS; days++)
                n += add_errors(horizon, series, step, step - days * series->day_steps, &sum);
        for (int i = 1; series->cycle_steps > 0 && i <= CYCLES; i++)
                n += add_errors(horizon, series, step, step - i * series->cycle_steps, &sum);
        return n ? sum / n : horizon->error_mean;
}

/* How wide the errors will be, from how wide they were, at what level, and how far the models disagree. */
static void judge(const Horizon *horizon, const Series *series, Prediction *p)
{
        double now = p->models[MODEL_PERSISTENCE], disagreement = 0, *row = p->row_doubt;
        double level = series_mean(series, series->load_log_sum, p->step - LEVEL_STEPS + 1, p->step);

        for (int i = 0; i < MODEL_LEVEL; i++)
                disagreement += fabs(p->models[i] - p->middle);
        for (int i = MODEL_SEASON; i < MODEL_KINDS; i++)
                disagreement += fabs(p->models[i] - p->middle);
        row[0] = 1;
        row[1] = log(recent_error(horizon, p->step) + SPREAD_MIN);
        row[2] = log(horizon->error_mean + SPREAD_MIN);
        row[3] = log(usual_error(horizon, series, p->step) + SPREAD_MIN);
        row[4] = log(disagreement / (MODEL_KINDS - 1) + SPREAD_MIN);
        row[5] = p->middle;
        row[6] = fmin(log1p(fabs(now - level)), 3);
        row[7] = fabs(p->middle - now);
        double spread = horizon->doubt->fitted ? exp(fmin(ridge_predict(horizon->doubt, row), 1)) : 0.1;
        p->spread = fmin(fmax(spread, SPREAD_MIN), SPREAD_MAX);
}

void horizon_step(Horizon *horizon, const Series *series)
{
        int64_t step = series->next - 1;
        const Prediction *said = pending_at(horizon, step - horizon->ahead >= 0 ? step - horizon->ahead : 0);
        int64_t then = (step + horizon->ahead) * series->step_sec;
        int offset_sec = calendar_offset_sec(then);

        if (said->step == step - horizon->ahead && said->step >= 0 && said->whole &&
            series_whole(series, step, (int)ceil(series->window_steps)))
                learn(horizon, series, said, step);
        fit(horizon, step);
        int every = horizon->forest.n_trees < FOREST_TREES ? horizon->tree_every / 3 : horizon->tree_every;
        /* Not all horizons in the same step. */
        if ((step + 4 * horizon->ahead) % every == 0)
                forest_plant(&horizon->forest);

        Prediction *p = pending_at(horizon, step);
        Scale linear = features_scale_linear(series, step);
        *p = (Prediction){.step = step, .unit = linear.unit};
        p->whole = series_whole(series, step, LOOK_BACK);
        features_log(series, step, horizon->ahead, offset_sec, features_scale_log(series, step), p->row_log);
        features_linear(series, step, horizon->ahead, offset_sec, linear, p->row_linear);
        ask_models(horizon, series, p, offset_sec);
        horizon->last = p;
        judge(horizon, series, p);
        for (int i = 0; i < ACCURACY_BANDS; i++)
                p->bands[i] = horizon_quantile(horizon, accuracy_misses[i]);
        double width = horizon_width(horizon);
        horizon->width_mean =
                horizon->width_mean > 0 ? horizon->width_mean + (width - horizon->width_mean) * WIDTH_FADE : width;
}

void horizon_forget(Horizon *horizon)
{
        for (int i = 0; i <= horizon->ahead; i++)
                horizon->pending[i].step = -1;
        horizon->last = NULL;
        horizon->kept = 0;
}

bool horizon_train(Horizon *horizon)
{
        return forest_grow(&horizon->forest);
}

double horizon_quantile(const Horizon *horizon, double miss)
{
        const Prediction *p = horizon->last;

        if (!p)
                return 0;
        return fmax(0, expm1(fmin(p->middle + residuals_quantile(&horizon->residuals, miss) * p->spread, p->most)));
}

double horizon_width(const Horizon *horizon)
{
        return horizon->last ? horizon->last->spread * exp(horizon->last->middle) : 0;
}

ModelKind horizon_leader(const Horizon *horizon)
{
        ModelKind leader = MODEL_PERSISTENCE;

        for (ModelKind kind = 0; kind < MODEL_KINDS; kind++)
                if (horizon->weights[kind] > horizon->weights[leader])
                        leader = kind;
        return leader;
}

static void prediction_state(Prediction *p, State *state)
{
        state_integers(state, &p->step, 1, -1, INT64_MAX / 4);
        state_numbers(state, p->row_log, FEATURES_MAX, -STATE_MAX, STATE_MAX);
        state_numbers(state, p->row_linear, FEATURES_MAX, -STATE_MAX, STATE_MAX);
        state_numbers(state, p->row_doubt, HORIZON_DOUBT, -STATE_MAX, STATE_MAX);
        state_numbers(state, p->models, MODEL_KINDS, 0, 1000);
        state_numbers(state, &p->middle, 1, 0, 1000);
        state_numbers(state, &p->spread, 1, SPREAD_MIN, SPREAD_MAX);
        state_numbers(state, &p->most, 1, 0, 1000);
        state_numbers(state, &p->unit, 1, 1e-9, STATE_MAX);
        state_numbers(state, p->bands, ACCURACY_BANDS, 0, STATE_MAX);
        state_flag(state, &p->whole);
}

void horizon_state(Horizon *horizon, State *state)
{
        int64_t last = horizon->last ? horizon->last->step : -1;

        ridge_state(horizon->log, state);
        ridge_state(horizon->linear, state);
        ridge_state(horizon->doubt, state);
        forest_state(&horizon->forest, state);
        residuals_state(&horizon->residuals, state);
        state_numbers(state, horizon->losses, MODEL_KINDS, 0, 1e6);
        state_numbers(state, horizon->weights, MODEL_KINDS, 0, 1);
        state_numbers(state, &horizon->error_mean, 1, 0, 1e6);
        state_floats(state, horizon->errors, horizon->errors_room, 0, 1e6);
        state_integers(state, &horizon->learnt, 1, 0, INT64_MAX / 4);
        state_integers(state, &horizon->kept, 1, 0, INT64_MAX / 4);
        state_numbers(state, &horizon->width_mean, 1, 0, STATE_MAX);
        accuracy_state(&horizon->accuracy, state);
        state_integers(state, &last, 1, -1, INT64_MAX / 4);
        for (int i = 0; !state->failed && i <= horizon->ahead; i++) {
                Prediction *p = &horizon->pending[i];
                if (state->out && p->step < 0)
                        *p = (Prediction){.step = -1, .spread = 1, .unit = 1};
                prediction_state(p, state);
        }
        if (!state->out && !state->failed)
                horizon->last = last >= 0 && pending_at(horizon, last)->step == last ? pending_at(horizon, last) : NULL;
}
