/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A tenant (tenant.h) stays where it is as long as jobs refer to it, whatever happens to its file (tenant_file.c). New
 * files take the place of those before only when all of them are good. */

#include "engine/supervisor/tenants.h"

#include "engine/base/clock.h"
#include "engine/base/name.h"
#include "engine/base/strv.h"
#include "engine/supervisor/tenant_file.h"

#include <grp.h>
#include <pwd.h>
#include <string.h>

#define OWN_GROUP "skep"

struct Tenants {
        Tenant **tenants; /* by name */
        size_t n, room;
        TenantFile *files; /* by name */
        size_t n_files;
        TenantRules defaults;
};

static int apply_rules(const Tenants *tenants, Tenant *tenant)
{
        const TenantFile *file = tenant_files_find(tenants->files, tenants->n_files, tenant->name);

        tenant->configured = file != NULL;
        return tenant_rules_copy(&tenant->rules, file ? &file->rules : &tenants->defaults);
}

static void remove_unused(Tenants *tenants);

int tenants_load(Tenants *tenants, const char *directory, char ***notes, Error *e)
{
        TenantRules defaults = tenant_rules_built_in;
        TenantFile *files;
        size_t n = 0;
        int r = tenant_files_read(directory, &defaults, &files, &n, notes, NULL, e);

        if (r < 0) {
                tenant_files_free(files, n);
                tenant_rules_done(&defaults);
                return r;
        }
        tenant_files_free(tenants->files, tenants->n_files);
        tenant_rules_done(&tenants->defaults);
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
        tenant_rules_done(&tenant->rules);
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
        TAILQ_INIT(&tenant->to_collect);
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
        (*ret)->defaults = tenant_rules_built_in;
        return 0;
}

Tenants *tenants_free(Tenants *tenants)
{
        for (size_t i = 0; i < tenants->n; i++)
                tenant_free(tenants->tenants[i]);
        free(tenants->tenants);
        tenant_files_free(tenants->files, tenants->n_files);
        tenant_rules_done(&tenants->defaults);
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
        const TenantFile *file = tenant_files_find(tenants->files, tenants->n_files, name);
        if (strcmp(name, TENANT_DEFAULT) == 0 ||
            (file && (file->n_uids || file->n_gids || file->users || file->groups)))
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
