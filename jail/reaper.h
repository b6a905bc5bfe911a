/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "jail/plan.h"
#include "jail/spawn.h"

/* Process 1 of a jail: starts the job, reaps what it leaves behind, counts the system calls that it is refused, and
 * ends the jail with the job's end, or with the launcher's. */

/* What it tells the launcher, one datagram each. */
typedef enum ReaperKind {
        REAPER_BUILT,        /* with the descriptor of /output; in a jail that waits, with all of REAPER_DOORS */
        REAPER_WAITS,        /* for its job: handover.h */
        REAPER_STARTED,      /* the program runs */
        REAPER_SETUP_FAILED, /* `text` says why; the jail ends */
        REAPER_EXEC_FAILED,  /* likewise; `status` is 126 or 127 */
        REAPER_ENDED,        /* the job has ended with the wait status `status` */
} ReaperKind;

typedef struct ReaperMessage {
        ReaperKind kind;
        int status;
        bool alone; /* with the job all that it had started has ended */
        bool left;  /* when the job ended, something that it had started did not */
        uint64_t cpu_user_usec, cpu_system_usec; /* of all that was waited for */
        char text[512];
} ReaperMessage;

/* What it has counted and done so far, in memory shared with the launcher: it is there also when the jail is killed. */
typedef struct ReaperLedger {
        uint32_t denied[JAIL_SYSCALL_MAX]; /* by number */
        uint32_t denied_total;
        bool denied_more; /* than were counted */
        bool begun;       /* the job's program is about to be executed */
        LaunchSteps steps;
} ReaperLedger;

typedef struct Reaper {
        int control, signals;
        ReaperLedger *ledger;
        const void *refusals;
        size_t refusals_size;
        Spawn job;
} Reaper;

/* Does all that does not depend on the job, and so can be done before it is known, by a plan that waits: the job's process
 * is started then, too, and gives up its rights. The jail is built and entered, the ids are mapped. `plan` stays in use. */
void reaper_prepare(Reaper *ret, const Plan *plan, int control_fd, ReaperLedger *ledger);

/* Tells the launcher that this jail waits, and returns when there is something to read from it. */
void reaper_wait(const Reaper *reaper);

/* Runs the job and stays until its end; never returns. Standard input, output and error are the job's. `plan`: its own.
 * `calls_fd`: where calls are told of, -1 unless plan_tells(). */
_Noreturn void reaper_run(Reaper *reaper, const Plan *plan, int calls_fd);

/* Says why the jail could not be made, and ends it. */
_Noreturn void reaper_fail(int control_fd, const Error *e);
