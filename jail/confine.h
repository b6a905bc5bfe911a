/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "jail/plan.h"

/* The last steps before a program in the jail starts, in the order in which each leaves the next possible:
 * resource limits, groups and ids, capabilities, no_new_privs, Landlock, the filter. Nothing is given back later. */

typedef struct Confinement {
        uint32_t id;           /* user and group */
        uint64_t capabilities; /* that are kept: 1 << CAP_… */
        int ruleset;           /* Landlock's; -1: none */
        const void *filter;    /* struct sock_filter[]; NULL: none */
        size_t filter_size;
        bool listen; /* with a listener for refused calls */
} Confinement;

/* Limits that are no cgroup's: no core, nor a program for crashes; descriptors, processes (`pids`, or JAIL_UNLIMITED). */
int confine_resources(uint64_t pids);

/* All the others. Returns the listener's descriptor (CLOEXEC), or 0 where none was asked for, or a negative errno with
 * `*ret_step` naming the step. */
int confine_apply(const Confinement *confinement, const char **ret_step);

/* No capability of any set for this process from here on, nor for what it executes. */
int confine_drop_capabilities(void);
