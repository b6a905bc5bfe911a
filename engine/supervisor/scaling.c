/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A minute at a time:
 *
 *   load_next       what came in the step that is over (load.c)
 *   keep            on the disk, by the store's thread
 *   observe         the forecaster learns of it; what it has to train, it does when there is nothing else to do
 *   measure         how long jobs take, how long a worker takes to be ready, what the host allows
 *   scaler_decide   how many workers there shall be, and why, in a sentence
 *   pool_scale      the pool starts them, or lets as many drain
 *   pool_keep_warm  the workers make jails of the policies whose jobs are wont to come at once soon (bursts.c)
 *
 * As long as something waits or runs, steps of ten seconds are counted and kept, too. An idle supervisor wakes up once a
 * minute, since the load that is foreseen may be near.
 */

#include "engine/supervisor/scaling_private.h"

#include "engine/base/clock.h"
#include "engine/base/fd.h"
#include "engine/base/json.h"
#include "engine/base/log.h"
#include "engine/supervisor/load_store.h"

#include <fcntl.h>
#include <math.h>
#include <string.h>

#define STEP_SEC 60
#define TRAINING_SLICE_USEC (2 * USEC_PER_MSEC)
#define SAVE_STEPS 60       /* what was learnt is written down every hour */
#define PRESSURE_MAX 10.0   /* per cent of the last ten seconds in which something waited for memory */
#define STEPS_AT_ONCE 64

/* ---- what happens ---- */

void scaling_arrived(Scaling *s, const char *policy)
{
        if (!s)
                return;
        load_arrived(&s->load, 1);
        bursts_arrived(&s->bursts, policy, 1, monotonic_usec());
}

void scaling_started(Scaling *s, uint64_t waited_usec)
{
        if (!s)
                return;
        load_started(&s->load, waited_usec);
}

void scaling_ended(Scaling *s, uint64_t service_usec)
{
        double sec = (double)service_usec / USEC_PER_SECOND;

        if (!s)
                return;
        load_ended(&s->load, service_usec);
        s->job_sec = s->job_sec > 0 ? s->job_sec + (sec - s->job_sec) / SCALING_JOB_SEC_OF_LAST : sec;
}

static void set_tick(Scaling *s)
{
        const Supervisor *supervisor = s->supervisor;
        bool idle = supervisor->queue.n_startable == 0 && supervisor->n_running == 0;
        uint64_t step = (uint64_t)load_step_sec[idle ? LOAD_MINUTE : LOAD_FINE] * USEC_PER_SECOND;
        uint64_t now = realtime_usec();

        /* Just behind the end of a step. Relative, since a clock that is set must not leave it asleep. */
        sd_event_source_set_time_relative(s->tick, step - now % step + USEC_PER_MSEC);
        sd_event_source_set_enabled(s->tick, SD_EVENT_ONESHOT);
}

void scaling_counts(Scaling *s)
{
        if (!s)
                return;
        bool was_idle = s->load.queued == 0 && s->load.running == 0;
        /* Not those that no worker could start: that are held, wait for the same, or whose tenant has as much as it may. */
        load_set(&s->load, s->supervisor->queue.n_startable, s->supervisor->n_running, monotonic_usec());
        /* It would be looked at in a minute. */
        if (was_idle)
                set_tick(s);
}

/* ---- what is measured ---- */

/* Of two digits: so that the forecaster does not have to look at its past anew with every job. */
static double rounded(double value)
{
        if (value <= 0)
                return 0;
        double unit = pow(10, floor(log10(value)) - 1);
        return round(value / unit) * unit;
}

