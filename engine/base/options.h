/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "engine/base/error.h"

#include <stdbool.h>
#include <stddef.h>

/* A command line as a table: what an option is called, what it takes, what it does, and what the help says of it. */

typedef struct Option {
        const char *name;     /* without its dashes; a single letter is written with one of them */
        const char *argument; /* "SIZE", as the help names it; NULL: a flag */
        const char *help;     /* NULL: the help does not list it */
        /* Gets the value (NULL of a flag). A sentence about it gets the option's name put before. */
        int (*set)(const struct Option *option, const char *value, void *target, Error *e);
        size_t offset; /* for `set`: of a member of the target */
} Option;

/* Reads the options in argv[1] and following by getopt_long(3). With `command`, the first word ends them, since what
 * follows is somebody else's command line; without, words may stand among the options, and are moved behind them.
 * Returns the index of the first word. Errors: -EINVAL and those of `set`; the sentence names the option. */
int options_read(const Option *options, size_t n, int argc, char **argv, bool command, void *target, Error *e);

/* The lines of the help, on standard output. */
void options_help(const Option *options, size_t n);

/* Ready to be a `set`: a `const char *` member that gets the value (which stays argv's), a `bool` that becomes true. */
int option_set_string(const Option *option, const char *value, void *target, Error *e);
int option_set_flag(const Option *option, const char *value, void *target, Error *e);
