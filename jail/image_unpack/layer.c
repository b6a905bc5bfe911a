/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Modes: a jail's job is not the owner of an image's files, nor of his group; and what the owner may read and execute,
 * the image's programs were meant to. So the owner's rights to that become everybody's. The tree's own owner may always
 * change it, or it could not be removed; and nothing in it is set user or group id. */

#include "jail/image_unpack/layer.h"

#include "engine/base/archive_member.h"
#include "engine/base/name.h"
#include "engine/base/strv.h"

#include <fcntl.h>
#include <string.h>

#define WHITEOUT ".wh."
#define WHITEOUT_META ".wh..wh." /* of aufs, beside the next one: they say nothing about files */
#define OPAQUE ".wh..wh..opq"

typedef struct Entry {
        struct archive *tar;
        struct archive_entry *entry;
        const char *path;
        char **parts;     /* owned */
        const char *name; /* the last part */
        Error *error;
} Entry;

typedef int (*EntryHandler)(const Entry *entry, Tree *tree, LayerSkipped *skipped);

static int failed(const Entry *entry, int r)
{
        return name_error(r, entry->path, strerror(-r), entry->error);
}

/* In a layer "/" is the root of the image. */
static int split(const char *path, char ***ret, Error *e)
{
        return member_split_path(path + strspn(path, "/"), ret, e);
}

static bool starts_with(const char *text, const char *start)
{
        return strncmp(text, start, strlen(start)) == 0;
}

/* ---- whiteouts ---- */

/* A directory that comes in the place of a link: by that link, whiteouts in the one would hide what is in the other. */
static int remove_replaced(const Entry *entry, Tree *tree)
{
        _cleanup_error_ Error why = ERROR_NULL;
        _cleanup_close_ int parent = tree_open_parent(tree, entry->parts, false, entry->path, &why);
        struct stat st;

        /* Unpacking says what is wrong with the way there. */
        if (parent < 0 || fstatat(parent, entry->name, &st, AT_SYMLINK_NOFOLLOW) < 0 || S_ISDIR(st.st_mode))
                return 0;
        int r = tree_remove(tree, parent, entry->name);
        return r < 0 ? failed(entry, r) : 0;
}

static int remove_hidden(const Entry *entry, Tree *tree, LayerSkipped *skipped _unused_)
{
        const char *hidden = entry->name + strlen(WHITEOUT);
        int r;

        if (!starts_with(entry->name, WHITEOUT))
                return archive_entry_filetype(entry->entry) == AE_IFDIR ? remove_replaced(entry, tree) : 0;
        bool opaque = strcmp(entry->name, OPAQUE) == 0;
        if (!opaque && starts_with(entry->name, WHITEOUT_META))
                return 0;
        if (!*hidden || strcmp(hidden, ".") == 0 || strcmp(hidden, "..") == 0)
                return name_error(-EINVAL, entry->path, "hides what is no name", entry->error);
        _cleanup_error_ Error why = ERROR_NULL;
        _cleanup_close_ int parent = tree_open_parent(tree, entry->parts, false, entry->path, &why);
        /* The layer itself brings the directory, or there is none. */
        if (parent == -ENOENT || parent == -ENOTDIR)
                return 0;
        if (parent < 0)
                return failed(entry, parent);
        r = opaque ? tree_clear(tree, parent) : tree_remove(tree, parent, hidden);
        return r < 0 ? failed(entry, r) : 0;
}

/* ---- what the layer brings ---- */

static mode_t mode_of(const Entry *entry, bool directory)
{
        mode_t mode = archive_entry_perm(entry->entry) & (directory ? 01777 : 0777);

        mode |= directory ? 0700 : 0600;
        return mode | (mode & 0500) >> 6;
}

/* Makes a name free, and counts what will have it. */
static int make_room(const Entry *entry, Tree *tree, int parent)
{
        int r = tree_remove(tree, parent, entry->name);

        return r < 0 ? failed(entry, r) : tree_count_file(tree, entry->path, entry->error);
}

static int add_directory(const Entry *entry, Tree *tree, int parent)
{
        struct stat st;
        int r;

        if (fstatat(parent, entry->name, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISDIR(st.st_mode)) {
                if ((r = make_room(entry, tree, parent)) < 0)
                        return r;
                if (mkdirat(parent, entry->name, 0755) < 0)
                        return failed(entry, -errno);
        }
        _cleanup_close_ int fd = tree_open_at(parent, entry->name, O_RDONLY | O_DIRECTORY, 0);
        if (fd < 0)
                return failed(entry, fd);
        return fchmod(fd, mode_of(entry, true)) < 0 ? failed(entry, -errno) : 0;
}

/* Programs compare times: of Python's compiled modules with their sources, for one. */
static void set_time(const Entry *entry, int fd)
{
        struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}};

        if (!archive_entry_mtime_is_set(entry->entry))
                return;
        times[1] = (struct timespec){archive_entry_mtime(entry->entry), archive_entry_mtime_nsec(entry->entry)};
        /* A time that the file system does not know is none. */
        (void)futimens(fd, times);
}

