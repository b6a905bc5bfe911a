/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "engine/base/cleanup.h"

#include <stddef.h>
#include <stdint.h>

/* Durations of many runs of one thing, and what the processors worked for them. */
typedef struct Samples {
        uint64_t *usec; /* owned */
        size_t n, room;
        uint64_t cpu_usec; /* of all runs together */
} Samples;

void samples_done(Samples *s);
#define _cleanup_samples_ _cleanup_(samples_done)

/* Ends the program when out of memory. */
void samples_add(Samples *s, uint64_t usec, uint64_t cpu_usec);

/* The value below which so many of a thousand are, in ms; 0 of no samples. Sorts them. */
double samples_msec(Samples *s, unsigned permille);
double samples_cpu_msec(const Samples *s); /* of one run */

void samples_print_head(const char *title);
void samples_print(const char *name, Samples *s);
/* How many took how long, in steps of twice as long. */
void samples_print_histogram_head(void);
void samples_print_histogram(const char *name, const Samples *s);
