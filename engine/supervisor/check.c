/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "engine/supervisor/check.h"

#include "engine/base/log.h"
#include "engine/base/places.h"
#include "engine/base/strv.h"
#include "engine/supervisor/state_directory.h"
#include "engine/supervisor/supervisor.h"

#include <string.h>
#include <sys/un.h>

static int add(char ***problems, const Error *e)
{
        return strv_add(problems, error_text(e));
}

/* Every policy, and with them the groups of system calls. What a policy has and this host has not is only said. */
static int check_policies(char *const *directories, char ***problems)
{
        _cleanup_strv_ char **names = NULL;
        int r = supervisor_policy_names(directories, &names);

        for (size_t i = 0; r >= 0 && names && names[i]; i++) {
                _cleanup_error_ Error e = ERROR_NULL;
                _cleanup_policy_ JailPolicy *policy = NULL;
                if (jail_policy_load(names[i], directories, &policy, &e) >= 0)
                        supervisor_log_notes(policy);
                else
                        r = add(problems, &e);
        }
        return r;
}

static int check_default_policy(const Config *config, char *const *directories, char ***problems)
{
        _cleanup_policy_ JailPolicy *policy = NULL;
        _cleanup_error_ Error e = ERROR_NULL;

        if (jail_policy_load(config->default_policy, directories, &policy, &e) >= 0)
                return 0;
        error_prefix(&e, "default_policy");
        return add(problems, &e);
}

static int check_places(const Config *config, char ***problems)
{
        _cleanup_error_ Error e = ERROR_NULL;
        const size_t room = sizeof((struct sockaddr_un){0}).sun_path - 1;

        if (state_directory_check(config->state_directory, &e) < 0 && add(problems, &e) < 0)
                return -ENOMEM;
        if (strlen(config->socket) > room)
                return strv_addf(problems, "socket: the path of a socket may have %zu characters", room);
        return 0;
}

static int check_tenants(const Config *config, char ***problems)
{
        _cleanup_strv_ char **notes = NULL;
        _cleanup_error_ Error e = ERROR_NULL;
        Tenants *tenants;
        int r = tenants_new(&tenants);

        if (r < 0)
                return r;
        if (tenants_load(tenants, config->tenants_directory, &notes, &e) < 0)
                r = add(problems, &e);
        for (size_t i = 0; notes && notes[i]; i++)
                log_warning("%s", notes[i]);
        tenants_free(tenants);
        return r;
}

int check_all(const Config *config, char ***problems, Error *e)
{
        _cleanup_strv_ char **directories = place_policies(e);
        int r = directories ? check_default_policy(config, directories, problems) : -ENOMEM;

        if (r >= 0)
                r = check_policies(directories, problems);
        if (r >= 0)
                r = check_tenants(config, problems);
        if (r >= 0)
                r = check_places(config, problems);
        return r < 0 ? error_oom(e) : 0;
}
