/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "jail/plan.h"
#include "jail/reaper.h"

/* The other end of the job's system call filter, in the reaper: gets those calls that the filter neither allows nor
 * refuses by itself, one after the other, while the callers wait for the answer. */

typedef struct Listener {
        int fd; /* -1: there is none, or it has heard enough */
        JailWatch watch;
        const void *refusals; /* with which errors (refusal.h) */
        size_t refusals_size;
        int calls_fd; /* where calls are told of, as call.h packs them; -1: nowhere. If it blocks, it is waited for */
        ReaperLedger *ledger;
        bool told[JAIL_SYSCALL_MAX]; /* of the call with this number */
        char **programs;             /* owned; that were told of */
        char **callers;              /* likewise; those of them that were seen to run */
} Listener;

/* Takes one call and answers it. */
void listener_serve(Listener *listener);

/* Tells of a program that no call was seen for: the job's own. */
void listener_tell_program(Listener *listener, pid_t pid, const char *path);

/* Under JAIL_WATCH_RECORD: a filter that hands what this one allows to the listener, and refuses the rest by itself.
 * Nobody listens until the job's program has been executed: so the exec with these two arrays passes, and exit_group()
 * does. The caller owns `*ret`. Error: -ENOMEM. */
int listener_recording_filter(const void *filter, size_t size, char *const *command, char *const *environment,
                              void **ret, size_t *ret_size);
