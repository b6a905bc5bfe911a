/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "engine/scaler/rivals.h"
#include "engine/scaler/settings.h"
#include "engine/scaler/waiting.h"

#include <errno.h>
#include <math.h>
#include <string.h>

/* The scaler: workers before the load.
 *
 * What can be gained? A worker that takes minutes to start must be started minutes before it is needed. Who reacts to
 * the load keeps spare workers instead, as many per worker in use at any time (load / 0.7): too many when nothing is
 * going to happen, too few before a burst. A forecast knows when the load is uncertain and when not, and keeps the
 * same number of spare workers on average, but at the right time. Where a load has no pattern there is nothing to
 * know, and the best is to do what reacting does. So:
 *
 * 1. *Load* is what the arrivals of the last minutes keep busy (series.h). Its history has gaps where the host was
 *    off, and the host's local time.
 * 2. *Horizons* (horizon.h): the load so many steps ahead, by several simple models – it stays; it returns to its
 *    level; it goes on as yesterday and on the days before, from where it now stands, or as in the cycles before, where
 *    something repeats each so many minutes (cycle.h); two ridge regressions on some forty features (features.h), of the logarithm and of the load itself; a random forest. Each fails somewhere: the
 *    forest never leaves what it has seen, regression on counts is thrown by a spike, seasons end. They are weighed
 *    by how wrong they were in the last ten hours. All of them learn online: sums that fade, a tree now and then.
 *    There is no training run, so nothing has to be scheduled; and a forecast never uses anything that was not known
 *    when it was made.
 * 3. *Headroom*: how wide the errors will be is itself forecast, by a regression on how wide they were – just now, in
 *    the last hours, at this time of the days before – and how far the models disagree. Errors in units of this width
 *    are kept for three days, and their quantiles are the forecast's (residuals.h): that holds whatever their
 *    distribution.
 * 4. *Rivals* (rivals.h): at which quantile? That is a price – what a missing worker costs against an idle one –
 *    which nobody can name; but everybody can say what he spends now. So each of many levels of headroom is tried on
 *    paper, beside reacting, with the same start delay and limits. What is done is what would have missed least in
 *    the last days for what reacting would have cost (`budget`); and that is reacting, where the forecast brings
 *    nothing. With a quantile given, that quantile sets the cost.
 * 5. *Limits* (paper_pool.h): by half up and a quarter down a cycle, never below the load of now, minimum and
 *    maximum, what the host allows. Since growth is limited, the pool starts growing so early that it gets there in
 *    time: horizons behind the start delay are asked too, and counted back by what the cycles until then can add. */

#define VERSION 4
#define SHARE_IN_TIME 0.95 /* of the jobs wait no longer than the target */

struct Scaler {
        ScalerSettings settings;
        Forecaster own;
        Forecaster *forecaster; /* its own, or that of the scaler it follows */
        Rivals rivals;
        int64_t steps;   /* observed */
        int64_t next;    /* of the series, when it was looked at last */
        int ready_ahead; /* the horizon at which what is started now is ready */
        RivalsChoice choice;
};

static int delay_steps(const ScalerSettings *settings)
{
        return (int)ceil(settings->start_delay_sec / (double)settings->step_sec - 1e-9);
}

/* Workers' worth of jobs that are at work. */
static double per_worker(const Scaler *scaler)
{
        const ScalerSettings *s = &scaler->settings;

        /* Jobs shorter than a step are counted for the whole step: the series' load is the arrivals of it. */
        if (s->job_sec < (double)s->step_sec && s->job_sec > 0)
                return s->slots * (double)s->step_sec / s->job_sec;
        return s->slots;
}

/* The horizons that matter: all along the cycle that begins when what is started now is ready; until then, those that
 * tell whether a worker can go; and one two cycles on. */
