/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "engine/base/fd.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/openat2.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/sendfile.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#define DESCRIPTORS_WANTED 65536
#define FDS_PER_MESSAGE 253 /* SCM_MAX_FD, include/net/scm.h */

ssize_t read_full(int fd, void *buffer, size_t size)
{
        size_t done = 0;

        while (done < size) {
                ssize_t n = read(fd, (char *)buffer + done, size - done);
                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return -errno;
                if (n == 0)
                        break;
                done += (size_t)n;
        }
        return (ssize_t)done;
}

int write_full(int fd, const void *data, size_t size)
{
        size_t done = 0;

        while (done < size) {
                ssize_t n = write(fd, (const char *)data + done, size - done);
                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return -errno;
                done += (size_t)n;
        }
        return 0;
}

int copy_file_within(int from, int to, CopyLimit limit, void *userdata)
{
        uint64_t done = 0;
        struct stat st;

        if (fstat(from, &st) < 0)
                return -errno;
        if ((uint64_t)st.st_size > limit(0, userdata))
                return -E2BIG;
        if (ioctl(to, FICLONE, from) == 0)
                return (uint64_t)st.st_size > limit((uint64_t)st.st_size, userdata) ? -E2BIG : 0;
        /* The offset is ours: that of the descriptor may be shared with who gave it. */
        for (off_t offset = 0;;) {
                ssize_t n = sendfile(to, from, &offset, (size_t)1 << 20);
                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return -errno;
                if (n == 0)
                        return 0;
                done += (uint64_t)n;
                if (done > limit(done, userdata))
                        return -E2BIG;
        }
}

static uint64_t same_limit(uint64_t done _unused_, void *userdata)
{
        return *(const uint64_t *)userdata;
}

int copy_file(int from, int to, uint64_t limit)
{
        return copy_file_within(from, to, same_limit, &limit);
}

int read_file_at(int dir_fd, const char *path, size_t limit, char **ret, size_t *ret_size)
{
        struct stat st;
        /* O_NONBLOCK: opening a FIFO must not wait for its writer. */
        _cleanup_close_ int fd = openat(dir_fd, path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);

        if (fd < 0 || fstat(fd, &st) < 0)
                return -errno;
        if (S_ISDIR(st.st_mode))
                return -EISDIR;
        if (!S_ISREG(st.st_mode))
                return -EINVAL;
        if (st.st_size > 0 && (uint64_t)st.st_size > limit)
                return -EFBIG;

        /* Files of /proc and cgroups say that they are empty: read until the end, whatever the size says. */
        size_t room = st.st_size > 0 ? (size_t)st.st_size + 1 : 4096, size = 0;
        _cleanup_free_ char *text = malloc(room + 1);
        for (;;) {
                if (!text)
                        return -ENOMEM;
                ssize_t n = read_full(fd, text + size, room - size);
                if (n < 0)
                        return (int)n;
                size += (size_t)n;
                if (size > limit)
                        return -EFBIG;
                if (size < room)
                        break;
                room *= 2;
                char *larger = realloc(text, room + 1);
                if (!larger)
                        return -ENOMEM;
                text = larger;
        }
        text[size] = '\0';
        if (ret_size)
                *ret_size = size;
        *ret = take(text);
        return 0;
}

int write_file_at(int dir_fd, const char *path, const char *text)
{
        _cleanup_close_ int fd = openat(dir_fd, path, O_WRONLY | O_CLOEXEC | O_NOCTTY);

        if (fd < 0)
                return -errno;
        return write_full(fd, text, strlen(text));
}

int sealed_file(const char *name, const void *data, size_t size)
{
        _cleanup_close_ int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);

        if (fd < 0)
                return -errno;
        int r = write_full(fd, data, size);
        if (r < 0)
                return r;
        if (lseek(fd, 0, SEEK_SET) < 0 ||
            fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) < 0)
                return -errno;
        return take_fd(fd);
}

int map_file(int fd, size_t limit, const void **ret, size_t *ret_size)
{
        struct stat st;

        if (fstat(fd, &st) < 0)
                return -errno;
        if (!S_ISREG(st.st_mode))
                return -EINVAL;
        if ((uint64_t)st.st_size > limit)
                return -EMSGSIZE;
        *ret = NULL;
        *ret_size = (size_t)st.st_size;
        if (st.st_size == 0)
                return 0;
        void *p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
        if (p == MAP_FAILED)
                return -errno;
        *ret = p;
        return 0;
}

