/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "engine/supervisor/queue.h"

/* A tenant: on whose account jobs are. Whatever a client makes the supervisor keep is charged to one, and each account
 * has a ceiling for each kind of it. */

#define TENANT_UNLIMITED UINT64_MAX

typedef struct TenantLimits {
        uint64_t running;                /* jobs that run at a time */
        uint64_t queued;                 /* jobs that have neither been started nor ended */
        uint64_t submissions_per_minute; /* as many at once after a minute without any */
        uint64_t spec_bytes;             /* the text of all jobs that are known */
        uint64_t input_bytes;            /* of jobs that have not ended, and of inputs for jobs that are to come */
        uint64_t output_bytes;           /* of jobs that are known */
} TenantLimits;

/* What an operator says of a tenant. */
typedef struct TenantRules {
        uint64_t weight; /* its share of the machine, relative to the others' */
        bool restricted; /* to `policies`; else its jobs may run under every policy */
        char **policies;
        TenantLimits limits;
} TenantRules;

#define TENANT_WEIGHT_MAX 10000

struct JobArray;
TAILQ_HEAD(ArrayList, JobArray);

typedef struct Tenant {
        struct Tenants *tenants;
        char *name;
        TenantRules rules;
        bool configured; /* there is a file of its own */
        size_t users;    /* what refers to it: jobs, inputs that were added */

        Share share; /* of the queue */
        uint64_t queued, running, spec_bytes, input_bytes, output_bytes;
        uint64_t n_ended;       /* jobs that are remembered (retention.c) */
        size_t n_added;         /* inputs that were added and not yet used (inputs.c) */
        struct ArrayList to_collect; /* arrays that wait for a collector (array_output.c) */
        size_t n_collecting;         /* of its collectors that run */
        uint64_t collected;          /* when it had one the last time, as a number that grows */
        uint64_t used_usec;     /* processor and slot time of all attempts since this process began */
        uint64_t next_due_usec; /* CLOCK_MONOTONIC: when submissions would be back at the rate that is allowed */
} Tenant;

/* Whether the tenant may have `jobs` more, under this policy, with so many bytes of specification. -EPERM the policy
 * is not permitted; -EDQUOT a ceiling is reached; the sentence says which, and what to do. */
int tenant_admit(const Tenant *tenant, const char *policy, uint64_t jobs, uint64_t spec_bytes, uint64_t now_usec,
                 Error *e);

/* Whether one more is within its rate: -EDQUOT, with a sentence. */
int tenant_check_rate(const Tenant *tenant, uint64_t now_usec, Error *e);
/* One submission, or what costs as much, counted against the rate; and one that came to nothing. */
void tenant_count_submission(Tenant *tenant, uint64_t now_usec);
void tenant_uncount_submission(Tenant *tenant);

/* How many bytes of input more it may have. */
uint64_t tenant_input_room(const Tenant *tenant);
/* -EDQUOT, with a sentence. */
int tenant_check_input(const Tenant *tenant, uint64_t bytes, Error *e);

/* Whether its jobs may leave something: else none is started. */
bool tenant_has_output_room(const Tenant *tenant);

/* Gives a reference back. Returns NULL. */
Tenant *tenant_unref(Tenant *tenant);
Tenant *tenant_ref(Tenant *tenant);
