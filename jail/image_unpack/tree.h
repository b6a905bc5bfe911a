/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "engine/base/error.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

/* The tree that layers are unpacked into, and its account. Every step is one name in one open directory. Links to
 * directories are followed as the image's own programs would follow them, by our own steps and never by the kernel's: so
 * nothing that is in the tree leads out of it, whatever was unpacked before. (openat2(2) would say it in one call;
 * no filter can see what mode it asks for, so that jails do not have it.) */
typedef struct Tree {
        int root;
        uint64_t max_bytes, max_files;
        uint64_t bytes, files; /* what is there now: a file of several names counts once as bytes */
} Tree;

/* Opens the directory in which the last of the parts stands. With `make`, directories that are missing are made.
 * `path` is for sentences. Errors: -ENOENT; -ENOTDIR a file is on the way; -ELOOP too many links, or directories, are. */
int tree_open_parent(Tree *tree, char *const *parts, bool make, const char *path, Error *e);

/* Opens a name in a directory: O_NOFOLLOW, O_CLOEXEC. */
int tree_open_at(int parent, const char *name, int flags, mode_t mode);

/* Counts a name that is about to be made. -E2BIG. */
int tree_count_file(Tree *tree, const char *path, Error *e);
/* Counts what a file says that it has. -E2BIG. */
int tree_count_bytes(Tree *tree, uint64_t bytes, const char *path, Error *e);

/* Removes what has the name, if it is there, with everything below. */
int tree_remove(Tree *tree, int parent, const char *name);
/* Removes what is in the directory. */
int tree_clear(Tree *tree, int directory);
