/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "engine/worker/protocol.h"
#include "engine/worker/warm.h"

#include <systemd/sd-event.h>

/* The attempts that this worker has: each a jail, whose output goes to the files that came with the order; then a
 * report, which is kept until it is acknowledged. */
typedef struct Runs Runs;

typedef struct RunsEvents {
        void (*started)(const char *job, uint64_t attempt, void *userdata);
        /* A job has ended; `report` is its JSON. */
        void (*ended)(const char *job, uint64_t attempt, const char *report, void *userdata);
        /* What runs_warm() and runs_unkept() say may be another now. */
        void (*changed)(void *userdata);
} RunsEvents;

/* Starts the launcher; `cgroup` and `held_fd` as in JailLauncherOptions. Errors: as of jail_launcher_new(). */
int runs_new(sd_event *event, const char *cgroup, int held_fd, const WarmLimits *warm, const RunsEvents *events, void *userdata,
             Runs **ret, Error *e);
/* Ends every job that runs, without reports. Returns NULL. */
Runs *runs_free(Runs *runs);
DEFINE_CLEANUP(Runs, runs_free)

size_t runs_count(const Runs *runs);
/* Without those that have ended. */
size_t runs_running(const Runs *runs);

/* Of those: the jobs that have ended, and for whose /output there is no room on the disk. They wait for that until they are
 * cancelled. */
size_t runs_unkept(const Runs *runs);

/* Jails that wait for a job. */
size_t runs_warm(const Runs *runs);

/* All of them, as ATTEMPTS has them: at most so many as there is room for. */
size_t runs_list(const Runs *runs, WorkerAttempt *ret, size_t room);

/* Calls `ended` again for each report that is not acknowledged. */
void runs_report_again(const Runs *runs);

/* The report of an attempt is not needed any more. */
void runs_acknowledge(Runs *runs, const char *job, uint64_t attempt);

/* Keeps a resolved policy for the orders that name its digest. */
int runs_add_policy(Runs *runs, const char *name, const char *text, Error *e);

/* What the supervisor expects of these policies, in the place of what it expected before. One that was not added is
 * passed over. */
void runs_keep_warm(Runs *runs, const WarmLevel *levels, size_t n);

/* Starts a job; what keeps it from starting becomes a report as well. `fds` as in RUN; all are taken over. Errors: an
 * order that cannot be read, or kept; then nobody will hear of the job, and the worker had better end. */
int runs_start(Runs *runs, const void *order, size_t order_size, int *fds, size_t n_fds);

void runs_cancel(Runs *runs, const char *job, uint64_t attempt);
