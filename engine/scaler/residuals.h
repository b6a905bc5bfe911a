/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "engine/scaler/state.h"

/* By how much forecasts were wrong of late, and hence by how much the next may be: the conformal quantile. The share q
 * of the last errors lay at or below it, whatever their distribution. Beyond what so few errors can tell, their tail is
 * taken to go on as an exponential does. */

typedef struct Residuals {
        size_t room, n, oldest;
        float *ring;       /* owned: in the order in which they came */
        float *sorted;     /* owned */
        double top, slope; /* of the tail: where it begins, and its mean excess */
} Residuals;

int residuals_init(Residuals *residuals, size_t room);
void residuals_done(Residuals *residuals);

void residuals_add(Residuals *residuals, double error);

/* The quantile for `miss`, the share of errors that may lie above it. With too few errors, as if they were normal, and
 * wider. */
double residuals_quantile(const Residuals *residuals, double miss);

void residuals_state(Residuals *residuals, State *state);
