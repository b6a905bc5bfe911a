/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the parts of the supervisor share: supervisor.c (clients and the queue), attempts.c (workers), transitions.c (the states of
 * a job), submission.c and batch.c (up to its admission) and recovery.c (what an earlier supervisor has left). */

#include "engine/supervisor/starter_embedded.h"
#include "engine/supervisor/starter_units.h"
#include "engine/supervisor/array.h"
#include "engine/supervisor/host.h"
#include "engine/supervisor/scaling.h"
#include "engine/supervisor/store.h"
#include "engine/supervisor/supervisor.h"

typedef struct KnownPolicy {
        struct KnownPolicy *next;
        JailPolicy *policy;
} KnownPolicy;

struct Supervisor {
        sd_event *event;
        Config *config;
        uint64_t started_usec; /* CLOCK_REALTIME */
        int lock, outputs;
        char **policy_directories;
        KnownPolicy *policies;
        struct JobList ended;       /* in the order of their ends (retention.c) */
        uint64_t n_ended;           /* of that list */
        sd_event_source *retention; /* timer */
        IdMaker ids;
        JobTable jobs;
        Queue queue;
        sd_event_source *look_again; /* when room is no longer kept strictly, or something was lacking */
        int lacking;                 /* a negative errno: why the last job could not be handed out yet; 0: it could */
        Tenants *tenants;
        uint64_t n_queued, n_running, n_finished; /* jobs in these states */
        uint64_t n_unkept;                        /* arrays for whose output there is no room */
        uint64_t n_collectors, n_collected;       /* that run, and that were ever started (array_output.c) */
        sd_event_source *collect_again;           /* until then none is started, since something was lacking */
        uint64_t n_unstarted;                     /* jobs that are taken and have neither been started nor ended */
        Store *store;
        EmbeddedStarter starter;
        UnitStarter *units; /* instead; or NULL */
        const PoolStarter *pool_starter;
        Troubles troubles;
        Pool *pool;
        Scaling *scaling;
        STAILQ_HEAD(, Awaited) awaited; /* what waits until something is stored (stored.c) */
        Blobs *blobs;
        Backup *backup; /* NULL: none is under way */
        BackupDone backup_done;
        void *backup_userdata;
        char **copied_outputs; /* of jobs that were forgotten since it began */
        Submission *submissions;
        const SupervisorEvents *events;
        void *events_userdata;
        void *inputs; /* tsearch(3), by blob and tenant (inputs.c) */
        void *cache; /* tsearch(3), by digest (cache.c) */
        void *keys; /* tsearch(3) of Job: those with an idempotency key, by it and their tenant */
        bool settled; /* it is known what runs */
        bool leaving; /* ending without the workers */
        bool closed; /* ending */
        bool paused, draining, dispatching;
};

/* ---- attempts.c ---- */

extern const PoolEvents attempts_events;

/* What was running and no worker has, is lost; from now on jobs are started. */
void attempts_settle(Supervisor *supervisor);

/* ---- stored.c ---- */

/* As supervisor_when_stored(), with a userdata that is freed when it is over. Without memory it is never called. */
void stored_then(Supervisor *supervisor, SupervisorStored done, void *userdata);
void stored_end(Supervisor *supervisor);

/* ---- dependencies.c ---- */

/* Whether the jobs that this one is to run after are there, and its tenant's. -EINVAL. */
int dependencies_check(const Supervisor *supervisor, const Job *job, Error *e);

/* Ties a job that is in the table to those that it runs after, and gives it the state that follows: it may end at once.
 * -ENOMEM. */
int dependencies_link(Supervisor *supervisor, Job *job);

/* A job has ended: those that run after it go on, or end as well; and it needs no one any more. */
void dependencies_ended(Supervisor *supervisor, Job *job);

/* ---- */

/* Gives back a list of policies. */
void known_policies_free(KnownPolicy *list);

/* Loads a policy, or takes the one that is known. The caller has a reference. */
int supervisor_find_policy(Supervisor *supervisor, const char *name, JailPolicy **ret, Error *e);

/* Finds the policy that a job was submitted under, and what it needs of the pool. */
int supervisor_find_job_policy(Supervisor *supervisor, Job *job, Error *e);

/* Puts a job that is stored into its queue; supervisor_dispatch() is the caller's. The job is the
 * supervisor's then. -ENOMEM. */
int supervisor_admit(Supervisor *supervisor, Job *job);

/* Puts a job that is queued where it waits for its start. It may end at once, by the result cache. */
void supervisor_enter_queue(Supervisor *supervisor, Job *job);

/* Puts a job into a state that is not final; false where it may not come to it. */
bool supervisor_set_state(Supervisor *supervisor, Job *job, JobState state);

/* Whether it is what this process or its host is short of just now: that is not the job's fault, and may be there a moment later. */
bool supervisor_is_lacking(int r);
#define LACKING_USEC USEC_PER_SECOND /* the moment */

/* Says that there is no room for what jobs have left, or is again. */
void supervisor_judge_room(Supervisor *supervisor);

/* Gives jobs to workers as long as there are both. */
void supervisor_dispatch(Supervisor *supervisor);

/* An attempt has failed: the job runs again, if its rule for that says so. Takes `report` over. */
void supervisor_attempt_failed(Supervisor *supervisor, Job *job, JailReason reason, char *report);

/* Ends a job for good: its state is `state` as soon as that is stored. Takes `report` over. */
void supervisor_finish(Supervisor *supervisor, Job *job, JobState state, char *report);

