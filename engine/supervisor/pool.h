/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "engine/worker/protocol.h"

#include <systemd/sd-event.h>

/* The workers: started, known by their connections, replaced when they die. What they run is the caller's business. */
typedef struct Pool Pool;
typedef struct PoolWorker PoolWorker;

typedef struct PoolEvents {
        void (*has_room)(void *userdata); /* a worker can take a job */
        void (*started)(PoolWorker *worker, const char *job, uint64_t attempt, void *userdata);
        void (*reported)(PoolWorker *worker, const char *job, uint64_t attempt, const char *report, void *userdata);
        /* A worker has gone, with all that ran in it. */
        void (*lost)(PoolWorker *worker, void *userdata);
} PoolEvents;

typedef struct PoolOptions {
        const char *state_directory; /* where the socket for workers is */
        const char *program;         /* path of skep-worker */
        uint64_t workers, jobs_per_worker;
} PoolOptions;

/* Starts the workers. Errors: of the socket; -EFAULT no worker could be started. */
int pool_new(sd_event *event, const PoolOptions *options, const PoolEvents *events, void *userdata, Pool **ret, Error *e);
/* Ends the workers and what runs in them, and waits for them. Returns NULL. */
Pool *pool_free(Pool *pool);

uint64_t pool_size(const Pool *pool); /* workers that are connected */

/* The name of a worker, as in reports. */
const char *pool_worker_name(const PoolWorker *worker);

/* The worker with the most room, or NULL where there is none. */
PoolWorker *pool_find_room(Pool *pool);

/* Hands a run order to a worker; the descriptors as in RUN, from RUN_STDOUT on, borrowed. -EAGAIN when the worker does
 * not read; -ENOTCONN it has just gone: another may take the job. */
int pool_run(PoolWorker *worker, const RunOrder *order, const JailPolicy *policy, const int *fds, size_t n_fds);
void pool_cancel(PoolWorker *worker, const char *job);
