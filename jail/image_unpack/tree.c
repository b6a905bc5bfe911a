/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "jail/image_unpack/tree.h"

#include "engine/base/name.h"

#include <fcntl.h>
#include <string.h>

int tree_open_at(int parent, const char *name, int flags, mode_t mode)
{
        int fd = openat(parent, name, flags | O_NOFOLLOW | O_CLOEXEC | O_NOCTTY, mode);

        return fd < 0 ? -errno : fd;
}

int tree_open_parent(Tree *tree, char *const *parts, bool make, const char *path, Error *e)
{
        _cleanup_close_ int fd = tree_open_at(tree->root, ".", O_RDONLY | O_DIRECTORY, 0);

        for (size_t i = 0; fd >= 0 && parts[i + 1]; i++) {
                int next = tree_open_at(fd, parts[i], O_RDONLY | O_DIRECTORY, 0);
                if (next == -ENOENT && make) {
                        int r = tree_count_file(tree, path, e);
                        if (r < 0)
                                return r;
                        if (mkdirat(fd, parts[i], 0755) < 0)
                                return error_errno(e, -errno, "%s", path);
                        next = tree_open_at(fd, parts[i], O_RDONLY | O_DIRECTORY, 0);
                }
                close(fd);
                fd = next;
        }
        if (fd == -ENOTDIR || fd == -ELOOP)
                return name_error(-ENOTDIR, path, "leads through a link or a file", e);
        if (fd < 0)
                return name_error(fd, path, strerror(-fd), e);
        return take_fd(fd);
}

int tree_count_file(Tree *tree, const char *path, Error *e)
{
        if (tree->files >= tree->max_files)
                return name_error(-E2BIG, path, "the image has too many files: see --files", e);
        tree->files++;
        return 0;
}

int tree_count_bytes(Tree *tree, uint64_t bytes, const char *path, Error *e)
{
        if (bytes > tree->max_bytes - tree->bytes)
                return name_error(-E2BIG, path, "the image's files together are too large: see --disk", e);
        tree->bytes += bytes;
        return 0;
}

/* Its depth is that of the tree, which ARCHIVE_DEPTH_MAX holds. */
int tree_remove(Tree *tree, int parent, const char *name)
{
        struct stat st;

        if (fstatat(parent, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
                return errno == ENOENT ? 0 : -errno;
        if (S_ISDIR(st.st_mode)) {
                _cleanup_close_ int fd = tree_open_at(parent, name, O_RDONLY | O_DIRECTORY, 0);
                int r = fd < 0 ? fd : tree_clear(tree, fd);
                if (r < 0)
                        return r;
        }
        if (unlinkat(parent, name, S_ISDIR(st.st_mode) ? AT_REMOVEDIR : 0) < 0)
                return -errno;
        tree->files--;
        if (S_ISREG(st.st_mode) && st.st_nlink == 1)
                tree->bytes -= (uint64_t)st.st_size;
        return 0;
}

int tree_clear(Tree *tree, int directory)
{
        int fd = tree_open_at(directory, ".", O_RDONLY | O_DIRECTORY, 0);
        _cleanup_closedir_ DIR *dir = fd < 0 ? NULL : fdopendir(fd);
        int r = 0;

        if (!dir) {
                r = fd < 0 ? fd : -errno;
                close_fd(fd);
                return r;
        }
        for (struct dirent *d; r >= 0 && (d = readdir(dir));)
                if (strcmp(d->d_name, ".") != 0 && strcmp(d->d_name, "..") != 0)
                        r = tree_remove(tree, dirfd(dir), d->d_name);
        return r;
}
