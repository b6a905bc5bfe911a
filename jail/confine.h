/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "jail/plan.h"

#include <sys/types.h>

/* The last steps before a program in the jail starts, in the order in which each leaves the next possible:
 * resource limits, groups and ids, capabilities, no_new_privs, Landlock, the filter. Nothing is given back later. */

typedef struct Confinement {
        uint32_t id;           /* user and group */
        bool keep_groups;      /* who may not map groups may not drop them; user_namespaces(7) */
        uint64_t bounds;       /* what is left in the bounding set: see confine_bound() */
        uint64_t capabilities; /* that are kept: 1 << CAP_… */
        int ruleset;           /* Landlock's; -1: none */
        const void *filter;    /* struct sock_filter[]; NULL: none */
        size_t filter_size;
        unsigned listener_flags; /* of seccomp(2): with a listener; 0: without */
        LaunchSteps *steps;
} Confinement;

/* Cuts the bounding set, of which `set` is left, down to `kept`. A call for each: so the jail's first process does it once,
 * for all that come of it. */
int confine_bound(uint64_t set, uint64_t kept);

/* Limits that are no cgroup's: no core, nor a program for crashes; descriptors. */
int confine_resources(void);
/* Of processes and threads of its id, for a process (0: this one), also later. JAIL_UNLIMITED: no limit. */
int confine_processes(pid_t pid, uint64_t pids);

/* Ids to Landlock. Returns 0 or a negative errno, with `*ret_step` naming the step. */
int confine_enter(const Confinement *confinement, const char **ret_step);
/* The filter, the very last, so that it need not allow any of the calls above. Returns the listener's descriptor
 * (CLOEXEC), or 0 where none was asked for, or a negative errno. */
int confine_filter(const Confinement *confinement);

/* No capability but `kept` for this process from here on, which executes nothing. */
int confine_drop_capabilities(uint64_t kept);
