/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "jail/confine.h"

/* The job's process, from its start to the program in it. */
typedef struct Spawn {
        Confinement confinement;
        bool filtered;             /* it waits under its filter already */
        bool *begun;               /* becomes true when the program is about to be executed */
        const Plan *plan;          /* the job's; NULL until that is known */
        char **candidates;         /* paths to try, in order */
        const char *step, *detail; /* what went wrong, with `error`: a negative errno, 0 once the program runs */
        int error;
        bool exec_failed;
        const char *program; /* the last candidate that was tried */
        int listener;        /* -1: none */
        pid_t pid;           /* -1: it was not started ahead */
        void *stack;
        uint32_t turn; /* whose it is, where it was started ahead */
        uint32_t here; /* 1 as long as it shares our memory: then the kernel makes it 0 (CLONE_CHILD_CLEARTID) */
} Spawn;

/* Starts it before the job is known: it takes its ids and gives up its rights, and waits; `filtered`: under its filter.
 * Error: the sentence names the step. */
int spawn_ahead(Spawn *s, bool filtered, Error *e);

/* Has it run the program of the plan, which stays in use. Returns its pid, or a negative errno; `*ret_exec_failed`,
 * then, is 0, or where it was the program that could not be executed, 126 or 127 as shells have it. -ECHILD: somebody
 * has killed it before. */
pid_t spawn_run(Spawn *s, const Plan *plan, int *ret_exec_failed, Error *e);
