/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What there was to do, in steps of ten seconds and of a minute: how many jobs came, how long they took, how many
 * waited and ran. It counts and has no clock: times are CLOCK_REALTIME where steps are meant, and CLOCK_MONOTONIC where
 * spans are. Time in which nobody counted is in no step. */

typedef enum LoadGrain { LOAD_FINE, LOAD_MINUTE, LOAD_GRAIN_MAX } LoadGrain;

/* Seconds: 10 and 60. */
extern const int64_t load_step_sec[LOAD_GRAIN_MAX];

typedef struct LoadCounts {
        uint64_t arrivals;                  /* jobs that came to be run */
        uint64_t ended;                     /* attempts that ended, and had run */
        uint64_t service_usec;              /* for which those had their room in the pool */
        uint64_t waited_usec;               /* from arrival to start, of those that were started */
        uint64_t queued_usec, running_usec; /* integrals: jobs times microseconds */
} LoadCounts;

typedef struct LoadStep {
        LoadGrain grain;
        int64_t time_sec; /* when it began, UTC */
        LoadCounts counts;
} LoadStep;

typedef struct LoadSum {
        int64_t time_sec; /* of the step that is being counted */
        LoadCounts counts;
} LoadSum;

typedef struct Load {
        LoadSum sums[LOAD_GRAIN_MAX];
        uint64_t queued, running;
        uint64_t since_usec; /* monotonic: up to when the integrals are */
} Load;

void load_init(Load *load, uint64_t realtime_usec, uint64_t monotonic_usec);

void load_arrived(Load *load, uint64_t jobs);
void load_started(Load *load, uint64_t waited_usec);
void load_ended(Load *load, uint64_t service_usec);

/* So many wait and run from now on. */
void load_set(Load *load, uint64_t queued, uint64_t running, uint64_t monotonic_usec);

/* The next step that is over, fine ones before the minute that they are in; false when there is none. It is asked for
 * at least once in each step as long as jobs wait or run: what happened since the last time is in the first step that
 * is over. After a jump of the clock, forwards by more than an hour or backwards, counting begins anew: what lies
 * between is a gap. */
bool load_next(Load *load, uint64_t realtime_usec, uint64_t monotonic_usec, LoadStep *ret);

/* Whether a step is worth writing down: nothing came, ran or waited in it. */
bool load_is_idle(const LoadCounts *counts);
