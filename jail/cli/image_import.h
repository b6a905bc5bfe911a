/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "jail/image_config.h"
#include "jail/jail.h"

typedef struct ImageImport {
        const char *archive; /* a file, a directory, or "-" for standard input */
        const char *name;
        const char *tag; /* NULL: the archive has one image */
        uint64_t disk_bytes, files; /* that the tree may have; 0: by the size of the archive */
        bool replace;
        JailLayers allow_missing;
} ImageImport;

/* Makes an image of an archive, which is read in a jail. The caller frees `ret`. Returns 0, -EINTR when a signal asked
 * us to end, and what the archive or the store say. */
int image_import(const ImageImport *import, ImageConfig *ret, Error *e);
