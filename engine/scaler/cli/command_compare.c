/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "engine/base/json.h"
#include "engine/scaler/cli/commands.h"
#include "engine/scaler/cli/naive.h"
#include "engine/scaler/plot.h"

#include <math.h>

/* Who spends more misses less; so a policy is a curve, and two are compared at the same cost: by the misses that a
 * sweep over its headroom has at the mean pool of reacting. All of it for the last 40 % of the trace. */

static const double quantiles[] = {0.5,  0.6,   0.7,   0.8,   0.85,   0.9,    0.925,  0.95,    0.965,   0.98,
                                   0.99, 0.995, 0.998, 0.999, 0.9995, 0.9998, 0.9999, 0.99999, 0.999999};
static const double utilisations[] = {2, 1.6, 1.3, 1.1, 1, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1};

enum { RUN_DEFAULT, RUN_REACTIVE, RUN_SWEEP };

typedef struct Curve {
        size_t n;
        double share[32]; /* the knob */
        ReplayScore score[32];
} Curve;

/* The share of cycles with too few, at this mean pool; NaN beyond the curve's ends, but 0 where a smaller pool had
 * none. */
static double curve_under(const Curve *curve, double pool)
{
        for (size_t i = 0; i < curve->n; i++) {
                const ReplayScore *a = &curve->score[i], *b = i + 1 < curve->n ? a + 1 : a;
                if (a->mean_ready <= pool && a->under == 0)
                        return 0;
                if (a->mean_ready <= pool && b->mean_ready >= pool && b->mean_ready > a->mean_ready)
                        return a->under +
                               (b->under - a->under) * (pool - a->mean_ready) / (b->mean_ready - a->mean_ready);
        }
        return NAN;
}

/* The least mean pool with no more misses than this; NaN when none of the curve has so few. */
static double curve_pool(const Curve *curve, double under)
{
        for (size_t i = 0; i < curve->n; i++) {
                const ReplayScore *b = &curve->score[i], *a = b - 1;
                if (b->under > under)
                        continue;
                if (i == 0 || a->under <= b->under)
                        return b->mean_ready;
                return b->mean_ready - (b->mean_ready - a->mean_ready) * (under - b->under) / (a->under - b->under);
        }
        return NAN;
}

static int sweep_forecast(const Trace *trace, const ReplayOptions *o, Curve *ret, ReplayScore *ret_default,
                          ReplayScore *ret_reactive, Error *e)
{
        ScalerSettings settings[RUN_SWEEP + ELEMENTS(quantiles)];
        Replay replays[ELEMENTS(settings)] = {0};

        for (size_t i = 0; i < ELEMENTS(settings); i++) {
                settings[i] = o->settings;
                if (i >= RUN_SWEEP)
                        settings[i].quantile = quantiles[i - RUN_SWEEP];
        }
        settings[RUN_REACTIVE].mode = SCALER_REACTIVE;
        int r = replay_run(trace, settings, ELEMENTS(settings), o->capacity, replays, e);
        if (r >= 0) {
                *ret_default = replay_score(&replays[RUN_DEFAULT], &o->settings, HELD_OUT);
                *ret_reactive = replay_score(&replays[RUN_REACTIVE], &o->settings, HELD_OUT);
        }
        for (size_t i = 0; r >= 0 && i < ELEMENTS(quantiles); i++) {
                ret->share[ret->n] = quantiles[i];
                ret->score[ret->n++] = replay_score(&replays[RUN_SWEEP + i], &o->settings, HELD_OUT);
        }
        for (size_t i = 0; i < ELEMENTS(settings); i++)
                replay_done(&replays[i]);
        return r;
}

static int sweep_naive(const Trace *trace, const ReplayOptions *o, Curve *ret, Error *e)
{
        for (size_t i = 0; i < ELEMENTS(utilisations); i++) {
                _cleanup_replay_ Replay replay = {0};
                int r = naive_run(trace, &o->settings, o->capacity, utilisations[i], &replay, e);
                if (r < 0)
                        return r;
                ret->share[ret->n] = utilisations[i];
                ret->score[ret->n++] = replay_score(&replay, &o->settings, HELD_OUT);
        }
        return 0;
}

typedef struct Comparison {
        Curve forecast, naive;
        ReplayScore own, reactive;          /* own: the default setting */
        double forecast_under, naive_under; /* at reacting's mean pool */
        double forecast_pool;               /* with reacting's misses */
} Comparison;

static void print_line(const char *name, double knob, const ReplayScore *s, double pool)
{
        char text[24] = "";

        if (knob > 0)
                snprintf(text, sizeof text, "%.8g", knob);
        printf("  %-14s %9s  %9.3f %%  %7.2f  %6.3f  %10.0f  %6.0f\n", name, text, s->under * 100, s->mean_ready,
               s->mean_ready / pool, s->lost, s->turns);
}

static void print_ratio(const char *name, double under, double of)
{
        printf("  %-14s ", name);
        if (isnan(under))
                printf("never costs as much\n");
        else if (of > 0)
                printf("%9.3f %%, %.3f of it\n", under * 100, under / of);
        else
                printf("%9.3f %%\n", under * 100);
}

