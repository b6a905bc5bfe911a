/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/fuzz/fuzz.h"

#include "engine/base/archive.h"
#include "engine/base/fd.h"
#include "engine/base/remove_tree.h"

#include <fcntl.h>
#include <sys/mman.h>

static int next_part(ArchivePart *ret, void *userdata)
{
        int *fd = userdata;

        if (*fd < 0)
                return 0;
        *ret = (ArchivePart){.fd = take_fd(*fd), .directory = "0"};
        return lseek(ret->fd, 0, SEEK_SET) < 0 ? -EIO : 1;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        const ArchiveRules rules = {.symlinks = true, .max_bytes = 1 << 16, .max_entries = 32};
        char directory[] = "/dev/shm/skep-fuzz-XXXXXX";
        _cleanup_error_ Error e = ERROR_NULL;
        _cleanup_close_ int fd = memfd_create("fuzz", MFD_CLOEXEC), out = memfd_create("out", MFD_CLOEXEC);

        if (fd < 0 || out < 0 || !mkdtemp(directory) || write_full(fd, data, size) < 0 || lseek(fd, 0, SEEK_SET) < 0)
                abort();
        _cleanup_close_ int dir = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        /* What was unpacked can be packed. */
        if (archive_unpack(fd, dir, &rules, &e) >= 0 && archive_pack(dir, out, &rules, NULL, &e) < 0)
                abort();
        _cleanup_close_ int joined = memfd_create("joined", MFD_CLOEXEC);
        archive_join(joined, &rules, next_part, &fd);
        remove_tree_at(AT_FDCWD, directory);
        return 0;
}
