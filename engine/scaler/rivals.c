/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "engine/scaler/rivals.h"

#include <errno.h>
#include <math.h>

#define HALF_LIFE_SEC (3 * 86400.0)
#define HOLD_SEC 240     /* the forecast's wants; what keeps the pool from following each flutter */
#define REACTIVE_SEC 300 /* the down-stabilisation of the reactive policy */
#define MISS_FIRST 0.5
#define MISS_FACTOR 0.55
#define BETTER 0.97 /* another kind must miss so much less */
/* Headroom where it is cheap: when the load is uncertain, one miss less costs more workers than at other times, so the
 * share of misses is moved to there. With 1 the last worker would save as many misses at any time; with 0 all times
 * miss alike. */
#define THRIFT 0.5
#define THRIFT_MOST 5.0

static const double utilisations[RIVALS_REACTIVE] = {1, 0.95, 0.9, 0.85, 0.8, 0.75, 0.7, 0.65, 0.6};

static Rival *rival_of(const Rivals *rivals, RivalKind kind, int i)
{
        return &rivals->all[(int)kind * RIVALS_LEVELS + (kind == RIVAL_CHOSEN ? RIVALS_REACTIVE - RIVALS_LEVELS : 0) +
                            i];
}

static int steps_of(double sec, double step_sec)
{
        int steps = (int)ceil(sec / step_sec - 1e-9);

        return steps < 1 ? 1 : steps > RIVALS_HOLD ? RIVALS_HOLD : steps;
}

static void begin(Rivals *rivals)
{
        rivals->weight = 0;
        for (int i = 0; i < RIVALS; i++) {
                rivals->all[i].short_of = rivals->all[i].size = 0;
                paper_pool_init(&rivals->all[i].pool, rivals->setup.limits.minimum, rivals->setup.delay_steps);
        }
}

/* Jobs take another time: what is in workers is so many others. The pools find to it by themselves. */
static void rescale(Rivals *rivals, double by)
{
        for (int i = 0; i < RIVALS_HOLD; i++)
                rivals->loads[i] *= by;
        for (int i = 0; i < RIVALS; i++) {
                Rival *rival = &rivals->all[i];
                rival->want *= by;
                rival->size *= by;
                for (int j = 0; j < RIVALS_HOLD; j++)
                        rival->wanted[j] *= by;
        }
}

int rivals_setup(Rivals *rivals, const RivalsSetup *setup, int64_t step_sec)
{
        bool anew = !rivals->all || rivals->setup.delay_steps != setup->delay_steps ||
                    rivals->setup.quantile != setup->quantile;
        double by = anew ? 1 : rivals->setup.per_worker / setup->per_worker;

        if (!rivals->all)
                rivals->all = calloc(RIVALS, sizeof *rivals->all);
        if (!rivals->all)
                return -ENOMEM;
        rivals->setup = *setup;
        rivals->fade = pow(0.5, (double)step_sec / HALF_LIFE_SEC);
        for (int i = 0; i < RIVALS_LEVELS; i++)
                for (RivalKind kind = RIVAL_FORECAST; kind <= RIVAL_FLOOR; kind++) {
                        rival_of(rivals, kind, i)->kind = kind;
                        rival_of(rivals, kind, i)->miss = MISS_FIRST * pow(MISS_FACTOR, i);
                }
        for (int i = 0; i < RIVALS_REACTIVE; i++) {
                rival_of(rivals, RIVAL_REACTIVE, i)->kind = RIVAL_REACTIVE;
                rival_of(rivals, RIVAL_REACTIVE, i)->utilisation = utilisations[i];
        }
        /* The baseline itself is one of them, whatever it was set to. */
        for (int i = 1; i < RIVALS_REACTIVE; i++)
                if (utilisations[i] <= setup->utilisation || i == RIVALS_REACTIVE - 1) {
                        rival_of(rivals, RIVAL_REACTIVE, i)->utilisation = setup->utilisation;
                        break;
                }
        rival_of(rivals, RIVAL_CHOSEN, 0)->kind = RIVAL_CHOSEN;
        rival_of(rivals, RIVAL_CHOSEN, 0)->miss = 1 - setup->quantile;
        if (anew)
                begin(rivals);
        else if (by != 1)
                rescale(rivals, by);
        return 0;
}

void rivals_done(Rivals *rivals)
{
        free(rivals->all);
        *rivals = (Rivals){0};
}

