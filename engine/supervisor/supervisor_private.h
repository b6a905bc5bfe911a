/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the parts of the supervisor share: supervisor.c (the life of a job), submission.c (up to its admission) and
 * recovery.c (what an earlier supervisor has left). */

#include "engine/supervisor/store.h"
#include "engine/supervisor/supervisor.h"

#define ATTEMPTS_WHEN_LOST 3 /* a job is not started again when so many of its attempts were lost */

TAILQ_HEAD(JobList, Job);

typedef struct KnownPolicy {
        struct KnownPolicy *next;
        JailPolicy *policy;
} KnownPolicy;

struct Supervisor {
        sd_event *event;
        int lock, outputs;
        JailLayers allow_missing;
        char *default_policy;
        char **policy_directories;
        KnownPolicy *policies;
        IdMaker ids;
        JobTable jobs;
        struct JobList queue[PRIORITY_MAX + 1];
        uint64_t n_storing, n_queued, n_running, n_finished;
        Store *store;
        Pool *pool;
        Blobs *blobs;
        Submission *submissions;
        const SupervisorEvents *events;
        void *events_userdata;
        bool closed, dispatching;
};

/* Loads a policy, or takes the one that is known. The caller has a reference. */
int supervisor_find_policy(Supervisor *supervisor, const char *name, JailPolicy **ret, Error *e);

/* Puts a job that is stored at the end of its queue; supervisor_dispatch() is the caller's. The job is the
 * supervisor's then. -ENOMEM. */
int supervisor_admit(Supervisor *supervisor, Job *job);

/* Gives jobs to workers as long as there are both. */
void supervisor_dispatch(Supervisor *supervisor);

/* An attempt has ended with its worker. Takes `report` over. */
void supervisor_attempt_lost(Supervisor *supervisor, Job *job, char *report);

/* Ends a job for good: its state is `state` as soon as that is stored. Takes `report` over. */
void supervisor_finish(Supervisor *supervisor, Job *job, JobState state, char *report);

/* Counts a job that had ended when it was loaded. */
void supervisor_forget_oldest(Supervisor *supervisor);

/* Jobs that an earlier supervisor on this state directory has left: those that had not ended go on. */
int recovery_run(Supervisor *supervisor, Error *e);

/* Ends submissions that are under way, without an answer. */
void submissions_end(Supervisor *supervisor);
