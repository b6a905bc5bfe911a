/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "engine/base/remove_tree.h"

#include "engine/base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>

/* Each level of a directory costs a descriptor and a frame of the stack. What is deeper is moved to the top first. */
#define DEPTH_MAX 64

typedef struct Removal {
        int top;        /* the directory that is removed */
        uint64_t moved; /* directories, to it; their names have numbers */
        bool again;     /* there is something new in it */
        int error;      /* the first */
} Removal;

static void note(Removal *r, int error)
{
        if (r->error == 0)
                r->error = error;
}

/* Opens a directory, which gets the rights that removing it takes: as a user one may have lost them over one's own. */
static int open_directory(int parent, const char *name)
{
        int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        struct stat st;

        if (fd < 0 && errno == EACCES) {
                _cleanup_close_ int path = openat(parent, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
                char link[32];
                snprintf(link, sizeof link, "/proc/self/fd/%d", path);
                if (path < 0 || chmod(link, 0700) < 0)
                        return -errno;
                fd = openat(path, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        }
        if (fd < 0)
                return -errno;
        if (geteuid() != 0 && fstat(fd, &st) == 0 && (st.st_mode & 0700) != 0700)
                (void)!fchmod(fd, 0700);
        return fd;
}

static void move_to_top(Removal *r, int parent, const char *name)
{
        /* Moving a directory writes to it. */
        _cleanup_close_ int fd = open_directory(parent, name);
        char fresh[32];

        if (fd < 0) {
                note(r, fd);
                return;
        }
        int moved;
        do {
                snprintf(fresh, sizeof fresh, "%" PRIu64, r->moved++);
                moved = renameat2(parent, name, r->top, fresh, RENAME_NOREPLACE);
        } while (moved < 0 && errno == EEXIST);
        if (moved < 0)
                note(r, -errno);
        else
                r->again = true;
}

static void remove_entry(Removal *r, int parent, const char *name, unsigned depth);

static void remove_entries(Removal *r, DIR *dir, unsigned depth)
{
        for (struct dirent *d; (d = readdir(dir));)
                if (strcmp(d->d_name, ".") != 0 && strcmp(d->d_name, "..") != 0)
                        remove_entry(r, dirfd(dir), d->d_name, depth);
}

static void remove_entry(Removal *r, int parent, const char *name, unsigned depth)
{
        if (unlinkat(parent, name, 0) == 0 || errno == ENOENT)
                return;
        if (errno != EISDIR && errno != EPERM) {
                note(r, -errno);
                return;
        }
        if (depth > DEPTH_MAX) {
                move_to_top(r, parent, name);
                return;
        }
        int fd = open_directory(parent, name);
        _cleanup_closedir_ DIR *dir = fd < 0 ? NULL : fdopendir(fd);
        if (!dir) {
                note(r, fd < 0 ? fd : -errno);
                close_fd(fd);
                return;
        }
        remove_entries(r, dir, depth + 1);
        if (unlinkat(parent, name, AT_REMOVEDIR) < 0)
                note(r, -errno);
}

int remove_tree_at(int dir_fd, const char *name)
{
        Removal r = {.top = -1};

        if (unlinkat(dir_fd, name, 0) == 0 || errno == ENOENT)
                return 0;
        if (errno != EISDIR && errno != EPERM)
                return -errno;
        r.top = open_directory(dir_fd, name);
        if (r.top < 0)
                return r.top;
        _cleanup_closedir_ DIR *dir = fdopendir(r.top);
        if (!dir) {
                int error = -errno;
                close(r.top);
                return error;
        }
        do {
                r.again = false;
                rewinddir(dir);
                remove_entries(&r, dir, 1);
        } while (r.again);
        if (unlinkat(dir_fd, name, AT_REMOVEDIR) < 0)
                note(&r, -errno);
        return r.error;
}
