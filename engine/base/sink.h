/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "engine/base/cleanup.h"

#include <stdbool.h>

/* Output to a descriptor of whoever called us: what it does not take at once waits in memory, so that a reader that is
 * stuck cannot stop the program. */
typedef struct Sink {
        int fd;
        int terminal; /* the same, opened by us alone, so that it can be non-blocking; -1 where it is none; owned */
        char *data; /* owned */
        size_t start, size, room;
        bool in_whole; /* a regular file takes any amount; a pipe that is ready takes PIPE_BUF without waiting, a terminal less */
        bool broken;   /* it takes no more */
        int error;     /* why, as a negative errno; 0 where its reader has only gone */
} Sink;

#define SINK_HIGH ((size_t)1 << 20) /* above this, the job should wait */

void sink_init(Sink *sink, int fd);
void sink_done(Sink *sink);
/* Keeps a copy and writes what can be written. -ENOMEM. */
int sink_add(Sink *sink, const void *data, size_t size);
/* Writes what can be written without waiting. */
void sink_flush(Sink *sink);
static inline size_t sink_waiting(const Sink *sink)
{
        return sink->broken ? 0 : sink->size - sink->start;
}