int send_message(int socket_fd, const void *data, size_t size, const int *fds, size_t n_fds)
{
        union {
                struct cmsghdr header;
                char room[CMSG_SPACE(sizeof(int) * FDS_PER_MESSAGE)];
        } control;
        struct iovec iov = {.iov_base = (void *)data, .iov_len = size};
        struct msghdr message = {.msg_iov = &iov, .msg_iovlen = 1};

        if (n_fds > FDS_PER_MESSAGE)
                return -E2BIG;
        if (n_fds > 0) {
                memset(&control, 0, sizeof control);
                message.msg_control = &control;
                message.msg_controllen = CMSG_SPACE(sizeof(int) * n_fds);
                struct cmsghdr *c = CMSG_FIRSTHDR(&message);
                c->cmsg_level = SOL_SOCKET;
                c->cmsg_type = SCM_RIGHTS;
                c->cmsg_len = CMSG_LEN(sizeof(int) * n_fds);
                memcpy(CMSG_DATA(c), fds, sizeof(int) * n_fds);
        }
        for (;;) {
                if (sendmsg(socket_fd, &message, MSG_NOSIGNAL) >= 0)
                        return 0;
                if (errno != EINTR)
                        return -errno;
        }
}

ssize_t receive_message(int socket_fd, void *buffer, size_t size, int *fds, size_t *n_fds)
{
        union {
                struct cmsghdr header;
                char room[CMSG_SPACE(sizeof(int) * FDS_PER_MESSAGE)];
        } control;
        struct iovec iov = {.iov_base = buffer, .iov_len = size};
        struct msghdr message = {
                .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
        size_t room = n_fds ? *n_fds : 0, got = 0;
        bool overflow = false;
        ssize_t n;

        /* ECONNRESET is said once, and first, by a peer that has gone without having read all that it was sent: what it
         * has sent itself is still to come. */
        do
                n = recvmsg(socket_fd, &message, MSG_CMSG_CLOEXEC);
        while (n < 0 && (errno == EINTR || errno == ECONNRESET));
        if (n_fds)
                *n_fds = 0;
        if (n < 0)
                return -errno;
        for (struct cmsghdr *c = CMSG_FIRSTHDR(&message); c; c = CMSG_NXTHDR(&message, c)) {
                if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
                        continue;
                size_t count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
                for (size_t i = 0; i < count; i++) {
                        int fd;
                        memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof fd);
                        if (got < room) {
                                fds[got++] = fd;
                        } else {
                                overflow = true;
                                close(fd);
                        }
                }
        }
        if (overflow || (message.msg_flags & (MSG_TRUNC | MSG_CTRUNC))) {
                close_many(fds, got);
                return -EMSGSIZE;
        }
        if (n_fds)
                *n_fds = got;
        return n;
}

void close_many(int *fds, size_t n)
{
        for (size_t i = 0; i < n; i++)
                fds[i] = close_fd(fds[i]);
}

static int compare_fds(const void *a, const void *b)
{
        return *(const int *)a - *(const int *)b;
}

void close_others(int *keep, size_t n)
{
        unsigned next = 3;

        qsort(keep, n, sizeof *keep, compare_fds);
        for (size_t i = 0; i < n; i++) {
                if (keep[i] < (int)next)
                        continue;
                if (keep[i] > (int)next)
                        close_range(next, (unsigned)keep[i] - 1, 0);
                next = (unsigned)keep[i] + 1;
        }
        close_range(next, ~0U, 0);
}

int open_beneath(int dir_fd, const char *path, uint64_t flags, uint64_t mode)
{
        struct open_how how = {
                .flags = flags | O_CLOEXEC | O_NOFOLLOW,
                .mode = mode,
                .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_XDEV,
        };
        int fd = (int)syscall(SYS_openat2, dir_fd, path, &how, sizeof how);

        return fd < 0 ? -errno : fd;
}

void open_missing_stdio(void)
{
        int fd;

        do {
                fd = open("/dev/null", O_RDWR);
                /* As good as closed; and it has the number. */
                if (fd < 0)
                        fd = open("/", O_PATH);
        } while (fd >= 0 && fd < 3);
        close_fd(fd);
}

int open_end_signals(void)
{
        struct sigaction hangup;
        sigset_t set;

        /* A shell starts what it puts in the background with SIGINT ignored; who sends it to us by name means us. */
        signal(SIGINT, SIG_DFL);
        sigemptyset(&set);
        sigaddset(&set, SIGINT);
        sigaddset(&set, SIGTERM);
        if (sigaction(SIGHUP, NULL, &hangup) < 0 || hangup.sa_handler != SIG_IGN)
                sigaddset(&set, SIGHUP);
        sigprocmask(SIG_BLOCK, &set, NULL);
        int fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
        return fd < 0 ? -errno : fd;
}

int flush_stdout(void)
{
        struct pollfd p = {.fd = STDOUT_FILENO};
        int before = errno; /* of an earlier write, as a rule */

        if (fflush(stdout) != 0)
                before = errno;
        else if (!ferror(stdout))
                return 0;
        if (poll(&p, 1, 0) > 0 && (p.revents & (POLLERR | POLLHUP)))
                return -EPIPE;
        return before > 0 ? -before : -EIO;
}

void raise_descriptor_limit(void)
{
        struct rlimit limit;

        if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur >= DESCRIPTORS_WANTED)
                return;
        limit.rlim_cur = limit.rlim_max < DESCRIPTORS_WANTED ? limit.rlim_max : DESCRIPTORS_WANTED;
        setrlimit(RLIMIT_NOFILE, &limit);
}
