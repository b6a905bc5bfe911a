/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A range is taken by a lock on one byte of a file: the byte's offset is the number of the range. Locks of open file
 * descriptions (fcntl(2), F_OFD_SETLK) belong to every process that holds the descriptor, and go with the last one:
 * the jail's reaper is among them, and it is the last process of the jail.
 *
 * The file goes when nobody needs it. Whoever removes it holds all of its bytes; whoever finds that what he locked is
 * not the file of that name any more, starts again. */

#include "jail/ids.h"

#include <fcntl.h>
#include <stdbool.h>
#include <sys/stat.h>

#define IDS_FOLDER "/run/skep"
#define IDS_FILE IDS_FOLDER "/jail-ids"
#define ATTEMPTS_MAX 1000 /* each means that somebody has just removed the file */

static int lock_bytes(int fd, off_t start, off_t length)
{
        struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = start, .l_len = length};

        return fcntl(fd, F_OFD_SETLK, &lock) < 0 ? -errno : 0;
}

static bool is_current(int fd)
{
        struct stat mine, named;

        return fstat(fd, &mine) == 0 && stat(IDS_FILE, &named) == 0 && mine.st_ino == named.st_ino &&
               mine.st_dev == named.st_dev;
}

static int open_file(void)
{
        /* Only root makes jails that need ranges: nobody else can lock them away. */
        if (mkdir(IDS_FOLDER, 0755) < 0 && errno != EEXIST)
                return -errno;
        int fd = open(IDS_FILE, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
        return fd < 0 ? -errno : fd;
}

int ids_take(uint32_t hint, uint32_t *ret_base, int *ret_fd, Error *e)
{
        for (int attempt = 0;; attempt++) {
                _cleanup_close_ int fd = open_file();
                uint32_t tried = 0, range = hint % IDS_RANGES;
                int r = fd;

                if (fd == -ENOENT && attempt < ATTEMPTS_MAX)
                        continue; /* the folder was tidied away in between */
                for (; fd >= 0 && tried < IDS_RANGES; tried++, range = (range + 1) % IDS_RANGES)
                        if ((r = lock_bytes(fd, range, 1)) != -EAGAIN && r != -EACCES)
                                break;
                if (r < 0 && tried == IDS_RANGES)
                        return error_set(e, -EAGAIN, "all %u ranges of ids for jails are in use", IDS_RANGES);
                if (r < 0)
                        return error_errno(e, r, "taking a range of ids in " IDS_FILE);
                if (!is_current(fd) && attempt < ATTEMPTS_MAX)
                        continue;
                *ret_base = IDS_FIRST + range * IDS_PER_JAIL;
                *ret_fd = take_fd(fd);
                return 0;
        }
}

void ids_tidy(void)
{
        _cleanup_close_ int fd = open(IDS_FILE, O_RDWR | O_CLOEXEC | O_NOFOLLOW);

        if (fd >= 0 && lock_bytes(fd, 0, 0) >= 0 && is_current(fd)) {
                unlink(IDS_FILE);
                rmdir(IDS_FOLDER); /* it stays when something else lives there */
        }
}
