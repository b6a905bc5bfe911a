/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Why a job does not run yet: the first thing that it waits for, as a sentence for whoever asks. */

#include "engine/supervisor/supervisor_private.h"

#include "engine/base/size.h"
#include "engine/base/strv.h"

#include <inttypes.h>
#include <string.h>

#define COUNTED_MAX 1000 /* who stands further behind need not know it exactly */

static char *join(const char *why, const char *more)
{
        char *text = NULL;

        return asprintf(&text, "%s%s%s", why, more ? "; " : "", more ? more : "") < 0 ? NULL : text;
}

/* What is free of the pool beside what it needs, where that is too little. */
static char *describe_room(const Resources *r, const Demand *demand)
{
        uint64_t memory = r->used.memory_bytes < r->total.memory_bytes ? r->total.memory_bytes - r->used.memory_bytes
                                                                       : 0,
                 cpu = r->used.cpu_milli < r->total.cpu_milli ? r->total.cpu_milli - r->used.cpu_milli : 0;
        char *text = NULL;
        int n;

        /* What is more than the whole pool has room when nothing else has some of it. */
        if (r->used.memory_bytes > 0 && demand->memory_bytes > memory) {
                _cleanup_free_ char *needed = size_format(demand->memory_bytes >> 20 << 20),
                                    *left = size_format(memory >> 20 << 20);
                n = asprintf(&text, "for memory: it needs %s, and %s of the pool's are free", needed ? needed : "?",
                             left ? left : "?");
        } else {
                n = asprintf(&text, "for processors: it needs %.2f, and %.2f of the pool's are free",
                             (double)demand->cpu_milli / 1000, (double)cpu / 1000);
        }
        return n < 0 ? NULL : text;
}

static char *describe_place(const Job *job)
{
        size_t n = queue_jobs_before(job, COUNTED_MAX);
        char *text = NULL;

        if (n == 0)
                return NULL;
        if (asprintf(&text, "%s%zu of its tenant's jobs stand before it", n == COUNTED_MAX ? "at least " : "", n) < 0)
                return NULL;
        return text;
}

/* Nothing of the tenant is started: somebody has to do something. */
static char *describe_full(const Tenant *tenant)
{
        _cleanup_free_ char *most = size_format(tenant->rules.limits.output_bytes);
        char *text = NULL;

        if (asprintf(&text, "for room: the jobs of tenant %s have left %s, as much as they may: remove some that have ended",
                     tenant->name, most ? most : "?") < 0)
                return NULL;
        return text;
}

static char *describe_array(const Job *job)
{
        if (job->array->look_again)
                return strdup("for room on the disk, for what its members have left");
        if (job->array->ending)
                return strdup("until what its members have left is put together");
        return tenant_has_output_room(job->tenant) ? strdup("for its members") : describe_full(job->tenant);
}

static char *describe_queued(const Supervisor *s, const Job *job)
{
        const Tenant *tenant = job->tenant;
        _cleanup_free_ char *place = job->in_queue ? describe_place(job) : NULL, *room = NULL;
        char *text = NULL;

        if (job->held)
                return strdup("it is held, until it is released");
        if (array_is_whole(job))
                return describe_array(job);
        if (job->follows)
                return strdup("for a job that is the same, whose result it will have");
        if (job->member && !job->let_in)
                return strdup("for other members of its array: as many run as may at a time");
        if (s->closed)
                return join("the supervisor is ending", place);
        if (s->paused)
                return join("the engine is paused", place);
        if (!tenant_has_output_room(tenant))
                return describe_full(tenant);
        if (tenant->share.running >= tenant->rules.limits.running) {
                int n = asprintf(&text, "tenant %s runs %" PRIu64 " jobs, as many as it may%s%s", tenant->name,
                                 tenant->share.running, place ? "; " : "", place ? place : "");
                return n < 0 ? NULL : text;
        }
        if (s->lacking < 0) {
                if (asprintf(&text, "no job can be handed to a worker at this moment: %s", strerror(-s->lacking)) < 0)
                        text = NULL;
                return text;
        }
        if (!pool_find_room(s->pool))
                return join("no worker has a place", place);
        if (!resources_fit(&s->queue.resources, &job->demand)) {
                room = describe_room(&s->queue.resources, &job->demand);
                return room ? join(room, place) : NULL;
        }
        if (s->queue.reserved && s->queue.reserved != job)
                return join("room is kept for a larger job", place);
        return place ? take(place) : strdup("for the turn of its tenant");
}

char *supervisor_why_waiting(const Supervisor *s, const Job *job)
{
        char *text = NULL;

        switch (job->state) {
        case JOB_WAITING:
                return asprintf(&text, "for %zu job%s that it is to run after", array_source(job)->n_awaited,
                                array_source(job)->n_awaited == 1 ? "" : "s") < 0
                               ? NULL
                               : text;
        case JOB_QUEUED:
                return describe_queued(s, job);
        case JOB_BACKOFF:
                return strdup(job->held ? "it is held, until it is released" : "for its next attempt");
        default:
                return strdup("");
        }
}
