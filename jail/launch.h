/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "jail/cgroup.h"
#include "jail/networks.h"
#include "jail/reaper.h"

/* The launch of one jail. launch_start() makes its first process, which builds the jail around itself. */

typedef struct Launch {
        const Plan *plan;
        const int *fds; /* as in START */
        size_t n_fds;
        int cgroup; /* of the jail; -1: none */
        Ids *ids; /* gets the user namespace, where there was none */
        Networks *networks;
        bool own_ipc; /* the launcher is in an IPC namespace that is not the host's */
        ReaperLedger *ledger;
} Launch;

typedef struct Launched {
        pid_t pid;
        int pidfd;
        int control; /* SOCK_SEQPACKET: ReaperMessage from the jail */
        int network; /* for networks_give_back(), when it has ended; -1: none */
} Launched;

/* Error: the sentence names the step. If there is a process then (`ret->pid`), it is for the caller to end. */
int launch_start(const Launch *launch, Launched *ret, Error *e);
