/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Jobs that run after others (`after`). A job knows those that run after it until they have ended: as long as there are
 * any, its output stays. Who is named is known before who names him, but in a batch, which is looked through for
 * circles (batch.c). */

#include "engine/supervisor/supervisor_private.h"

#include "engine/base/name.h"
#include "engine/base/strv.h"
#include "engine/supervisor/job_report.h"

#include <stdlib.h>
#include <string.h>

int dependencies_check(const Supervisor *s, const Job *job, Error *e)
{
        for (size_t i = 0; i < job->spec.n_after; i++) {
                const Job *parent = job_table_get(&s->jobs, job->spec.after[i].id);
                if (job->spec.after[i].id[0] == '#') {
                        _cleanup_free_ char *shown = name_escape(job->spec.after[i].id);
                        return error_set(e, -EINVAL, "after.%s: \"%s\" means a job of the same batch, and this is none",
                                         job->spec.after[i].name, shown ? shown : "");
                }
                if (!parent || parent->tenant != job->tenant)
                        return error_set(e, -EINVAL, "after.%s: there is no such job", job->spec.after[i].name);
        }
        return 0;
}

static int add_child(Job *parent, Job *child)
{
        Job **children = reallocarray(parent->children, parent->n_children + 1, sizeof *children);

        if (!children)
                return -ENOMEM;
        parent->children = children;
        children[parent->n_children++] = child;
        if (parent->member)
                parent->array->n_children++;
        return 0;
}

static void remove_child(Supervisor *s, Job *parent, const Job *child)
{
        for (size_t i = 0; i < parent->n_children; i++)
                if (parent->children[i] == child) {
                        parent->children[i] = parent->children[--parent->n_children];
                        if (parent->member)
                                parent->array->n_children--;
                        retention_parent_freed(s, parent->member ? parent->array->whole : parent);
                        return;
                }
}

static void fail(Supervisor *s, Job *job, const char *name, const char *id)
{
        _cleanup_free_ char *why = NULL;

        if (asprintf(&why, "after.%s: job %s has not succeeded", name, id) < 0)
                why = NULL;
        if (!array_is_whole(job)) {
                supervisor_finish(s, job, JOB_FAILED, job_report_own(job, JAIL_DEPENDENCY, why, NULL));
                return;
        }
        for (size_t i = 0; i < job->array->count; i++) {
                Job *member = job->array->members[i];
                if (!member->ended)
                        supervisor_finish(s, member, JOB_FAILED, job_report_own(member, JAIL_DEPENDENCY, why, NULL));
        }
}

static void go_on(Supervisor *s, Job *job)
{
        if (job->ended || job->n_awaited > 0)
                return;
        if (array_is_whole(job)) {
                array_start(s, job);
                return;
        }
        if (job->state != JOB_WAITING)
                return;
        supervisor_set_state(s, job, JOB_QUEUED);
        store_update(s->store, job, JOB_QUEUED, NULL, NULL, NULL);
}

int dependencies_link(Supervisor *s, Job *job)
{
        if (job->member)
                return 0; /* the array waits for all of them */
        for (size_t i = 0; i < job->spec.n_after; i++) {
                Job *parent = job_table_get(&s->jobs, job->spec.after[i].id);
                if (job->ended)
                        return 0;
                if (parent && add_child(parent, job) < 0)
                        return -ENOMEM;
                if (!parent || (job_state_is_final(parent->state) && parent->state != JOB_SUCCEEDED)) {
                        fail(s, job, job->spec.after[i].name, job->spec.after[i].id);
                        return 0;
                }
                job->n_awaited += !job_state_is_final(parent->state);
        }
        go_on(s, job);
        return 0;
}

void dependencies_ended(Supervisor *s, Job *job)
{
        for (size_t i = 0; !job->member && i < job->spec.n_after; i++) {
                Job *parent = job_table_get(&s->jobs, job->spec.after[i].id);
                if (parent)
                        remove_child(s, parent, job);
        }
        for (size_t i = 0; i < job->n_children; i++) {
                Job *child = job->children[i];
                if (child->ended || child->state != JOB_WAITING)
                        continue;
                child->n_awaited--;
                if (job->state == JOB_SUCCEEDED) {
                        go_on(s, child);
                        continue;
                }
                for (size_t k = 0; k < child->spec.n_after; k++)
                        if (strcmp(child->spec.after[k].id, job->id.text) == 0) {
                                fail(s, child, child->spec.after[k].name, job->id.text);
                                break;
                        }
        }
        supervisor_dispatch(s);
}
