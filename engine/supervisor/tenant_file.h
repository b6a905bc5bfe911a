/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "engine/supervisor/tenant.h"

/* What an operator has written of a tenant: a file of tenants.d. */
typedef struct TenantFile {
        char *name;
        TenantRules rules;
        char **users, **groups; /* as they are written */
        uint32_t *uids, *gids;
        size_t n_uids, n_gids;
} TenantFile;

#define TENANT_DEFAULT "default" /* the file of those that have none, and of what files leave out */

/* What holds where nobody has written anything. */
extern const TenantRules tenant_rules_built_in;

void tenant_rules_done(TenantRules *rules);
int tenant_rules_copy(TenantRules *to, const TenantRules *from);

/* Reads all files of a directory, which need not be there, sorted by the names of their tenants; and default.json,
 * which is for what they leave out. `notes` as for tenants_load(). The caller frees `*ret` with tenant_files_free() in
 * any case. -EINVAL with file and key; or, where `problems` is not NULL, each file's is a sentence there, and the file left
 * out. */
int tenant_files_read(const char *directory, TenantRules *defaults, TenantFile **ret, size_t *n, char ***notes,
                      char ***problems, Error *e);
void tenant_files_free(TenantFile *files, size_t n);

/* NULL where there is none. */
const TenantFile *tenant_files_find(const TenantFile *files, size_t n, const char *name);
