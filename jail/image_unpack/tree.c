/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "jail/image_unpack/tree.h"

#include "engine/base/archive.h"
#include "engine/base/name.h"
#include "engine/base/strv.h"

#include <fcntl.h>
#include <limits.h>
#include <string.h>

#define LINKS_MAX 40 /* as the kernel has it: path_resolution(7) */

int tree_open_at(int parent, const char *name, int flags, mode_t mode)
{
        int fd = openat(parent, name, flags | O_NOFOLLOW | O_CLOEXEC | O_NOCTTY, mode);

        return fd < 0 ? -errno : fd;
}

/* On the way to a directory. Names are walked one by one, so what a link means takes the place of its name. */
typedef struct Walk {
        int fd;
        size_t depth; /* of `fd`, below the root */
        char **names; /* owned; the first ones have been walked */
        size_t at;
        unsigned links;
} Walk;

static int go_to(Walk *w, int directory, const char *name, size_t depth)
{
        int fd = tree_open_at(directory, name, O_RDONLY | O_DIRECTORY, 0);

        if (fd < 0)
                return fd;
        close_fd(w->fd);
        w->fd = fd;
        w->depth = depth;
        return 0;
}

/* -EINVAL: it is none. */
static int follow_link(const Tree *tree, Walk *w, const char *name)
{
        _cleanup_strv_ char **names = NULL;
        char target[PATH_MAX];
        ssize_t n = readlinkat(w->fd, name, target, sizeof target - 1);

        if (n < 0)
                return -errno;
        target[n] = '\0';
        if (++w->links > LINKS_MAX)
                return -ELOOP;
        int r = strv_split(target, '/', &names);
        for (char **rest = &w->names[w->at]; r >= 0 && *rest; rest++)
                r = strv_add(&names, *rest);
        if (r < 0)
                return r;
        strv_free(w->names);
        w->names = take(names);
        w->at = 0;
        return *target == '/' ? go_to(w, tree->root, ".", 0) : 0;
}

static int make_directory(Tree *tree, int parent, const char *name, const char *path, Error *e)
{
        int r = tree_count_file(tree, path, e);

        if (r < 0)
                return r;
        return mkdirat(parent, name, 0755) < 0 ? error_errno(e, -errno, "%s", path) : 0;
}

static int walk(Tree *tree, Walk *w, bool make, const char *path, Error *e)
{
        int r = go_to(w, tree->root, ".", 0);

        while (r >= 0 && w->names && w->names[w->at]) {
                const char *name = w->names[w->at++];
                if (strcmp(name, ".") == 0)
                        continue;
                if (strcmp(name, "..") == 0) {
                        /* Of the root it is the root. */
                        r = w->depth > 0 ? go_to(w, w->fd, "..", w->depth - 1) : 0;
                        continue;
                }
                if (w->depth + 1 >= ARCHIVE_DEPTH_MAX)
                        return name_error(-ELOOP, path, "nested too deep", e);
                r = go_to(w, w->fd, name, w->depth + 1);
                if (r == -ENOENT && make) {
                        if ((r = make_directory(tree, w->fd, name, path, e)) < 0)
                                return r;
                        r = go_to(w, w->fd, name, w->depth + 1);
                } else if (r == -ENOTDIR || r == -ELOOP) {
                        r = follow_link(tree, w, name);
                }
        }
        if (r == -EINVAL)
                return name_error(-ENOTDIR, path, "leads through a file", e);
        return r < 0 ? name_error(r, path, strerror(-r), e) : 0;
}

int tree_open_parent(Tree *tree, char *const *parts, bool make, const char *path, Error *e)
{
        Walk w = {.fd = -1};
        int r = strv_copy(parts, &w.names);
        size_t n = strv_length(w.names);

        if (r < 0)
                return error_oom(e);
        if (n > 0) {
                free(w.names[n - 1]);
                w.names[n - 1] = NULL;
        }
        r = walk(tree, &w, make, path, e);
        strv_free(w.names);
        if (r < 0)
                close_fd(w.fd);
        return r < 0 ? r : w.fd;
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
