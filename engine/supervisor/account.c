/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What of a job is on its tenant's account: its text as long as it is known; that it waits, or that it runs; what it
 * has left. Its inputs are charged by inputs.c. A job that is stored again after a restart is charged whatever the
 * ceilings are by then. */

#include "engine/supervisor/supervisor_private.h"

#include "engine/base/clock.h"

#include <inttypes.h>
#include <string.h>

static void set_place(Job *job, bool queued, bool running)
{
        Supervisor *s = job->supervisor;

        if (!job->account.open)
                return;
        job->tenant->queued += (uint64_t)queued - job->account.queued;
        job->tenant->running += (uint64_t)running - job->account.running;
        s->n_unstarted += (uint64_t)queued - job->account.queued;
        job->account.queued = queued;
        job->account.running = running;
}

void account_adopt(Job *job)
{
        job->account.open = true;
        job->account.spec_bytes = job->member ? 0 : strlen(job->spec.text);
        job->tenant->spec_bytes += job->account.spec_bytes;
}

int account_open(Supervisor *s, Job *job, Error *e)
{
        uint64_t now = monotonic_usec(), jobs = job->spec.array.count ? job->spec.array.count : 1;
        int r = tenant_admit(job->tenant, job->policy_name, jobs, strlen(job->spec.text), now, e);

        if (r < 0)
                return r;
        if (s->n_unstarted + jobs > s->config->queue.jobs)
                return error_set(e, -ENOSPC,
                                 "the queue is full: %" PRIu64 " jobs wait, and it takes no more; try again later",
                                 s->n_unstarted);
        account_adopt(job);
        tenant_count_submission(job->tenant, now);
        set_place(job, !job->spec.array.count, false);
        return 0;
}

void account_open_member(Job *member)
{
        member->account.open = true;
        set_place(member, true, false);
}

void account_set_state(Job *job, JobState state)
{
        /* Its members wait and run, not the array. */
        if (array_is_whole(job))
                return;
        set_place(job, state == JOB_WAITING || state == JOB_QUEUED || state == JOB_BACKOFF,
                  state == JOB_STARTING || state == JOB_RUNNING);
}

/* Whether its tenant's jobs are started depends on it. */
static void set_output(Job *job, uint64_t bytes)
{
        Tenant *tenant = job->tenant;
        const bool had_room = tenant_has_output_room(tenant);

        tenant->output_bytes += bytes - job->account.output_bytes;
        job->account.output_bytes = bytes;
        if (tenant_has_output_room(tenant) == had_room)
                return;
        queue_tenant_changed(&job->supervisor->queue, tenant, monotonic_usec());
        scaling_counts(job->supervisor->scaling);
}

void account_add_output(Job *job, uint64_t bytes)
{
        if (job->account.open)
                set_output(job, job->account.output_bytes + bytes);
}

void account_close(Job *job)
{
        if (!job->account.open)
                return;
        set_place(job, false, false);
        job->tenant->spec_bytes -= job->account.spec_bytes;
        set_output(job, 0);
        job->account.open = false;
}

void account_revoke(Job *job)
{
        if (job->account.open)
                tenant_uncount_submission(job->tenant);
        account_close(job);
}
