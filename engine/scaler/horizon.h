/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "engine/scaler/accuracy.h"
#include "engine/scaler/forest.h"
#include "engine/scaler/residuals.h"
#include "engine/scaler/ridge.h"

/* The forecast of the load so many steps ahead: several models that are asked each step, weighed by how wrong they were
 * of late, and how wrong their common answer is wont to be now. */

typedef enum ModelKind {
        MODEL_PERSISTENCE, /* it stays as it is */
        MODEL_LEVEL,       /* it returns to the mean of the last steps */
        MODEL_SEASON,      /* it goes on as on the days before, from where it stands */
        MODEL_CYCLE,       /* likewise, as in the cycles before, where there are some */
        MODEL_RIDGE_LOG,   /* regression on the logarithm: what grows by factors */
        MODEL_RIDGE,       /* regression on the load itself: what adds up */
        MODEL_FOREST,      /* what depends on several things at once */
        MODEL_KINDS,
} ModelKind;

const char *model_name(ModelKind kind);

#define HORIZON_DOUBT 8 /* values that tell how sure a forecast is */

/* What was said at a step, until it is known how it came. */
typedef struct Prediction {
        int64_t step; /* -1: none */
        double row_log[FEATURES_MAX], row_linear[FEATURES_MAX], row_doubt[HORIZON_DOUBT];
        double models[MODEL_KINDS];   /* logarithms of the load */
        double middle, spread, most;  /* their common answer, how wide errors are, and where quantiles end */
        double unit;                  /* of the linear row */
        double bands[ACCURACY_BANDS]; /* what it may be, in jobs */
        bool whole;                   /* nothing of what it looked at was a gap */
} Prediction;

typedef struct Horizon {
        int ahead;                   /* steps */
        Ridge *log, *linear, *doubt; /* owned */
        Forest forest;
        Residuals residuals;
        double losses[MODEL_KINDS], weights[MODEL_KINDS];
        double fade_loss, fade_error;
        double error_mean;
        float *errors; /* owned: absolute errors of the forecasts made in the last days, a ring */
        size_t errors_room;
        Prediction *pending;    /* owned: a ring of `ahead` + 1 */
        const Prediction *last; /* in it; NULL before the first */
        double width_mean;      /* of the last weeks */
        Accuracy accuracy;
        int64_t learnt; /* forecasts that could be compared */
        int64_t kept;   /* of their errors, that are still of this series */
        int tree_every; /* steps */
} Horizon;

/* -ENOMEM. */
int horizon_init(Horizon *horizon, const Series *series, int ahead);
void horizon_done(Horizon *horizon);

/* The step has ended and stands in the series: learns from what was said of it, and says what comes. Some 100 µs. */
void horizon_step(Horizon *horizon, const Series *series);

/* The series begins anew: what was said of the old one will not be compared. What was learnt stays. */
void horizon_forget(Horizon *horizon);

/* One piece of the training that can wait. Returns whether there is more. */
bool horizon_train(Horizon *horizon);

/* The load that is exceeded with the chance `miss`, after the last step. 0 before the first. */
double horizon_quantile(const Horizon *horizon, double miss);

/* How wide it is, in jobs: the density of the errors is the lower, the wider. */
double horizon_width(const Horizon *horizon);

/* The model with the most weight. */
ModelKind horizon_leader(const Horizon *horizon);

void horizon_state(Horizon *horizon, State *state);
