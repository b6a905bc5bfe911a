/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/fuzz/fuzz.h"

#include "engine/base/archive_member.h"
#include "engine/base/fd.h"
#include "jail/image.h"
#include "jail/image_unpack/layer.h"

#include <fcntl.h>

typedef int (*Pass)(struct archive *tar, Tree *tree, LayerSkipped *skipped, Error *e);

static int hide(struct archive *tar, Tree *tree, LayerSkipped *skipped _unused_, Error *e)
{
        return layer_remove_hidden(tar, tree, e);
}

static int apply(const uint8_t *data, size_t size, Pass pass, Tree *tree, Error *e)
{
        _cleanup_(read_freep) struct archive *tar = archive_read_new();
        LayerSkipped skipped = {0};

        archive_read_support_format_tar(tar);
        return archive_read_open_memory(tar, data, size) == ARCHIVE_OK ? pass(tar, tree, &skipped, e) : -EINVAL;
}

/* The first half of the input is a layer, the second one that goes over it: cut at a block, as tar has them. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        size_t cut = size / 1024 * 512;
        char directory[] = "/dev/shm/skep-fuzz-XXXXXX";
        _cleanup_error_ Error e = ERROR_NULL;
        uint64_t bytes, files;

        if (!mkdtemp(directory))
                abort();
        _cleanup_close_ int root = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        Tree tree = {.root = root, .max_bytes = 1 << 16, .max_files = 32};
        if (apply(data, cut, layer_unpack, &tree, &e) >= 0 && apply(data + cut, size - cut, hide, &tree, &e) >= 0 &&
            apply(data + cut, size - cut, layer_unpack, &tree, &e) >= 0 &&
            /* The account is right, and what came of it is what images may have. */
            (image_measure(root, tree.max_bytes, tree.max_files, &bytes, &files, &e) < 0 || bytes != tree.bytes ||
             files != tree.files))
                abort();
        remove_tree_at(AT_FDCWD, directory);
        return 0;
}
