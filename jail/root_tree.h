/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "jail/mounts.h"
#include "jail/root.h"

#include <stdbool.h>
#include <sys/types.h>

/* The tree of a jail while it is built: what all that goes into it is made and mounted by. Paths "inside" are absolute
 * ones of the jail. Errors are set with the path that they are about. */

/* Where the tmpfs is mounted while it is filled: a place of the host that is always there, and where nothing is that is
 * bound into a jail. */
#define TREE_PLACE "/proc/fs"

typedef struct Tree {
        const Plan *plan;
        const RootSources *sources;
        const Ids *ids;
        int context, tmpfs; /* the tmpfs: to reconfigure it, and its writable mount */
        int skeleton;       /* where places to mount on are made: the same, or the overlay over another root */
        int tree;           /* "root" as the jail will see it */
        bool is_host_tried, is_host_shown; /* the host's root, as the jail's own, is at "host" of the tmpfs */
        Error *error;
} Tree;

int tree_failed(Tree *t, int r, const char *what);

/* ---- of its own: negative errno ---- */

int tree_write_file(int dir, const char *path, const char *text, mode_t mode);
/* A directory of the tmpfs. `mode`: what of it the umask leaves. `owner`: an id inside the jail; -1: the host's root,
 * which is nobody in there. */
int tree_make_directory(Tree *t, const char *path, mode_t mode, int owner);

/* ---- mounting ---- */

/* Attaches a detached mount inside; the place is made where there is none. Negative errno. */
int tree_attach(Tree *t, int mount, const char *inside);
/* The same at a place of the skeleton, where no link has to be looked for. */
int tree_attach_own(Tree *t, int mount, const char *inside);
/* Binds a path of the host at the same place, with what is mounted below it. Negative errno. */
int tree_bind_host(Tree *t, const char *path, uint64_t attributes);
/* Binds a directory of the tmpfs at its place in the skeleton. */
int tree_bind_own(Tree *t, const char *from, const char *inside, uint64_t attributes);
/* Attributes of a mount that the job may write. Where the policy lets nothing be executed, nothing can be mapped to be
 * executed either: Landlock refuses the exec, but a loader that may be executed would run it. */
uint64_t tree_writable(const Tree *t, const char *inside);
/* Makes, once, what directories and files are covered with: an empty one, read-only, and /dev/null, of which the covers are
 * clones. */
int tree_make_cover(Tree *t);
/* Covers what is at a path below `dir`: a directory by that, anything else by /dev/null. Negative errno. */
int tree_cover(Tree *t, int dir, const char *path, mode_t mode);
