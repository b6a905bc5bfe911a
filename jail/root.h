/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "jail/plan.h"

/* What a jail sees as its file system, built by the jail's first process in its new mount namespace, while it still
 * has the privileges of the launcher. */

/* The tmpfs that carries what is the jail's own, with the skeleton in it: detached, and the file system's context, by
 * which it can be reconfigured. */
typedef struct RootTmpfs {
        int mount, context;
} RootTmpfs;

#define ROOT_TMPFS_NULL ((RootTmpfs){-1, -1})

/* What the launcher has made ready: clones of mounts of its own namespace, which only it can make, and as root the
 * tmpfs, since it has the time. */
typedef struct RootSources {
        const int *inputs;       /* as in START; archives, and files that cannot be mounted */
        const int *input_mounts; /* detached mounts, -1 where the input is copied or unpacked */
        const int *binds;        /* detached mounts */
        const int *writable;     /* detached mounts of plan->writable */
        const int *system;       /* detached mounts of /usr and its like, where the host's root is to be writable */
        const int *root;         /* detached mount of the root; -1: the host's */
        RootTmpfs tmpfs;         /* of root_make_tmpfs() */
        LaunchSteps *steps;
} RootSources;

typedef struct Root {
        int tree;                    /* the new root, to pivot into */
        int output;                  /* the directory behind /output */
        int input, context;          /* of a jail that waits: the directory behind /input; the tmpfs, for root_limit() */
        int archives[JAIL_INPUTS_MAX]; /* where to unpack, -1 for inputs that are files */
} Root;

/* Makes it: as root in the launcher, as a user in the jail's first process. */
int root_make_tmpfs(const Plan *plan, const Ids *ids, RootTmpfs *ret, Error *e);

/* Builds the tree below that tmpfs, in this process's own mount namespace. The descriptors in `*ret` are the caller's. Error:
 * the sentence names the path. */
int root_build(const Plan *plan, const RootSources *sources, const Ids *ids, Root *ret, Error *e);

/* Limits the jail's tmpfs, of which `dir` is a directory, over what it has in use: what the skeleton and copied inputs have
 * taken is not the job's. */
int root_limit(int context, int dir, const JailLimits *limits, Error *e);

/* Makes the directory of an archive, in which only the process that unpacks it can write. Returns a descriptor of it, or a
 * negative errno. */
int root_make_archive(int dir, const char *path, const Ids *ids);

/* Makes it the root of this process, and detaches the old one. */
int root_enter(const Root *root, Error *e);
