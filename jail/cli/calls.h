/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "jail/filter_reading.h"

/* What a policy does with each system call, asked of its compiled filter. */

typedef struct Call {
        char *name; /* owned */
        unsigned number;
        FilterFate fate;
        uint32_t refusal; /* the answer where it is not allowed: the filter's, with the errno of who listens to it */
} Call;

typedef struct Calls {
        Call list[JAIL_SYSCALL_MAX];
        size_t n;
} Calls;

/* Every call that this machine has. The policy must have been compiled; calls_done() in any case. */
int calls_read(const JailPolicy *policy, Calls *ret, Error *e);
void calls_done(Calls *calls);
#define _cleanup_calls_ _cleanup_(calls_done)

/* NULL where there is none of that name. */
const Call *calls_find(const Calls *calls, const char *name);

/* To what a call is narrowed: "only TCGETS TIOCGPGRP". Owned by the caller; NULL when out of memory. */
char *call_words(const JailPolicy *policy, const Call *call);
