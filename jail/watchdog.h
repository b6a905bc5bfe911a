/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "jail/cgroup.h"

#include <sys/types.h>

/* Removes what is left of a launcher that lives in its caller's process when that is killed: its cgroups. (The jails'
 * processes go by themselves, when their sockets close.) A child of that process, outside of the jails. */
typedef struct Watchdog {
        pid_t pid; /* -1: none */
        int pipe;  /* closes with the process that is watched */
        void *memory;
} Watchdog;

#define WATCHDOG_NULL ((Watchdog){-1, -1, NULL})

/* The tree is borrowed until watchdog_dismiss(). Without a watchdog nothing is worse but the end by SIGKILL, after which the
 * next launcher removes the groups: so no error is returned. */
void watchdog_start(Watchdog *w, const CgroupTree *tree);

/* Sends it away, when all that is left to remove is about to be; and waits, as the last of all, until it has gone. */
void watchdog_dismiss(Watchdog *w);
void watchdog_end(Watchdog *w);
