/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "jail/policy.h"

/* A policy while its files are read, one after the other, from the root of the chain of `extends` down. */
typedef struct PolicyReading {
        JailPolicy *policy;
        char *const *directories; /* where groups of system calls are looked up; NULL: there are none */
        json_object *groups;      /* owned; loaded when the first group is named */
        char *extends;            /* of the last file */
        char **allow, **deny;     /* names, groups expanded, of the whole chain */
} PolicyReading;

/* Whether a file is, instead of a policy, a bare `linux.seccomp` object, such as Docker and Podman keep in a file. It
 * is read as a policy that has nothing but this. */
bool policy_is_profile(json_object *object);

/* Reads one file's object over what is there. Errors: -EINVAL with the path of the key. */
int policy_read(PolicyReading *reading, json_object *object, Error *e);

void policy_reading_done(PolicyReading *reading);
