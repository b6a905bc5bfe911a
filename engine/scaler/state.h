/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "engine/base/pack.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What was learnt, to bytes and back. Each part has one function that lists its members, and which either writes them
 * or reads them, so that the two cannot differ. What is read was on a disk: each number is checked for its range, and
 * after the first that is out of it nothing more is read, and `failed` is set. */

#define STATE_MAX 1e300

typedef struct State {
        Packer *out; /* writing, when not NULL */
        Unpacker in;
        bool failed;
} State;

void state_numbers(State *state, double *values, size_t n, double min, double max);
/* The same for floats; NaN is allowed. */
void state_floats(State *state, float *values, size_t n, double min, double max);
void state_integers(State *state, int64_t *values, size_t n, int64_t min, int64_t max);
void state_int(State *state, int *value, int min, int max);
void state_size(State *state, size_t *value, size_t max);
void state_flag(State *state, bool *value);
void state_bytes(State *state, uint8_t *values, size_t n);
