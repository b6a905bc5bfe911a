/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "jail/image.h"
#include "jail/root_file.h"

/* What a policy calls its root, found on this host. */

typedef struct RootSource {
        RootKind kind;
        int fd;      /* of the directory (O_PATH) or the file; -1: the host's */
        Image image; /* where it is one of the store: then it owns `fd` */
} RootSource;

#define ROOT_SOURCE_NULL ((RootSource){.fd = -1, .image = IMAGE_NULL})

/* `name`: NULL or "host", an absolute path, or the name of an imported image. Errors: -ENOENT, -EINVAL, and others of the
 * system calls. */
int root_source_open(const char *name, RootSource *ret, Error *e);
void root_source_done(RootSource *source);
#define _cleanup_root_source_ _cleanup_(root_source_done)
