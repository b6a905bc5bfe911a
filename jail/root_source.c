/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "jail/root_source.h"

#include "engine/base/fd.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

static int open_path(const char *path, RootSource *ret, Error *e)
{
        struct stat st;

        ret->fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
        if (ret->fd < 0 || fstat(ret->fd, &st) < 0)
                return error_errno(e, -errno, "root %s", path);
        if (!S_ISDIR(st.st_mode) && !S_ISREG(st.st_mode))
                return error_set(e, -EINVAL, "root %s: neither a directory nor a file", path);
        if (S_ISREG(st.st_mode) && !root_file_type(ret->fd))
                return error_set(e, -EINVAL, "root %s: it is neither a squashfs nor an erofs image", path);
        ret->kind = S_ISDIR(st.st_mode) ? ROOT_DIRECTORY : ROOT_FILE;
        return 0;
}

int root_source_open(const char *name, RootSource *ret, Error *e)
{
        *ret = ROOT_SOURCE_NULL;
        if (!name || strcmp(name, "host") == 0)
                return 0;
        if (name[0] == '/')
                return open_path(name, ret, e);
        int r = image_open(name, &ret->image, e);
        if (r == -ENOENT && e)
                return error_set(e, r, "%s; a path has a slash, as in ./%s", error_text(e), name);
        if (r < 0)
                return r;
        ret->kind = ROOT_DIRECTORY;
        ret->fd = ret->image.root;
        return 0;
}

void root_source_done(RootSource *s)
{
        if (s->image.root < 0)
                close_fd(s->fd);
        image_done(&s->image);
        *s = ROOT_SOURCE_NULL;
}
