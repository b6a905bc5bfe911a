/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "engine/base/disk_room.h"
#include "engine/supervisor/job.h"

/* Arrays: one specification, run many times. See array.c. */

struct Supervisor;

typedef struct JobArray {
        Job *whole;
        Job **members;
        size_t count, parallel;
        size_t in_state[JOB_STATE_MAX]; /* members */
        size_t active;                  /* members that stand in the queue or run */
        size_t next;                    /* no member before this one is to be let into the queue */
        size_t n_children;              /* of all members */
        bool admitted;
        bool open;       /* all members are there, so that it is known how many run: others may be let in */
        bool filling;    /* members are being let in, or something is done to all: who leaves meanwhile lets in none */
        bool ending;     /* all members have ended */
        bool cancelled;  /* since then: what they have left does not wait for room */
        bool in_line;    /* for a collector */
        TAILQ_ENTRY(JobArray) line;
        pid_t collector; /* 0, or the process that puts together what they have left */
        sd_event_source *collecting;
        /* Where there is no room for that, it is tried again when there is. */
        sd_event_source *look_again;
        DiskRoom room;
        int result; /* of the last try */
} JobArray;

/* The job whose inputs a job has: itself, or its array. */
const Job *array_source(const Job *job);
/* "array", and not one of its members. */
bool array_is_whole(const Job *job);

/* Gives the job of an array its members. `charge`: on their tenant's account, as new ones; else there is only room for
 * them, until array_adopt() brings them. -ENOMEM. */
int array_make(Job *whole, bool charge, Error *e);
void array_free(Job *whole);
/* The whole has its id, its state and its time now: so have the members. */
void array_name(Job *whole);

/* A member that was stored. -ENOENT it is of no array. */
int array_adopt(const JobTable *table, Job *member);
/* When all have been adopted. -EUCLEAN. */
int array_adopted(struct Supervisor *supervisor, Job *whole, Error *e);

/* The whole has been admitted: so are the members. -ENOMEM. */
int array_admit(struct Supervisor *supervisor, Job *whole);
/* What the array is to run after has succeeded. */
void array_start(struct Supervisor *supervisor, Job *whole);

/* Whether a job may stand in the queue now; a member that may not is let in later. */
bool array_may_enter(Job *job);
/* A member is there, and is to be counted; it changes its state; it waits for its start, or runs, no more. */
void array_count(Job *member);
void array_moved(struct Supervisor *supervisor, Job *member, JobState from, JobState to);
void array_left(struct Supervisor *supervisor, Job *member);
/* While something is done to all members, none takes the place of one that leaves: it would have its own turn next. */
void array_begin_all(JobArray *array);
void array_end_all(struct Supervisor *supervisor, JobArray *array);
/* A job has begun: its array has, with the first of its members. */
void array_started(const Job *job);
/* A worker has a member of which nobody knew that it runs: then one that stands in the queue stands there too early. */
void array_claimed(struct Supervisor *supervisor, Job *member);

/* ---- array_output.c ---- */

/* Puts together what the members have left, and calls array_collected(), at once or later, with 0 or a negative errno. */
void array_collect(struct Supervisor *supervisor, JobArray *array);
void array_collected(struct Supervisor *supervisor, JobArray *array, int result);
/* It waits no more for room. */
void array_give_up(struct Supervisor *supervisor, JobArray *array);
void array_stop_collecting(JobArray *array);
