/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "engine/supervisor/backup.h"
#include "engine/supervisor/blobs.h"
#include "engine/supervisor/config.h"
#include "engine/supervisor/job.h"
#include "engine/supervisor/output.h"
#include "engine/supervisor/pool.h"
#include "engine/supervisor/tenants.h"
#include "engine/supervisor/trouble.h"

/* The engine itself: jobs from their submission to their report. It knows workers by the pool, and clients not at all:
 * whoever wants to hear of them is told through SupervisorEvents. */
typedef struct Supervisor Supervisor;

struct ScalingDecision;

typedef struct SupervisorEvents {
        void (*admitted)(const Job *job, void *userdata); /* it is stored, and has its place */
        void (*finished)(Job *job, void *userdata);
        void (*reloaded)(void *userdata);
        void (*scaled)(const struct ScalingDecision *decision, void *userdata);
        void (*worker_changed)(const PoolWorker *worker, PoolChange change, void *userdata);
} SupervisorEvents;

/* The configuration must live as long as the supervisor, which reads what may change each time that it is used. */
int supervisor_new(sd_event *event, Config *config, Supervisor **ret, Error *e);
/* Takes up the workers that are there, and starts those that are missing. It is the last of what may fail at a start: one that
 * fails leaves workers alone. */
int supervisor_start(Supervisor *supervisor, Error *e);
/* Reads configuration and policies again (reload.c). The keys of what has changed and needs a restart go to `later`.
 * On an error everything stays as it was: -EINVAL, -ENOENT. */
int supervisor_reload(Supervisor *supervisor, char ***later, Error *e);
/* Ends the workers, and what runs in them is queued again. Returns NULL. */
Supervisor *supervisor_free(Supervisor *supervisor);
DEFINE_CLEANUP(Supervisor, supervisor_free)

/* From now on, supervisor_free() lets the workers and their jobs run: the next supervisor takes them up. */
void supervisor_leave_workers(Supervisor *supervisor);

void supervisor_set_events(Supervisor *supervisor, const SupervisorEvents *events, void *userdata);

/* The tenants, for tenants_resolve() and to show them. */
Tenants *supervisor_tenants(const Supervisor *supervisor);
/* Reads the tenants' files that this configuration names; after an error it is all as it was. */
int supervisor_load_tenants(Supervisor *supervisor, const Config *config, Error *e);

/* A submission is answered when the job and its inputs are on the disk. `job` is NULL on failure; the error's code says
 * which: -EINVAL, -ENOSYS a bad specification; -ENOENT no such policy; -EPERM a limit, policy or tenant that is not
 * permitted; -EDQUOT a ceiling of the tenant;
 * -EEXIST its idempotency key belongs to another; -ENOSPC the queue is full; -EIO it cannot be stored; -ESHUTDOWN
 * nothing is taken any more. Both are NULL when the submission was dropped. */
typedef void (*SupervisorSubmitted)(const Job *job, const Error *error, void *userdata);
typedef struct Submission Submission;

/* Starts a submission; takes the porter over, who has the inputs (NULL: there are none). The callback may come before it returns,
 * and comes exactly once. `*ret` is then NULL, or stands for what is under way. */
void supervisor_submit(Supervisor *supervisor, const Caller *caller, const char *spec, Porter *porter, const PorterInput *inputs,
                       size_t n, SupervisorSubmitted submitted, void *userdata, Submission **ret);
/* The caller has gone: nothing comes of it. */
void submission_drop(Submission *submission);

/* The answer to a batch (the ids, in its order), or to an input (its digest alone); NULL on failure, both NULL when it
 * was dropped. */
typedef void (*SupervisorAnswered)(char *const *texts, const Error *error, void *userdata);

/* One job of a batch. Inputs are pairs: the name, and the digest of an input that was added for the caller's tenant. */
typedef struct BatchJob {
        const char *spec;
        char **inputs; /* name, digest, name, ... */
} BatchJob;

#define BATCH_JOBS_MAX 10000

/* Submits all or none: the error names the index. In `after`, "#3" is the fourth job of the batch. Otherwise as
 * supervisor_submit(). */
void supervisor_submit_batch(Supervisor *supervisor, const Caller *caller, const BatchJob *jobs, size_t n,
                             SupervisorAnswered answered, void *userdata, Submission **ret);

/* Stores an input for jobs that the caller's tenant submits within an hour: that which the porter, who is taken over, has at
 * this index. */
void supervisor_add_input(Supervisor *supervisor, const Caller *caller, Porter *porter, size_t index, SupervisorAnswered answered,
                          void *userdata, Submission **ret);
