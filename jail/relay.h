/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "engine/base/error.h"

#include <stdbool.h>
#include <stdint.h>

/* Standard streams between the caller's and the job's, without either being able to stop the program between them. */

/* Output: what cannot be written at once waits in memory. */
typedef struct Sink {
        int fd;
        char *data; /* owned */
        size_t start, size, room;
        bool in_whole; /* a regular file takes any amount; a pipe that is ready takes PIPE_BUF without waiting */
        bool broken;   /* its reader has gone */
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

/* Input: whether the caller's standard input can go into the jail as it is. Regular files and pipes that are open for
 * reading alone can; a terminal or a socket is more than its bytes, and is relayed. */
typedef enum StdinKind { STDIN_PASS, STDIN_NULL, STDIN_RELAY } StdinKind;
StdinKind stdin_kind(int fd);

/* Relays up to one buffer from `from` to the pipe `to` (non-blocking). Returns false at the end of either. */
typedef struct Source {
        int from, to;
        char buffer[4096];
        size_t start, size;
} Source;

bool source_pump(Source *source);