static int set_up(Scaler *scaler)
{
        const ScalerSettings *s = &scaler->settings;
        int cycle = (int)(s->cycle_sec / s->step_sec), ready = delay_steps(s) + 1;
        const int aheads[] = {ready, 1, (ready + 1) / 2, ready + cycle - 1, ready + 2 * cycle};
        const RivalsSetup setup = {
                .limits = {s->minimum, s->maximum, s->up, s->down},
                .utilisation = s->utilisation,
                .quantile = s->quantile,
                .per_worker = per_worker(scaler),
                .delay_steps = delay_steps(s),
                .cycle_steps = cycle,
                .soon = ready + cycle - 1,
        };

        scaler->ready_ahead = ready;
        if (scaler->forecaster != &scaler->own)
                return rivals_setup(&scaler->rivals, &setup, s->step_sec);
        series_set_job_sec(&scaler->forecaster->series, s->job_sec);
        if (forecaster_set_horizons(scaler->forecaster, aheads, ELEMENTS(aheads)) < 0)
                return -ENOMEM;
        return rivals_setup(&scaler->rivals, &setup, s->step_sec);
}

static int make(Scaler **ret, const ScalerSettings *settings, Forecaster *forecaster, Error *e)
{
        _cleanup_scaler_ Scaler *scaler = NULL;
        int r = settings_check(settings, e);

        if (r < 0)
                return r;
        scaler = calloc(1, sizeof *scaler);
        if (!scaler)
                return error_oom(e);
        scaler->settings = *settings;
        scaler->forecaster = forecaster ? forecaster : &scaler->own;
        if ((!forecaster &&
             forecaster_init(&scaler->own, settings->step_sec, settings->job_sec) < 0) ||
            set_up(scaler) < 0)
                return error_oom(e);
        *ret = take(scaler);
        return 0;
}

int scaler_new(Scaler **ret, const ScalerSettings *settings, Error *e)
{
        return make(ret, settings, NULL, e);
}

int scaler_new_follower(Scaler **ret, Scaler *leader, const ScalerSettings *settings, Error *e)
{
        const ScalerSettings *l = &leader->settings;

        if (settings->step_sec != l->step_sec || settings->cycle_sec != l->cycle_sec ||
            settings->job_sec != l->job_sec || settings->start_delay_sec != l->start_delay_sec)
                return error_set(e, -EINVAL,
                                 "a scaler that follows another has its steps, cycles, job time and start delay");
        return make(ret, settings, leader->forecaster, e);
}

Scaler *scaler_free(Scaler *scaler)
{
        if (scaler) {
                forecaster_done(&scaler->own);
                rivals_done(&scaler->rivals);
        }
        free(scaler);
        return NULL;
}

int scaler_set(Scaler *scaler, const ScalerSettings *settings, Error *e)
{
        ScalerSettings before = scaler->settings;
        int r = settings_check(settings, e);

        if (r < 0)
                return r;
        if (settings->step_sec != before.step_sec)
                return error_set(e, -EINVAL, "step: cannot be changed while the scaler runs");
        scaler->settings = *settings;
        if (set_up(scaler) < 0) {
                scaler->settings = before;
                return error_oom(e);
        }
        return 0;
}

const ScalerSettings *scaler_settings(const Scaler *scaler)
{
        return &scaler->settings;
}

/* In workers. */
static double load_of(const Scaler *scaler)
{
        return forecaster_load(scaler->forecaster) / per_worker(scaler);
}

/* Workers with which jobs do not wait too long, when what is most likely comes. */
static double workers_for_wait(const Scaler *scaler)
{
        const ScalerSettings *s = &scaler->settings;
        const Horizon *horizon = forecaster_horizon(scaler->forecaster, scaler->ready_ahead);

        if (s->target_wait_sec <= 0 || s->job_sec <= 0)
                return 0;
        double load = horizon_quantile(horizon, 0.5) / per_worker(scaler) * s->slots;
        int slots = waiting_slots(load, s->job_sec, s->target_wait_sec, SHARE_IN_TIME,
                                  (int)fmin(s->maximum * fmax(s->slots, 1), 100000));
        return slots / s->slots;
}

