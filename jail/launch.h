/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "jail/cgroup.h"
#include "jail/reaper.h"

/* The launch of one jail. launch_start() makes its first process, which builds the jail around itself; when that asks
 * for its ids (REAPER_NEEDS_IDS), launch_map_ids() lets it go on. */

typedef struct Launch {
        const Plan *plan;
        const int *fds; /* as in START */
        size_t n_fds;
        int cgroup; /* of the jail; -1: none */
        uint32_t base;  /* its first host id */
        int ids_fd;     /* which holds that range */
        ReaperLedger *ledger;
} Launch;

typedef struct Launched {
        pid_t pid;
        int pidfd;
        int control; /* SOCK_SEQPACKET: ReaperMessage from the jail */
} Launched;

/* Error: the sentence names the step. Nothing is left then. */
int launch_start(const Launch *launch, Launched *ret, Error *e);

/* Returns 0 or a negative errno. */
int launch_map_ids(const Launched *launched, uint32_t base);
