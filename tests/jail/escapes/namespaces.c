/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Namespaces: new ones, by each call that makes them, and those of others. */

#include "attack.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef CLONE_NEWTIME
#define CLONE_NEWTIME 0x80
#endif

static const struct {
        const char *name;
        uint64_t flag;
} kinds[] = {
        {"user", CLONE_NEWUSER}, {"mnt", CLONE_NEWNS},   {"pid", CLONE_NEWPID},       {"net", CLONE_NEWNET},
        {"ipc", CLONE_NEWIPC},   {"uts", CLONE_NEWUTS},  {"cgroup", CLONE_NEWCGROUP}, {"time", CLONE_NEWTIME},
};

static uint64_t flag_of(const char *name)
{
        for (size_t i = 0; i < ELEMENTS(kinds); i++)
                if (strcmp(kinds[i].name, name) == 0)
                        return kinds[i].flag;
        return 0;
}

/* Takes a child that was made away; returns what the call did. */
static long child_made(long pid)
{
        if (pid == 0)
                _exit(0);
        if (pid > 0)
                waitpid((pid_t)pid, NULL, 0);
        return pid;
}

static long by_clone(uint64_t flags)
{
        /* Only the low half is looked at; "time" lies where the signal is, and can be had by the others alone. */
        return child_made(syscall(SYS_clone, (unsigned long)(flags & ~(uint64_t)CLONE_NEWTIME) | SIGCHLD, NULL, NULL,
                                  NULL, NULL));
}

static long by_clone3(uint64_t flags)
{
        struct clone_args args = {.flags = flags, .exit_signal = SIGCHLD};

        return child_made(syscall(SYS_clone3, &args, sizeof args));
}

static int by_unshare(void *flags)
{
        return unshare((int)(intptr_t)flags) == 0 ? 0 : errno;
}

/* By every call, alone and with a user namespace, in which no privilege is needed. */
static Verdict make(Attempt *a)
{
        const uint64_t wanted[] = {flag_of(a->argument), flag_of(a->argument) | CLONE_NEWUSER};
        int error = 0;

        for (size_t i = 0; i < ELEMENTS(wanted); i++) {
                int status = in_child(by_unshare, (void *)(intptr_t)wanted[i]);
                if (status == 0)
                        return escaped(a, "by unshare%s", i ? ", with a user namespace" : "");
                if (wanted[i] != CLONE_NEWTIME && by_clone(wanted[i]) > 0)
                        return escaped(a, "by clone%s", i ? ", with a user namespace" : "");
                if (by_clone3(wanted[i]) > 0)
                        return escaped(a, "by clone3%s", i ? ", with a user namespace" : "");
                error = status;
        }
        return held(a, "unshare, clone, clone3: %s", strerrorname_np(error));
}

/* clone() takes its flags from a register of 64 bits, and looks at 32. */
static Verdict make_with_junk(Attempt *a)
{
        unsigned long flags = 0x5555555500000000UL | CLONE_NEWUSER | SIGCHLD;

        return by_result(a, child_made(syscall(SYS_clone, flags, NULL, NULL, NULL, NULL)), "clone");
}

/* ---- while somebody looks ---- */

typedef struct Race {
        struct clone_args args;
        int stop;
} Race;

static void *flip(void *argument)
{
        Race *race = argument;

        while (!__atomic_load_n(&race->stop, __ATOMIC_RELAXED)) {
                __atomic_store_n(&race->args.flags, CLONE_NEWUSER, __ATOMIC_RELAXED);
                __atomic_store_n(&race->args.flags, 0, __ATOMIC_RELAXED);
        }
        return NULL;
}