void rivals_account(Rivals *rivals, double load)
{
        double due = fmin(load, rivals->setup.limits.maximum);

        rivals->loads[rivals->steps % RIVALS_HOLD] = load;
        rivals->steps++;
        rivals->weight = rivals->weight * rivals->fade + 1;
        for (int i = 0; i < RIVALS; i++) {
                Rival *rival = &rivals->all[i];
                rival->short_of = rival->short_of * rivals->fade + (rival->pool.ready < due);
                rival->size = rival->size * rivals->fade + rival->pool.ready;
        }
}

void rivals_advance(Rivals *rivals)
{
        for (int i = 0; i < RIVALS; i++)
                paper_pool_advance(&rivals->all[i].pool);
}

/* Jobs at the horizon, exceeded with a chance of about `miss`. */
static double quantile_at(const Horizon *horizon, double miss)
{
        double width = horizon_width(horizon) / fmax(horizon->width_mean, 1e-9);
        double moved = pow(fmax(width, 1e-9), THRIFT);

        miss *= fmin(fmax(moved, 1 / THRIFT_MOST), THRIFT_MOST);
        return horizon_quantile(horizon, fmin(miss, 0.7));
}

/* How many there must be so many cycles before `workers`, since a cycle adds no more (pool_limit()). */
static double workers_before(const PoolLimits *limits, double workers, int cycles)
{
        for (workers = ceil(workers); cycles > 0 && workers > 0; cycles--)
                workers = fmin(workers - 1, ceil(workers / (1 + limits->up) - 1e-9));
        return workers;
}

/* Workers that are ready when they are needed: in each step that this decision rules, and what was started before it; and for
 * those behind, as far as the next cycles could not catch up. */
static double forecast_want(const Rivals *rivals, const Forecaster *forecaster, double miss, double most)
{
        const RivalsSetup *setup = &rivals->setup;
        double want = 0;

        for (size_t i = 0; i < forecaster->n; i++) {
                const Horizon *horizon = forecaster->horizons[i];
                double workers = quantile_at(horizon, miss) / setup->per_worker;
                int later = horizon->ahead - setup->delay_steps - 1;
                want = fmax(want, horizon->ahead <= setup->soon
                                          ? workers
                                          : workers_before(&setup->limits, workers, later / setup->cycle_steps));
        }
        return fmin(want, most);
}

static double most_of(const double *ring, int64_t end, int64_t kept, int n)
{
        double most = 0;

        for (int64_t i = end; i > end - n && i > end - kept; i--)
                most = fmax(most, ring[(i - 1) % RIVALS_HOLD]);
        return most;
}

static void set_want(Rivals *rivals, Rival *rival, double want, int hold, int64_t cycle)
{
        double now = rivals->steps ? rivals->loads[(rivals->steps - 1) % RIVALS_HOLD] : 0;
        PoolBound bound;

        rival->wanted[cycle % RIVALS_HOLD] = want;
        rival->want = most_of(rival->wanted, cycle + 1, cycle + 1, hold);
        paper_pool_set(&rival->pool, pool_limit(&rivals->setup.limits, paper_pool_size(&rival->pool), rival->want, now,
                                          rival_slack(rival->kind), &bound));
}

void rivals_decide(Rivals *rivals, const Forecaster *forecaster, double waiting)
{
        double step_sec = (double)forecaster->series.step_sec, cycle_sec = step_sec * rivals->setup.cycle_steps;
        double load = most_of(rivals->loads, rivals->steps, rivals->steps, steps_of(REACTIVE_SEC, step_sec));
        double now = rivals->steps ? rivals->loads[(rivals->steps - 1) % RIVALS_HOLD] : 0;
        int64_t cycle = rivals->steps / rivals->setup.cycle_steps;
        int hold = steps_of(HOLD_SEC, cycle_sec), hold_reactive = steps_of(REACTIVE_SEC, cycle_sec);
        /* How wide errors are was found out by another load, maybe: no more than reacting to the most of the last days would
         * have had. */
        const Series *series = &forecaster->series;
        double most = series_most(series, series->first) / rivals->setup.utilisation / rivals->setup.per_worker;

        for (int i = 0; i < RIVALS_LEVELS; i++) {
                Rival *alone = rival_of(rivals, RIVAL_FORECAST, i), *floored = rival_of(rivals, RIVAL_FLOOR, i);
                double want = fmax(forecast_want(rivals, forecaster, alone->miss, most), waiting);
                set_want(rivals, alone, want, hold, cycle);
                set_want(rivals, floored, fmax(want, load), hold, cycle);
        }
        for (int i = 0; i < RIVALS_REACTIVE; i++) {
                Rival *rival = rival_of(rivals, RIVAL_REACTIVE, i);
                set_want(rivals, rival, fmax(now / rival->utilisation, waiting), hold_reactive, cycle);
        }
        Rival *chosen = rival_of(rivals, RIVAL_CHOSEN, 0);
        if (rivals->setup.quantile > 0)
                set_want(rivals, chosen, fmax(forecast_want(rivals, forecaster, chosen->miss, most), waiting), hold, cycle);
}

