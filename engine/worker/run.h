/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "engine/worker/protocol.h"

#include <systemd/sd-event.h>

/* The jobs that run in this worker: each a jail, whose output goes to the files that came with the order. */
typedef struct Runs Runs;

typedef struct RunsEvents {
        void (*started)(const char *job, uint64_t attempt, void *userdata);
        /* A job has ended; `report` is its JSON. */
        void (*ended)(const char *job, uint64_t attempt, const char *report, void *userdata);
} RunsEvents;

/* Starts the launcher. Errors: as of jail_launcher_new(). */
int runs_new(sd_event *event, const RunsEvents *events, void *userdata, Runs **ret, Error *e);
/* Ends every job that runs, without reports. Returns NULL. */
Runs *runs_free(Runs *runs);
DEFINE_CLEANUP(Runs, runs_free)

size_t runs_count(const Runs *runs);

/* Keeps a resolved policy for the orders that name its digest. */
int runs_add_policy(Runs *runs, const char *name, const char *text, Error *e);

/* Starts a job; what keeps it from starting becomes a report as well. `fds` as in RUN; all are taken over. Errors: an
 * order that cannot be read, or kept; then nobody will hear of the job, and the worker had better end. */
int runs_start(Runs *runs, const void *order, size_t order_size, int *fds, size_t n_fds);

void runs_cancel(Runs *runs, const char *job);
