/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "jail/plan.h"

/* Landlock rulesets, over the mounts: what a mount would let through by mistake is refused here, and what may be
 * executed is said here alone. Both return a descriptor for landlock_restrict_self(2), or a negative errno. */

/* For the job. To be called when the jail's root is this process's. */
int landlock_for_job(const Plan *plan, Error *e);

/* For the process that unpacks archives: nothing but files and directories below one directory. */
int landlock_for_unpacking(int abi, int dir_fd);

