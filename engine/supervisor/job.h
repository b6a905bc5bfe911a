/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "engine/base/id.h"
#include "engine/supervisor/spec.h"
#include "engine/supervisor/tenant.h"

#include <sys/queue.h>
#include <systemd/sd-event.h>

/* A job and its states. */
typedef enum JobState {
        JOB_WAITING, /* for those that it is to run after */
        JOB_QUEUED,
        JOB_STARTING, /* handed to a worker */
        JOB_RUNNING,  /* the worker has taken it up */
        JOB_BACKOFF,  /* an attempt has failed; the next one comes when its time has come */
        JOB_SUCCEEDED,
        JOB_FAILED,
        JOB_CANCELLED,
        JOB_STATE_MAX,
} JobState;

const char *job_state_name(JobState state);
/* Returns false where there is no such state. */
bool job_state_parse(const char *name, JobState *ret);
bool job_state_is_final(JobState state);
/* An attempt is with a worker. */
bool job_state_runs(JobState state);
/* The one table of what may follow what. A final state never changes. */
bool job_state_may_become(JobState from, JobState to);

typedef struct JobInputFile {
        char *name;
        char *blob; /* the file's name in the store of blobs */
} JobInputFile;

typedef struct Job {
        struct Supervisor *supervisor;
        Id id;
        JobSpec spec;
        JobState state;
        uint64_t attempt; /* the last that was started; 0: none yet */
        uint64_t failures; /* so many of them count against retry.attempts */
        uint64_t due_usec; /* CLOCK_REALTIME: when JOB_BACKOFF ends; 0: no such time */
        uint64_t submitted_usec, started_usec, finished_usec; /* CLOCK_REALTIME; 0: not yet */
        Tenant *tenant;
        char *report; /* JSON, of the last attempt that has ended; NULL before */
        uint64_t report_attempt; /* which that is; where it ended between two of them, the number behind the last */
        char *policy_name;
        JailPolicy *policy; /* NULL for a job that had ended before this process began */
        JobInputFile *inputs; /* NULL: none */
        size_t n_inputs;
        struct PoolWorker *worker; /* while starting or running */
        sd_event_source *due, *deadline; /* timers */
        bool cancelling, requeueing;     /* what its end will mean, if it was our doing */
        bool held;                       /* not to be started */
        size_t n_awaited;                /* jobs that it runs after, and that have not ended */
        struct Job **children;           /* those that run after it and have not ended */
        size_t n_children;
        struct {
                uint64_t spec_bytes, output_bytes;
                bool open, queued, running;
        } account; /* what of it is on its tenant's account (account.c) */
        char *digest; /* of its run order, for the result cache; NULL: it does not ask for that */
        char *origin; /* the job whose result it has from there; NULL: its own */
        struct JobArray *array; /* of an array and of its members (array.h); NULL: neither */
        bool member;            /* of it; its specification is the array's */
        bool let_in;            /* counts among those that may run at a time */
        size_t index;
        bool follows;  /* one that is the same, in the cache's list instead of the queue */
        bool followed; /* until just now, when that one has succeeded */
        Demand demand;
        Charge charge; /* while starting or running */
        uint64_t passes; /* so often another was started in its place, since there was no room for it */
        struct BusWaiter *waiters;       /* calls that wait for its end (bus_pending.c) */
        bool in_queue;
        bool arrived; /* it has stood there since its last start: for the load it has come */
        bool ended;      /* it will have the state `ending` as soon as that is stored */
        JobState ending;
        char *ran_on;    /* until then: the name of its worker; NULL: none had it */
        bool in_retention;
        bool output_gone; /* what it has left was not there any more when this process began */
        bool in_copy; /* a copy of the state is being made that has what it has left */
        union {
                JobPlace place;         /* of those that wait for their start */
                TAILQ_ENTRY(Job) queue; /* of those that follow one that is the same, or of those that have ended */
        };
} Job;

/* False between the end of a job and that it is on the disk: until then nobody is told of it. */
bool job_end_is_stored(const Job *job);

Job *job_free(Job *job); /* returns NULL */
DEFINE_CLEANUP(Job, job_free)

/* Its inputs as they are stored: JSON, pairs of name and blob. Owned by the caller; NULL when out of memory. */
char *job_inputs_text(const Job *job);

/* All jobs, in the order of id_compare(). Ids ascend, so that it stays sorted by adding at its end. */
typedef struct JobTable {
        Job **jobs; /* owned, and what they point to */
        size_t n, room;
} JobTable;

/* Takes the job over. -ENOMEM. */
int job_table_add(JobTable *table, Job *job);
/* The job of an id, or NULL. */
Job *job_table_get(const JobTable *table, const char *id);
/* The index of the first job after an id (which need not exist); 0 for "". */
size_t job_table_after(const JobTable *table, const char *id);
/* Takes jobs out, in one pass; they are the caller's then. Sorts `jobs`. */
void job_table_remove(JobTable *table, Job **jobs, size_t n);
void job_table_done(JobTable *table);
