/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "jail/image_store.h"

#include "engine/base/clock.h"
#include "engine/base/fd.h"
#include "engine/base/id.h"
#include "engine/base/places.h"
#include "engine/base/remove_tree.h"

#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

#define HIDDEN '.'

static int make_path(const char *path)
{
        _cleanup_free_ char *part = strdup(path);

        if (!part)
                return -ENOMEM;
        for (char *slash = strchr(part + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
                *slash = '\0';
                if (mkdir(part, 0755) < 0 && errno != EEXIST)
                        return -errno;
                *slash = '/';
        }
        return mkdir(path, 0700) < 0 && errno != EEXIST ? -errno : 0;
}

int image_store_open(bool make, Error *e)
{
        _cleanup_free_ char *path = place_images(e);
        struct stat st;
        int r = !path ? (e ? e->code : -ENOMEM) : make ? make_path(path) : 0;

        if (!path)
                return r;
        if (r < 0)
                return error_errno(e, r, "making %s", path);
        _cleanup_close_ int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0 || fstat(fd, &st) < 0)
                return error_errno(e, -errno, "%s", path);
        if (st.st_uid != geteuid() || (st.st_mode & 077))
                return error_set(e, -EPERM, "%s must belong to whoever uses it, and be his alone (chmod 700)", path);
        return take_fd(fd);
}

int image_store_lock(int store, Error *e)
{
        while (flock(store, LOCK_EX) < 0)
                if (errno != EINTR)
                        return error_errno(e, -errno, "locking the images");
        return 0;
}

bool image_store_has(int store, const char *name, int directory)
{
        struct stat a, b;

        return fstatat(store, name, &a, AT_SYMLINK_NOFOLLOW) == 0 && fstat(directory, &b) == 0 &&
               a.st_ino == b.st_ino && a.st_dev == b.st_dev;
}

char *image_store_hidden_name(void)
{
        IdMaker maker = {0};
        char *name = NULL;
        Id id;

        if (id_make(&maker, realtime_usec(), &id) < 0 || asprintf(&name, "%c%s", HIDDEN, id.text) < 0)
                return NULL;
        return name;
}

void image_store_tidy(int store)
{
        int fd = open_beneath(store, ".", O_RDONLY | O_DIRECTORY, 0);
        _cleanup_closedir_ DIR *dir = fd < 0 ? NULL : fdopendir(fd);

        if (!dir) {
                close_fd(fd);
                return;
        }
        for (struct dirent *d; (d = readdir(dir));) {
                if (d->d_name[0] != HIDDEN || !id_is_valid(d->d_name + 1))
                        continue;
                _cleanup_close_ int left = open_beneath(store, d->d_name, O_RDONLY | O_DIRECTORY, 0);
                /* What cannot be removed now is no harm: the next one tries again. */
                if (left >= 0 && flock(left, LOCK_EX | LOCK_NB) == 0)
                        remove_tree_at(store, d->d_name);
        }
}
