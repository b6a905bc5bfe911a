/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The files of tenants.d are read whole, into a list of its own; only when all of them are good does it take the place of
 * the one before. A tenant itself (tenant.h) stays where it is as long as jobs refer to it, whatever happens to its file.
 *
 * Names of users and groups become numbers here, once: who calls is known by numbers, and asking a directory service for
 * each call could take as long as that likes. */

#include "engine/supervisor/tenants.h"

#include "engine/base/clock.h"
#include "engine/base/json.h"
#include "engine/base/name.h"
#include "engine/base/size.h"
#include "engine/base/strv.h"

#include <fcntl.h>
#include <grp.h>
#include <inttypes.h>
#include <pwd.h>
#include <string.h>

#define OWN_GROUP "skep"
#define DEFAULT_FILE "default" /* of those that have no file, and of what files leave out */

static const TenantRules built_in = {
        .weight = 1,
        .limits = {.running = TENANT_UNLIMITED,
                   .queued = 100000,
                   .submissions_per_minute = TENANT_UNLIMITED,
                   .spec_bytes = UINT64_C(256) << 20,
                   .input_bytes = UINT64_C(16) << 30,
                   .output_bytes = UINT64_C(64) << 30},
};

typedef struct TenantFile {
        char *name;
        TenantRules rules;
        char **users, **groups; /* as they are written */
        uint32_t *uids, *gids;
        size_t n_uids, n_gids;
} TenantFile;

struct Tenants {
        Tenant **tenants; /* by name */
        size_t n, room;
        TenantFile *files; /* by name */
        size_t n_files;
        TenantRules defaults;
};

/* ---- reading ---- */

static void rules_done(TenantRules *rules)
{
        rules->policies = strv_free(rules->policies);
}

static int rules_copy(TenantRules *to, const TenantRules *from)
{
        char **policies = NULL;

        if (strv_copy(from->policies, &policies) < 0)
                return -ENOMEM;
        rules_done(to);
        *to = *from;
        to->policies = policies;
        return 0;
}

static void file_done(TenantFile *file)
{
        free(file->name);
        rules_done(&file->rules);
        strv_free(file->users);
        strv_free(file->groups);
        free(file->uids);
        free(file->gids);
}

static void files_free(TenantFile *files, size_t n)
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
        int r = json_read_count(value, path, target_uint64, e);

        if (r >= 0 && *(uint64_t *)target_uint64 > TENANT_WEIGHT_MAX)
                return json_error(path, e, "must be at most %d", TENANT_WEIGHT_MAX);
        return r;
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
        if (rules_copy(&ret->rules, defaults) < 0)
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
                return errno == ENOENT ? 0 : error_errno(e, -errno, "%s", directory);
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

static int read_one(const char *directory, const char *file, const TenantRules *defaults, TenantFile *ret, char ***notes,
                    Error *e)
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

        if (!strv_contains(names, DEFAULT_FILE ".json"))
                return 0;
        int r = read_one(directory, DEFAULT_FILE ".json", &built_in, &file, notes, e);
        if (r >= 0 && (file.users || file.groups || strcmp(file.name, DEFAULT_FILE) != 0))
                r = error_set(e, -EINVAL, "%s/" DEFAULT_FILE ".json: it is for those that have no file of their own: it "
                              "has no name, no users and no groups", directory);
        if (r >= 0)
                *ret = file.rules, file.rules.policies = NULL;
        file_done(&file);
        return r;
}

static int read_directory(const char *directory, TenantRules *defaults, TenantFile **ret, size_t *n, char ***notes,
                          Error *e)
{
        _cleanup_strv_ char **names = NULL;
        int r = list_files(directory, &names, e);

        if (r >= 0)
                r = read_defaults(directory, names, defaults, notes, e);
        *ret = r < 0 ? NULL : calloc(strv_length(names) + 1, sizeof **ret);
        if (!*ret)
                return r < 0 ? r : error_oom(e);
        for (size_t i = 0; names && names[i]; i++) {
                if (strcmp(names[i], DEFAULT_FILE ".json") == 0)
                        continue;
                (*n)++;
                if ((r = read_one(directory, names[i], defaults, &(*ret)[*n - 1], notes, e)) < 0)
                        return r;
        }
        qsort(*ret, *n, sizeof **ret, compare_files);
        for (size_t i = 1; i < *n; i++)
                if (strcmp((*ret)[i - 1].name, (*ret)[i].name) == 0)
                        return error_set(e, -EINVAL, "%s: two files are for the tenant \"%s\"", directory, (*ret)[i].name);
        return 0;
}

