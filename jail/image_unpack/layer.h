/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "engine/base/error.h"
#include "jail/image_unpack/tree.h"

#include <archive.h>

/* One layer over the tree of those below it, as the OCI image specification (layer.md) has it. A layer is read twice:
 * a whiteout hides what the layers below have and nothing of its own layer, wherever in it the whiteout stands. So first
 * everything that is hidden is removed, then what the layer brings is unpacked. */

/* What was left out. */
typedef struct LayerSkipped {
        uint64_t devices, fifos, setuid, attributes;
} LayerSkipped;

/* `tar` is an open archive of libarchive's, before its first header. Errors: -EINVAL not a tar archive, or a member that
 * leads out of the tree; -E2BIG over one of the tree's limits; others as of the system call, with the path. */
int layer_remove_hidden(struct archive *tar, Tree *tree, Error *e);
int layer_unpack(struct archive *tar, Tree *tree, LayerSkipped *skipped, Error *e);
