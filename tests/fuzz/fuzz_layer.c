/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/fuzz/fuzz.h"

#include "engine/base/archive_member.h"
#include "engine/base/fd.h"
#include "engine/base/remove_tree.h"
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

#define BLOCK 512

/* Headers of tar have a checksum, which would keep the fuzzer before the door. */
static void correct_checksums(uint8_t *data, size_t size)
{
        for (uint8_t *block = data; size >= BLOCK; block += BLOCK, size -= BLOCK) {
                unsigned sum = 0;
                if (memcmp(block + 257, "ustar", 5) != 0)
                        continue;
                memset(block + 148, ' ', 8);
                for (size_t i = 0; i < BLOCK; i++)
                        sum += block[i];
                snprintf((char *)block + 148, 8, "%06o", sum);
        }
}

/* The first half of the input is a layer, the second one that goes over it: cut at a block, as tar has them. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        _cleanup_free_ char *copy = fuzz_text(data, size);
        uint8_t *layers = (uint8_t *)copy;
        size_t cut = size / (2 * BLOCK) * BLOCK;
        char directory[] = "/dev/shm/skep-fuzz-XXXXXX";
        _cleanup_error_ Error e = ERROR_NULL;
        uint64_t bytes, files;

        if (!mkdtemp(directory))
                abort();
        correct_checksums(layers, size);
        _cleanup_close_ int root = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        Tree tree = {.root = root, .max_bytes = 1 << 16, .max_files = 32};
        if (apply(layers, cut, layer_unpack, &tree, &e) >= 0 && apply(layers + cut, size - cut, hide, &tree, &e) >= 0 &&
            apply(layers + cut, size - cut, layer_unpack, &tree, &e) >= 0 &&
            /* The account is right, and what came of it is what images may have. */
            (image_measure(root, tree.max_bytes, tree.max_files, &bytes, &files, &e) < 0 || bytes != tree.bytes ||
             files != tree.files))
                abort();
        remove_tree_at(AT_FDCWD, directory);
        return 0;
}
