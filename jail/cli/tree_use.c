/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "jail/cli/tree_use.h"

#include "engine/base/archive.h"
#include "engine/base/fd.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#define BLOCK 512 /* stat(2) */

typedef struct Walk {
        TreeUse use;
        uint64_t max_names;
        Error *error;
} Walk;

static int walk_directory(Walk *w, int directory, const char *name, unsigned depth);

static int walk_entry(Walk *w, int directory, const char *name, unsigned depth)
{
        struct stat st;

        if (fstatat(directory, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
                return 0;
        w->use.names++;
        w->use.bytes += (uint64_t)st.st_blocks * BLOCK / (S_ISDIR(st.st_mode) || !st.st_nlink ? 1 : st.st_nlink);
        return S_ISDIR(st.st_mode) ? walk_directory(w, directory, name, depth + 1) : 0;
}

static int walk_directory(Walk *w, int directory, const char *name, unsigned depth)
{
        /* One more than any tree of ours has: this one starts above it. */
        if (depth > ARCHIVE_DEPTH_MAX + 1)
                return error_set(w->error, -EDQUOT, "there are directories too deep to be looked into");
        int fd = openat(directory, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC), r = 0;
        if (fd < 0 && (depth == 0 || (errno != ENOENT && errno != ENOTDIR && errno != ELOOP)))
                return error_set(w->error, depth == 0 ? -errno : -EDQUOT,
                                 "there is a directory that cannot be opened: %s", strerror(errno));
        _cleanup_closedir_ DIR *dir = fd < 0 ? NULL : fdopendir(fd);
        if (!dir) {
                close_fd(fd);
                return 0;
        }
        for (struct dirent *d; r >= 0 && w->use.names <= w->max_names && (d = readdir(dir));)
                if (strcmp(d->d_name, ".") != 0 && strcmp(d->d_name, "..") != 0)
                        r = walk_entry(w, dirfd(dir), d->d_name, depth);
        return r;
}

int tree_use(int directory, uint64_t max_names, TreeUse *ret, Error *e)
{
        Walk walk = {.max_names = max_names, .error = e};
        int r = walk_directory(&walk, directory, ".", 0);

        *ret = walk.use;
        return r;
}
