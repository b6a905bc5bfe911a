/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "engine/base/error.h"

#include <stdint.h>

/* What a process inherits from the program that it was forked from, and a jail's first process must not keep. */

typedef struct Caller {
        uint64_t ignored;           /* signals, bit N - 1 for signal N */
        uintptr_t places[2], ends[2]; /* where this program's command line and environment lie */
} Caller;

/* Looks, once: neither changes in a program that makes jails. Static storage; NULL with an error. */
const Caller *caller_find(Error *e);

/* In the forked process, with handlers cleared by CLONE_CLEAR_SIGHAND: a session of its own, without a terminal; what is
 * done by default with signals and with new files; no command line, no environment. */
void caller_leave(const Caller *caller);
