/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "engine/base/archive.h"

#include "engine/base/archive_member.h"
#include "engine/base/fd.h"
#include "engine/base/name.h"
#include "engine/base/strv.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#define CHUNK ((size_t)64 << 10)
#define SENTENCE_MAX 512

/* Opens the directory that holds the last part, making those on the way that are missing. */
static int open_parent(int dir_fd, char *const *parts)
{
        _cleanup_close_ int fd = open_beneath(dir_fd, ".", O_RDONLY | O_DIRECTORY, 0);

        for (size_t i = 0; fd >= 0 && parts[i + 1]; i++) {
                if (mkdirat(fd, parts[i], 0755) < 0 && errno != EEXIST)
                        return -errno;
                int next = open_beneath(fd, parts[i], O_RDONLY | O_DIRECTORY, 0);
                close(fd);
                fd = next;
        }
        return take_fd(fd);
}

static int unpack_file(struct archive *a, struct archive_entry *entry, int dir_fd, const char *name,
                       const char *path, uint64_t *bytes, const ArchiveRules *rules, Error *e)
{
        mode_t mode = archive_entry_perm(entry) & 0111 ? 0755 : 0644;

        /* A later member of the same name replaces the earlier one, as tar does. */
        if (unlinkat(dir_fd, name, 0) < 0 && errno != ENOENT)
                return name_errno(-errno, path, e);
        _cleanup_close_ int fd = open_beneath(dir_fd, name, O_WRONLY | O_CREAT | O_EXCL, mode);
        if (fd < 0)
                return name_errno(fd, path, e);
        return member_write(a, entry, fd, path, bytes, rules->max_bytes, e);
}

static int unpack_hardlink(int dir_fd, int parent, const char *name, const char *target, const char *path, Error *e)
{
        _cleanup_strv_ char **parts = NULL;
        int r = member_split_path(target, &parts, e);

        if (r < 0)
                return r;
        if (strv_length(parts) == 0)
                return name_error(-EINVAL, path, "a hard link to nothing", e);
        _cleanup_close_ int other = open_parent(dir_fd, parts);
        if (other < 0)
                return name_errno(other, path, e);
        if ((unlinkat(parent, name, 0) < 0 && errno != ENOENT) ||
            linkat(other, parts[strv_length(parts) - 1], parent, name, 0) < 0)
                return name_errno(-errno, path, e);
        return 0;
}

static int unpack_entry(struct archive *a, struct archive_entry *entry, int dir_fd, uint64_t *bytes,
                        const ArchiveRules *rules, Error *e)
{
        const char *path = archive_entry_pathname(entry), *link = archive_entry_hardlink(entry);
        _cleanup_strv_ char **parts = NULL;

        if (!path)
                path = archive_entry_pathname_utf8(entry);
        if (!path)
                return error_set(e, -EINVAL, "a name in the archive cannot be read");
        int r = member_split_path(path, &parts, e);
        if (r < 0)
                return r;
        if (strv_length(parts) == 0)
                return 0; /* "./" itself */
        const char *name = parts[strv_length(parts) - 1];
        _cleanup_close_ int parent = open_parent(dir_fd, parts);
        if (parent < 0)
                return name_errno(parent, path, e);

        if (link)
                return unpack_hardlink(dir_fd, parent, name, link, path, e);
        switch (archive_entry_filetype(entry)) {
        case AE_IFDIR:
                return mkdirat(parent, name, 0755) < 0 && errno != EEXIST ? name_errno(-errno, path, e) : 0;
        case AE_IFREG:
                return unpack_file(a, entry, parent, name, path, bytes, rules, e);
        case AE_IFLNK:
                if (!rules->symlinks)
                        return name_error(-EINVAL, path, "a symbolic link is refused here", e);
                if (!archive_entry_symlink(entry) ||
                    (unlinkat(parent, name, 0) < 0 && errno != ENOENT) ||
                    symlinkat(archive_entry_symlink(entry), parent, name) < 0)
                        return name_errno(errno ? -errno : -EINVAL, path, e);
                return 0;
        default:
                return name_error(-EINVAL, path, "a device, FIFO or socket in the archive is refused", e);
        }
}

/* The library's sentence may have names of members in it. */
static int refuse(struct archive *a, Error *e)
{
        const char *why = archive_error_string(a);
        _cleanup_free_ char *shown = text_escape(why ? why : "", SENTENCE_MAX);

        return error_set(e, -EINVAL, "not a tar archive: %s", shown ? shown : "");
}

int archive_unpack(int in_fd, int dir_fd, const ArchiveRules *rules, Error *e)
{
        _cleanup_(read_freep) struct archive *a = archive_read_new();
        struct archive_entry *entry;
        uint64_t bytes = 0, entries = 0;

        if (!a)
                return error_set(e, -EIO, "libarchive reads no archive");
        archive_read_support_format_tar(a);
        archive_read_support_format_empty(a);
        if (archive_read_open_fd(a, in_fd, CHUNK) != ARCHIVE_OK)
                return refuse(a, e);
        for (;;) {
                int r = archive_read_next_header(a, &entry);
                if (r == ARCHIVE_EOF)
                        return 0;
                if (r < ARCHIVE_WARN)
                        return refuse(a, e);
                if (++entries > rules->max_entries)
                        return error_set(e, -E2BIG, "the archive has more than %llu entries",
                                         (unsigned long long)rules->max_entries);
                r = unpack_entry(a, entry, dir_fd, &bytes, rules, e);
                if (r < 0)
                        return r;
        }
}
