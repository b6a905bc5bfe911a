/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "engine/base/error.h"
#include "engine/base/pack.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* How many workers there should be, from what was counted so far: a state machine that does no input or output, has no
 * clock and starts no thread. Whoever has one does four things:
 *
 *   - after each step (a minute, or ten seconds), scaler_observe() with the number of jobs that came in it: under 1 ms;
 *   - while there is nothing else to do, scaler_train() until it returns false: pieces of some 100 µs;
 *   - each cycle, scaler_decide(), and it sets the pool to `target`;
 *   - now and then, scaler_save(), for scaler_restore() after a restart.
 *
 * One scaler has one series: that of all jobs, for the pool of workers. It needs some 6 MB with steps of a minute. How many jails
 * of each policy are to be ready is another question: recurrence.h. */

typedef struct Scaler Scaler;

typedef enum ScalerMode {
        SCALER_OFF,        /* keeps what is there */
        SCALER_FIXED,      /* `fixed` workers */
        SCALER_REACTIVE,   /* follows the load */
        SCALER_PREDICTIVE, /* follows the forecast, as long as that is no worse */
        SCALER_MODES,
} ScalerMode;

/* "off", "fixed", "reactive", "predictive"; -EINVAL for others. */
const char *scaler_mode_name(ScalerMode mode);
int scaler_mode_parse(const char *name, ScalerMode *ret, Error *e);

typedef struct ScalerSettings {
        ScalerMode mode;
        int64_t step_sec;     /* of the counts: 10 to 86400 */
        int64_t cycle_sec;    /* between decisions: whole steps, at most 100 */
        int minimum, maximum; /* workers: 0 to 100000 */
        int fixed;
        double slots;           /* jobs that a worker runs at a time; above 0, need not be whole */
        double job_sec;         /* that a job takes, as measured; 0: jobs count for the step in which they come */
        double start_delay_sec; /* until a worker that is started is ready, as measured; at most 400 steps */
        double quantile;        /* of the load, to be ready for: 0.3 to 0.999999; 0: found by itself, within `budget` */
        double budget;          /* workers, as a share of those that reacting would have: 0.1 to 10 */
        double utilisation;     /* that reacting aims at: 0.1 to 1 */
        double up, down;        /* by how much the pool may grow and shrink in a cycle: up to 100, and to 1 */
        double target_wait_sec; /* that 95 % of the jobs do not wait longer than; 0: waiting is not looked at */
} ScalerSettings;

/* What holds where nothing else is said: predictive, steps and cycles of a minute, 2 to 50 workers of one slot, jobs of
 * a minute, 5 s until a worker is ready, +50 % and -25 %, utilisation 0.7, budget 1, a wait of 1 s. */
ScalerSettings scaler_defaults(void);

/* The caller owns `*ret`. Errors: -EINVAL, the sentence names the setting; -ENOMEM. */
int scaler_new(Scaler **ret, const ScalerSettings *settings, Error *e);
Scaler *scaler_free(Scaler *scaler);

/* One that decides by the forecasts of another, which must live longer and observe each step before it does; for
 * comparing settings. It is neither saved nor trained. -EINVAL: other steps, cycles, job time or start delay. */
int scaler_new_follower(Scaler **ret, Scaler *leader, const ScalerSettings *settings, Error *e);

/* Other settings, at any time: but not another step (-EINVAL). What is measured may be set as often as it
 * changes; it is best rounded, since a start delay of other steps makes the comparison with reacting begin anew. */
int scaler_set(Scaler *scaler, const ScalerSettings *settings, Error *e);
const ScalerSettings *scaler_settings(const Scaler *scaler);

/* So many jobs came in the step that began at `time_sec` (UTC); NaN when nobody counted. Steps that are left out are
 * gaps. Returns 0, or -ESTALE: that step was given before, or the clock was set back a little: nothing happened.
 * -EINVAL: time before 1970 or a count below 0 or above 10^12. A clock set back by more than a quarter of an hour, or a
 * gap of more than eight days, begins the history anew, with what was learnt. */
int scaler_observe(Scaler *scaler, int64_t time_sec, double count);

/* When the step begins that is observed next; 0 before the first. */
int64_t scaler_next_sec(const Scaler *scaler);

/* One piece of training. Returns whether there is more. */
bool scaler_train(Scaler *scaler);

/* What only the caller can see. */
typedef struct ScalerHost {
        int workers;             /* started, and not told to end */
        double jobs;             /* queued and running, without those that end; NaN: what the counts say */
        int allowed;             /* that memory and pressure allow; -1: any number */
        const char *allowed_why; /* "memory", "pressure of memory"; NULL: "the host" */
} ScalerHost;

/* Chances to be at or below: in workers. */
typedef struct ScalerBand {
        double later_sec; /* from the end of the last step to the beginning of the one that is meant */
        double p50, p90, p99;
} ScalerBand;

typedef struct ScalerDecision {
        int64_t time_sec;   /* the end of the last step */
        int target;         /* workers */
        double wanted;      /* before the limits */
        double load;        /* of now, in workers */
        ScalerBand band;    /* when what is started now is ready */
        const char *leader; /* the model that weighs most; static */
        const char *policy; /* "forecast", "forecast with floor", "reactive", "fixed", "off"; static */
        double headroom;    /* the quantile that the forecast's policy was ready for; else 0 */
        const char *bound;  /* what held: "none", "minimum", "maximum", "up", "down", "host", "load", "slack", "off";
                               static */
        char *sentence;     /* owned: all of it, for people; NULL when out of memory */
} ScalerDecision;

/* 0; the caller gives the decision back by scaler_decision_done(). Asking changes nothing of the forecasts, so that
 * asking again is harmless. */
void scaler_decide(Scaler *scaler, const ScalerHost *host, ScalerDecision *ret);
void scaler_decision_done(ScalerDecision *decision);

/* The forecasts, nearest first; at most `room`, of which there are up to 8. Returns how many. None before the first
 * step. */
size_t scaler_bands(const Scaler *scaler, ScalerBand *bands, size_t room);

/* That of a step which begins so much later (5, 10 and 15 minutes are always there): -ENOENT when there is none. */
int scaler_band(const Scaler *scaler, double later_sec, ScalerBand *ret);

/* How the forecasts of the last `hours` (up to 168) for so much later came true: shares at or below the band, and the
 * mean error in workers, beside that of "it stays as it is". -ENOENT when none has. */
typedef struct ScalerAccuracy {
        double forecasts;
        double below50, below90, below99;
        double error, error_persistence, load; /* means, in workers */
} ScalerAccuracy;

int scaler_accuracy(const Scaler *scaler, double later_sec, int hours, ScalerAccuracy *ret);

/* What the policies would have had and missed, over the last days: share of steps too small, mean workers. */
typedef struct ScalerRecord {
        double short_share, mean_workers;
        double reactive_short_share, reactive_mean_workers;
} ScalerRecord;

ScalerRecord scaler_record(const Scaler *scaler);

/* All that was learnt, as bytes for scaler_restore() of this version: some 1 MB. `out` is the caller's; `out->failed`
 * when out of memory. What training had begun is begun anew. */
void scaler_save(Scaler *scaler, Packer *out);

/* Into a scaler of the same settings that has observed nothing. -EBADMSG: of another version or other settings, or
 * damaged; then the scaler is as new. -ENOMEM: it can only be freed. */
int scaler_restore(Scaler *scaler, const void *data, size_t size);

DEFINE_CLEANUP(Scaler, scaler_free)
#define _cleanup_scaler_ _cleanup_(scaler_freep)
#define _cleanup_scaler_decision_ _cleanup_(scaler_decision_done)