static const Rival *baseline(const Rivals *rivals)
{
        for (int i = 0; i < RIVALS_REACTIVE; i++)
                if (rival_of(rivals, RIVAL_REACTIVE, i)->utilisation == rivals->setup.utilisation)
                        return rival_of(rivals, RIVAL_REACTIVE, i);
        return rival_of(rivals, RIVAL_REACTIVE, RIVALS_REACTIVE - 1);
}

static RivalsChoice choice_of(const Rivals *rivals, const Rival *rival)
{
        double weight = fmax(rivals->weight, 1);

        return (RivalsChoice){rival->kind, rival->want, rival->miss, rival->short_of / weight, rival->size / weight};
}

RivalsChoice rivals_reactive(const Rivals *rivals)
{
        return choice_of(rivals, baseline(rivals));
}

/* Between the two of a kind that cost a little less and a little more. */
static bool choose_kind(const Rivals *rivals, RivalKind kind, double size, RivalsChoice *ret)
{
        int n = kind == RIVAL_REACTIVE ? RIVALS_REACTIVE : RIVALS_LEVELS;
        const Rival *below = NULL;

        for (int i = 0; i < n; i++) {
                const Rival *above = rival_of(rivals, kind, i);
                if (above->size <= size) {
                        below = above;
                        continue;
                }
                if (!below)
                        return false;
                double part = (size - below->size) / (above->size - below->size);
                RivalsChoice a = choice_of(rivals, below), b = choice_of(rivals, above);
                *ret = (RivalsChoice){
                        kind,
                        a.want + (b.want - a.want) * part,
                        a.miss > 0 ? a.miss * pow(b.miss / a.miss, part) : 0,
                        a.short_share + (b.short_share - a.short_share) * part,
                        a.mean_size + (b.mean_size - a.mean_size) * part,
                };
                return true;
        }
        if (!below)
                return false;
        *ret = choice_of(rivals, below);
        return true;
}

RivalsChoice rivals_choose(Rivals *rivals, double budget)
{
        const Rival *chosen = rival_of(rivals, RIVAL_CHOSEN, 0), *reactive = baseline(rivals);
        bool asked = rivals->setup.quantile > 0;
        RivalsChoice best = choice_of(rivals, asked ? chosen : reactive), other;
        double size = asked ? chosen->size : reactive->size * budget;

        if (rivals->weight < 1)
                return best;
        if (!asked && budget < 1)
                choose_kind(rivals, RIVAL_REACTIVE, size, &best);
        for (RivalKind kind = RIVAL_FORECAST; kind <= RIVAL_REACTIVE; kind++) {
                if (kind == rivals->kind || !choose_kind(rivals, kind, size, &other))
                        continue;
                if (other.short_share < best.short_share * BETTER)
                        best = other;
        }
        /* The one in use stays, unless another is better by as much. */
        if (rivals->kind != RIVAL_CHOSEN && choose_kind(rivals, rivals->kind, size, &other) &&
            other.short_share * BETTER <= best.short_share)
                best = other;
        rivals->kind = best.kind;
        return best;
}

static void rival_state(Rival *rival, State *state)
{
        state_numbers(state, rival->wanted, RIVALS_HOLD, 0, STATE_MAX);
        state_numbers(state, &rival->want, 1, 0, STATE_MAX);
        state_numbers(state, &rival->short_of, 1, 0, STATE_MAX);
        state_numbers(state, &rival->size, 1, 0, STATE_MAX);
        paper_pool_state(&rival->pool, state);
}

void rivals_state(Rivals *rivals, State *state)
{
        int kind = (int)rivals->kind;

        state_numbers(state, &rivals->weight, 1, 0, STATE_MAX);
        state_numbers(state, rivals->loads, RIVALS_HOLD, 0, STATE_MAX);
        state_integers(state, &rivals->steps, 1, 0, INT64_MAX / 4);
        state_int(state, &kind, 0, RIVAL_CHOSEN);
        rivals->kind = (RivalKind)kind;
        for (int i = 0; !state->failed && i < RIVALS; i++)
                rival_state(&rivals->all[i], state);
}
