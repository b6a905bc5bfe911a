/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "jail/jail.h"
#include "jail/oci_seccomp.h"

typedef enum PolicyAction {
        POLICY_ACTION_ERRNO, /* refused with an error, and counted */
        POLICY_ACTION_KILL,
} PolicyAction;

struct JailPolicy {
        unsigned references;
        char *name, *digest, *text;
        char *description;

        /* filesystem; paths are absolute and plain */
        char *root;       /* NULL: the host's; else what root_source_open() takes */
        char **read_only; /* of the host, bound at the same place */
        char **writable;  /* of the host, bound id-mapped to their owner; "/": the root gets an ephemeral overlay */
        char **tmpfs;     /* further directories of the jail's own tmpfs */
        char **hidden;    /* covered by something empty */
        char **execute;   /* below which programs may be executed */
        bool proc_pid;    /* /proc has processes and nothing else: proc(5), "subset=pid" */

        JailNetwork network;
        char **devices; /* of the host's /dev, beside the usual ones */
        uint64_t capabilities; /* a set: 1 << CAP_…; they hold over the jail's own ids, and nothing else */
        JailLayers require;
        JailLimits limits, ceilings;

        char **syscalls; /* names that are allowed, after groups and denials */
        PolicyAction action;
        OciSeccomp *seccomp; /* instead of those two; or NULL */
        char **sources;      /* files that it came from, or would have if they were there */
        char **notes;        /* sentences about what of it cannot be had here */

        /* compiled on first use */
        void *filter; /* struct sock_filter[] */
        size_t filter_size; /* bytes */
        bool kills;         /* it ends a job for some calls */
        bool listen;        /* it sends refused calls to a listener, which answers with these: */
        Refusal *refusals;
        size_t n_refusals;
        bool sockets;     /* it lets some be made, of any kind */
        bool ipc_objects; /* it lets some be made, System V's or POSIX queues */
        bool is_asked;    /* those two are known */
};

/* Fills in text and digest, once everything else is settled. Error: -ENOMEM. */
int policy_write_text(JailPolicy *policy, Error *e);

/* Compiles the filter if that has not been done. Errors: -EINVAL, -ENOMEM, as of libseccomp. */
int policy_compile(JailPolicy *policy, Error *e);

/* The filter of the process that unpacks archives. The caller owns `*ret`. */
int filter_for_unpacking(void **ret, size_t *ret_size, Error *e);