/* Without a pool yet: what the configuration says of it. */
void scaling_measure(Scaling *s)
{
        const Config *c = s->supervisor->config;
        const Pool *pool = s->supervisor->pool;
        const PoolSize size = pool ? pool_size(pool) : (PoolSize){.minimum = c->workers.minimum, .maximum = c->workers.maximum};
        uint64_t start_usec = pool ? pool_start_usec(pool) : 0;
        _cleanup_error_ Error e = ERROR_NULL;
        ScalerSettings next = s->settings;

        next.minimum = (int)size.minimum;
        next.maximum = (int)size.maximum;
        /* A reload may have moved the bounds past the number that an operator has named. */
        next.fixed = (int)(s->fixed < size.minimum ? size.minimum : s->fixed > size.maximum ? size.maximum : s->fixed);
        next.slots = (double)c->pool.jobs_per_worker;
        next.up = (double)c->scaling.up_percent / 100;
        next.down = (double)c->scaling.down_percent / 100;
        next.budget = (double)c->scaling.budget_percent / 100;
        next.target_wait_sec = (double)c->target_wait_usec / USEC_PER_SECOND;
        next.job_sec = fmin(rounded(s->job_sec), SCALING_JOB_MAX_SEC);
        /* As it was measured earlier, or is usual, until one has been started. */
        if (start_usec > 0)
                next.start_delay_sec = fmin(ceil((double)start_usec / USEC_PER_SECOND), SCALING_START_MAX_SEC);
        if (memcmp(&next, scaler_settings(s->scaler), sizeof next) == 0)
                return;
        if (scaler_set(s->scaler, &next, &e) < 0)
                log_error("scaler: %s", error_text(&e));
        else
                s->settings = next;
}

/* "some avg10=1.23 …": the share of the last ten seconds in which something waited for memory, in per cent. */
static double memory_pressure(void)
{
        _cleanup_free_ char *text = NULL;
        double value;

        if (read_file_at(AT_FDCWD, "/proc/pressure/memory", 4096, &text, NULL) < 0)
                return 0;
        const char *at = strstr(text, "some avg10=");
        return at && sscanf(at, "some avg10=%lf", &value) == 1 ? value : 0;
}

/* Jobs of the default policy that there is room for in the pool, or as many as run if those are more. */
static uint64_t jobs_at_once(const Supervisor *supervisor)
{
        const Resources *resources = &supervisor->queue.resources;
        uint64_t n = supervisor->n_running;

        for (const KnownPolicy *known = supervisor->policies; known; known = known->next) {
                if (strcmp(jail_policy_name(known->policy), supervisor->config->default_policy) != 0)
                        continue;
                Demand one = resources_demand(&jail_limits_none, known->policy);
                uint64_t by_cpu = one.cpu_milli ? resources->total.cpu_milli / one.cpu_milli : UINT64_MAX,
                         by_memory = one.memory_bytes ? resources->total.memory_bytes / one.memory_bytes : UINT64_MAX,
                         fit = by_cpu < by_memory ? by_cpu : by_memory;
                n = fit > n ? fit : n;
        }
        return n > 0 ? n : 1;
}

/* How many workers the host's memory and processors have jobs for. */
static void ask_host(const Scaling *s, ScalerHost *host)
{
        const Supervisor *supervisor = s->supervisor;
        uint64_t at_once = jobs_at_once(supervisor), per_worker = supervisor->config->pool.jobs_per_worker;
        uint64_t waiting = supervisor->queue.n_startable, useful = at_once / per_worker + (at_once % per_worker != 0);

        /* Of those that wait, as many as there would be room for. */
        host->jobs = (double)supervisor->n_running + (double)(waiting < at_once ? waiting : at_once);
        if (useful < 100000) {
                host->allowed = (int)useful;
                host->allowed_why = "what jobs may use of memory and processors";
        }
        if (memory_pressure() > PRESSURE_MAX && host->workers < host->allowed) {
                host->allowed = host->workers;
                host->allowed_why = "pressure of memory";
        }
}

/* ---- deciding ---- */

static void keep_decision(Scaling *s, int workers, ScalerDecision *d)
{
        ScalingDecision *place = &s->decisions[s->n_decisions++ % KEPT_DECISIONS];

        free(place->sentence);
        *place = (ScalingDecision){
                .time_usec = realtime_usec(),
                .workers = (uint32_t)workers,
                .target = (uint32_t)d->target,
                .load = d->load,
                .band = d->band,
                .leader = d->leader,
                .bound = d->bound,
                .sentence = take(d->sentence),
        };
        if (place->target == place->workers)
                return;
        log_message(LOG_LEVEL_INFO, &(LogFields){.event = LOG_EVENT_POOL_SIZED}, "%s",
                    place->sentence ? place->sentence : "the pool changes");
        if (s->supervisor->events && s->supervisor->events->scaled)
                s->supervisor->events->scaled(place, s->supervisor->events_userdata);
}

