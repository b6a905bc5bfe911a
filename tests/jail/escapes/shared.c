/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Files that the host and all jails have in common, such as /usr: they cannot be written, but locks and watches are on
 * the file itself, whoever has opened it. The host's side opens and locks one of them all the time, and says when it
 * could not. */

#include "attack.h"

#include "host.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/vfs.h>
#include <unistd.h>

#define BEATS_MSEC 400 /* of the host's side, several */

static Verdict lock_against_host(Attempt *a, const char *path)
{
        int fd = open(path, O_RDONLY | O_CLOEXEC);

        if (fd < 0)
                return held(a, "%s: %s", path, strerrorname_np(errno));
        /* The host's side has it for a moment now and then. */
        for (int tries = 0; flock(fd, LOCK_EX | LOCK_NB) < 0; tries++)
                if (errno == EWOULDBLOCK && tries < 20)
                        sleep_msec(5);
                else
                        return by_result(a, -1, "flock");
        sleep_msec(BEATS_MSEC);
        return held(a, "locked; whether the host is kept out is seen outside");
}

static Verdict lock_file(Attempt *a)
{
        return lock_against_host(a, COMMON_FILE);
}

static Verdict lock_links(Attempt *a)
{
        return lock_against_host(a, COMMON_LINKS);
}

static Verdict lock_cache(Attempt *a)
{
        return lock_against_host(a, COMMON_CACHE);
}

static Verdict lock_record(Attempt *a)
{
        struct flock lock = {.l_type = F_RDLCK, .l_whence = SEEK_SET};
        int fd = open(COMMON_FILE, O_RDONLY | O_CLOEXEC);

        for (int tries = 0; fcntl(fd, F_SETLK, &lock) < 0; tries++)
                if ((errno == EAGAIN || errno == EACCES) && tries < 20)
                        sleep_msec(5);
                else
                        return by_result(a, -1, "F_SETLK");
        sleep_msec(BEATS_MSEC);
        return held(a, "locked; whether the host is kept out is seen outside");
}

static Verdict lease(Attempt *a)
{
        int fd = open(COMMON_FILE, O_RDONLY | O_CLOEXEC);

        return by_result(a, fcntl(fd, F_SETLEASE, F_RDLCK), "F_SETLEASE");
}

static Verdict watch(Attempt *a)
{
        char events[4096] __attribute__((aligned(8)));
        int fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);

        if (fd < 0 || inotify_add_watch(fd, COMMON_DIRECTORY, IN_OPEN | IN_ACCESS | IN_ATTRIB) < 0)
                return by_result(a, -1, "inotify");
        struct pollfd p = {.fd = fd, .events = POLLIN};
        if (poll(&p, 1, BEATS_MSEC) <= 0 || read(fd, events, sizeof events) <= 0)
                return held(a, "nothing is seen of what the host does there");
        struct inotify_event *event = (struct inotify_event *)(void *)events;
        return escaped(a, "the host has opened %s", event->len ? event->name : "it");
}

static volatile sig_atomic_t has_come;

static void came(int signal_number)
{
        (void)signal_number;
        has_come = 1;
}

static Verdict watch_by_signal(Attempt *a)
{
        int fd = open(COMMON_DIRECTORY, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

        signal(SIGIO, came);
        if (fcntl(fd, F_NOTIFY, DN_ACCESS | DN_MULTISHOT) < 0)
                return by_result(a, -1, "F_NOTIFY");
        for (int waited = 0; waited < BEATS_MSEC; waited += 20) {
                sleep_msec(20);
                if (has_come)
                        return escaped(a, "the host has read a file there");
        }
        return held(a, "nothing is seen of what the host does there");
}

/* Whether /usr is of a file system of the sandbox's own; where one may not ask about a descriptor, by the list of mounts. */
static bool is_of_own(int fd)
{
        struct statfs fs;

        if (fstatfs(fd, &fs) == 0)
                return fs.f_type == TMPFS_MAGIC || fs.f_type == OVERLAYFS_SUPER_MAGIC;
        FILE *f = fopen("/proc/self/mountinfo", "re");
        char line[4096];
        bool own = false;
        while (f && fgets(line, sizeof line, f))
                if (strstr(line, " /usr ") || strstr(line, " / / "))
                        own = strstr(line, " - overlay "); /* of the last, which is the nearest */
        if (f)
                fclose(f);
        return own;
}

/* All that the host has not yet written to that file system, again and again. */
static Verdict flush(Attempt *a)
{
        int fd = open(COMMON_DIRECTORY, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

        if (syncfs(fd) < 0)
                return by_result(a, -1, "syncfs");
        if (is_of_own(fd))
                return held(a, "only of the own file system");
        return escaped(a, "the host's file system was made to write");
}

/* What a disk keeps for later has to be written now: a flush of all of it, whoever wrote it. */
static Verdict flush_file(Attempt *a)
{
        int fd = open(COMMON_FILE, O_RDONLY | O_CLOEXEC);

        if (fsync(fd) < 0)
                return by_result(a, -1, "fsync");
        if (is_of_own(fd))
                return held(a, "only of the own file system");
        return escaped(a, "the host's disk was flushed");
}

/* Out of memory, so that the host's next reader waits for the disk; again and again. */
static Verdict evict(Attempt *a)
{
        int fd = open(COMMON_FILE, O_RDONLY | O_CLOEXEC), error = posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);

        errno = error;
        return by_result(a, error ? -1 : 0, "POSIX_FADV_DONTNEED");
}

/* Who writes to memory that was merged with another's of the same content waits, and so knows what the other has. */
static Verdict merge(Attempt *a)
{
        void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

        return by_result(a, madvise(page, 4096, MADV_MERGEABLE), "MADV_MERGEABLE");
}

const Attack attacks_on_shared_files[] = {
        {"lock-file", "lock a file of /usr against the host (flock)", lock_file, NULL, 0, NULL},
        {"lock-links", "lock a directory of /etc (flock)", lock_links, NULL, 0, NULL},
        {"lock-cache", "lock the linker's cache (flock)", lock_cache, NULL, 0, NULL},
        {"lock-record", "lock it in part (fcntl)", lock_record, NULL, 0, NULL},
        {"lease", "be asked before the host opens it (F_SETLEASE)", lease, NULL, 0, NULL},
        {"watch-files", "watch what the host opens in /usr (inotify)", watch, NULL, 0, NULL},
        {"watch-by-signal", "watch it by signals (F_NOTIFY)", watch_by_signal, NULL, 0, NULL},
        {"flush", "make the host's disk write (syncfs)", flush, NULL, 0, NULL},
        {"flush-file", "make it write by a file of /usr (fsync)", flush_file, NULL, 0, NULL},
        {"evict", "drop a file of /usr from the host's memory", evict, NULL, 0, NULL},
        {"merge", "have memory merged with that of others (KSM)", merge, NULL, 0, NULL},
        {0},
};
