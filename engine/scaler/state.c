/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "engine/scaler/state.h"

#include <math.h>
#include <string.h>

/* Returns whether there is something to check. */
static bool move(State *state, void *values, size_t size)
{
        size_t found;
        const void *data;

        if (state->failed)
                return false;
        if (state->out) {
                pack_bytes(state->out, values, size);
                return false;
        }
        data = unpack_bytes(&state->in, &found);
        if (!data || state->in.failed || found != size) {
                state->failed = true;
                return false;
        }
        if (size > 0)
                memcpy(values, data, size);
        return true;
}

void state_numbers(State *state, double *values, size_t n, double min, double max)
{
        if (!move(state, values, n * sizeof *values))
                return;
        for (size_t i = 0; i < n; i++)
                if (!(values[i] >= min && values[i] <= max)) {
                        values[i] = min;
                        state->failed = true;
                }
}

void state_floats(State *state, float *values, size_t n, double min, double max)
{
        if (!move(state, values, n * sizeof *values))
                return;
        for (size_t i = 0; i < n; i++)
                if (!isnan(values[i]) && !(values[i] >= min && values[i] <= max)) {
                        values[i] = (float)min;
                        state->failed = true;
                }
}

void state_integers(State *state, int64_t *values, size_t n, int64_t min, int64_t max)
{
        if (!move(state, values, n * sizeof *values))
                return;
        for (size_t i = 0; i < n; i++)
                if (values[i] < min || values[i] > max) {
                        values[i] = min;
                        state->failed = true;
                }
}

void state_int(State *state, int *value, int min, int max)
{
        int64_t wide = *value;

        state_integers(state, &wide, 1, min, max);
        *value = (int)wide;
}

void state_size(State *state, size_t *value, size_t max)
{
        int64_t wide = (int64_t)*value;

        state_integers(state, &wide, 1, 0, (int64_t)max);
        *value = (size_t)wide;
}

void state_flag(State *state, bool *value)
{
        int64_t wide = *value;

        state_integers(state, &wide, 1, 0, 1);
        *value = wide;
}

void state_bytes(State *state, uint8_t *values, size_t n)
{
        move(state, values, n);
}