static const TenantFile *find_file(const Tenants *tenants, const char *name)
{
        const TenantFile key = {.name = (char *)name};

        return tenants->n_files ? bsearch(&key, tenants->files, tenants->n_files, sizeof key, compare_files) : NULL;
}

static int apply_rules(const Tenants *tenants, Tenant *tenant)
{
        const TenantFile *file = find_file(tenants, tenant->name);

        tenant->configured = file != NULL;
        return rules_copy(&tenant->rules, file ? &file->rules : &tenants->defaults);
}

static void remove_unused(Tenants *tenants);

int tenants_load(Tenants *tenants, const char *directory, char ***notes, Error *e)
{
        TenantRules defaults = built_in;
        TenantFile *files;
        size_t n = 0;
        int r = read_directory(directory, &defaults, &files, &n, notes, e);

        if (r < 0) {
                files_free(files, n);
                rules_done(&defaults);
                return r;
        }
        files_free(tenants->files, tenants->n_files);
        rules_done(&tenants->defaults);
        tenants->files = files;
        tenants->n_files = n;
        tenants->defaults = defaults;
        for (size_t i = 0; r >= 0 && i < tenants->n; i++)
                r = apply_rules(tenants, tenants->tenants[i]);
        for (size_t i = 0; r >= 0 && i < n; i++) {
                Tenant *tenant;
                if ((r = tenants_get(tenants, files[i].name, &tenant)) >= 0)
                        tenant->users--; /* its file keeps it */
        }
        remove_unused(tenants);
        return r < 0 ? error_oom(e) : 0;
}

/* ---- the list ---- */

static void tenant_free(Tenant *tenant)
{
        free(tenant->name);
        rules_done(&tenant->rules);
        share_done(&tenant->share);
        free(tenant);
}

/* The rate is kept until it does not matter any more: else who removes his last job could begin anew. */
static void remove_unused(Tenants *tenants)
{
        size_t kept = 0;
        uint64_t now = monotonic_usec();

        for (size_t i = 0; i < tenants->n; i++) {
                Tenant *tenant = tenants->tenants[i];
                if (tenant->users > 0 || tenant->configured || tenant->next_due_usec > now)
                        tenants->tenants[kept++] = tenant;
                else
                        tenant_free(tenant);
        }
        tenants->n = kept;
}

Tenant *tenant_unref(Tenant *tenant)
{
        if (tenant)
                tenant->users--;
        return NULL;
}

/* The first one that is not before `name`. */
static size_t lower_bound(const Tenants *tenants, const char *name)
{
        size_t low = 0, high = tenants->n;

        while (low < high) {
                size_t middle = low + (high - low) / 2;
                if (strcmp(tenants->tenants[middle]->name, name) < 0)
                        low = middle + 1;
                else
                        high = middle;
        }
        return low;
}

int tenants_get(Tenants *tenants, const char *name, Tenant **ret)
{
        size_t at = lower_bound(tenants, name);

        if (at < tenants->n && strcmp(tenants->tenants[at]->name, name) == 0) {
                *ret = tenant_ref(tenants->tenants[at]);
                return 0;
        }
        if (tenants->n == tenants->room) {
                remove_unused(tenants);
                at = lower_bound(tenants, name);
        }
        if (tenants->n == tenants->room) {
                size_t room = tenants->room ? tenants->room * 2 : 16;
                Tenant **larger = reallocarray(tenants->tenants, room, sizeof(Tenant *));
                if (!larger)
                        return -ENOMEM;
                tenants->tenants = larger;
                tenants->room = room;
        }
        Tenant *tenant = calloc(1, sizeof *tenant);
        if (!tenant || !(tenant->name = strdup(name)) || apply_rules(tenants, tenant) < 0) {
                if (tenant)
                        tenant_free(tenant);
                return -ENOMEM;
        }
        tenant->tenants = tenants;
        memmove(&tenants->tenants[at + 1], &tenants->tenants[at], (tenants->n - at) * sizeof(Tenant *));
        tenants->tenants[at] = tenant_ref(tenant);
        tenants->n++;
        *ret = tenant;
        return 0;
}

