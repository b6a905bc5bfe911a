/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "engine/base/archive.h"

#include "engine/base/archive_member.h"
#include "engine/base/strv.h"

#include <sys/stat.h>

#define CHUNK ((size_t)64 << 10)

static int write_failed(struct archive *to)
{
        int code = archive_errno(to);

        return code > 0 ? -code : -EIO;
}

static int read_failed(struct archive *from)
{
        int code = archive_errno(from);

        /* EILSEQ: it is no archive, or a broken one. */
        return code > 0 && code != EILSEQ ? -code : -EINVAL;
}

static int copy_content(struct archive *from, struct archive *to)
{
        la_int64_t offset, end = 0;
        const void *data;
        size_t size;

        for (;;) {
                int r = archive_read_data_block(from, &data, &size, &offset);
                if (r == ARCHIVE_EOF)
                        return 0;
                if (r < ARCHIVE_WARN)
                        return read_failed(from);
                if (offset != end)
                        return -EINVAL; /* a hole, which archive_pack() makes none of */
                if (archive_write_data(to, data, size) < 0)
                        return write_failed(to);
                end += (la_int64_t)size;
        }
}

static int copy_entry(struct archive *from, struct archive_entry *entry, struct archive *to, const char *directory)
{
        const char *path = archive_entry_pathname(entry);
        unsigned type = archive_entry_filetype(entry);
        _cleanup_strv_ char **parts = NULL;
        _cleanup_free_ char *below = NULL, *longer = NULL;
        int r;

        if (!path || archive_entry_hardlink(entry) || (type != AE_IFREG && type != AE_IFDIR))
                return -EINVAL;
        if ((r = member_split_path(path, &parts, NULL)) < 0)
                return r;
        if (strv_length(parts) == 0)
                return 0; /* "./" itself */
        below = strv_join(parts, "/");
        if (!below || asprintf(&longer, "%s/%s", directory, below) < 0) {
                longer = NULL;
                return -ENOMEM;
        }
        archive_entry_copy_pathname(entry, longer);
        if (archive_write_header(to, entry) < ARCHIVE_WARN)
                return write_failed(to);
        return type == AE_IFREG ? copy_content(from, to) : 0;
}

static int write_directory(struct archive *to, const char *directory)
{
        struct archive_entry *entry = archive_entry_new();

        if (!entry)
                return -ENOMEM;
        archive_entry_copy_pathname(entry, directory);
        archive_entry_set_filetype(entry, AE_IFDIR);
        archive_entry_set_perm(entry, 0755);
        archive_entry_set_size(entry, 0);
        int r = archive_write_header(to, entry) < ARCHIVE_WARN ? write_failed(to) : 0;
        archive_entry_free(entry);
        return r;
}

static int copy_part(const ArchivePart *part, struct archive *to, const ArchiveRules *rules, uint64_t *entries)
{
        _cleanup_(read_freep) struct archive *from = archive_read_new();
        struct archive_entry *entry;

        if (!from)
                return -EIO;
        if (++*entries > rules->max_entries)
                return -E2BIG;
        int r = write_directory(to, part->directory);
        archive_read_support_format_tar(from);
        archive_read_support_format_empty(from);
        if (r >= 0 && archive_read_open_fd(from, part->fd, CHUNK) != ARCHIVE_OK)
                return read_failed(from);
        while (r >= 0) {
                int code = archive_read_next_header(from, &entry);
                if (code == ARCHIVE_EOF)
                        break;
                if (code < ARCHIVE_WARN)
                        return read_failed(from);
                if (++*entries > rules->max_entries)
                        return -E2BIG;
                r = copy_entry(from, entry, to, part->directory);
        }
        return r;
}

int archive_join(int out_fd, const ArchiveRules *rules, int (*next)(ArchivePart *ret, void *userdata), void *userdata)
{
        _cleanup_(write_freep) struct archive *to = archive_write_new();
        uint64_t entries = 0;
        ArchivePart part;
        int r;

        if (!to)
                return -EIO;
        archive_write_set_format_gnutar(to);
        archive_write_set_bytes_in_last_block(to, 1);
        if (archive_write_open_fd(to, out_fd) != ARCHIVE_OK)
                return -EIO;
        while ((r = next(&part, userdata)) > 0) {
                r = copy_part(&part, to, rules, &entries);
                close(part.fd);
                if (r < 0)
                        return r;
        }
        if (r < 0)
                return r;
        return archive_write_close(to) != ARCHIVE_OK ? write_failed(to) : 0;
}
