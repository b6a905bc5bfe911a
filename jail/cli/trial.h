/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "jail/cli/draft.h"
#include "jail/cli/findings.h"
#include "jail/cli/job_options.h"

#include <nettle/sha2.h>

/* Runs of one command under one policy or another, to see whether it does the same. */

#define TRIAL_TAIL_SIZE 2048
#define TRIAL_DIGEST_SIZE 65

/* What can be seen of a run from outside. */
typedef struct Behaviour {
        bool ended; /* by its own exit or a signal, rather than by a limit or not having started */
        int status; /* as skep-jail ends with */
        char output[TRIAL_DIGEST_SIZE], errors[TRIAL_DIGEST_SIZE]; /* digests of what it wrote */
        char files[TRIAL_DIGEST_SIZE];                             /* of what it left in /output */
} Behaviour;

typedef struct Trial {
        JailPolicy *policy; /* owned; NULL: there can be no such policy, and the trial counts as failed */
        JailWatch watch;
        Findings *findings;  /* for JAIL_WATCH_RECORD */
        Behaviour behaviour; /* from here on: what came of it */
        JailReport report;
        char tail[TRIAL_TAIL_SIZE]; /* the end of what it said on standard error */
        size_t tail_size;
        struct sha256_ctx digests[2];
        struct Trials *trials;
} Trial;

typedef struct Trials {
        JailLauncher *launcher;
        const JobOptions *options;
        int stdin_fd;       /* a regular file, which every run reads from the same place; -1: nothing */
        uint64_t wall_usec; /* no run takes longer; JAIL_UNLIMITED: but for the policy's limit */
        size_t at_once;
        size_t waiting; /* runs that have not ended */
        uint64_t runs;  /* of all */
} Trials;

void trial_done(Trial *trial);

/* Marks the numbers of the calls that it was refused. */
void trial_add_refused(const Trial *trial, bool refused[static JAIL_SYSCALL_MAX]);

/* Runs them all, some of them at the same time. Errors are of the machine, not of the command: what kept a jail from
 * being made is in its report. */
int trials_run(Trials *trials, Trial *list, size_t n, Error *e);

/* Which parts of the behaviour are the same from run to run, and so worth comparing. */
typedef struct Comparison {
        bool output, errors, files;
} Comparison;

bool behaviour_equals(const Behaviour *a, const Behaviour *b, const Comparison *comparison);
