/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "engine/scaler/scaler.h"
#include "engine/supervisor/bursts.h"
#include "engine/supervisor/load.h"

#include <systemd/sd-event.h>

/* The scaler at work: counts what comes, asks the forecaster (engine/scaler), and sizes the pool. */

struct Supervisor;
typedef struct Scaling Scaling;

/* Begins with what is kept of earlier supervisors. -ENOMEM, and those of the event loop. */
int scaling_new(struct Supervisor *supervisor, Scaling **ret, Error *e);
Scaling *scaling_free(Scaling *scaling); /* keeps what was learnt; returns NULL */
DEFINE_CLEANUP(Scaling, scaling_free)

/* What happens to jobs. */
void scaling_arrived(Scaling *scaling, const char *policy);
void scaling_started(Scaling *scaling, uint64_t waited_usec);
void scaling_ended(Scaling *scaling, uint64_t service_usec);
/* The counts of the supervisor have changed. */
void scaling_counts(Scaling *scaling);

/* Another mode, until the supervisor ends; `workers` for SCALER_FIXED. -ERANGE: outside of what the pool may have. */
int scaling_set_mode(Scaling *scaling, ScalerMode mode, uint64_t workers);
ScalerMode scaling_mode(const Scaling *scaling);
/* The configuration is another. */
void scaling_configured(Scaling *scaling);

/* A decision that was carried out. The sentence is valid as long as the scaling decides nothing more. */
typedef struct ScalingDecision {
        uint64_t time_usec; /* CLOCK_REALTIME */
        uint32_t workers;   /* that there were to be before */
        uint32_t target;
        double load;
        ScalerBand band;
        const char *leader, *bound;
        char *sentence;
} ScalingDecision;

/* The latest come first; false behind the oldest that is kept. */
bool scaling_decision(const Scaling *scaling, size_t before, const ScalingDecision **ret);

/* The forecasts up to so many minutes on; returns how many. */
size_t scaling_bands(const Scaling *scaling, uint64_t minutes, ScalerBand *bands, size_t room);
/* The policies whose jobs came last, with what is foreseen of them. */
const Bursts *scaling_bursts(const Scaling *scaling);
/* Has the workers make the jails that are going to be needed, from the start of the pool on. */
void scaling_keep_warm(const Scaling *scaling);
/* Whether the workers are told of it: not when the scaler is off, or only reacts. */
bool scaling_keeps_warm(const Scaling *scaling);

/* The forecaster, to be asked. */
const Scaler *scaling_scaler(const Scaling *scaling);
/* When the step begins from which the forecasts look ahead: CLOCK_REALTIME. */
uint64_t scaling_now_usec(const Scaling *scaling);

/* All that there is to say of the last minutes, as JSON: mode, forecasts, accuracy, decisions. Owned by the caller;
 * NULL when out of memory. */
char *scaling_report(const Scaling *scaling, uint64_t minutes);
