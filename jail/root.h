/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "jail/plan.h"

/* What a jail sees as its file system, built by the jail's first process in its new mount namespace, while it still
 * has the privileges of the launcher. */

/* What the launcher has made ready, since only it can: clones of mounts of its own namespace. */
typedef struct RootSources {
        const int *inputs;       /* as in START; archives, and files that cannot be mounted */
        const int *input_mounts; /* detached mounts, -1 where the input is copied or unpacked */
        const int *binds;        /* detached mounts */
        const int *writable;     /* detached mounts of plan->writable */
        const int *system;       /* detached mounts of /usr and its like, where the host's root is to be writable */
        const int *root;         /* detached mount of the root; -1: the host's */
        LaunchSteps *steps;
} RootSources;

typedef struct Root {
        int tree;                    /* the new root, to pivot into */
        int output;                  /* the directory behind /output */
        int archives[JAIL_INPUTS_MAX]; /* where to unpack, -1 for inputs that are files */
} Root;

/* Builds the tree below a tmpfs of this process's own mount namespace. The
 * descriptors in `*ret` are the caller's. Error: the sentence names the path. */
int root_build(const Plan *plan, const RootSources *sources, const Ids *ids, Root *ret, Error *e);

/* Makes it the root of this process, and detaches the old one. */
int root_enter(const Root *root, Error *e);

/* Clones a mount of the host to put into a jail: as root in the launcher, as a user in the jail's first process. A
 * directory comes with what is mounted below it; but not, as root, a writable one, which is id-mapped from the owner of
 * `source` to the job. As a user, only what is the caller's own can be writable. Returns a descriptor or a negative
 * errno. */
int root_clone_bind(int source, bool writable, const Ids *ids, Error *e);
/* The same for a directory that becomes a root: where it is to be written, its owner's files become the job's. */
int root_clone_root(int source, bool writable, const Ids *ids, Error *e);
/* Maps the owner of a detached mount to the job. For root only. */
int root_give_to_job(int mount, const Ids *ids, Error *e);
/* The host's /usr, and what else belongs to it where /usr is not merged (-1: it is), as roots that are to be written. */
#define ROOT_SYSTEM_PARTS 7
int root_clone_system(const Ids *ids, int fds[static ROOT_SYSTEM_PARTS], Error *e);
/* The same for an input file; -1 and no error where it has to be copied instead. */
int root_clone_input(const Ids *ids, int source);
/* Opens a file that is to be standard input again, at the same offset, by such a clone. Returns -1 for what is no file, or
 * has no mount of the host's: it goes in as it is. */
int root_reopen_stdin(const Ids *ids, int source);
