/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "engine/supervisor/job_line.h"
#include "engine/supervisor/resources.h"

#include <stddef.h>
#include <sys/queue.h>

/* Which job is the next: fair between tenants, strict by priority within one. The essay is in queue.c. */

struct Job;
struct Tenant;
TAILQ_HEAD(JobList, Job);

/* A tenant's part of the queue. */
typedef struct Share {
        JobLine *jobs;        /* by priority; made with the first job */
        uint64_t present[2];  /* a bit for each priority that has jobs */
        size_t n_jobs;
        uint64_t n_startable;  /* of them: as many as it may run beside those that run */
        size_t place;          /* in the heap, from 1; 0: it is not there */
        uint64_t entered;      /* a serial number of when it came to the heap */
        bool fresh;            /* it came with no more used than the others, and was not served since */
        uint64_t running;      /* jobs */
        uint64_t slots_milli;  /* of the pool, that run */
        Demand used;           /* by them */
        uint64_t rest_usec, resting_until_usec; /* CLOCK_MONOTONIC: until then no room is kept for it; for so long the last time */
        uint64_t accrued_usec; /* CLOCK_MONOTONIC: up to when these are in `virtual_usec` */
        double virtual_usec;   /* used so far, divided by the weight */
        double advance_usec;   /* for those that run, not divided */
        double typical_usec;   /* what its jobs cost lately; 0: not known */
} Share;

/* What a job that runs has been charged with. */
typedef struct Charge {
        uint64_t since_usec, slots_milli, reservation;
        double advance_usec;
        uint64_t cpu_usec; /* that it has used, as far as that is known at its end */
} Charge;

typedef struct Queue {
        Resources resources;
        struct Tenant **heap; /* those that have jobs here, and may start one more */
        size_t n, room;
        uint64_t n_startable; /* jobs that wait for room and workers alone, and for nothing of their tenants' */
        uint64_t serial;
        uint64_t refreshed_usec;
        double virtual_usec;        /* how far those that wait have come */
        struct Job *passed;         /* the first in order, when another was found before it */
        struct Job *reserved;       /* or NULL: room is kept for it */
        uint64_t reservation;       /* a number for each that was */
        uint64_t strict_until_usec; /* CLOCK_MONOTONIC: until then nothing else is started */
        uint64_t kept_until_usec;   /* ... when it is looked at whether it is its own tenant that is in its way */
        Demand beside;              /* what has been started since, and runs */
} Queue;

void queue_done(Queue *queue);

/* A job waits for its start, behind those of its tenant and priority that came before it, however long it was away. Not
 * for jobs that are in the queue. -ENOMEM. */
int queue_add(Queue *queue, struct Job *job);
/* It waits no more. Nothing happens to a job that is not in the queue. */
void queue_remove(Queue *queue, struct Job *job);

/* The next job that there is room for, or NULL; then it may be asked again when something has changed, and at
 * queue_look_again_usec() (0: no need). The job stays in the queue. */
struct Job *queue_next(Queue *queue, uint64_t now_usec);
uint64_t queue_look_again_usec(const Queue *queue, uint64_t now_usec);

/* How many of its tenant's jobs stand before one that is in the queue; no more than `most` are counted. */
size_t queue_jobs_before(const struct Job *job, size_t most);

/* A job takes its room in the pool (and is in the queue no more); it gives it back, having used `charge.cpu_usec`. */
void queue_started(Queue *queue, struct Job *job, uint64_t now_usec);
void queue_ended(Queue *queue, struct Job *job, uint64_t now_usec);

/* The rules of a tenant are others now, or whether it has room for output. */
void queue_tenant_changed(Queue *queue, struct Tenant *tenant, uint64_t now_usec);

void share_done(Share *share);