static RivalsChoice choose(Scaler *scaler)
{
        if (scaler->settings.mode == SCALER_REACTIVE)
                return rivals_reactive(&scaler->rivals);
        return rivals_choose(&scaler->rivals, scaler->settings.budget);
}

/* What follows from a step that the forecaster has; `passed` steps after the one before. */
static void follow(Scaler *scaler, int64_t passed, bool counted)
{
        for (int64_t i = 1; i < passed && i <= scaler->rivals.setup.delay_steps; i++)
                rivals_advance(&scaler->rivals);
        if (counted)
                rivals_account(&scaler->rivals, load_of(scaler));
        rivals_advance(&scaler->rivals);
        if (scaler->steps++ % scaler->rivals.setup.cycle_steps != 0)
                return;
        rivals_decide(&scaler->rivals, scaler->forecaster, workers_for_wait(scaler));
        scaler->choice = choose(scaler);
}

int scaler_observe(Scaler *scaler, int64_t time_sec, double count)
{
        int r = scaler->forecaster == &scaler->own ? forecaster_observe(scaler->forecaster, time_sec, count) : 0;

        if (r < 0)
                return r;
        int64_t passed = scaler->forecaster->series.next - scaler->next;
        scaler->next += passed;
        follow(scaler, passed, !isnan(count));
        return 0;
}

int64_t scaler_next_sec(const Scaler *scaler)
{
        const Series *series = &scaler->forecaster->series;

        return series->next > series->first ? series->next * series->step_sec : 0;
}

bool scaler_train(Scaler *scaler)
{
        return forecaster_train(scaler->forecaster);
}

static ScalerBand band_of(const Scaler *scaler, const Horizon *horizon)
{
        double by = per_worker(scaler);

        return (ScalerBand){
                .later_sec = (double)((horizon->ahead - 1) * scaler->settings.step_sec),
                .p50 = horizon_quantile(horizon, 0.5) / by,
                .p90 = horizon_quantile(horizon, 0.1) / by,
                .p99 = horizon_quantile(horizon, 0.01) / by,
        };
}

static const char *kind_name(RivalKind kind)
{
        static const char *const names[] = {"forecast", "forecast with floor", "reactive", "forecast"};

        return names[kind];
}

static const char *bound_name(PoolBound bound)
{
        static const char *const names[] = {"none", "minimum", "maximum", "up", "down", "host", "load", "off", "slack"};

        return names[bound];
}

/* What the decision was held by, as the end of the sentence. Owned by the caller. */
static char *bound_text(const Scaler *scaler, const ScalerHost *host, PoolBound bound)
{
        const ScalerSettings *s = &scaler->settings;
        char *text = NULL;
        int r = 0;

        switch (bound) {
        case BOUND_NONE:
                return strdup("");
        case BOUND_MINIMUM:
                r = asprintf(&text, ", the minimum");
                break;
        case BOUND_MAXIMUM:
                r = asprintf(&text, ", the maximum");
                break;
        case BOUND_UP:
                r = asprintf(&text, ", since a cycle adds at most %.0f %%", s->up * 100);
                break;
        case BOUND_DOWN:
                r = asprintf(&text, ", since a cycle ends at most %.0f %%", s->down * 100);
                break;
        case BOUND_HOST:
                r = asprintf(&text, ", since %s allows %d", host->allowed_why ? host->allowed_why : "the host",
                             host->allowed);
                break;
        case BOUND_LOAD:
                r = asprintf(&text, ", since the load of now needs them");
                break;
        case BOUND_OFF:
        case BOUND_SLACK:
                return strdup("");
        }
        return r < 0 ? NULL : text;
}