/* What is behind a pointer can change between the look of a filter's listener and the call. */
static Verdict race_for_flags(Attempt *a)
{
        Race race = {.args = {.exit_signal = SIGCHLD}};
        struct stat own, made;
        pthread_t thread;
        int tried = 0;

        if (stat("/proc/self/ns/user", &own) < 0 || pthread_create(&thread, NULL, flip, &race) != 0)
                return held(a, "no thread can be made");
        for (; tried < 300; tried++) {
                char path[64];
                int fds[2];
                if (pipe(fds) < 0)
                        break;
                long pid = syscall(SYS_clone3, &race.args, sizeof race.args);
                if (pid == 0) {
                        char c;
                        close(fds[1]);
                        _exit(read(fds[0], &c, 1) < 0);
                }
                close(fds[0]);
                snprintf(path, sizeof path, "/proc/%ld/ns/user", pid);
                bool other = pid > 0 && stat(path, &made) == 0 && made.st_ino != own.st_ino;
                close(fds[1]);
                if (pid > 0)
                        waitpid((pid_t)pid, NULL, 0);
                if (other) {
                        race.stop = 1;
                        return escaped(a, "a user namespace was made");
                }
        }
        race.stop = 1;
        pthread_join(thread, NULL);
        return held(a, "%d tries", tried);
}

/* ---- those of others ---- */

static Verdict enter(Attempt *a, const char *pid)
{
        char path[64];
        int error = ENOENT;

        for (size_t i = 0; i < ELEMENTS(kinds); i++) {
                struct stat own, other;
                snprintf(path, sizeof path, "/proc/self/ns/%s", kinds[i].name);
                if (stat(path, &own) < 0)
                        continue;
                snprintf(path, sizeof path, "/proc/%s/ns/%s", pid, kinds[i].name);
                int fd = open(path, O_RDONLY | O_CLOEXEC);
                if (fd < 0) {
                        error = errno;
                        continue;
                }
                bool same = fstat(fd, &other) == 0 && own.st_ino == other.st_ino;
                if (setns(fd, 0) == 0 && !same)
                        return escaped(a, "the %s namespace of process %s was entered", kinds[i].name, pid);
                error = errno;
                close(fd);
        }
        return held(a, "%s", strerrorname_np(error));
}

static Verdict enter_of_1(Attempt *a)
{
        return enter(a, "1");
}

static Verdict enter_of_bystander(Attempt *a)
{
        return host_is_seen(a) ? enter(a, given(a, "bystander")) : held(a, "no process of the host is seen");
}

static Verdict enter_by_pidfd(Attempt *a)
{
        int pidfd = (int)syscall(SYS_pidfd_open, host_is_seen(a) ? (pid_t)given_number(a, "bystander") : 1, 0);

        if (pidfd < 0)
                return by_result(a, -1, "pidfd_open");
        return by_result(a, setns(pidfd, CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWUTS), "setns");
}

const Attack attacks_by_namespaces[] = {
        {"new-user-namespace", "make one, by unshare, clone and clone3", make, "user", 0, NULL},
        {"new-mount-namespace", "make one, also with a user namespace", make, "mnt", 0, NULL},
        {"new-pid-namespace", "make one, also with a user namespace", make, "pid", 0, NULL},
        {"new-network-namespace", "make one, also with a user namespace", make, "net", 0, NULL},
        {"new-ipc-namespace", "make one, also with a user namespace", make, "ipc", 0, NULL},
        {"new-uts-namespace", "make one, also with a user namespace", make, "uts", 0, NULL},
        {"new-cgroup-namespace", "make one, also with a user namespace", make, "cgroup", 0, NULL},
        {"new-time-namespace", "make one, also with a user namespace", make, "time", 0, NULL},
        {"clone-with-junk", "clone a namespace, with junk above the flags", make_with_junk, NULL, 0, NULL},
        {"clone-race", "change the flags of clone3 while it is looked at", race_for_flags, NULL, 0, NULL},
        {"enter-1", "enter the namespaces of process 1", enter_of_1, NULL, 0, NULL},
        {"enter-bystander", "enter those of a process of the host", enter_of_bystander, NULL, 0, NULL},
        {"enter-by-pidfd", "enter them by a pidfd", enter_by_pidfd, NULL, 0, NULL},
        {0},
};
