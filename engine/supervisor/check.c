/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "engine/supervisor/check.h"

#include "engine/base/log.h"
#include "engine/base/places.h"
#include "engine/base/strv.h"
#include "engine/supervisor/pool.h"
#include "engine/supervisor/state_directory.h"
#include "engine/supervisor/supervisor.h"
#include "engine/supervisor/tenant_file.h"

#include <libgen.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>

#define SOCKET_PATH_MAX (sizeof((struct sockaddr_un){0}).sun_path - 1)

static int add(char ***problems, const Error *e)
{
        return strv_add(problems, error_text(e));
}

/* A value that is well written, and is none here: with what it is from, which is to be mended. */
static int add_value(const Config *config, const char *key, char ***problems, const char *why)
{
        const char *from = config_origin(config, key);

        return strv_addf(problems, "%s%s%s: %s", from ? from : "", from ? ": " : "", key, why);
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
        return add_value(config, "default_policy", problems, error_text(&e));
}

/* The directory of the default is made at the start, and no other. */
static bool has_folder(const char *path)
{
        _cleanup_free_ char *copy = strdup(path);
        const char *folder = copy ? dirname(copy) : "";
        struct stat st;

        return stat(folder, &st) == 0 ? S_ISDIR(st.st_mode) : strcmp(folder, "/run/skep") == 0;
}

/* What is bound there at the start. -EINVAL. */
static int check_socket(const char *path, Error *e)
{
        struct stat st;

        if (strlen(path) > SOCKET_PATH_MAX)
                return error_set(e, -EINVAL, "the path of a socket may have %zu characters", SOCKET_PATH_MAX);
        if (lstat(path, &st) == 0)
                return S_ISSOCK(st.st_mode) ? 0 : error_set(e, -EINVAL, "%s is there, and is no socket", path);
        return has_folder(path) ? 0 : error_set(e, -EINVAL, "%s: its directory is not there", path);
}

/* The workers' socket is made in it, under a name that is one longer at first (pool.c). */
static int check_state_directory(const char *path, Error *e)
{
        const size_t room = SOCKET_PATH_MAX - strlen("/" POOL_SOCKET ".");

        return strlen(path) > room ? error_set(e, -EINVAL, "a path may have %zu characters, since there is a socket in it", room)
                                   : state_directory_check(path, e);
}

static int check_places(const Config *config, char ***problems)
{
        _cleanup_error_ Error e = ERROR_NULL, why = ERROR_NULL;
        int r = 0;

        if (check_state_directory(config->state_directory, &e) < 0)
                r = add_value(config, "state_directory", problems, error_text(&e));
        if (r >= 0 && check_socket(config->socket, &why) < 0)
                r = add_value(config, "socket", problems, error_text(&why));
        return r;
}

/* Those that are not among the ones that all tenants have, of which it was said already. */
static int check_permitted(const Config *config, const char *tenant, const TenantRules *rules, char *const *said,
                           char *const *names, char ***problems)
{
        int r = 0;

        for (char *const *policy = rules->policies; r >= 0 && policy && *policy; policy++)
                if (!strv_contains(names, *policy) && !strv_contains(said, *policy))
                        r = strv_addf(problems, "%s: tenant %s: policies: there is no policy \"%s\"",
                                      config->tenants_directory, tenant, *policy);
        return r;
}

static int check_tenant_policies(const Config *config, const TenantRules *defaults, const TenantFile *files, size_t n,
                                 char *const *directories, char ***problems)
{
        _cleanup_strv_ char **names = NULL;
        int r = supervisor_policy_names(directories, &names);

        if (r >= 0)
                r = check_permitted(config, TENANT_DEFAULT, defaults, NULL, names, problems);
        for (size_t i = 0; r >= 0 && i < n; i++)
                r = check_permitted(config, files[i].name, &files[i].rules, defaults->policies, names, problems);
        return r;
}

/* One that was set has to be there: supervisor_load_tenants(). */
static int check_tenants(const Config *config, char *const *directories, char ***problems)
{
        _cleanup_strv_ char **notes = NULL;
        _cleanup_error_ Error e = ERROR_NULL;
        TenantRules defaults = tenant_rules_built_in;
        TenantFile *files;
        size_t n = 0;

        const bool set = config_origin(config, "tenants_directory") != NULL;
        struct stat st;
        int found = stat(config->tenants_directory, &st) < 0 ? -errno : S_ISDIR(st.st_mode) ? 0 : -ENOTDIR;
        if (set && found < 0) {
                error_errno(&e, found, "%s", config->tenants_directory);
                return add_value(config, "tenants_directory", problems, error_text(&e));
        }
        int r = tenant_files_read(config->tenants_directory, &defaults, &files, &n, &notes, problems, &e);
        if (r >= 0)
                r = check_tenant_policies(config, &defaults, files, n, directories, problems);
        for (size_t i = 0; notes && notes[i]; i++)
                log_warning("%s", notes[i]);
        tenant_files_free(files, n);
        tenant_rules_done(&defaults);
        return r;
}

int check_all(const Config *config, char ***problems, Error *e)
{
        _cleanup_strv_ char **directories = place_policies(e);
        int r = directories ? check_default_policy(config, directories, problems) : -ENOMEM;

        if (r >= 0)
                r = check_policies(directories, problems);
        if (r >= 0)
                r = check_tenants(config, directories, problems);
        if (r >= 0)
                r = check_places(config, problems);
        return r < 0 ? error_oom(e) : 0;
}
