/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The files of tenants.d are read whole, into a list of its own.
 *
 * Names of users and groups become numbers here, once: who calls is known by numbers, and asking a directory service
 * for each call could take as long as that likes. Only who stands in no file is asked for, once for each
 * connection (tenants.c). */

#include "engine/supervisor/tenant_file.h"

#include "engine/base/json.h"
#include "engine/base/name.h"
#include "engine/base/size.h"
#include "engine/base/strv.h"

#include <grp.h>
#include <pwd.h>
#include <string.h>

const TenantRules tenant_rules_built_in = {
        .weight = 1,
        .limits = {.running = TENANT_UNLIMITED,
                   .queued = 100000,
                   .submissions_per_minute = TENANT_UNLIMITED,
                   .spec_bytes = UINT64_C(256) << 20,
                   .input_bytes = UINT64_C(16) << 30,
                   .output_bytes = UINT64_C(64) << 30},
};

void tenant_rules_done(TenantRules *rules)
{
        rules->policies = strv_free(rules->policies);
}

int tenant_rules_copy(TenantRules *to, const TenantRules *from)
{
        char **policies = NULL;

        if (strv_copy(from->policies, &policies) < 0)
                return -ENOMEM;
        tenant_rules_done(to);
        *to = *from;
        to->policies = policies;
        return 0;
}

static void file_done(TenantFile *file)
{
        free(file->name);
        tenant_rules_done(&file->rules);
        strv_free(file->users);
        strv_free(file->groups);
        free(file->uids);
        free(file->gids);
}

void tenant_files_free(TenantFile *files, size_t n)
{
        for (size_t i = 0; i < n; i++)
                file_done(&files[i]);
        free(files);
}

static int read_name(json_object *value, const char *path, void *target_string, Error *e)
{
        int r = json_read_string(value, path, target_string, e);

        return r < 0 ? r : name_check(path, *(char **)target_string, e);
}

static int read_weight(json_object *value, const char *path, void *target_uint64, Error *e)
{
        return json_read_count_to(value, path, TENANT_WEIGHT_MAX, target_uint64, e);
}

static int read_policies(json_object *value, const char *path, void *target_rules, Error *e)
{
        TenantRules *rules = target_rules;
        int r = json_read_strings(value, path, &rules->policies, e);

        for (size_t i = 0; r >= 0 && rules->policies && rules->policies[i]; i++) {
                _cleanup_free_ char *here = json_path_index(path, i);
                r = name_check(here ? here : path, rules->policies[i], e);
        }
        rules->restricted = true;
        return r;
}

static int read_limits(json_object *value, const char *path, void *target_limits, Error *e)
{
        static const JsonField keys[] = {
                {"running", json_read_count, offsetof(TenantLimits, running), false},
                {"queued", json_read_count, offsetof(TenantLimits, queued), false},
                {"submissions_per_minute", json_read_count, offsetof(TenantLimits, submissions_per_minute), false},
                {"spec_bytes", json_read_size, offsetof(TenantLimits, spec_bytes), false},
                {"input_bytes", json_read_size, offsetof(TenantLimits, input_bytes), false},
                {"output_bytes", json_read_size, offsetof(TenantLimits, output_bytes), false},
        };

        return json_read_object(value, path, keys, ELEMENTS(keys), target_limits, e);
}

static const JsonField fields[] = {
        {"name", read_name, offsetof(TenantFile, name), false},
        {"weight", read_weight, offsetof(TenantFile, rules.weight), false},
        {"users", json_read_strings, offsetof(TenantFile, users), false},
        {"groups", json_read_strings, offsetof(TenantFile, groups), false},
        {"policies", read_policies, offsetof(TenantFile, rules), false},
        {"limits", read_limits, offsetof(TenantFile, rules.limits), false},
};

static bool find_user(const char *name, uint32_t *ret)
{
        const struct passwd *user = getpwnam(name);

        if (user)
                *ret = user->pw_uid;
        return user != NULL;
}

static bool find_group(const char *name, uint32_t *ret)
{
        const struct group *group = getgrnam(name);

        if (group)
                *ret = group->gr_gid;
        return group != NULL;
}

/* One that is not there yet acts for nobody, and keeps nothing from starting. */
static int find_numbers(char *const *names, bool (*find)(const char *name, uint32_t *ret), const char *what,
                        const char *path, uint32_t **ret, size_t *n, char ***notes, Error *e)
{
        *ret = calloc(strv_length(names) + 1, sizeof **ret);
        if (!*ret)
                return error_oom(e);
        for (size_t i = 0; names && names[i]; i++) {
                uint64_t number;
                if (count_parse(names[i], 0, UINT32_MAX - 1, &number, NULL) >= 0) {
                        (*ret)[(*n)++] = (uint32_t)number;
                } else if (find(names[i], &(*ret)[*n])) {
                        (*n)++;
                } else {
                        _cleanup_free_ char *shown = name_escape(names[i]);
                        if (!shown || strv_addf(notes, "%s: there is no %s \"%s\" on this host", path, what, shown) < 0)
                                return error_oom(e);
                }
        }
        return 0;
}

