/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "tests/bench/floor_process.h"
#include "tests/bench/library.h"

/* Whether a jail ever waits for a clock where it should wait for an event: `runs` of the library under load, one
 * process that spins for each processor, and as many of the floor in turn, to know what the load alone does. Prints
 * what it finds. */
int stalls_measure(Library *library, const FloorProcess *floor, size_t runs, Error *e);
