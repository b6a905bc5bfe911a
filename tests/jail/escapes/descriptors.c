/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Using up what the kernel keeps for all, or for each user: descriptors, buffers, timers, watches, keys, namespaces. */

#include "attack.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/keyctl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MANY 100000

static void raise_soft_limit(int resource)
{
        struct rlimit limit;

        getrlimit(resource, &limit);
        limit.rlim_cur = limit.rlim_max;
        setrlimit(resource, &limit);
}

static Verdict counted(Attempt *a, int n, int max, const char *what)
{
        int error = errno;

        return n < max ? held(a, "%d, then %s", n, strerrorname_np(error)) : escaped(a, "%d %s", n, what);
}

static Verdict descriptors(Attempt *a)
{
        int n = 0;

        raise_soft_limit(RLIMIT_NOFILE);
        while (n < MANY && open("/dev/null", O_RDONLY | O_CLOEXEC) >= 0)
                n++;
        return counted(a, n, MANY, "descriptors");
}

static Verdict pipes(Attempt *a)
{
        static char block[65536];
        size_t bytes = 0;
        int fds[2];

        raise_soft_limit(RLIMIT_NOFILE);
        while (bytes < BYTES_MAX && pipe2(fds, O_CLOEXEC | O_NONBLOCK) == 0) {
                fcntl(fds[1], F_SETPIPE_SZ, 1 << 20);
                for (ssize_t n; (n = write(fds[1], block, sizeof block)) > 0;)
                        bytes += (size_t)n;
        }
        return bytes < BYTES_MAX ? held(a, "%zu MiB, then %s", bytes >> 20, strerrorname_np(errno))
                                 : escaped(a, "%zu MiB in pipes", bytes >> 20);
}

static Verdict sockets(Attempt *a)
{
        static char block[65536];
        size_t bytes = 0;
        int fds[2];

        raise_soft_limit(RLIMIT_NOFILE);
        while (bytes < BYTES_MAX && socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) == 0)
                for (int i = 0; i < 2; i++) {
                        int size = 64 << 20;
                        setsockopt(fds[i], SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
                        for (ssize_t n; (n = write(fds[i], block, sizeof block)) > 0;)
                                bytes += (size_t)n;
                }
        return bytes < BYTES_MAX ? held(a, "%zu MiB, then %s", bytes >> 20, strerrorname_np(errno))
                                 : escaped(a, "%zu MiB in sockets", bytes >> 20);
}

/* Descriptors that are on their way count for nobody's table. */
static Verdict in_flight(Attempt *a)
{
        union {
                char data[CMSG_SPACE(sizeof(int) * 250)];
                struct cmsghdr align;
        } control;
        int fds[2], n = 0, null = open("/dev/null", O_RDONLY | O_CLOEXEC);

        raise_soft_limit(RLIMIT_NOFILE);
        memset(&control, 0, sizeof control);
        while (n < MANY && socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) == 0)
                for (bool sent = true; sent && n < MANY;) {
                        struct iovec one = {(char *)"x", 1};
                        struct msghdr message = {.msg_iov = &one, .msg_iovlen = 1, .msg_control = control.data,
                                                 .msg_controllen = sizeof control.data};
                        struct cmsghdr *c = CMSG_FIRSTHDR(&message);
                        *c = (struct cmsghdr){.cmsg_len = CMSG_LEN(sizeof(int) * 250), .cmsg_level = SOL_SOCKET,
                                              .cmsg_type = SCM_RIGHTS};
                        for (int i = 0; i < 250; i++)
                                memcpy(CMSG_DATA(c) + sizeof(int) * (size_t)i, &null, sizeof null);
                        sent = sendmsg(fds[0], &message, 0) >= 0;
                        n += sent ? 250 : 0;
                        if (!sent && errno == ETOOMANYREFS)
                                return counted(a, n, MANY, "");
                }
        return counted(a, n, MANY, "descriptors on their way");
}

/* Per user: whoever shares our id shares our quota. The host's side tries it too, while this runs. */
static Verdict watchers(Attempt *a)
{
        int n = 0;

        raise_soft_limit(RLIMIT_NOFILE);
        while (n < MANY && inotify_init1(IN_CLOEXEC) >= 0)
                n++;
        int error = errno;
        sleep_msec(200);
        errno = error;
        return counted(a, n, MANY, "watchers");
}

static Verdict timers(Attempt *a)
{
        struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1};
        timer_t timer;
        int n = 0;

        while (n < 2 * MANY && timer_create(CLOCK_MONOTONIC, &event, &timer) == 0)
                n++;
        return counted(a, n, 2 * MANY, "timers");
}

static Verdict queued_signals(Attempt *a)
{
        siginfo_t info = {.si_code = SI_QUEUE};
        sigset_t all;
        int n = 0;

        sigfillset(&all);
        sigprocmask(SIG_BLOCK, &all, NULL);
        while (n < 2 * MANY && syscall(SYS_rt_sigqueueinfo, getpid(), SIGRTMIN + 1, &info) == 0)
                n++;
        return counted(a, n, 2 * MANY, "signals");
}

static Verdict keys(Attempt *a)
{
        char name[32];
        int n = 0;

        for (; n < 2000; n++) {
                snprintf(name, sizeof name, "escape-%d", n);
                if (syscall(SYS_add_key, "user", name, "x", 1, KEY_SPEC_PROCESS_KEYRING) < 0)
                        break;
        }
        if (n == 0)
                return by_result(a, -1, "add_key");
        return counted(a, n, 2000, "keys");
}

static Verdict user_namespaces(Attempt *a)
{
        int n = 0;

        for (; n < 30; n++)
                if (unshare(CLONE_NEWUSER) < 0)
                        break;
        if (n == 0)
                return by_result(a, -1, "unshare");
        return escaped(a, "%d, one in the other", n);
}

const Attack attacks_by_descriptors[] = {
        {"descriptors", "open files without end", descriptors, NULL, ENDLESS, NULL},
        {"pipe-buffers", "fill pipes without end", pipes, NULL, ENDLESS, "memory"},
        {"socket-buffers", "fill sockets without end", sockets, NULL, ENDLESS, "memory"},
        {"descriptors-in-flight", "send descriptors that nobody receives", in_flight, NULL, ENDLESS, NULL},
        {"watchers", "use up the watchers of a user (inotify)", watchers, NULL, 0, NULL},
        {"timers", "make timers without end", timers, NULL, ENDLESS, NULL},
        {"queued-signals", "queue signals without end", queued_signals, NULL, ENDLESS, NULL},
        {"keys", "use up the keys of a user", keys, NULL, 0, NULL},
        {"user-namespaces", "nest user namespaces", user_namespaces, NULL, 0, NULL},
        {0},
};