static int read_file(const char *path, const char *name, const TenantRules *defaults, TenantFile *ret, char ***notes,
                     Error *e)
{
        _cleanup_json_ json_object *object = NULL;
        int r = json_parse_file(path, &object, e);

        if (r < 0)
                return r;
        if (tenant_rules_copy(&ret->rules, defaults) < 0)
                return error_oom(e);
        if ((r = json_read_object(object, "", fields, ELEMENTS(fields), ret, e)) < 0)
                return error_prefix(e, "%s", path), r;
        if (!ret->name && !(ret->name = strdup(name)))
                return error_oom(e);
        if ((r = name_check("tenant", ret->name, e)) < 0)
                return error_prefix(e, "%s", path), r;
        if ((r = find_numbers(ret->users, find_user, "user", path, &ret->uids, &ret->n_uids, notes, e)) < 0)
                return r;
        return find_numbers(ret->groups, find_group, "group", path, &ret->gids, &ret->n_gids, notes, e);
}

static int list_files(const char *directory, char ***ret, Error *e)
{
        _cleanup_closedir_ DIR *dir = opendir(directory);

        if (!dir)
                return errno == ENOENT ? 0 : error_errno(e, -errno, "tenants_directory: %s", directory);
        for (struct dirent *d; (d = readdir(dir));) {
                const char *ending = strrchr(d->d_name, '.');
                if (d->d_name[0] == '.' || !ending || strcmp(ending, ".json") != 0)
                        continue;
                if (strv_add(ret, d->d_name) < 0)
                        return error_oom(e);
        }
        return 0;
}

static int compare_files(const void *a, const void *b)
{
        return strcmp(((const TenantFile *)a)->name, ((const TenantFile *)b)->name);
}

static int read_one(const char *directory, const char *file, const TenantRules *defaults, TenantFile *ret,
                    char ***notes, Error *e)
{
        _cleanup_free_ char *path = NULL, *name = strndup(file, strlen(file) - strlen(".json"));

        if (!name || asprintf(&path, "%s/%s", directory, file) < 0) {
                path = NULL;
                return error_oom(e);
        }
        return read_file(path, name, defaults, ret, notes, e);
}

static int read_defaults(const char *directory, char *const *names, TenantRules *ret, char ***notes, Error *e)
{
        TenantFile file = {0};

        if (!strv_contains(names, TENANT_DEFAULT ".json"))
                return 0;
        int r = read_one(directory, TENANT_DEFAULT ".json", &tenant_rules_built_in, &file, notes, e);
        if (r >= 0 && (file.users || file.groups || strcmp(file.name, TENANT_DEFAULT) != 0))
                r = error_set(e, -EINVAL,
                              "%s/" TENANT_DEFAULT ".json: it is for those that have no file of their own: it "
                              "has no name, no users and no groups",
                              directory);
        if (r >= 0)
                *ret = file.rules, file.rules.policies = NULL;
        file_done(&file);
        return r;
}

/* Whoever mends files wants to hear of all that are to be mended; else the first error is enough. */
static int set_apart(int r, char ***problems, Error *e)
{
        if (r >= 0 || r == -ENOMEM || !problems)
                return r;
        r = strv_add(problems, error_text(e)) < 0 ? error_oom(e) : 0;
        if (r >= 0)
                error_clear(e);
        return r;
}

static int find_twins(const char *directory, const TenantFile *files, size_t n, char ***problems, Error *e)
{
        int r = 0;

        for (size_t i = 1; r >= 0 && i < n; i++)
                if (strcmp(files[i - 1].name, files[i].name) == 0)
                        r = set_apart(error_set(e, -EINVAL, "%s: two files are for the tenant \"%s\"", directory,
                                                files[i].name),
                                      problems, e);
        return r;
}

int tenant_files_read(const char *directory, TenantRules *defaults, TenantFile **ret, size_t *n, char ***notes,
                      char ***problems, Error *e)
{
        _cleanup_strv_ char **names = NULL;
        int r = set_apart(list_files(directory, &names, e), problems, e);

        if (r >= 0)
                r = set_apart(read_defaults(directory, names, defaults, notes, e), problems, e);
        *ret = r < 0 ? NULL : calloc(strv_length(names) + 1, sizeof **ret);
        if (!*ret)
                return r < 0 ? r : error_oom(e);
        for (size_t i = 0; names && names[i]; i++) {
                if (strcmp(names[i], TENANT_DEFAULT ".json") == 0)
                        continue;
                TenantFile *file = &(*ret)[(*n)++];
                int read = read_one(directory, names[i], defaults, file, notes, e);
                if ((r = set_apart(read, problems, e)) < 0)
                        return r;
                if (read < 0) {
                        file_done(file);
                        *file = (TenantFile){0};
                        --*n;
                }
        }
        qsort(*ret, *n, sizeof **ret, compare_files);
        return find_twins(directory, *ret, *n, problems, e);
}

const TenantFile *tenant_files_find(const TenantFile *files, size_t n, const char *name)
{
        const TenantFile key = {.name = (char *)name};

        return n ? bsearch(&key, files, n, sizeof key, compare_files) : NULL;
}
