/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "jail/image_config.h"
#include "jail/image_unpack/source.h"

/* Which image of an archive is meant, and what it is made of. An OCI layout (index.json) goes before Docker's own
 * format (manifest.json) where an archive has both, since it says for which machine an image is. */

typedef struct LayerFile {
        char *name;    /* in the archive */
        char *digest;  /* of the file as it is there; NULL where only the next one is known */
        char *diff_id; /* of the layer when decompressed */
        uint64_t size; /* of the file; UINT64_MAX: not said */
} LayerFile;

typedef struct Manifest {
        ImageConfig config;
        LayerFile *layers; /* the lowest first */
        size_t n_layers;
} Manifest;

/* `tag` says which of several images, NULL: the only one; `architecture` is the host's, as images name it. The
 * configuration is verified against its digest. Errors: -ENOENT no such image, or none for this machine; -EINVAL several
 * images, or a document that is wrong; with a sentence that lists what there is. */
int manifest_find(const Source *source, const char *tag, const char *architecture, Manifest *ret, Error *e);
void manifest_done(Manifest *manifest);
#define _cleanup_manifest_ _cleanup_(manifest_done)