static char *explain(const Scaler *scaler, const ScalerHost *host, const ScalerDecision *d, PoolBound bound)
{
        _cleanup_free_ char *held = bound_text(scaler, host, bound), *what = NULL;
        char *text = NULL;
        int r;

        if (!held)
                return NULL;
        if (scaler->settings.mode == SCALER_OFF)
                r = asprintf(&text, "The scaler is off: the pool stays at %d.", d->target);
        else if (scaler->settings.mode == SCALER_FIXED)
                r = asprintf(&text, "The pool is fixed at %d: %d now%s.", scaler->settings.fixed, d->target, held);
        else {
                if (d->headroom > 0)
                        r = asprintf(&what, "for the %.3g %% quantile%s", fmin(d->headroom * 100, 99.9),
                                     scaler->choice.kind == RIVAL_FLOOR ? " and at least the recent load" : "");
                else if (scaler->settings.mode == SCALER_REACTIVE)
                        r = asprintf(&what, "reacting at %.0f %% use", scaler->settings.utilisation * 100);
                else
                        r = asprintf(&what, "reacting, as the forecast would not have missed less");
                if (r < 0)
                        return NULL;
                r = asprintf(&text,
                             "The load is %.1f workers; in %.0f s, %.1f are likely, up to %.1f with 90 %% and %.1f "
                             "with 99 %% (%s leads); "
                             "%s, %.1f are wanted: %d%s.",
                             d->load, d->band.later_sec, d->band.p50, d->band.p90, d->band.p99, d->leader, what,
                             d->wanted, d->target, held);
        }
        return r < 0 ? NULL : text;
}

void scaler_decide(Scaler *scaler, const ScalerHost *host, ScalerDecision *ret)
{
        const ScalerSettings *s = &scaler->settings;
        const Series *series = &scaler->forecaster->series;
        const Horizon *horizon = forecaster_horizon(scaler->forecaster, scaler->ready_ahead);
        PoolLimits limits = scaler->rivals.setup.limits;
        PoolBound bound = BOUND_NONE;
        bool follows = s->mode == SCALER_REACTIVE || s->mode == SCALER_PREDICTIVE;

        *ret = (ScalerDecision){
                .time_sec = series->next * series->step_sec,
                .load = isnan(host->jobs) ? load_of(scaler) : fmax(host->jobs, 0) / s->slots,
                .band = band_of(scaler, horizon),
                .leader = model_name(horizon_leader(horizon)),
                .policy = follows ? kind_name(scaler->choice.kind) : scaler_mode_name(s->mode),
        };
        if (follows && scaler->choice.kind != RIVAL_REACTIVE)
                ret->headroom = 1 - scaler->choice.miss;
        ret->wanted = s->mode == SCALER_OFF ? host->workers : s->mode == SCALER_FIXED ? s->fixed : scaler->choice.want;
        /* Jobs that wait now are looked at as well, whatever the counts say. */
        if (follows && !isnan(host->jobs) && s->mode == SCALER_REACTIVE)
                ret->wanted = fmax(ret->wanted, ret->load / s->utilisation);
        else if (follows && !isnan(host->jobs))
                ret->wanted = fmax(ret->wanted, ret->load);
        double wanted = ret->wanted;
        bool held = host->allowed >= 0 && wanted > host->allowed;
        if (held)
                wanted = host->allowed;
        if (s->mode == SCALER_OFF) {
                ret->target = host->workers;
                bound = BOUND_OFF;
        } else {
                if (s->mode == SCALER_FIXED)
                        limits.minimum = 0, limits.maximum = s->fixed > limits.maximum ? s->fixed : limits.maximum;
                ret->target = pool_limit(&limits, host->workers, wanted, follows ? fmin(ret->load, wanted) : 0,
                                         follows ? rival_slack(scaler->choice.kind) : 0, &bound);
                if (held && ret->target >= host->allowed && bound == BOUND_NONE)
                        bound = BOUND_HOST;
        }
        ret->bound = bound_name(bound);
        ret->sentence = explain(scaler, host, ret, bound);
}

