/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "engine/supervisor/tenant.h"

#include <sys/types.h>

/* All tenants, and who may act for which: what the operator has written into tenants.d, and the rule for those of whom
 * there is no file. */
typedef struct Tenants Tenants;

int tenants_new(Tenants **ret);
Tenants *tenants_free(Tenants *tenants); /* returns NULL; what is referred to goes, too */

/* Reads DIRECTORY/NAME.json for every tenant of which there is one, in the place of what was read before: all of it, or
 * nothing when it returns an error. A directory that is not there is an empty one. `notes`: users and groups that this
 * host does not have, a sentence each (a strv, added to). Errors: -EINVAL with file and key. */
int tenants_load(Tenants *tenants, const char *directory, char ***notes, Error *e);

/* The tenant of a name, known or new; a reference for the caller. -ENOMEM. */
int tenants_get(Tenants *tenants, const char *name, Tenant **ret);

/* Those that have a file or a job, by name. */
size_t tenants_count(const Tenants *tenants);
Tenant *tenants_at(const Tenants *tenants, size_t index);

/* By what its connection says of it, never by what a message says. */
typedef struct Credentials {
        uid_t uid;
        gid_t gid;
        const gid_t *groups; /* supplementary */
        size_t n_groups;
} Credentials;

/* Who calls. */
typedef struct Caller {
        uid_t uid;
        bool root;          /* root, or the supervisor's own user: may act for every tenant */
        char **names;       /* of the tenants that it may act for; owned */
        const char *tenant; /* the one that its jobs are of when they name none: the first of `names` */
} Caller;

/* Those for whom it may act: of the tenants whose file names its uid, then of those that name a group of it, in the
 * order of their names. Nobody's file names it: the tenant of its own user name, for members of the group "skep", root,
 * and the supervisor's user, unless a file gives that tenant to others. -EACCES with a sentence when that is none. */
int tenants_resolve(const Tenants *tenants, const Credentials *credentials, Caller *ret, Error *e);
void caller_done(Caller *caller);
bool caller_may_act(const Caller *caller, const char *tenant);
/* Whether a file or its own name makes it that: root alone does not. */
bool caller_is_owner(const Caller *caller, const char *tenant);
