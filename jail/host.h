/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "jail/ids.h"
#include "jail/jail.h"

typedef enum CgroupController {
        CONTROLLER_MEMORY = 1 << 0,
        CONTROLLER_CPU = 1 << 1,
        CONTROLLER_PIDS = 1 << 2,
        CONTROLLER_IO = 1 << 3,
} CgroupController;

/* What this host can enforce, found out once per launcher. */
typedef struct JailHost {
        int landlock_abi;     /* 0: none */
        bool cgroup;          /* there is a cgroup v2 tree that we may use */
        const char *no_cgroup; /* why there is none */
        IdsKind ids;          /* what jails can have of them */
        unsigned controllers; /* of CgroupController, in the cgroups of jails */
} JailHost;

/* The version of the kernel's Landlock, 0 where it has none. */
int host_landlock_abi(void);