/* ---- retention.c ---- */

/* A job has its final state, and is remembered from here on; it may be gone when this returns. */
void retention_add(Supervisor *supervisor, Job *job);
/* One less is to run after this job, or after a member of this array. It may be gone when this returns. */
void retention_parent_freed(Supervisor *supervisor, Job *job);
/* The jobs that had ended when they were loaded. -ENOMEM. */
int retention_start(Supervisor *supervisor);
/* While they are held, what jobs have left that others are to run after, or that is to be put together for their array, stays,
 * whoever is forgotten: somebody copies it. */
void retention_hold_outputs(Supervisor *supervisor, bool held);
/* Forgets what is too old or too much. */
void retention_run(Supervisor *supervisor);

/* Jobs that an earlier supervisor on this state directory has left: those that had not ended go on. */
int recovery_run(Supervisor *supervisor, Error *e);

/* The job of an idempotency key is found by it as long as the job is known. -EEXIST another has it. */
int submission_remember_key(Supervisor *supervisor, Job *job);
void submission_forget_key(Supervisor *supervisor, Job *job);
void submission_forget_keys(Supervisor *supervisor);

/* Whether jobs are taken at all. -ESHUTDOWN. */
int supervisor_check_intake(const Supervisor *supervisor, Error *e);

/* Reads a specification, and checks it and the names of its inputs; `batch`: not yet what it runs after. The job is the
 * caller's. */
int submission_read(Supervisor *supervisor, const Caller *caller, const char *spec, const PorterInput *inputs, size_t n,
                    bool batch, Job **ret, Error *e);

/* 1: the job of the same key; 0: there is none, or no key, and this one has it now. -EEXIST. */
int submission_find_earlier(Supervisor *supervisor, Job *job, Job **ret, Error *e);

/* ---- account.c ---- */

/* Takes a new job on its tenant's account, if its ceilings allow that: -EPERM, -EDQUOT; -ENOSPC the engine's. */
int account_open(Supervisor *supervisor, Job *job, Error *e);
/* A member of an array, which has been taken as a whole. */
void account_open_member(Job *member);
/* The same for a job that is stored already. */
void account_adopt(Job *job);
/* The job is in this state. */
void account_set_state(Job *job, JobState state);
/* What an attempt has left. */
void account_add_output(Job *job, uint64_t bytes);
/* It is on no account any more; account_revoke(): it was never taken. */
void account_close(Job *job);
void account_revoke(Job *job);

/* ---- cache.c ---- */

/* Whether results under the job's policy can be kept at all. -EINVAL. */
int cache_check(const Job *job, Error *e);
/* A job is about to wait for its start: true when it does not have to, since it has a result (and has ended), or follows one
 * that is the same. */
bool cache_enter(Supervisor *supervisor, Job *job);
/* A job runs, of which nobody knew when those that are the same came: they follow it. */
void cache_lead(Supervisor *supervisor, Job *job);
/* A job does not follow another any more; nor do others follow it. */
void cache_unfollow(Supervisor *supervisor, Job *job);
void cache_leave(Supervisor *supervisor, Job *job);
/* It is known what runs: those that wait have the results that were there before. */
void cache_settled(Supervisor *supervisor);
/* A job has ended, now or before this process began. */
void cache_ended(Supervisor *supervisor, Job *job);
/* Its result will be gone. */
void cache_forget(Supervisor *supervisor, Job *job);
void cache_end(Supervisor *supervisor);

/* ---- inputs.c ---- */

/* Gives the job an input, whose blob is counted once for it already; that count is given back on error. `enforce`: within
 * the tenant's ceiling. -EDQUOT. */
int inputs_give(Supervisor *supervisor, Job *job, const char *name, const char *blob, bool enforce, Error *e);
/* The job needs its inputs no more. */
void inputs_take_back(Supervisor *supervisor, Job *job);

/* Keeps an input, whose blob is counted, for an hour, for jobs of the tenant that are to come. -EDQUOT. */
int inputs_add(Supervisor *supervisor, Tenant *tenant, const char *blob, Error *e);
bool inputs_are_added(const Supervisor *supervisor, Tenant *tenant, const char *blob);
/* What the job uses does not have to be kept for another one, where the tenant has added it. */
void inputs_use(Supervisor *supervisor, Tenant *tenant, const Job *job);
void inputs_end(Supervisor *supervisor);

struct Submission {
        Submission *next;
        Supervisor *supervisor;
        Job *job;
        char **names; /* of the inputs */
        BlobRequest *request;
        bool storing;
        Job *earlier; /* NULL, or the job that this is the same as, which is being stored */
        SupervisorSubmitted submitted; /* NULL: nobody waits for it any more */
        struct Batch *batch;           /* of a batch, instead of `job` and `submitted` */
        SupervisorAnswered answered;   /* likewise; of a batch or an added input */
        Tenant *tenant;                /* of an added input, and of a batch: the caller's */
        void *userdata;
};

Submission *submission_new(Supervisor *supervisor, void *userdata);
void submission_free(Submission *submission);
/* Ends one whose `earlier` is stored now, which is `job`, or NULL: it could not be. */
void submission_answer_twin(Submission *twin, const Job *job, const Error *error);
void batch_free(struct Batch *batch);

/* Ends submissions that are under way, without an answer. */
void submissions_end(Supervisor *supervisor);
