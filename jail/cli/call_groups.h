/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "jail/cli/calls.h"

/* The named groups of system calls, and what of them a set of calls covers. */

typedef struct CallGroup {
        const char *name; /* of `CallGroups.json` */
        char **in, **out; /* owned: its calls that are in the set, and those that are not */
} CallGroup;

typedef struct CallGroups {
        json_object *json;
        CallGroup *list;
        size_t n;
        char **ungrouped; /* in the set, and in no group */
} CallGroups;

/* `set` are names. call_groups_done() in any case. */
int call_groups_make(char *const *directories, const Calls *calls, char *const *set, CallGroups *ret, Error *e);
void call_groups_done(CallGroups *groups);
#define _cleanup_groups_ _cleanup_(call_groups_done)

/* Doors out of a jail, in words: those of whose system calls the policy allows none into `closed`, those of which it allows
 * some into `open`, with their names. Both are strvs. */
int call_doors(const Calls *calls, char ***closed, char ***open);
