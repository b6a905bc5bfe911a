/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "engine/scaler/recurrence.h"

#include <stdbool.h>
#include <stddef.h>

/* How many jobs of each policy come at once, and when so many are going to come again: for the jails that the workers
 * keep ready. It counts by the minute, and has no clock. */

#define BURSTS_POLICIES 16 /* those that were used last */
#define BURSTS_AHEAD 2     /* minutes: so long before they are needed, jails are made; some milliseconds would do */
#define BURSTS_LATE 1      /* minute: so long they wait for what should have come */

typedef struct PolicyBursts {
        char *name; /* owned, as is the recurrence */
        Recurrence recurrence;
        uint64_t moment_usec, in_moment; /* monotonic: when the moment began, and how many have come in it */
        uint64_t arrivals, at_once;      /* of this minute */
        uint64_t hour[60];               /* arrivals in each minute of the last hour */
} PolicyBursts;

typedef struct Bursts {
        PolicyBursts *policies[BURSTS_POLICIES]; /* owned; the latest used first */
        size_t n;
        int64_t next; /* minute: the first that is not over */
} Bursts;

void bursts_done(Bursts *bursts);

/* Jobs of this policy have come. */
void bursts_arrived(Bursts *bursts, const char *policy, uint64_t jobs, uint64_t monotonic_usec);

/* What came in a minute of a policy, if anything did. */
typedef struct PolicyMinute {
        const char *policy;
        int64_t time_sec;
        uint64_t arrivals, at_once;
} PolicyMinute;

/* The minute that began at this time is over. More than `most` could not have been started at once. Returns in how many
 * policies there was something, which then stand in `ret`. */
size_t bursts_end_minute(Bursts *bursts, int64_t time_sec, uint64_t most, PolicyMinute ret[BURSTS_POLICIES]);

/* For what is remembered of an earlier process: a policy, from its first minute on; a minute in which somebody counted; what
 * came in it. */
void bursts_remember_policy(Bursts *bursts, const char *policy, int64_t time_sec);
void bursts_remember_minute(Bursts *bursts, int64_t time_sec);
void bursts_remember(Bursts *bursts, const PolicyMinute *minute);

/* How many jobs of this policy are to be expected at once from now on until so many minutes later. */
uint64_t bursts_expect(const Bursts *bursts, const PolicyBursts *policy, int minutes, RecurrenceClock *ret_clock);

/* Jobs that came in the last hour. */
uint64_t bursts_in_hour(const PolicyBursts *policy);
