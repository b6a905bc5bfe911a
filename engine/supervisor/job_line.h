/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stddef.h>

/* Jobs in the order in which they came, that of their ids: to add and to remove one is O(log n), wherever in the line it
 * stands. See job_line.c. */

struct Job;

typedef struct JobLine {
        struct Job *root; /* NULL: there is none */
        struct Job *first;
} JobLine;

/* Of a job in a line: what hangs where. */
typedef struct JobPlace {
        struct Job *above, *before, *behind;
} JobPlace;

/* Not for a job that stands in a line. */
void job_line_add(JobLine *line, struct Job *job);
/* Only for a job that stands in this line. */
void job_line_remove(JobLine *line, struct Job *job);
/* The one behind a job of a line; NULL behind the last. */
struct Job *job_line_next(const struct Job *job);
