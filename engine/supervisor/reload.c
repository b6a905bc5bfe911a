/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Configuration, policies and tenants are read again: first all of it, beside what is in use; then, if nothing is wrong
 * with it, it takes the place of that. Jobs keep the policy that they were submitted under. */

#include "engine/supervisor/supervisor_private.h"

#include "engine/base/log.h"
#include "engine/base/strv.h"

#include <string.h>

static int load_policy(Supervisor *s, const char *name, KnownPolicy **list, Error *e)
{
        KnownPolicy *known = calloc(1, sizeof *known);

        if (!known)
                return error_oom(e);
        int r = jail_policy_load(name, s->policy_directories, &known->policy, e);
        if (r < 0) {
                free(known);
                return r;
        }
        known->next = *list;
        *list = known;
        return 0;
}

/* All that there are, whether a job has asked for them or not: a mistake is said to who has made it, and not to the first
 * who names that policy. One that is gone is not missed before a job asks for it. */
static int load_policies(Supervisor *s, const Config *config, KnownPolicy **list, Error *e)
{
        _cleanup_strv_ char **names = NULL;
        int r = load_policy(s, config->default_policy, list, e);

        if (r < 0)
                return error_prefix(e, "default_policy"), r;
        if (supervisor_policy_names(s->policy_directories, &names) < 0)
                return error_oom(e);
        for (size_t i = 0; r >= 0 && names && names[i]; i++)
                if (strcmp(names[i], config->default_policy) != 0)
                        r = load_policy(s, names[i], list, e);
        return r;
}

int supervisor_reload(Supervisor *s, char ***later, Error *e)
{
        _cleanup_(config_freep) Config *fresh = NULL;
        _cleanup_strv_ char **problems = NULL;
        KnownPolicy *policies = NULL;
        int r = config_load(s->config->sources, &fresh, &problems, e);

        if (r >= 0)
                r = load_policies(s, fresh, &policies, e);
        if (r >= 0)
                r = supervisor_load_tenants(s, fresh, e);
        if (r >= 0 && (r = config_replace(s->config, fresh, later)) < 0)
                error_oom(e);
        if (r < 0) {
                known_policies_free(policies);
                log_message(LOG_LEVEL_ERROR, &(LogFields){.event = LOG_EVENT_NOT_CONFIGURED},
                            "the configuration stays as it was: %s", error_text(e));
                return r;
        }
        resources_set_total(&s->queue.resources, s->config->pool.memory_bytes, s->config->pool.cpu_overcommit_milli);
        host_check_limits(s->config, &s->troubles);
        pool_set_limits(s->pool, s->config->workers.minimum, s->config->workers.maximum);
        scaling_configured(s->scaling);
        for (const KnownPolicy *known = policies; known; known = known->next)
                supervisor_log_notes(known->policy);
        known_policies_free(s->policies);
        s->policies = policies;
        _cleanup_free_ char *list = *later ? strv_join(*later, ", ") : NULL;
        log_message(list ? LOG_LEVEL_WARNING : LOG_LEVEL_INFO, &(LogFields){.event = LOG_EVENT_CONFIGURED},
                    "the configuration was read again%s%s%s", list ? "; what has changed of " : "", list ? list : "",
                    list ? " needs a restart" : "");
        if (s->events)
                s->events->reloaded(s->events_userdata);
        retention_run(s);
        supervisor_dispatch(s);
        return 0;
}
