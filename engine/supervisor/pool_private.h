/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What pool.c (which workers there are), pool_living.c (which of them live) and pool_worker.c (one of them) share. */

#include "engine/base/id.h"
#include "engine/supervisor/pool.h"

#include <sys/queue.h>

#define POLICIES_KNOWN 32
#define ACKNOWLEDGED_AT_ONCE 64
#define POOL_END_MSEC 5000 /* how long a worker may clean up */

/* What a worker is told that does not read at the moment. */
typedef struct PoolMessage {
        STAILQ_ENTRY(PoolMessage) entry;
        size_t size;
        char data[];
} PoolMessage;

struct PoolWorker {
        TAILQ_ENTRY(PoolWorker) entry;
        Pool *pool;
        unsigned number;
        char name[8];
        WorkerState state;
        bool awaited; /* of an earlier supervisor, and not heard of yet */
        bool ending;  /* its process is gone, and its jails may not be */

        pid_t pid;  /* 0: there is no process */
        int pidfd;  /* -1: likewise */
        sd_event_source *exited;
        uint64_t started_usec;           /* CLOCK_REALTIME */
        uint64_t began_usec, ended_usec; /* monotonic */
        uint64_t restart_usec;           /* the pause before the next start */
        sd_event_source *timer;          /* until it is started again; until it must have said something, or ended */
        char *why;                       /* it could not be started; NULL: it could */

        int socket; /* -1: not connected */
        sd_event_source *io;
        WorkerPhase phase;
        uint64_t version;
        unsigned running; /* jobs */
        unsigned kept;    /* attempts that it has, with those whose report is not acknowledged */
        uint64_t warm;    /* jails that it keeps ready; UINT64_MAX: it has not said */
        uint64_t unkept;  /* attempts whose /output waits for room on the disk */
        bool expecting;   /* it was told to keep some */
        char known[POLICIES_KNOWN][80]; /* digests that were sent, the oldest overwritten */
        size_t n_known;
        struct {
                Id job;
                uint64_t attempt;
        } acknowledged[ACKNOWLEDGED_AT_ONCE]; /* to be sent */
        size_t n_acknowledged;
        sd_event_source *acknowledging;
        STAILQ_HEAD(, PoolMessage) unsent;
        size_t n_unsent;
        sd_event_source *reading; /* until it must have read some of it */
};

TAILQ_HEAD(PoolWorkerList, PoolWorker);

struct Pool {
        sd_event *event;
        const PoolEvents *events;
        void *userdata;
        const PoolStarter *starter;
        char *socket_path;
        int listener, lock;
        sd_event_source *accepting;
        struct PoolWorkerList workers; /* by their numbers */
        uint64_t target, minimum, maximum, jobs_per_worker;
        uint64_t start_usec; /* pool_start_usec() */
        bool settled;
        PoolWarm warm[WORKER_LEVELS_MAX]; /* has references */
        size_t n_warm;
};

/* ---- pool.c ---- */

PoolWorker *pool_find_number(const Pool *pool, unsigned number);

/* One that has no process yet. NULL: no memory. */
PoolWorker *pool_worker_new(Pool *pool, unsigned number);
void pool_worker_free(PoolWorker *worker);

void pool_set_state(PoolWorker *worker, WorkerState state);

/* A worker that awaited was has said what it has, or is gone. */
void pool_check_settled(Pool *pool);

/* Starts and drains, until there are as many as are wanted. */
void pool_balance(Pool *pool);

/* A worker that was started has said what it has. */
void pool_note_start(PoolWorker *worker);

/* The process of a worker has ended, its socket is closed, and nothing of its jobs runs. */
void pool_worker_ended(PoolWorker *worker);

/* ---- pool_living.c ---- */

/* The file whose locks they hold. Returns a descriptor, or a negative errno with a sentence. */
int pool_open_lock(const char *socket_path, Error *e);

/* Of workers that died while there was no supervisor, jails may be about to be removed. */
void pool_wait_for_jails(const Pool *pool);

/* Takes over those that live. */
int pool_find_living(Pool *pool, Error *e);

/* Whether something of its jobs may run: its launcher is there. */
bool pool_worker_has_jails(const PoolWorker *worker);

/* The worker of this process: by the pid with which it was started, or by the lock that it holds. NULL: it is none. */
PoolWorker *pool_find_process(Pool *pool, pid_t pid);

/* ---- pool_worker.c ---- */

/* The process of a worker: from now on we hear of its end. Takes the pidfd over. */
int pool_worker_watch(PoolWorker *worker, pid_t pid, int pidfd);
void pool_worker_unwatch(PoolWorker *worker);

/* It has so long to say what it has. */
void pool_worker_expect(PoolWorker *worker, uint64_t usec);

/* Closes its connection. */
void pool_worker_disconnect(PoolWorker *worker);

void pool_worker_acknowledge(PoolWorker *worker, const char *job, uint64_t attempt);

/* Says what jails it is to keep ready: its part of what the pool is to have. One that does not read is told when it does. */
void pool_worker_keep_warm(PoolWorker *worker);

/* Takes nothing more. */
void pool_worker_stop(PoolWorker *worker);

/* For the event loop: somebody connects. */
int pool_on_connect(sd_event_source *source, int fd, uint32_t events, void *userdata);
