/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "engine/scaler/state.h"

/* Linear regression with a penalty on large weights, learnt one row at a time. It keeps sums, not rows, so that old
 * rows fade (each counts half after `half_life` newer ones), and adding one costs the same however long the history. */

#define RIDGE_MAX 48

typedef struct Ridge {
        size_t n;                                     /* values of a row; the first is 1 */
        double growth;                                /* what a row counts more than the one before */
        double worth;                                 /* of the next row */
        double penalty;                               /* in rows */
        double gram[RIDGE_MAX * (RIDGE_MAX + 1) / 2]; /* the lower triangle, by rows */
        double right[RIDGE_MAX];
        double weights[RIDGE_MAX];
        double rows;
        bool fitted;
} Ridge;

void ridge_init(Ridge *ridge, size_t n, double half_life, double penalty);

void ridge_add(Ridge *ridge, const double *row, double target);

/* Solves for the weights: some 20 µs. */
void ridge_fit(Ridge *ridge);

/* 0 before the first fit. */
double ridge_predict(const Ridge *ridge, const double *row);

void ridge_state(Ridge *ridge, State *state);
