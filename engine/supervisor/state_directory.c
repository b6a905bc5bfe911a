/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "engine/supervisor/state_directory.h"

#include "engine/base/fd.h"

#include <fcntl.h>
#include <libgen.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

#define STATE_MARK "skep-state" /* has something in it as soon as there was a store */

/* What nobody needs any more is removed from the state directory: so it must be ours, and have been made for this.
 * Returns 1 when it has our mark, 0 when it can get it. */
static int check_directory(int fd, const char *directory, Error *e)
{
        static const char *const ours[] = {"jobs", "blobs", "jobs.db"};
        struct stat st;

        if (fstat(fd, &st) < 0)
                return error_errno(e, -errno, "%s", directory);
        if (st.st_uid != geteuid() || (st.st_mode & 0022))
                return error_set(e, -EPERM, "%s: a state directory must be the supervisor's own, and writable by nobody "
                                 "else",
                                 directory);
        if (faccessat(fd, STATE_MARK, F_OK, 0) == 0)
                return 1;
        for (size_t i = 0; i < ELEMENTS(ours); i++)
                if (faccessat(fd, ours[i], F_OK, AT_SYMLINK_NOFOLLOW) == 0)
                        return error_set(e, -EEXIST, "%s/%s is there already, and no skepd has made it", directory,
                                         ours[i]);
        return 0;
}

int state_directory_check(const char *directory, Error *e)
{
        _cleanup_close_ int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

        if (fd >= 0)
                return check_directory(fd, directory, e);
        if (errno != ENOENT)
                return error_errno(e, -errno, "%s", directory);
        /* It is made at the start, if there is a place for it. */
        _cleanup_free_ char *parent = strdup(directory);
        if (!parent)
                return error_oom(e);
        return access(dirname(parent), W_OK) < 0 ? error_errno(e, -errno, "%s", directory) : 0;
}

int state_directory_lock(const char *directory, Error *e)
{
        if (mkdir(directory, 0700) < 0 && errno != EEXIST)
                return error_errno(e, -errno, "%s", directory);
        _cleanup_close_ int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0)
                return error_errno(e, -errno, "%s", directory);
        int r = check_directory(fd, directory, e);
        if (r < 0)
                return r;
        _cleanup_close_ int mark = r ? -1 : openat(fd, STATE_MARK, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
        if (r == 0 && mark < 0)
                return error_errno(e, -errno, "%s", directory);
        if (flock(fd, LOCK_EX | LOCK_NB) < 0)
                return errno == EWOULDBLOCK
                               ? error_set(e, -EBUSY, "%s: another skepd uses this state directory", directory)
                               : error_errno(e, -errno, "%s", directory);
        return take_fd(fd);
}

/* Whether it has entries. What begins with a dot is never ours, nor removed. */
static int has_content(int fd, const char *name)
{
        int folder = openat(fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
        _cleanup_closedir_ DIR *dir = folder < 0 ? NULL : fdopendir(folder);

        if (!dir)
                return errno == ENOENT ? 0 : -errno;
        errno = 0;
        for (struct dirent *d; (d = readdir(dir));)
                if (d->d_name[0] != '.')
                        return 1;
        return -errno;
}

int state_directory_had_store(const char *directory)
{
        _cleanup_close_ int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        struct stat st;

        if (fd < 0)
                return -errno;
        if (fstatat(fd, STATE_MARK, &st, AT_SYMLINK_NOFOLLOW) == 0 && st.st_size > 0)
                return 1;
        int r = has_content(fd, "jobs");
        return r ? r : has_content(fd, "blobs");
}

/* On a full disk the next start does it. */
void state_directory_note_store(const char *directory)
{
        static const char text[] = "There is a store here.\n";
        _cleanup_close_ int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        _cleanup_close_ int mark = fd < 0 ? -1 : openat(fd, STATE_MARK, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
        struct stat st;

        if (mark >= 0 && fstat(mark, &st) == 0 && st.st_size == 0)
                write_full(mark, text, strlen(text));
}