static void decide(Scaling *s)
{
        Pool *pool = s->supervisor->pool;
        int workers = (int)pool_size(pool).target;
        ScalerHost host = {.workers = workers, .jobs = NAN, .allowed = -1};
        _cleanup_scaler_decision_ ScalerDecision d = {0};

        if (s->supervisor->closed || !pool_is_settled(pool))
                return;
        scaling_measure(s);
        /* A number that an operator has named is not a matter of what is useful. */
        if (s->settings.mode != SCALER_FIXED)
                ask_host(s, &host);
        scaler_decide(s->scaler, &host, &d);
        if (d.target != workers && pool_scale(pool, (uint64_t)d.target) < 0)
                log_error("the pool cannot have %d workers", d.target);
        keep_decision(s, workers, &d);
}

/* What a worker has of jails beside this is by its own use of late. */
void scaling_keep_warm(const Scaling *s)
{
        _cleanup_error_ Error e = ERROR_NULL;
        PoolWarm wanted[BURSTS_POLICIES] = {0};
        size_t n = 0;

        for (size_t i = 0; scaling_keeps_warm(s) && i < s->bursts.n; i++) {
                const PolicyBursts *p = s->bursts.policies[i];
                RecurrenceClock clock;
                uint64_t jails = bursts_expect(&s->bursts, p, BURSTS_AHEAD, &clock);
                /* One that is not there any more has no jails. */
                if (jails > 0 && supervisor_find_policy(s->supervisor, p->name, &wanted[n].policy, &e) >= 0)
                        wanted[n++].jails = jails;
                error_clear(&e);
        }
        pool_keep_warm(s->supervisor->pool, wanted, n);
        for (size_t i = 0; i < n; i++)
                jail_policy_unref(wanted[i].policy);
}

/* ---- learning ---- */

static int on_training(sd_event_source *source _unused_, void *userdata)
{
        uint64_t until = monotonic_usec() + TRAINING_SLICE_USEC;
        Scaling *s = userdata;

        while (scaling_learn(s))
                if (monotonic_usec() >= until)
                        return 0;
        return sd_event_source_set_enabled(s->training, SD_EVENT_OFF);
}

static void observe_policies(Scaling *s, int64_t time_sec)
{
        const uint64_t room = pool_size(s->supervisor->pool).maximum * s->supervisor->config->pool.jobs_per_worker;
        PolicyMinute minutes[BURSTS_POLICIES];
        size_t n = bursts_end_minute(&s->bursts, time_sec, room, minutes);

        load_store_keep_policies(s->supervisor->store, minutes, n);
}

static void observe(Scaling *s, const LoadStep *step)
{
        if (step->grain != LOAD_MINUTE)
                return;
        observe_policies(s, step->time_sec);
        scaler_observe(s->scaler, step->time_sec, (double)step->counts.arrivals);
        if (s->pupil)
                scaling_note(s, step->time_sec, step->counts.arrivals);
        sd_event_source_set_enabled(s->training, SD_EVENT_ON);
        if (++s->steps >= SAVE_STEPS)
                scaling_save(s);
}

/* ---- time ---- */

static int on_tick(sd_event_source *source _unused_, uint64_t usec _unused_, void *userdata)
{
        Scaling *s = userdata;
        LoadStep steps[STEPS_AT_ONCE];
        bool cycle_ends = false;
        size_t n = 0;

        for (; n < STEPS_AT_ONCE && load_next(&s->load, realtime_usec(), monotonic_usec(), &steps[n]); n++) {
                observe(s, &steps[n]);
                cycle_ends |= steps[n].grain == LOAD_MINUTE;
        }
        load_store_keep(s->supervisor->store, steps, n);
        /* More often, and the pool would change by more than is allowed in a cycle. */
        if (cycle_ends) {
                decide(s);
                scaling_keep_warm(s);
        }
        set_tick(s);
        return 0;
}

/* ---- what is asked ---- */

