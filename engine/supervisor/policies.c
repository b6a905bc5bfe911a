/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The policies that jobs may name: those of the files in a few directories, each loaded when it is first asked for, and
 * kept until the next reload. */

#include "engine/supervisor/supervisor_private.h"

#include "engine/base/log.h"
#include "engine/base/strv.h"

#include <stdlib.h>
#include <string.h>

void supervisor_log_notes(const JailPolicy *policy)
{
        const LogFields fields = {.event = LOG_EVENT_POLICY_NOTED, .policy = jail_policy_name(policy)};

        for (char *const *note = jail_policy_notes(policy); note && *note; note++)
                log_message(LOG_LEVEL_WARNING, &fields, "policy %s: %s", fields.policy, *note);
}

void known_policies_free(KnownPolicy *list)
{
        while (list) {
                KnownPolicy *known = list;
                list = known->next;
                jail_policy_unref(known->policy);
                free(known);
        }
}

int supervisor_find_policy(Supervisor *s, const char *name, JailPolicy **ret, Error *e)
{
        JailPolicy *policy;

        for (KnownPolicy *known = s->policies; known; known = known->next)
                if (strcmp(jail_policy_name(known->policy), name) == 0) {
                        *ret = jail_policy_ref(known->policy);
                        return 0;
                }
        int r = jail_policy_load(name, s->policy_directories, &policy, e);
        if (r < 0)
                return r;
        supervisor_log_notes(policy);
        KnownPolicy *known = malloc(sizeof *known);
        if (known) {
                *known = (KnownPolicy){s->policies, jail_policy_ref(policy)};
                s->policies = known;
        }
        *ret = policy;
        return 0;
}

int supervisor_find_job_policy(Supervisor *s, Job *job, Error *e)
{
        int r = supervisor_find_policy(s, job->policy_name, &job->policy, e);

        if (r >= 0)
                job->demand = resources_demand(&job->spec.limits, job->policy);
        return r;
}

static int compare(const void *a, const void *b)
{
        return strcmp(*(char *const *)a, *(char *const *)b);
}

int supervisor_policy_names(char *const *directories, char ***ret)
{
        _cleanup_strv_ char **names = NULL;

        for (size_t i = 0; directories[i]; i++) {
                _cleanup_closedir_ DIR *dir = opendir(directories[i]);
                for (struct dirent *d; dir && (d = readdir(dir));) {
                        const char *ending = strchr(d->d_name, '.');
                        if (!ending || strcmp(ending, ".json") != 0 || strcmp(d->d_name, "syscall-groups.json") == 0)
                                continue;
                        _cleanup_free_ char *name = strndup(d->d_name, (size_t)(ending - d->d_name));
                        if (!name || (!strv_contains(names, name) && strv_add(&names, name) < 0))
                                return -ENOMEM;
                }
        }
        qsort(names, strv_length(names), sizeof *names, compare);
        *ret = take(names);
        return 0;
}

int supervisor_each_policy(Supervisor *s, SupervisorEachPolicy each, void *userdata)
{
        _cleanup_strv_ char **names = NULL;
        int r = supervisor_policy_names(s->policy_directories, &names);

        for (size_t i = 0; r >= 0 && names && names[i]; i++) {
                _cleanup_policy_ JailPolicy *policy = NULL;
                /* One that cannot be read is nothing that a job could name; --check says what is wrong with it. */
                if (supervisor_find_policy(s, names[i], &policy, NULL) >= 0)
                        r = each(policy, userdata);
        }
        return r;
}
