/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "engine/scaler/residuals.h"

#include <errno.h>
#include <math.h>
#include <string.h>

#define FEW 40
#define TAIL 0.02 /* the share that tells of the tail */
#define SLOPE_MIN 0.05
#define ERROR_MAX 1e6

int residuals_init(Residuals *residuals, size_t room)
{
        *residuals = (Residuals){.room = room};
        residuals->ring = calloc(room, sizeof(float));
        residuals->sorted = calloc(room, sizeof(float));
        return residuals->ring && residuals->sorted ? 0 : -ENOMEM;
}

void residuals_done(Residuals *residuals)
{
        free(residuals->ring);
        free(residuals->sorted);
        *residuals = (Residuals){0};
}

/* The first place whose value is not below this one. */
static size_t place(const Residuals *residuals, float value)
{
        size_t low = 0, high = residuals->n;

        while (low < high) {
                size_t middle = (low + high) / 2;
                if (residuals->sorted[middle] < value)
                        low = middle + 1;
                else
                        high = middle;
        }
        return low;
}

static void measure_tail(Residuals *residuals)
{
        size_t in_tail = (size_t)ceil(TAIL * (double)residuals->n), first = residuals->n - in_tail;
        double sum = 0;

        for (size_t i = first; i < residuals->n; i++)
                sum += residuals->sorted[i];
        residuals->top = residuals->sorted[first];
        residuals->slope = fmax(SLOPE_MIN, sum / (double)in_tail - residuals->top);
}

void residuals_add(Residuals *residuals, double error)
{
        float value = (float)fmin(fmax(error, -ERROR_MAX), ERROR_MAX);

        if (residuals->n == residuals->room) {
                float *gone = &residuals->sorted[place(residuals, residuals->ring[residuals->oldest])];
                memmove(gone, gone + 1, (size_t)(residuals->sorted + --residuals->n - gone) * sizeof *gone);
        }
        float *new = &residuals->sorted[place(residuals, value)];
        memmove(new + 1, new, (size_t)(residuals->sorted + residuals->n++ - new) * sizeof *new);
        *new = value;
        residuals->ring[residuals->oldest] = value;
        residuals->oldest = (residuals->oldest + 1) % residuals->room;
        measure_tail(residuals);
}

/* Of the normal distribution (Tukey's lambda, good to 1 %, which is more than is known here). */
static double normal_quantile(double miss)
{
        return (pow(1 - miss, 0.135) - pow(miss, 0.135)) / 0.1975;
}

double residuals_quantile(const Residuals *residuals, double miss)
{
        miss = fmin(fmax(miss, 1e-9), 1 - 1e-9);
        if (residuals->n < FEW)
                return 2 * normal_quantile(miss);
        if (miss < TAIL)
                return residuals->top + residuals->slope * log(TAIL / miss);
        double at = (1 - miss) * (double)(residuals->n + 1) - 1;
        if (at <= 0)
                return residuals->sorted[0];
        size_t below = (size_t)at;
        if (below + 1 >= residuals->n)
                return residuals->sorted[residuals->n - 1];
        double part = at - (double)below;
        return residuals->sorted[below] * (1 - part) + residuals->sorted[below + 1] * part;
}

static int compare(const void *a, const void *b)
{
        float x = *(const float *)a, y = *(const float *)b;

        return (x > y) - (x < y);
}

void residuals_state(Residuals *residuals, State *state)
{
        state_size(state, &residuals->n, residuals->room);
        state_size(state, &residuals->oldest, residuals->room - 1);
        state_floats(state, residuals->ring, residuals->room, -ERROR_MAX, ERROR_MAX);
        if (state->out)
                return;
        if (state->failed)
                residuals->n = residuals->oldest = 0;
        /* Not yet full: the values are the first ones, or `oldest` would not be where the next goes. */
        if (residuals->n < residuals->room && residuals->oldest != residuals->n)
                state->failed = true;
        for (size_t i = 0; i < residuals->n; i++) {
                if (isnan(residuals->ring[i]))
                        residuals->ring[i] = 0;
                residuals->sorted[i] = residuals->ring[i];
        }
        qsort(residuals->sorted, residuals->n, sizeof(float), compare);
        if (residuals->n > 0)
                measure_tail(residuals);
}
