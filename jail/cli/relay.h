/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* Input: whether the caller's standard input can go into the jail as it is. Regular files, and pipes that the job
 * could not write to, can, when they are open for reading alone; a terminal or a socket is more than its bytes, and is
 * relayed. */
typedef enum StdinKind { STDIN_PASS, STDIN_NULL, STDIN_RELAY } StdinKind;
StdinKind stdin_kind(int fd);

/* Relays up to one buffer from `from` to the pipe `to` (non-blocking). Returns false at the end of either. */
typedef struct Source {
        int from, to;
        char buffer[4096];
        size_t start, size;
} Source;

bool source_pump(Source *source);
