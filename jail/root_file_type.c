/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Apart from mounting, for who only looks whether a file can be a root. */

#include "jail/root_file.h"

#include <endian.h>
#include <linux/magic.h>
#include <stdint.h>
#include <unistd.h>

/* By the numbers that these begin with: linux/magic.h; the superblock of erofs comes after 1,024 bytes. */
const char *root_file_type(int file)
{
        uint32_t magic[2] = {0};

        if (pread(file, &magic[0], sizeof magic[0], 0) == sizeof magic[0] && le32toh(magic[0]) == SQUASHFS_MAGIC)
                return "squashfs";
        if (pread(file, &magic[1], sizeof magic[1], 1024) == sizeof magic[1] && le32toh(magic[1]) == EROFS_SUPER_MAGIC_V1)
                return "erofs";
        return NULL;
}
