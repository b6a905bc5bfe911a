/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "jail/jail.h"

#include <systemd/sd-event.h>

/* Which jails a worker has its launcher keep ready, and how many: as many of each policy as were started at once of
 * late, or are expected to be soon, and none while memory is short. */
typedef struct Warm Warm;

typedef struct WarmLimits {
        uint64_t maximum;      /* of all policies together */
        uint64_t memory_bytes; /* that must be available on the host */
} WarmLimits;

/* The launcher is borrowed. */
int warm_new(sd_event *event, JailLauncher *launcher, const WarmLimits *limits, Warm **ret, Error *e);
Warm *warm_free(Warm *w); /* returns NULL */

/* A jail of this policy has been started. */
void warm_used(Warm *w, JailPolicy *policy);

/* So many of this policy are going to be started at once, until another word comes. It takes effect by warm_review(). */
void warm_expect(Warm *w, JailPolicy *policy, uint64_t jails);
void warm_expect_nothing(Warm *w);
void warm_review(Warm *w);
