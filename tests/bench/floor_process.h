/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "engine/base/error.h"
#include "tests/bench/floor.h"

#include <sys/types.h>

/* The running floor program. */
typedef struct FloorProcess {
        pid_t pid;
        int socket;
} FloorProcess;

#define FLOOR_PROCESS_NULL ((FloorProcess){.socket = -1})

/* `cgroup`: where its runs make theirs. */
int floor_process_start(const char *payload, const char *cgroup, FloorProcess *ret, Error *e);
int floor_process_run(const FloorProcess *f, FloorRun *ret, Error *e);
void floor_process_end(FloorProcess *f);
