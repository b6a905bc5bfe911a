/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* When each step of a jail's life was done, for whoever looks for the slow one. Each happens after the one before it,
 * in whichever process, so that what lies between two is what the second has cost, with the wake-up of who does it. */

#include "engine/base/clock.h"

typedef enum LaunchStep {
        /* in the launcher */
        STEP_RECEIVED,
        STEP_CGROUP,
        STEP_SOURCES,
        /* in the jail's first process */
        STEP_NAMESPACES,
        STEP_DESCRIPTORS,
        STEP_CGROUP_NAMESPACE,
        STEP_SKELETON,
        STEP_SYSTEM,
        STEP_DEVICES,
        STEP_PROC,
        STEP_PLACES,
        STEP_PIVOT,
        STEP_HOST_NAME,
        STEP_BUILT,
        STEP_USER_NAMESPACE,
        STEP_ARCHIVES,
        STEP_REAPER,
        /* in the job's process */
        STEP_CAPABILITIES,
        STEP_LANDLOCK,
        /* in the first again: nothing can be noted behind the filter, which need not allow a look at the clock */
        STEP_EXECUTED,
        /* in the launcher */
        STEP_STARTED,
        STEP_ENDED,
        STEP_ACCOUNTS,
        STEP_GONE,
        STEP_CGROUP_GONE,
        LAUNCH_STEP_MAX,
} LaunchStep;

typedef struct LaunchSteps {
        uint64_t done_usec[LAUNCH_STEP_MAX]; /* monotonic; 0: it never was */
} LaunchSteps;

/* `steps` may be NULL: then nobody looks. */
static inline void step_done(LaunchSteps *steps, LaunchStep step)
{
        if (steps)
                steps->done_usec[step] = monotonic_usec();
}