/* Who takes in what clients hand over. */
Porters *supervisor_porters(const Supervisor *supervisor);

/* A job that the caller may see, by its id or an unambiguous start of it. -ENOENT; -ENOTUNIQ. */
int supervisor_find(const Supervisor *supervisor, const Caller *caller, const char *id, Job **ret);
const JobTable *supervisor_jobs(const Supervisor *supervisor);
bool supervisor_may_see(const Caller *caller, const Job *job);

/* What follows is done at once, and on the disk when `done` is called; which it is once, later. -ENOMEM: it never is. */
typedef void (*SupervisorStored)(Supervisor *supervisor, void *userdata);
int supervisor_when_stored(Supervisor *supervisor, SupervisorStored done, void *userdata);
/* It is not called any more. */
void supervisor_forget_stored(Supervisor *supervisor, const void *userdata);
/* Why the store cannot be written now; NULL: it can. */
const char *supervisor_store_trouble(const Supervisor *supervisor);

/* Ends a job, whatever it does. One that has ended stays as it is: -EALREADY. */
int supervisor_cancel(Supervisor *supervisor, Job *job);

/* Keeps a job from being started, or lets it. -EALREADY it has ended. */
int supervisor_hold(Supervisor *supervisor, Job *job, bool held);
/* Ends the attempt that runs, or the wait for the next, and queues the job again; that is no failure. It costs what a
 * submission does, an array as one. -EALREADY, without a sentence; -EDQUOT the rate of its tenant. */
int supervisor_requeue(Supervisor *supervisor, Job *job, Error *e);
/* Removes a job that has ended, with its output. -EBUSY it has not; -ENOTEMPTY others are to run after it. */
int supervisor_forget(Supervisor *supervisor, Job *job);
/* `paused`: nothing is started. `draining`: no submission is taken. */
void supervisor_pause(Supervisor *supervisor, bool paused, bool draining);

/* Opens what an attempt (0: the last, or the first that will be) has written. Returns a descriptor or a negative
 * errno; -ENOENT no such attempt; -ENODATA what the job had left has been removed by somebody else. */
int supervisor_open_output(Supervisor *supervisor, const Job *job, OutputStream stream, uint64_t attempt);

/* The report of an attempt (0: the last that has one); owned by the caller, NULL where there is none. Errors: of the store. */
int supervisor_report(Supervisor *supervisor, const Job *job, uint64_t attempt, char **ret, Error *e);

const Config *supervisor_config(const Supervisor *supervisor);
/* How many workers there shall be. -ERANGE */
int supervisor_scale(Supervisor *supervisor, uint64_t workers);
/* What sizes the pool. */
struct Scaling *supervisor_scaling(Supervisor *supervisor);
const Pool *supervisor_pool(const Supervisor *supervisor);
/* The control group that a worker shares with its jails alone; NULL: none, or not known. */
const char *supervisor_worker_group(const Supervisor *supervisor, const PoolWorker *worker);
Troubles *supervisor_troubles(Supervisor *supervisor);

/* What a job waits for that has not been started, as a sentence ("" where it waits for nothing); owned by the caller, NULL
 * when out of memory. */
char *supervisor_why_waiting(const Supervisor *supervisor, const Job *job);

typedef struct SupervisorStatus {
        uint64_t workers, queued, running, finished, started_usec;
        bool paused, draining;
} SupervisorStatus;

SupervisorStatus supervisor_status(const Supervisor *supervisor);

/* Takes no more submissions and starts nothing more. */
void supervisor_close_intake(Supervisor *supervisor);

/* Copies the state (backup.h). -EBUSY a copy is under way. `done` comes once, later, unless supervisor_drop_backup() comes
 * before. */
int supervisor_backup(Supervisor *supervisor, BackupDone done, void *userdata, Error *e);
void supervisor_drop_backup(Supervisor *supervisor);

/* ---- policies.c ---- */

/* For the log: what a policy says and cannot be had on this host, a line each. A policy is loaded once, so that they are said
 * once. */
void supervisor_log_notes(const JailPolicy *policy);

/* The names of all policies that have a file in these directories, sorted. -ENOMEM. */
int supervisor_policy_names(char *const *directories, char ***ret);

/* Calls `each` for every policy that jobs can name, until it returns a negative errno. */
typedef int (*SupervisorEachPolicy)(const JailPolicy *policy, void *userdata);
int supervisor_each_policy(Supervisor *supervisor, SupervisorEachPolicy each, void *userdata);