size_t tenants_count(const Tenants *tenants)
{
        return tenants->n;
}

Tenant *tenants_at(const Tenants *tenants, size_t index)
{
        return tenants->tenants[index];
}

int tenants_new(Tenants **ret)
{
        *ret = calloc(1, sizeof **ret);
        if (!*ret)
                return -ENOMEM;
        (*ret)->defaults = built_in;
        return 0;
}

Tenants *tenants_free(Tenants *tenants)
{
        for (size_t i = 0; i < tenants->n; i++)
                tenant_free(tenants->tenants[i]);
        free(tenants->tenants);
        files_free(tenants->files, tenants->n_files);
        rules_done(&tenants->defaults);
        free(tenants);
        return NULL;
}

/* ---- who may act for whom ---- */

static bool contains(const uint32_t *numbers, size_t n, uint32_t number)
{
        for (size_t i = 0; i < n; i++)
                if (numbers[i] == number)
                        return true;
        return false;
}

static bool is_member(const Credentials *c, gid_t gid)
{
        return c->gid == gid || contains(c->groups, c->n_groups, gid);
}

static bool names_a_group(const TenantFile *file, const Credentials *c)
{
        for (size_t i = 0; i < file->n_gids; i++)
                if (is_member(c, file->gids[i]))
                        return true;
        return false;
}

/* A name that no tenant could have is not one: its number is. */
static char *name_of_user(uid_t uid)
{
        const struct passwd *user = getpwuid(uid);
        char *name = NULL;

        if (user && name_check("user", user->pw_name, NULL) >= 0)
                return strdup(user->pw_name);
        return asprintf(&name, "%u", uid) < 0 ? NULL : name;
}

/* Somebody else's tenant may have the name of a user: that does not make it his. */
static int add_own_name(const Tenants *tenants, const Credentials *c, Caller *caller)
{
        const struct group *own = caller->root ? NULL : getgrnam(OWN_GROUP);

        if (!caller->root && (!own || !is_member(c, own->gr_gid)))
                return 0;
        _cleanup_free_ char *name = name_of_user(c->uid);
        if (!name)
                return -ENOMEM;
        const TenantFile *file = find_file(tenants, name);
        if (strcmp(name, DEFAULT_FILE) == 0 || (file && (file->n_uids || file->n_gids || file->users || file->groups)))
                return 0;
        return strv_add(&caller->names, name);
}

int tenants_resolve(const Tenants *tenants, const Credentials *c, Caller *ret, Error *e)
{
        Caller caller = {.uid = c->uid, .root = c->uid == 0 || c->uid == geteuid()};
        int r = 0;

        for (size_t i = 0; r >= 0 && i < tenants->n_files; i++)
                if (contains(tenants->files[i].uids, tenants->files[i].n_uids, c->uid))
                        r = strv_add(&caller.names, tenants->files[i].name);
        for (size_t i = 0; r >= 0 && i < tenants->n_files; i++)
                if (names_a_group(&tenants->files[i], c) && !strv_contains(caller.names, tenants->files[i].name))
                        r = strv_add(&caller.names, tenants->files[i].name);
        if (r >= 0 && !caller.names)
                r = add_own_name(tenants, c, &caller);
        if (r >= 0 && !caller.names && caller.root)
                r = strv_add(&caller.names, "root");
        if (r < 0) {
                caller_done(&caller);
                return error_oom(e);
        }
        if (!caller.names)
                return error_set(e, -EACCES,
                                 "user %u may act for no tenant: add it to the group " OWN_GROUP ", or to a file in "
                                 "tenants.d",
                                 c->uid);
        caller.tenant = caller.names[0];
        *ret = caller;
        return 0;
}

void caller_done(Caller *caller)
{
        strv_free(caller->names);
        *caller = (Caller){0};
}

bool caller_may_act(const Caller *caller, const char *tenant)
{
        return caller->root || strv_contains(caller->names, tenant);
}

bool caller_is_owner(const Caller *caller, const char *tenant)
{
        return strv_contains(caller->names, tenant);
}
