/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "engine/base/error.h"

#include <stdint.h>
#include <sys/types.h>

/* A program that is started as a whole for each run. */
typedef struct Command {
        char **argv; /* strv; owned. argv[0] is looked for along PATH */
        int fd;      /* left open for it, and read from its start by each run; borrowed; -1: none */
        const char *numbered; /* the last argument is this with the number of the run; NULL: as it stands */
        unsigned started;
} Command;

#define COMMAND_NULL ((Command){.fd = -1})

void command_done(Command *c);
#define _cleanup_command_ _cleanup_(command_done)

/* Starts it, with nothing on its standard input and output. Returns 0 or a negative errno. */
int command_start(Command *c, pid_t *ret);

/* Waits for one, or (-1) for any. Error: -ECHILD, or -EIO when it did not end with 0. */
int command_wait(pid_t pid, pid_t *ret, uint64_t *ret_cpu_usec, Error *e);

/* Runs it to its end. */
int command_run(Command *c, uint64_t *ret_usec, uint64_t *ret_cpu_usec, Error *e);

/* Runs it `runs` times, so many at a time. */
int command_run_many(Command *c, size_t runs, size_t at_once, Error *e);
