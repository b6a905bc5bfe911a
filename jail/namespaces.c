/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "jail/namespaces.h"

#include "engine/base/fd.h"
#include "jail/loopback.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#define STACK_SIZE 4096
#define OWN_NETWORK "/proc/self/ns/net"

/* A user namespace is made by a process in it; this one lives until its namespace has been opened. It shares our memory,
 * and does nothing with it; and our descriptors, so that it must not outlive us: they mean something to others. */
static int hold(void *argument)
{
        const pid_t *parent = argument;

        syscall(SYS_prctl, PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
        if (syscall(SYS_getppid) != *parent)
                syscall(SYS_exit_group, 1);
        for (;;)
                syscall(SYS_ppoll, NULL, 0, NULL, NULL, 0); /* newer architectures have no pause() */
        return 0;
}

/* Changes who makes what this process makes, and gives it its privileges back, since some hosts let nobody make a user
 * namespace without them. */
static int act_as(uid_t uid, gid_t gid)
{
        struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
        struct __user_cap_data_struct data[2];

        if (syscall(SYS_setresgid, -1, gid, -1) < 0 || syscall(SYS_setresuid, -1, uid, -1) < 0 ||
            syscall(SYS_capget, &header, data) < 0)
                return -errno;
        for (size_t i = 0; i < ELEMENTS(data); i++)
                data[i].effective = data[i].permitted;
        return syscall(SYS_capset, &header, data) < 0 ? -errno : 0;
}

typedef int (*Mapper)(pid_t pid, const void *argument, Error *e);

/* What a process holds of things that each user has so many of (watchers, timers, queued signals, bytes of queues), the
 * kernel charges to its user namespace's owner as well: to whoever has made it (kernel/ucount.c). One jail could use up
 * all that root has on the host. So it is made in the name of `owner`, the jail's own root, who is nobody else. */
static int make_user_namespace(uint32_t owner, uint32_t owner_group, Mapper map, const void *argument, Error *e)
{
        char stack[STACK_SIZE] __attribute__((aligned(16))), path[64];
        sigset_t all, before;
        pid_t self = getpid();

        /* A signal would make it write errno, which is ours. */
        sigfillset(&all);
        sigprocmask(SIG_BLOCK, &all, &before);
        uid_t uid = geteuid();
        gid_t gid = getegid();
        int r = act_as(owner, owner_group);
        pid_t pid = -1;
        if (r >= 0)
                pid = clone(hold, stack + sizeof stack, CLONE_VM | CLONE_FILES | CLONE_NEWUSER | SIGCHLD, &self);
        if (r >= 0 && pid < 0)
                r = -errno;
        /* Nobody goes on as somebody else. */
        if (act_as(uid, gid) < 0)
                abort();
        sigprocmask(SIG_SETMASK, &before, NULL);
        if (r < 0)
                return error_errno(e, r, "making a user namespace");
        r = map(pid, argument, e);
        if (r >= 0) {
                snprintf(path, sizeof path, "/proc/%d/ns/user", pid);
                r = open(path, O_RDONLY | O_CLOEXEC);
                if (r < 0)
                        r = error_errno(e, -errno, "%s", path);
        }
        kill(pid, SIGKILL);
        while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
                ;
        return r;
}

static int map_jail(pid_t pid, const void *argument, Error *e)
{
        return ids_map(argument, pid, e);
}

int namespace_of_user(const Ids *ids, Error *e)
{
        return make_user_namespace(ids->uid, ids->gid, map_jail, ids, e);
}

typedef struct Owner {
        uint32_t uid, gid, to_uid, to_gid;
} Owner;

static int map_one(pid_t pid, const char *file, uint32_t from, uint32_t to)
{
        char path[64], line[64];

        snprintf(path, sizeof path, "/proc/%d/%s", pid, file);
        snprintf(line, sizeof line, "%u %u 1", from, to);
        return write_file_at(AT_FDCWD, path, line);
}

static int map_owner(pid_t pid, const void *argument, Error *e _unused_)
{
        const Owner *owner = argument;
        int r = map_one(pid, "uid_map", owner->uid, owner->to_uid);

        return r < 0 ? r : map_one(pid, "gid_map", owner->gid, owner->to_gid);
}

int namespace_of_owner(uint32_t uid, uint32_t gid, uint32_t to_uid, uint32_t to_gid)
{
        return make_user_namespace(geteuid(), getegid(), map_owner, &(Owner){uid, gid, to_uid, to_gid}, NULL);
}

int namespace_of_network(bool loopback, Error *e)
{
        _cleanup_close_ int own = open(OWN_NETWORK, O_RDONLY | O_CLOEXEC), made = -1;

        if (own < 0)
                return error_errno(e, -errno, OWN_NETWORK);
        if (unshare(CLONE_NEWNET) < 0)
                return error_errno(e, -errno, "making a network namespace");
        int r = loopback ? loopback_up(e) : 0;
        if (r >= 0 && (made = open(OWN_NETWORK, O_RDONLY | O_CLOEXEC)) < 0)
                r = error_errno(e, -errno, OWN_NETWORK);
        /* Nobody goes on in a network that is not his. */
        if (setns(own, CLONE_NEWNET) < 0)
                abort();
        return r < 0 ? r : take_fd(made);
}
