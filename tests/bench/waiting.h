/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "tests/bench/command.h"

#include <stddef.h>

#define WAITING_SECONDS 5 /* for which the payload has to sleep */

/* What a sandbox holds and does while its job sleeps: all processes of it, without the job's own. */
typedef struct Waiting {
        size_t processes;
        uint64_t rss_bytes;
        uint64_t pss_bytes; /* pages that several share, divided among them */
        uint64_t cpu_nsec;  /* in the last WAITING_SECONDS - 2 */
} Waiting;

/* Runs the command, whose job sleeps. `job`: the name of the job's program, as in /proc/PID/comm. */
int waiting_measure(Command *c, const char *job, Waiting *ret, Error *e);

void waiting_print_head(void);
void waiting_print(const char *name, const Waiting *w);
