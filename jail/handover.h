/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "jail/plan.h"

/* How a jail that was made before its job gets it.
 *
 *   the jail's first process → launcher, when it is built    BUILT, with the descriptors of DOOR
 *                              when it is ready for a job    WAITS
 *   launcher → the first process                             one byte, with the descriptors of START up to the standard
 *                                                            streams, then for each archive its file and its directory
 *
 * What the jail may not do itself, since it has no right over its mounts any more, the launcher does before, through
 * the doors: it limits the cgroup and the tmpfs, and mounts the inputs below /input. */

enum { DOOR_OUTPUT, DOOR_INPUT, DOOR_TMPFS, DOOR_MOUNTS, DOORS };
/* The directories behind /output and /input, the tmpfs to reconfigure, the mount namespace. */

#define HANDOVER_FDS_MAX (START_INPUTS + 2 * JAIL_INPUTS_MAX)

/* In the launcher. Clones the inputs that are files into `mounts` (-1: it is an archive); `fds` as in START. False
 * where one cannot be mounted, but would have to be copied, or where it has to do with more than inputs: that takes its
 * time. */
bool handover_begin(const Plan *plan, const int *fds, size_t n_fds, int mounts[static JAIL_INPUTS_MAX]);
int handover_send(int control, const Plan *plan, const int *fds, const int doors[static DOORS], const int *mounts,
                  const Ids *ids, Error *e);

typedef struct Handover {
        PlanFile file;
        int fds[HANDOVER_FDS_MAX];
        int archives[JAIL_INPUTS_MAX], directories[JAIL_INPUTS_MAX]; /* of each input; -1: it is a file */
} Handover;

/* In the jail. -ECONNRESET: the launcher has gone. */
int handover_receive(int control, Handover *ret, Error *e);
