/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "jail/cli/minimise.h"

/* From a command to a policy for it:
 *
 *   1. It runs under the base policy, recorded: system calls, programs, paths that it looks for in vain. What of these
 *      the host has and anybody may read is added, and it runs again, until nothing new is seen.
 *   2. It runs unrecorded: so it must end, and what is the same twice is what a policy is held to.
 *   3. What it does not need is taken out (minimise.h).
 *   4. The policy is written, read back, and proven as it stands by further runs: all of those must pass. */

typedef struct Learning {
        const JobOptions *options;
        int expected_status;
        Trials trials;
        bool progress; /* on a terminal: a line that says how far it is */

        JailPolicy *base, *full; /* `full`: the base, and what was found to be missing */
        json_object *groups;     /* of system calls */
        Draft draft;
        Findings findings;
        Behaviour expected;
        Comparison comparison;
        JailReport used; /* the most of each that a run has used */
        size_t proofs;   /* how many runs prove it */
        bool leaves;     /* something running, when it ends */

        char *text;                     /* the policy, once it is proven */
        bool sometimes;                 /* some of it is needed in some runs only */
        bool refused[JAIL_SYSCALL_MAX]; /* by number: what the proofs have called, and were refused */
        bool spared[JAIL_SYSCALL_MAX];  /* what any run that passed was refused */
        bool common[JAIL_SYSCALL_MAX];  /* and what all that passed of the last proofs were */
} Learning;

/* All four steps. The caller fills in the first members, up to the empty line. Errors: a sentence says which step the
 * command does not pass, and what it has said itself is on standard error. */
int learning_run(Learning *learning, char *const *policy_directories, Error *e);
void learning_done(Learning *learning);

/* Writes `text` from the draft as it stands. Error: -ENOMEM. */
int learning_write(Learning *learning, Error *e);
