/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The inputs of jobs on the account of their tenant. Equal files are one file (blobs.c), so a tenant is charged with
 * one once, for as long as any of its jobs needs it, or it was added for jobs that are still to come. */

#include "engine/supervisor/supervisor_private.h"

#include "engine/base/clock.h"

#include <search.h>
#include <stdlib.h>
#include <string.h>

#define INPUT_KEPT_USEC (3600 * USEC_PER_SECOND)
#define INPUTS_ADDED_MAX 4096 /* of one tenant */
#define ACCURACY_USEC USEC_PER_SECOND

typedef struct TenantInput {
        Supervisor *supervisor;
        Tenant *tenant;
        char *blob;
        uint64_t bytes;
        size_t jobs;             /* that need it */
        sd_event_source *expiry; /* or NULL; until then it is there for jobs to come, and counted in `blobs` for that */
} TenantInput;

static int compare_inputs(const void *a, const void *b)
{
        const TenantInput *one = a, *other = b;
        int r = strcmp(one->blob, other->blob);

        return r ? r : strcmp(one->tenant->name, other->tenant->name);
}

static TenantInput *find_input(const Supervisor *s, Tenant *tenant, const char *blob)
{
        const TenantInput key = {.tenant = tenant, .blob = (char *)blob};
        TenantInput *const *known = tfind(&key, &s->inputs, compare_inputs);

        return known ? *known : NULL;
}

static void input_free(TenantInput *input)
{
        tdelete(input, &input->supervisor->inputs, compare_inputs);
        sd_event_source_disable_unref(input->expiry);
        input->tenant->input_bytes -= input->bytes;
        tenant_unref(input->tenant);
        free(input->blob);
        free(input);
}

static void free_unneeded(TenantInput *input)
{
        if (input->jobs == 0 && !input->expiry)
                input_free(input);
}

static int find_or_make(Supervisor *s, Tenant *tenant, const char *blob, bool enforce, TenantInput **ret, Error *e)
{
        uint64_t bytes;

        if ((*ret = find_input(s, tenant, blob)))
                return 0;
        int r = blobs_size(s->blobs, blob, &bytes);
        if (r < 0)
                return error_set(e, -EIO, "the input %s: %s", blob, strerror(-r));
        if (enforce && (r = tenant_check_input(tenant, bytes, e)) < 0)
                return r;
        TenantInput *input = calloc(1, sizeof *input);
        if (!input || !(input->blob = strdup(blob))) {
                free(input);
                return error_oom(e);
        }
        input->supervisor = s;
        input->tenant = tenant_ref(tenant);
        input->bytes = bytes;
        tenant->input_bytes += bytes;
        if (!tsearch(input, &s->inputs, compare_inputs)) {
                input_free(input);
                return error_oom(e);
        }
        *ret = input;
        return 0;
}

int inputs_give(Supervisor *s, Job *job, const char *name, const char *blob, bool enforce, Error *e)
{
        TenantInput *input;
        int r = find_or_make(s, job->tenant, blob, enforce, &input, e);

        if (r >= 0 && !job->inputs && !(job->inputs = calloc(JAIL_INPUTS_MAX, sizeof *job->inputs))) {
                free_unneeded(input);
                r = error_oom(e);
        }
        JobInputFile *file = r < 0 ? NULL : &job->inputs[job->n_inputs];
        if (r >= 0 && (!(file->name = strdup(name)) || !(file->blob = strdup(blob)))) {
                free_unneeded(input);
                free(take(file->name));
                r = error_oom(e);
        }
        if (r < 0) {
                blobs_unref(s->blobs, blob);
                return r;
        }
        input->jobs++;
        job->n_inputs++;
        return 0;
}

void inputs_take_back(Supervisor *s, Job *job)
{
        for (; job->n_inputs > 0; job->n_inputs--) {
                JobInputFile *file = &job->inputs[job->n_inputs - 1];
                TenantInput *input = find_input(s, job->tenant, file->blob);
                if (input) {
                        input->jobs--;
                        free_unneeded(input);
                }
                blobs_unref(s->blobs, file->blob);
                free(take(file->name));
                free(take(file->blob));
        }
}

/* ---- those that were added for jobs to come ---- */

static void expire(TenantInput *input)
{
        if (!input->expiry)
                return;
        input->expiry = sd_event_source_disable_unref(input->expiry);
        input->tenant->n_added--;
        blobs_unref(input->supervisor->blobs, input->blob);
        free_unneeded(input);
}

static int on_expired(sd_event_source *source _unused_, uint64_t usec _unused_, void *userdata)
{
        expire(userdata);
        return 0;
}

int inputs_add(Supervisor *s, Tenant *tenant, const char *blob, Error *e)
{
        TenantInput *input = NULL;
        int r = find_or_make(s, tenant, blob, true, &input, e);

        if (r >= 0 && input->expiry) {
                blobs_unref(s->blobs, blob);
                sd_event_source_set_time_relative(input->expiry, INPUT_KEPT_USEC);
                return 0;
        }
        if (r >= 0 && tenant->n_added >= INPUTS_ADDED_MAX)
                r = error_set(e, -EDQUOT, "%d inputs of the tenant were added and not yet used", INPUTS_ADDED_MAX);
        if (r >= 0 && (r = sd_event_add_time_relative(s->event, &input->expiry, CLOCK_MONOTONIC, INPUT_KEPT_USEC,
                                                      ACCURACY_USEC, on_expired, input)) < 0)
                error_errno(e, r, "keeping the input");
        if (r < 0) {
                if (input)
                        free_unneeded(input);
                blobs_unref(s->blobs, blob);
                return r;
        }
        tenant->n_added++;
        return 0;
}

bool inputs_are_added(const Supervisor *s, Tenant *tenant, const char *blob)
{
        const TenantInput *input = find_input(s, tenant, blob);

        return input && input->expiry;
}

void inputs_use(Supervisor *s, Tenant *tenant, const Job *job)
{
        for (size_t i = 0; i < job->n_inputs; i++) {
                TenantInput *input = find_input(s, tenant, job->inputs[i].blob);
                if (input)
                        expire(input);
        }
}

void inputs_end(Supervisor *s)
{
        while (s->inputs)
                input_free(*(TenantInput **)s->inputs); /* the root of the tree */
}
