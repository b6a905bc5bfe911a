/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* How far something is that takes long: one line of standard error that is drawn anew, at most ten times a second, and
 * only where that is a terminal that takes it. */
typedef struct Progress {
        const char *what; /* "wait", "submit" */
        bool shown, enabled;
        uint64_t begun_usec, drawn_usec; /* CLOCK_MONOTONIC */
} Progress;

Progress progress_begin(const char *what);
void progress_show(Progress *progress, size_t done, size_t all);
/* Where nobody knows how far: a sentence, with what is escaped that a terminal would obey. */
void progress_say(Progress *progress, const char *sentence);
/* Before anything else is printed, and at the end. */
void progress_clear(Progress *progress);
