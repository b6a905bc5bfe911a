/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "jail/cli/call_groups.h"
#include "jail/cli/policy_sections.h"

/* Everything that is said of a policy, gathered once for people and for programs. */
typedef struct Explained {
        const char *name; /* as it was asked for */
        JailPolicy *policy;
        ExplainedRoot root;
        char **files; /* from which it comes: its own, what that extends, … */
        PolicySections sections;
        Calls calls;
        char **allowed; /* calls, as a whole or narrowed */
        CallGroups groups;
        uint32_t usual_refusal;
        JailReport report; /* what is enforced here; filled in by explained_on_host() */
        Error refused;     /* why this host cannot hold the policy */
} Explained;

/* `root` is instead of the policy's; NULL: that. It lives as long as the result. */
int explained_make(const char *name, const char *root, char *const *directories, Explained *ret, Error *e);
void explained_on_host(Explained *explained);
void explained_done(Explained *explained);
#define _cleanup_explained_ _cleanup_(explained_done)

/* "fail with ENOSYS", as the answer of a filter. Owned by the caller; NULL when out of memory. */
char *refusal_words(uint32_t answer);

void explain_text(const Explained *explained);
/* The caller owns it. */
json_object *explain_json(const Explained *explained);

/* Prints what each of two permits and the other does not, over `root` or each over its own. Returns whether there is
 * something, or a negative errno. */
int explain_diff(char *const *directories, const char *a, const char *b, const char *root, bool json, Error *e);