int scaling_set_mode(Scaling *s, ScalerMode mode, uint64_t workers)
{
        const PoolSize size = pool_size(s->supervisor->pool);

        if (mode == SCALER_FIXED && (workers < size.minimum || workers > size.maximum))
                return -ERANGE;
        s->overridden = mode == SCALER_FIXED || mode != s->supervisor->config->scaler;
        s->settings.mode = mode;
        s->fixed = mode == SCALER_FIXED ? workers : s->fixed;
        s->settings.fixed = (int)s->fixed;
        scaler_set(s->scaler, &s->settings, NULL);
        /* What an operator asks for is done at once, whatever a cycle may add. */
        int r = mode == SCALER_FIXED ? pool_scale(s->supervisor->pool, workers) : 0;
        if (mode != SCALER_FIXED)
                decide(s);
        scaling_keep_warm(s);
        return r;
}

ScalerMode scaling_mode(const Scaling *s)
{
        return s->settings.mode;
}

void scaling_configured(Scaling *s)
{
        if (!s->overridden) {
                s->settings.mode = s->supervisor->config->scaler;
                s->fixed = s->supervisor->config->workers.minimum;
                s->settings.fixed = (int)s->fixed;
        }
        scaler_set(s->scaler, &s->settings, NULL);
        decide(s);
        scaling_keep_warm(s);
}

bool scaling_decision(const Scaling *s, size_t before, const ScalingDecision **ret)
{
        if (before >= s->n_decisions || before >= KEPT_DECISIONS)
                return false;
        *ret = &s->decisions[(s->n_decisions - 1 - before) % KEPT_DECISIONS];
        return true;
}

uint64_t scaling_now_usec(const Scaling *s)
{
        return (uint64_t)s->load.sums[LOAD_MINUTE].time_sec * USEC_PER_SECOND;
}

size_t scaling_bands(const Scaling *s, uint64_t minutes, ScalerBand *bands, size_t room)
{
        size_t n = scaler_bands(s->scaler, bands, room), within = 0;

        while (within < n && bands[within].later_sec <= (double)minutes * 60)
                within++;
        return within;
}

const Bursts *scaling_bursts(const Scaling *s)
{
        return &s->bursts;
}

bool scaling_keeps_warm(const Scaling *s)
{
        return s->settings.mode == SCALER_PREDICTIVE || s->settings.mode == SCALER_FIXED;
}

const Scaler *scaling_scaler(const Scaling *s)
{
        return s->scaler;
}

/* ---- start and end ---- */

int scaling_new(Supervisor *supervisor, Scaling **ret, Error *e)
{
        _cleanup_(scaling_freep) Scaling *s = calloc(1, sizeof *s);

        if (!s)
                return error_oom(e);
        *s = (Scaling){.supervisor = supervisor, .fixed = supervisor->config->workers.minimum};
        load_init(&s->load, realtime_usec(), monotonic_usec());
        s->settings = scaler_defaults();
        s->settings.mode = supervisor->config->scaler;
        s->settings.step_sec = STEP_SEC;
        s->settings.cycle_sec = STEP_SEC;
        int r = scaler_new(&s->scaler, &s->settings, e);
        if (r < 0)
                return r;
        scaling_measure(s);
        scaling_remember(s);
        scaling_counts(s);
        if ((r = sd_event_add_time_relative(supervisor->event, &s->tick, CLOCK_MONOTONIC, 0, 0, on_tick, s)) < 0 ||
            (r = sd_event_add_defer(supervisor->event, &s->training, on_training, s)) < 0 ||
            (r = sd_event_source_set_priority(s->training, SD_EVENT_PRIORITY_IDLE)) < 0 ||
            (r = sd_event_source_set_enabled(s->training, SD_EVENT_ON)) < 0)
                return error_errno(e, r, "event loop");
        set_tick(s);
        *ret = take(s);
        return 0;
}

Scaling *scaling_free(Scaling *s)
{
        if (!s)
                return NULL;
        sd_event_source_disable_unref(s->tick);
        sd_event_source_disable_unref(s->training);
        if (s->scaler && s->n_decisions > 0)
                scaling_save(s);
        scaling_forget_pupil(s);
        scaler_free(s->scaler);
        bursts_done(&s->bursts);
        for (size_t i = 0; i < KEPT_DECISIONS; i++)
                free(s->decisions[i].sentence);
        free(s);
        return NULL;
}
