/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "jail/ids.h"

#include <stddef.h>

/* The ranges of root's jails that have ended, with their user namespaces, for the next jails. To make a user namespace takes a
 * process, and until that has gone its maker waits, which has all other jails to look after: where the processors are busy half a
 * millisecond in the mean, a tenth of all its time. Nothing of a jail stays in one: it ends with its last process, and keys, which
 * outlive theirs, nobody can make (floor.c). No two jails are in one at the same time.
 *
 * What the kernel counts for an id (kernel/ucount.c, and 200 keys of which each jail's reaper has one) it may count down with a delay: by
 * RCU, which may put it off for ten seconds. So a range goes after some jails, and comes again when all others have been used. */

#define KEPT_IDS_MAX 16
#define KEPT_IDS_JAILS 100

typedef struct KeptIds {
        Ids free[KEPT_IDS_MAX];
        size_t n;
} KeptIds;

/* As ids_take(), first of all from those that are kept. */
int kept_ids_take(KeptIds *k, IdsKind kind, uint32_t *hint, Ids *ret, Error *e);
/* Takes those of a jail of which no process is left, or gives them back to the host. */
void kept_ids_give_back(KeptIds *k, Ids *ids);
void kept_ids_done(KeptIds *k);
