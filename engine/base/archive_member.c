/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "engine/base/archive_member.h"

#include "engine/base/archive.h"
#include "engine/base/fd.h"
#include "engine/base/name.h"
#include "engine/base/strv.h"

#include <string.h>

#define PATH_LENGTH_MAX (ARCHIVE_DEPTH_MAX * 256)

/* "./" at the start and doubled slashes are usual. */
int member_split_path(const char *path, char ***ret, Error *e)
{
        _cleanup_strv_ char **parts = NULL;

        if (*path == '/')
                return name_error(-EINVAL, path, "an absolute path in the archive is refused", e);
        if (strlen(path) > PATH_LENGTH_MAX)
                return name_error(-ENAMETOOLONG, path, "the path is too long", e);
        if (strv_split(path, '/', &parts) < 0)
                return error_oom(e);
        strv_remove(parts, ".");
        if (strv_contains(parts, ".."))
                return name_error(-EINVAL, path, "\"..\" in the archive is refused", e);
        if (strv_length(parts) > ARCHIVE_DEPTH_MAX)
                return name_error(-ELOOP, path, "nested too deep", e);
        *ret = take(parts);
        return 0;
}

int member_write(struct archive *a, struct archive_entry *entry, int fd, const char *path, uint64_t *bytes,
                 uint64_t max_bytes, Error *e)
{
        const void *data;
        size_t size;
        la_int64_t offset;

        for (;;) {
                int r = archive_read_data_block(a, &data, &size, &offset);
                if (r == ARCHIVE_EOF)
                        break;
                if (r < ARCHIVE_WARN)
                        return name_error(-EINVAL, path, archive_error_string(a), e);
                *bytes += size;
                if (*bytes > max_bytes || (uint64_t)offset > max_bytes)
                        return name_error(-E2BIG, path, "the files together are too large", e);
                if (lseek(fd, offset, SEEK_SET) < 0)
                        return name_errno(-errno, path, e);
                r = write_full(fd, data, size);
                if (r < 0)
                        return name_errno(r, path, e);
        }
        /* A file with a hole at its end has no block there. */
        if (archive_entry_size_is_set(entry)) {
                if ((uint64_t)archive_entry_size(entry) > max_bytes)
                        return name_error(-E2BIG, path, "the files together are too large", e);
                if (ftruncate(fd, archive_entry_size(entry)) < 0)
                        return name_errno(-errno, path, e);
        }
        return 0;
}