static int add_file(const Entry *entry, Tree *tree, int parent)
{
        uint64_t written = 0;
        struct stat st;
        int r = make_room(entry, tree, parent);

        if (r < 0)
                return r;
        _cleanup_close_ int fd = tree_open_at(parent, entry->name, O_WRONLY | O_CREAT | O_EXCL, 0600);
        if (fd < 0)
                return failed(entry, fd);
        r = member_write(entry->tar, entry->entry, fd, entry->path, &written, tree->max_bytes - tree->bytes,
                         entry->error);
        if (r == -E2BIG)
                return tree_count_bytes(tree, UINT64_MAX, entry->path, entry->error);
        if (r < 0)
                return r;
        /* Holes count, since whoever copies the tree may fill them. */
        if (fstat(fd, &st) < 0)
                return failed(entry, -errno);
        if ((r = tree_count_bytes(tree, (uint64_t)st.st_size, entry->path, entry->error)) < 0)
                return r;
        if (fchmod(fd, mode_of(entry, false)) < 0)
                return failed(entry, -errno);
        set_time(entry, fd);
        return 0;
}

static int add_symlink(const Entry *entry, Tree *tree, int parent)
{
        const char *target = archive_entry_symlink(entry->entry);
        int r;

        if (!target)
                target = archive_entry_symlink_utf8(entry->entry);
        if (!target || !*target)
                return name_error(-EINVAL, entry->path, "a symbolic link to nothing", entry->error);
        if ((r = make_room(entry, tree, parent)) < 0)
                return r;
        return symlinkat(target, parent, entry->name) < 0 ? failed(entry, -errno) : 0;
}

static int add_hardlink(const Entry *entry, Tree *tree, int parent, const char *target)
{
        _cleanup_strv_ char **parts = NULL;
        struct stat st, there;
        int r = split(target, &parts, entry->error);

        if (r < 0)
                return r;
        if (strv_length(parts) == 0)
                return name_error(-EINVAL, entry->path, "a hard link to nothing", entry->error);
        _cleanup_close_ int other = tree_open_parent(tree, parts, false, entry->path, entry->error);
        if (other < 0)
                return other;
        const char *other_name = parts[strv_length(parts) - 1];
        if (fstatat(other, other_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
                return name_error(-errno, entry->path, "a hard link to what is not there", entry->error);
        if (S_ISDIR(st.st_mode))
                return name_error(-EINVAL, entry->path, "a hard link to a directory", entry->error);
        if (fstatat(parent, entry->name, &there, AT_SYMLINK_NOFOLLOW) == 0 && there.st_ino == st.st_ino)
                return 0;
        if ((r = make_room(entry, tree, parent)) < 0)
                return r;
        return linkat(other, other_name, parent, entry->name, 0) < 0 ? failed(entry, -errno) : 0;
}

static int add(const Entry *entry, Tree *tree, LayerSkipped *skipped)
{
        struct archive_entry *a = entry->entry;
        const char *hardlink = archive_entry_hardlink(a);

        for (size_t i = 0; entry->parts[i]; i++) {
                if (!starts_with(entry->parts[i], WHITEOUT))
                        continue;
                if (starts_with(entry->parts[i], WHITEOUT_META) || !entry->parts[i + 1])
                        return 0;
                return name_error(-EINVAL, entry->path, "is below a whiteout", entry->error);
        }
        _cleanup_close_ int parent = tree_open_parent(tree, entry->parts, true, entry->path, entry->error);
        if (parent < 0)
                return parent;
        if (!hardlink)
                hardlink = archive_entry_hardlink_utf8(a);
        if (hardlink)
                return add_hardlink(entry, tree, parent, hardlink);
        skipped->attributes += archive_entry_xattr_count(a) > 0;
        switch (archive_entry_filetype(a)) {
        case AE_IFDIR:
                return add_directory(entry, tree, parent);
        case AE_IFREG:
                skipped->setuid += (archive_entry_perm(a) & 06000) != 0;
                return add_file(entry, tree, parent);
        case AE_IFLNK:
                return add_symlink(entry, tree, parent);
        case AE_IFCHR:
        case AE_IFBLK:
                skipped->devices++;
                break;
        default:
                skipped->fifos++;
        }
        /* What it stands for is no more to be seen. */
        int r = tree_remove(tree, parent, entry->name);
        return r < 0 ? failed(entry, r) : 0;
}

/* ---- one pass ---- */

static int handle(struct archive *tar, struct archive_entry *a, Tree *tree, LayerSkipped *skipped, EntryHandler handler,
                  Error *e)
{
        const char *path = archive_entry_pathname(a);
        _cleanup_strv_ char **parts = NULL;

        if (!path)
                path = archive_entry_pathname_utf8(a);
        if (!path)
                return error_set(e, -EINVAL, "a name in a layer cannot be read");
        int r = split(path, &parts, e);
        size_t n = strv_length(parts);
        if (r < 0 || n == 0)
                return r; /* "./" itself */
        return handler(&(Entry){tar, a, path, parts, parts[n - 1], e}, tree, skipped);
}

static int each(struct archive *tar, Tree *tree, LayerSkipped *skipped, EntryHandler handler, Error *e)
{
        struct archive_entry *entry;

        for (;;) {
                int r = archive_read_next_header(tar, &entry);
                /* A stream that broke off has said why. */
                if (e->code < 0)
                        return e->code;
                if (r == ARCHIVE_EOF)
                        return 0;
                if (r < ARCHIVE_WARN)
                        return error_set(e, -EINVAL, "not a tar archive: %s", archive_error_string(tar));
                if ((r = handle(tar, entry, tree, skipped, handler, e)) < 0)
                        return r;
        }
}

int layer_remove_hidden(struct archive *tar, Tree *tree, Error *e)
{
        return each(tar, tree, NULL, remove_hidden, e);
}

int layer_unpack(struct archive *tar, Tree *tree, LayerSkipped *skipped, Error *e)
{
        return each(tar, tree, skipped, add, e);
}
