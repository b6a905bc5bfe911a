/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "tests/bench/library.h"
#include "tests/bench/samples.h"

#include <stdbool.h>

/* Where the time of a jail goes. */

enum { STEP_ASKED = LAUNCH_STEP_MAX, STEP_TOLD, STEPS_MAX }; /* of the caller: the first, and the last */

typedef struct Steps {
        Samples samples[STEPS_MAX];
} Steps;

void steps_done(Steps *s);
void steps_add(Steps *s, const LibraryRun *run);
/* `warm`: of jails that were there before, which have fewer. */
void steps_print(Steps *s, bool warm);
