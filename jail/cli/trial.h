/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "jail/cli/draft.h"
#include "jail/cli/findings.h"
#include "jail/cli/job_options.h"

#include <nettle/sha2.h>

/* Runs of one command under one policy or another, to see whether it does the same. */

#define TRIAL_TAIL_SIZE 2048
#define TRIAL_DIGEST_SIZE 65

/* What a run has written, by digests. */
typedef struct Written {
        char exactly[TRIAL_DIGEST_SIZE];
        char in_any_order[TRIAL_DIGEST_SIZE]; /* of how often it has each byte */
        uint64_t lines;
        bool any;
} Written;

/* How much two runs have written the same; each is less than the one before. */
typedef enum Likeness {
        LIKE_EXACTLY,
        LIKE_IN_ANY_ORDER, /* such as two processes that write whenever they are ready */
        LIKE_IN_LINES, /* as many, of something else */
        LIKE_IN_BEING_THERE,
        LIKE_NOTHING,
} Likeness;

/* What can be seen of a run from outside. */
typedef struct Behaviour {
        bool ended; /* by its own exit or a signal, rather than by a limit or not having started */
        int status; /* as skep-jail ends with */
        Written output, errors;
        char files[TRIAL_DIGEST_SIZE]; /* a digest of what it left in /output */
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
        uint64_t counts[2][UINT8_MAX + 1];
        struct Trials *trials;
} Trial;

typedef struct Trials {
        JailLauncher *launcher;
        const JobOptions *options;
        int stdin_fd;       /* a regular file, which every run reads from the same place; -1: nothing */
        uint64_t wall_usec; /* no run takes longer; JAIL_UNLIMITED: but for the policy's limit */
        uint64_t linger_usec; /* as in JailSpec */
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

/* How much of the behaviour is the same from run to run, and so worth comparing. */
typedef struct Comparison {
        Likeness output, errors;
        bool files;
} Comparison;

Likeness written_likeness(const Written *a, const Written *b);
bool behaviour_equals(const Behaviour *a, const Behaviour *b, const Comparison *comparison);
