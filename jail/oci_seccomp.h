/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "engine/base/error.h"
#include "jail/bpf.h"
#include "jail/refusal.h"

#include <json-c/json.h>

/* The object `linux.seccomp` of the OCI runtime specification, with what Docker's and Podman's own profiles have beyond
 * it: conditions on architecture, capabilities and kernel, and errors by name.
 *
 * It is read as it was written; which of its rules hold on this host, for a policy with these capabilities, is settled
 * once the whole policy is known. */

typedef struct OciCondition {
        char **arches, **capabilities;
        unsigned kernel; /* major << 16 | minor; 0: none */
} OciCondition;

typedef struct OciRule {
        size_t index; /* in the profile's `syscalls`, for messages */
        char **names;
        uint32_t action; /* SCMP_ACT_…, with the errno in it */
        ArgumentCheck *checks;
        size_t n_checks;
        OciCondition includes, excludes;
} OciRule;

typedef struct OciSeccomp {
        char *path; /* of the object in the policy, for messages; "" at the top */
        uint32_t default_action;
        char **architectures, **flags;
        OciRule *rules;
        size_t n_rules;
} OciSeccomp;

/* The caller owns `*ret`. Errors: -EINVAL with the path of the key, also for what no jail can do (a tracer, a listener
 * of somebody else). */
int oci_seccomp_read(json_object *value, const char *path, OciSeccomp **ret, Error *e);
OciSeccomp *oci_seccomp_free(OciSeccomp *s); /* returns NULL */
DEFINE_CLEANUP(OciSeccomp, oci_seccomp_free)
#define _cleanup_oci_seccomp_ _cleanup_(oci_seccomp_freep)
void oci_rule_done(OciRule *rule);

static inline bool oci_gives_errno(uint32_t action)
{
        return (action & SECCOMP_RET_ACTION_FULL) == SECCOMP_RET_ERRNO;
}

static inline uint32_t oci_errno(uint32_t action)
{
        return action & SECCOMP_RET_DATA;
}

static inline bool oci_lets_pass(uint32_t action)
{
        return action == SCMP_ACT_ALLOW || action == SCMP_ACT_LOG;
}

/* Leaves the rules and names that hold here. What a profile allows and cannot be had is left out, and adds a sentence
 * to `notes`: calls that libseccomp does not know, calls that no policy allows. Errors: -EINVAL for an unknown call that
 * was to be denied, and for a profile under which nothing could run. */
int oci_seccomp_settle(OciSeccomp *s, uint64_t capabilities, char ***notes, Error *e);

/* The settled profile in the form that oci_seccomp_read() takes. */
json_object *oci_seccomp_to_json(const OciSeccomp *s);

/* Compiles it, over the floor (floor.h). The list says with which errors the filter's refusals are to be answered; the
 * caller owns both. Errors: as of libseccomp, -E2BIG. */
int oci_seccomp_compile(const OciSeccomp *s, BpfProgram *ret, Refusal **ret_refusals, size_t *ret_n_refusals);