void scaler_decision_done(ScalerDecision *decision)
{
        free(decision->sentence);
        *decision = (ScalerDecision){0};
}

size_t scaler_bands(const Scaler *scaler, ScalerBand *bands, size_t room)
{
        const Forecaster *f = scaler->forecaster;
        size_t n = 0;

        while (n < room && n < f->n && f->horizons[n]->last) {
                bands[n] = band_of(scaler, f->horizons[n]);
                n++;
        }
        return n;
}

int scaler_band(const Scaler *scaler, double later_sec, ScalerBand *ret)
{
        const Horizon *horizon =
                forecaster_horizon(scaler->forecaster, forecaster_ahead(scaler->forecaster, later_sec));

        if (!horizon || !horizon->last)
                return -ENOENT;
        *ret = band_of(scaler, horizon);
        return 0;
}

int scaler_accuracy(const Scaler *scaler, double later_sec, int hours, ScalerAccuracy *ret)
{
        const Series *series = &scaler->forecaster->series;
        const Horizon *horizon =
                forecaster_horizon(scaler->forecaster, forecaster_ahead(scaler->forecaster, later_sec));

        if (!horizon)
                return -ENOENT;
        AccuracyHour sum = accuracy_sum(&horizon->accuracy, series->next * series->step_sec, hours);
        if (sum.n == 0)
                return -ENOENT;
        double by = sum.n * per_worker(scaler);
        *ret = (ScalerAccuracy){
                .forecasts = sum.n,
                .below50 = sum.below[0] / sum.n,
                .below90 = sum.below[1] / sum.n,
                .below99 = sum.below[2] / sum.n,
                .error = sum.error / by,
                .error_persistence = sum.error_persistence / by,
                .load = sum.load / by,
        };
        return 0;
}

ScalerRecord scaler_record(const Scaler *scaler)
{
        RivalsChoice reactive = rivals_reactive(&scaler->rivals);

        return (ScalerRecord){scaler->choice.short_share, scaler->choice.mean_size, reactive.short_share,
                              reactive.mean_size};
}

/* What must be the same when it is read. */
static void settings_state(const Scaler *scaler, State *state)
{
        int64_t is[] = {VERSION,
                        scaler->settings.step_sec,
                        scaler->rivals.setup.delay_steps,
                        (int64_t)scaler->forecaster->n,
                        (int64_t)scaler->forecaster->series.room};
        int64_t was[ELEMENTS(is)];

        memcpy(was, is, sizeof is);
        state_integers(state, was, ELEMENTS(is), 0, INT64_MAX);
        if (memcmp(was, is, sizeof is) != 0)
                state->failed = true;
}

static void scaler_state(Scaler *scaler, State *state)
{
        settings_state(scaler, state);
        if (state->failed)
                return;
        forecaster_state(scaler->forecaster, state);
        rivals_state(&scaler->rivals, state);
        state_integers(state, &scaler->steps, 1, 0, INT64_MAX / 4);
        scaler->next = scaler->forecaster->series.next;
}

void scaler_save(Scaler *scaler, Packer *out)
{
        State state = {.out = out};

        scaler_state(scaler, &state);
}

int scaler_restore(Scaler *scaler, const void *data, size_t size)
{
        State state = {.in = {.next = data, .left = size}};

        scaler_state(scaler, &state);
        if (!state.failed && unpack_end(&state.in) == 0) {
                scaler->choice = choose(scaler);
                return 0;
        }
        forecaster_done(&scaler->own);
        rivals_done(&scaler->rivals);
        scaler->steps = 0;
        scaler->choice = (RivalsChoice){0};
        if (forecaster_init(&scaler->own, scaler->settings.step_sec, scaler->settings.job_sec) < 0 ||
            set_up(scaler) < 0)
                return -ENOMEM;
        return -EBADMSG;
}
