/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* What a job has written, on its way to a terminal. A terminal obeys what it is told: it can be made to answer, to
 * change its title, what the keys mean and what is on the clipboard. Let through are text (UTF-8), tabs, the ends of
 * lines, carriage returns, colours and "erase to the end of the line"; the rest is shown as \xNN. */
typedef struct TerminalFilter {
        char kept[24]; /* of a character or sequence whose end has not come yet */
        size_t n_kept;
        bool coloured; /* and so to be reset at the end */
} TerminalFilter;

/* What `size` bytes become at most. */
#define TERMINAL_FILTER_ROOM(size) (4 * ((size) + sizeof(((TerminalFilter *)0)->kept)) + 8)

/* Writes what is to be shown of the next bytes into `out`, which has that room. Returns how much that is. */
size_t terminal_filter_pass(TerminalFilter *filter, const char *data, size_t size, char *out);

/* The same for the end. */
size_t terminal_filter_end(TerminalFilter *filter, char *out);
