/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdint.h>

/* The floor: the least that isolation of this kind costs (floor.c). A program of its own, as small as can be, since
 * what forks pays for its size. It makes one run for each byte that it reads from FLOOR_SOCKET_FD, and answers with
 * this. */

#define FLOOR_SOCKET_FD 3

typedef struct FloorRun {
        uint64_t usec; /* from before the cgroup is made until it is removed */
        uint64_t cpu_usec;
} FloorRun;
