/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "jail/cli/trial.h"

/* Takes out of a draft what the command does not need, until nothing more can be taken out. */

typedef struct Minimiser {
        Draft *draft;
        Trials *trials;
        const Behaviour *expected;
        Comparison comparison;
        size_t runs;                   /* of each trial: all of them have to pass */
        bool progress;                 /* on a terminal: a line that says how far it is */
        bool settled;                  /* afterwards: without any one item that is left, the command has failed */
        bool spared[JAIL_SYSCALL_MAX]; /* likewise, by number: what runs that passed were refused */
} Minimiser;

/* Errors as of trials_run(). */
int minimise(Minimiser *m, Error *e);

/* The same of these items (indices) alone, once: it says nothing about whether it is settled. */
int minimise_items(Minimiser *m, const size_t *items, size_t n, Error *e);
