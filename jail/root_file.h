/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "engine/base/error.h"

/* What a jail's root may be made of. */
typedef enum RootKind {
        ROOT_HOST,      /* the host's /usr and what belongs to it */
        ROOT_DIRECTORY, /* a tree of its own */
        ROOT_FILE,      /* such a tree in a file: squashfs or erofs */
} RootKind;

/* "squashfs" or "erofs"; NULL: the file is neither. */
const char *root_file_type(int file);

/* A detached read-only mount of the tree in a file, by a loop device that goes with it. For root only. Errors: -EINVAL
 * neither squashfs nor erofs. */
int root_file_mount(int file, Error *e);
