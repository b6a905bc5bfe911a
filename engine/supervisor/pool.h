/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "engine/worker/protocol.h"

#include <systemd/sd-event.h>

/* The workers: as many as are wanted are started, known by their connections and pidfds, and replaced when they die. One
 * that an earlier supervisor has started is as good as one of ours: it holds a lock on its number (see protocol.h). What
 * they run is the caller's business. */
typedef struct Pool Pool;
typedef struct PoolWorker PoolWorker;

typedef enum WorkerState {
        WORKER_STARTING, /* it has not connected yet */
        WORKER_READY,
        WORKER_DRAINING, /* it ends when its jobs have ended */
        WORKER_GONE,     /* it has died, and is started again after a pause */
        WORKER_STATE_MAX,
} WorkerState;

const char *worker_state_name(WorkerState state);

/* How workers come to be and are ended: behind this are processes (starter_embedded.h) or units (starter_units.h). */
typedef struct PoolStarter {
        /* Starts the worker of this name, which then connects to pool_socket_path(). Returns a pidfd of it; or -EINPROGRESS:
         * it comes by itself, or pool_worker_failed(); or another negative errno, with a sentence. */
        int (*start)(void *userdata, Pool *pool, const char *name, pid_t *ret_pid, Error *e);
        /* Ends it; `now`: without letting it clean up. Also for workers that this starter has not started. */
        void (*end)(void *userdata, const char *name, int pidfd, bool now);
        /* It is there, whoever has started it. May be NULL. */
        void (*came)(void *userdata, const char *name);
        void *userdata;
} PoolStarter;

typedef enum PoolChange { POOL_WORKER_ADDED, POOL_WORKER_STATE, POOL_WORKER_REMOVED } PoolChange;

typedef struct PoolEvents {
        /* What can be seen of a worker is another now. */
        void (*changed)(const PoolWorker *worker, PoolChange change, void *userdata);
        void (*has_room)(void *userdata); /* a worker can take a job */
        void (*started)(PoolWorker *worker, const char *job, uint64_t attempt, void *userdata);
        /* Until pool_acknowledge(), the worker keeps the report, and `reported` may come again. */
        void (*reported)(PoolWorker *worker, const char *job, uint64_t attempt, const char *report, void *userdata);
        /* The worker has this attempt from an earlier supervisor. False: it is not to run. */
        bool (*claimed)(PoolWorker *worker, const WorkerAttempt *attempt, void *userdata);
        /* Each worker of an earlier supervisor has said what it has, or has ended. */
        void (*settled)(void *userdata);
        /* What pool_unkept() says is another now. */
        void (*unkept)(void *userdata);
        /* A worker's process has gone, with all that ran in it. */
        void (*lost)(PoolWorker *worker, void *userdata);
} PoolEvents;

typedef struct PoolOptions {
        const char *state_directory; /* where the socket for workers is */
        const PoolStarter *starter;
        uint64_t workers, minimum, maximum; /* at most WORKER_NUMBER_MAX */
        uint64_t jobs_per_worker;           /* at most WORKER_ATTEMPTS_MAX */
} PoolOptions;

/* Finds the workers that are there, and starts those that are missing. Errors: of the socket; -EFAULT no worker could
 * be started. */
int pool_new(sd_event *event, const PoolOptions *options, const PoolEvents *events, void *userdata, Pool **ret, Error *e);
/* Ends the workers and what runs in them, and waits for them; `leave`: lets them run, for the next supervisor. Returns
 * NULL. */
Pool *pool_free(Pool *pool, bool leave);

/* Whether `settled` has come, or was not necessary. */
bool pool_is_settled(const Pool *pool);

/* How many workers there shall be: they are started at once, and ended when their jobs have ended. -ERANGE below the
 * minimum or above the maximum. */
int pool_scale(Pool *pool, uint64_t workers);

/* There may be so few and so many of them: the number that shall be follows, if it must. */
void pool_set_limits(Pool *pool, uint64_t minimum, uint64_t maximum);

typedef struct PoolSize {
        uint64_t connected, target, minimum, maximum;
} PoolSize;

PoolSize pool_size(const Pool *pool);

/* Jobs that have ended in the workers, and for whose /output there is no room on the disk. */
uint64_t pool_unkept(const Pool *pool);

/* Where workers connect: this, in the state directory. */
#define POOL_SOCKET "worker.sock"
const char *pool_socket_path(const Pool *pool);

/* A worker that was being started does not come; it is tried again after a pause. */
void pool_worker_failed(Pool *pool, const char *name, const char *why);

/* How long a worker takes from its start until it can take jobs, as seen lately; 0: none was started yet. */
uint64_t pool_start_usec(const Pool *pool);

/* The workers, by their numbers; NULL behind the last one. */
PoolWorker *pool_next_worker(const Pool *pool, const PoolWorker *before);

/* The name of a worker, as in reports: its number. */
const char *pool_worker_name(const PoolWorker *worker);

typedef struct PoolWorkerStatus {
        WorkerState state;
        pid_t pid;             /* 0: none */
        uint64_t running;      /* jobs */
        uint64_t warm;         /* jails that it keeps ready; UINT64_MAX: it has not said */
        uint64_t started_usec; /* CLOCK_REALTIME; 0: an earlier supervisor has started it */
        const char *why;       /* it could not be started the last time; NULL: it could */
} PoolWorkerStatus;

PoolWorkerStatus pool_worker_status(const PoolWorker *worker);

/* So many jails of a policy are wanted ready, in all workers together. */
typedef struct PoolWarm {
        JailPolicy *policy;
        uint64_t jails;
} PoolWarm;

/* Has the workers keep them, each its part, also those that come later; what was wanted before is not any more. At most
 * WORKER_LEVELS_MAX policies. */
void pool_keep_warm(Pool *pool, const PoolWarm *wanted, size_t n);

/* The worker with the most room, or NULL where there is none. */
PoolWorker *pool_find_room(Pool *pool);

/* Hands a run order to a worker; the descriptors as in RUN, from RUN_OUTPUT on, borrowed. -EAGAIN when the worker does
 * not read; -ENOTCONN it has just gone: another may take the job; others as of the system calls. */
int pool_run(PoolWorker *worker, const RunOrder *order, const JailPolicy *policy, const int *fds, size_t n_fds);
void pool_cancel(PoolWorker *worker, const char *job, uint64_t attempt);
/* The report is on the disk, or of no use. By name, since the worker may have gone meanwhile. */
void pool_acknowledge(Pool *pool, const char *name, const char *job, uint64_t attempt);