static void print_comparison(const char *file, const ReplayOptions *o, const Comparison *c)
{
        double pool = c->reactive.mean_ready;

        printf("%s: the last 40 %%, ready after %.0f s, a cycle of %lld s, %.4g jobs a minute and worker\n\n", file,
               o->settings.start_delay_sec, (long long)o->settings.cycle_sec, o->capacity);
        printf("  %-14s %9s  %11s  %7s  %6s  %10s  %6s\n", "policy", "quantile", "too few", "ready", "cost", "lost",
               "turns");
        print_line("reactive", 0, &c->reactive, pool);
        print_line("predictive", 0, &c->own, pool);
        for (size_t i = 0; i < c->forecast.n; i++)
                print_line("", c->forecast.share[i], &c->forecast.score[i], pool);
        printf("\nAt the mean of %.2f workers, the share of cycles with too few ready:\n", pool);
        print_ratio("reactive", c->reactive.under, 0);
        print_ratio("predictive", c->forecast_under, c->reactive.under);
        print_ratio("the day before", c->naive_under, c->reactive.under);
        if (isnan(c->forecast_pool))
                printf("No quantile misses as little as reacting.\n");
        else
                printf("As many misses as reacting cost %.3f of its workers.\n", c->forecast_pool / pool);
        printf("The demand ten minutes on is at or below p90 in %.1f %%, p99 in %.1f %%.\n", c->own.below90 * 100,
               c->own.below99 * 100);
}

static json_object *score_json(const ReplayScore *s, double quantile)
{
        json_object *object = json_object_new_object();

        if (quantile > 0)
                json_add_real(object, "quantile", quantile);
        json_add_real(object, "time_under_provisioned", s->under);
        json_add_real(object, "mean_over_provisioning", s->over);
        json_add_real(object, "mean_ready", s->mean_ready);
        json_add_real(object, "lost_work", s->lost);
        json_add_number(object, "changes_of_direction", (uint64_t)s->turns);
        return object;
}

static void print_json(const ReplayOptions *o, const Comparison *c)
{
        _cleanup_json_ json_object *top = json_object_new_object();
        json_object *same = json_object_new_object(), *sweep = json_object_new_array();

        json_add_real(top, "start_delay_seconds", o->settings.start_delay_sec);
        json_add_real(top, "capacity", o->capacity);
        json_object_object_add(top, "reactive", score_json(&c->reactive, 0));
        json_object_object_add(top, "predictive", score_json(&c->own, 0));
        for (size_t i = 0; i < c->forecast.n; i++)
                json_object_array_add(sweep, score_json(&c->forecast.score[i], c->forecast.share[i]));
        json_object_object_add(top, "sweep", sweep);
        json_add_real(same, "mean_ready", c->reactive.mean_ready);
        json_add_real(same, "reactive", c->reactive.under);
        json_add_real(same, "predictive", c->forecast_under);
        json_add_real(same, "seasonal_naive", c->naive_under);
        json_object_object_add(top, "at_the_same_mean_pool", same);
        json_add_real(top, "pool_for_the_same_misses", c->forecast_pool / c->reactive.mean_ready);
        json_add_real(top, "at_or_below_p90", c->own.below90);
        puts(json_object_to_json_string_ext(top, JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_NOSLASHESCAPE));
}

static size_t curve_points(const Curve *curve, double *x, double *y)
{
        for (size_t i = 0; i < curve->n; i++) {
                x[i] = curve->score[i].mean_ready;
                y[i] = curve->score[i].under * 100;
        }
        return curve->n;
}

static int svg_write(const char *to, const char *file, const Comparison *c, Error *e)
{
        double x[2][32], y[2][32], own_x = c->own.mean_ready, own_y = c->own.under * 100;
        double reactive_x = c->reactive.mean_ready, reactive_y = c->reactive.under * 100;
        _cleanup_free_ char *text = NULL, *title = NULL;
        size_t n = curve_points(&c->forecast, x[0], y[0]), n_naive = curve_points(&c->naive, x[1], y[1]);
        const PlotItem items[] = {
                {PLOT_LINE, "the day before", "#999999", n_naive, x[1], y[1], NULL},
                {PLOT_LINE, "predictive, by quantile", "#2f9e44", n, x[0], y[0], NULL},
                {PLOT_POINTS, NULL, "#2f9e44", n, x[0], y[0], NULL},
                {PLOT_POINTS, "predictive, by itself", "#3b82f6", 1, &own_x, &own_y, NULL},
                {PLOT_POINTS, "reactive", "#e03131", 1, &reactive_x, &reactive_y, NULL},
        };

        if (asprintf(&title, "%s: what it costs, and how often it is too little", file) < 0)
                return error_oom(e);
        const Plot plot = {title, "mean workers ready", "% of cycles with too few", false, true,
                           items, ELEMENTS(items)};
        if (plot_write(&plot, &text) < 0)
                return error_oom(e);
        return text_write(to, text, e);
}

int command_compare(int argc, char **argv, Error *e)
{
        _cleanup_trace_ Trace trace = {0};
        Comparison c = {0};
        ReplayOptions o;
        const char *file;
        int r = replay_options_read(&o, false, argc, argv, &trace, &file, e);

        if (r != 0)
                return r < 0 ? r : 0;
        if ((r = sweep_forecast(&trace, &o, &c.forecast, &c.own, &c.reactive, e)) < 0 ||
            (r = sweep_naive(&trace, &o, &c.naive, e)) < 0)
                return r;
        c.forecast_under = curve_under(&c.forecast, c.reactive.mean_ready);
        c.naive_under = curve_under(&c.naive, c.reactive.mean_ready);
        c.forecast_pool = curve_pool(&c.forecast, c.reactive.under);
        if (o.json)
                print_json(&o, &c);
        else
                print_comparison(file, &o, &c);
        return o.svg ? svg_write(o.svg, file, &c, e) : 0;
}
