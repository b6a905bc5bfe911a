/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A job comes back to the place in the line that it had: when it was held, or ran and runs again, or has waited for others.
 * So a list will not do; this is a tree, ordered by ids, with what came before on one side of each job and what came
 * behind on the other. It stays flat since it is also a heap, of weights that have nothing to do with the ids: it has the
 * shape that it would have if the jobs had been added in the order of those. */

#include "engine/supervisor/job_line.h"

#include "engine/supervisor/job.h"

/* As good as random, and the same as long as the job is there. */
static uint64_t weight_of(const Job *job)
{
        uint64_t x = (uint64_t)(uintptr_t)job;

        x = (x ^ x >> 33) * UINT64_C(0xff51afd7ed558ccd);
        x = (x ^ x >> 33) * UINT64_C(0xc4ceb9fe1a85ec53);
        return x ^ x >> 33;
}

static bool is_before(const Job *a, const Job *b)
{
        return id_compare(a->id.text, b->id.text) < 0;
}

/* What points to it. */
static Job **holder_of(JobLine *line, const Job *job)
{
        Job *above = job->place.above;

        if (!above)
                return &line->root;
        return above->place.before == job ? &above->place.before : &above->place.behind;
}

/* Puts a job where the one above it is, and that one below it; the order stays. */
static void raise_job(JobLine *line, Job *job)
{
        Job *above = job->place.above, **holder = holder_of(line, above), *between;

        if (above->place.before == job) {
                between = above->place.before = job->place.behind;
                job->place.behind = above;
        } else {
                between = above->place.behind = job->place.before;
                job->place.before = above;
        }
        if (between)
                between->place.above = above;
        job->place.above = above->place.above;
        above->place.above = job;
        *holder = job;
}

void job_line_add(JobLine *line, Job *job)
{
        Job **at = &line->root, *above = NULL;

        while (*at) {
                above = *at;
                at = is_before(job, above) ? &above->place.before : &above->place.behind;
        }
        job->place = (JobPlace){.above = above};
        *at = job;
        if (!line->first || is_before(job, line->first))
                line->first = job;
        while (job->place.above && weight_of(job) > weight_of(job->place.above))
                raise_job(line, job);
}

void job_line_remove(JobLine *line, Job *job)
{
        if (line->first == job)
                line->first = job_line_next(job);
        while (job->place.before && job->place.behind)
                raise_job(line, weight_of(job->place.before) > weight_of(job->place.behind) ? job->place.before
                                                                                            : job->place.behind);
        Job *below = job->place.before ? job->place.before : job->place.behind;
        *holder_of(line, job) = below;
        if (below)
                below->place.above = job->place.above;
}

Job *job_line_next(const Job *job)
{
        Job *next = job->place.behind;

        if (next) {
                while (next->place.before)
                        next = next->place.before;
                return next;
        }
        for (next = job->place.above; next && next->place.behind == job; next = job->place.above)
                job = next;
        return next;
}
