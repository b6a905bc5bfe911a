/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The system call filter of a policy: an allowlist, compiled by libseccomp once per policy and kept as bytes, since
 * building it takes longer than starting a jail.
 *
 * Whatever a policy allows, some calls are narrowed by their arguments, because without that they would be another
 * call: clone() with namespaces is unshare(), a vsock socket is a network, personality() can switch protections off.
 * Comparisons are on 32 bits where the kernel takes 32 bits, so that junk in the high half does not slip past. */

#include "jail/policy.h"

#include "engine/base/fd.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <linux/netlink.h>
#include <sched.h>
#include <seccomp.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/socket.h>

#define CLONE_NAMESPACES                                                                                        \
        (CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWCGROUP | \
         0x80 /* CLONE_NEWTIME, include/uapi/linux/sched.h */)

#define LOW32 UINT64_C(0xffffffff)

/* What is permitted of a call that is narrowed: each argument that is named, masked, must equal its value. One line of
 * several for the same call is enough. */
typedef struct Match {
        unsigned argument;
        uint64_t mask, value;
} Match;

typedef struct Narrowing {
        const char *call;
        Match first, second; /* the second one counts when it has a mask */
} Narrowing;

#define SETID UINT64_C(06000)
#define MAKES_FILE (O_CREAT | (O_TMPFILE & ~O_DIRECTORY)) /* with these, open() has a mode */

static const Narrowing narrowings[] = {
        {"clone", {0, CLONE_NAMESPACES, 0}, {0}},

        {"socket", {0, LOW32, AF_UNIX}, {0}},
        {"socket", {0, LOW32, AF_INET}, {0}},
        {"socket", {0, LOW32, AF_INET6}, {0}},
        /* getifaddrs() and getaddrinfo() ask the jail's own network namespace which addresses it has. By another protocol
         * than that, the kernel would tell of the host's devices, and has much more that could be wrong. */
        {"socket", {0, LOW32, AF_NETLINK}, {2, LOW32, NETLINK_ROUTE}},
        {"socketpair", {0, LOW32, AF_UNIX}, {0}},

        {"personality", {0, LOW32, PER_LINUX}, {0}},
        {"personality", {0, LOW32, LOW32}, {0}}, /* asks, sets nothing */

        /* An allowlist here too: drivers and file systems have thousands. Nothing of a terminal that sets (TIOCSTI). */
        {"ioctl", {1, LOW32, TCGETS}, {0}},
        {"ioctl", {1, LOW32, TIOCGPGRP}, {0}},
        {"ioctl", {1, LOW32, TIOCGWINSZ}, {0}},
        {"ioctl", {1, LOW32, FIONREAD}, {0}},
        {"ioctl", {1, LOW32, FIONBIO}, {0}},
        {"ioctl", {1, LOW32, FIOASYNC}, {0}},
        {"ioctl", {1, LOW32, FIOCLEX}, {0}},
        {"ioctl", {1, LOW32, FIONCLEX}, {0}},
        {"ioctl", {1, LOW32, FICLONE}, {0}},
        {"ioctl", {1, LOW32, FICLONERANGE}, {0}},
        {"ioctl", {1, LOW32, FS_IOC_GETFLAGS}, {0}},
        {"ioctl", {1, LOW32, 0x8910}, {0}}, /* SIOCGIFNAME, include/uapi/linux/sockios.h; if_nameindex() */
        {"ioctl", {1, LOW32, 0x8912}, {0}}, /* SIOCGIFCONF */
        {"ioctl", {1, LOW32, 0x8913}, {0}}, /* SIOCGIFFLAGS */
        {"ioctl", {1, LOW32, 0x8915}, {0}}, /* SIOCGIFADDR */
        {"ioctl", {1, LOW32, 0x8933}, {0}}, /* SIOCGIFINDEX */

        /* Where a directory of the host is bound writable, a file that is "set user id" would be so for its owner there. */
        {"chmod", {1, SETID, 0}, {0}},
        {"fchmod", {1, SETID, 0}, {0}},
        {"fchmodat", {2, SETID, 0}, {0}},
        {"fchmodat2", {2, SETID, 0}, {0}},
        {"creat", {1, SETID, 0}, {0}},
        {"mkdir", {1, SETID, 0}, {0}},
        {"mkdirat", {2, SETID, 0}, {0}},
        {"mknod", {1, SETID, 0}, {0}},
        {"mknodat", {2, SETID, 0}, {0}},
        {"open", {1, MAKES_FILE, 0}, {0}},
        {"open", {2, SETID, 0}, {0}},
        {"openat", {2, MAKES_FILE, 0}, {0}},
        {"openat", {3, SETID, 0}, {0}},
};

/* Their arguments are behind a pointer, where no filter sees them. libc falls back to an older call when they do not
 * exist; EPERM would be an error to it. */
static const char *const absent_calls[] = {"clone3", "openat2"};

static struct scmp_arg_cmp compare(const Match *match)
{
        return SCMP_CMP(match->argument, SCMP_CMP_MASKED_EQ, match->mask, match->value);
}

static bool is_absent(const char *name)
{
        for (size_t i = 0; i < ELEMENTS(absent_calls); i++)
                if (strcmp(absent_calls[i], name) == 0)
                        return true;
        return false;
}

static int add_rules(scmp_filter_ctx context, const char *name)
{
        int number = seccomp_syscall_resolve_name(name), r;
        bool narrowed = false;

        if (number < 0)
                return 0;
        for (size_t i = 0; i < ELEMENTS(narrowings); i++) {
                const Narrowing *n = &narrowings[i];
                if (strcmp(n->call, name) != 0)
                        continue;
                narrowed = true;
                r = seccomp_rule_add(context, SCMP_ACT_ALLOW, number, n->second.mask ? 2 : 1, compare(&n->first),
                                     compare(&n->second));
                if (r < 0)
                        return r;
        }
        return narrowed ? 0 : seccomp_rule_add(context, SCMP_ACT_ALLOW, number, 0);
}

static int export_bytes(scmp_filter_ctx context, void **ret, size_t *ret_size)
{
        _cleanup_close_ int fd = memfd_create("filter", MFD_CLOEXEC);
        const void *map;
        size_t size;

        if (fd < 0)
                return -errno;
        int r = seccomp_export_bpf(context, fd);
        if (r >= 0)
                r = map_file(fd, (size_t)1 << 20, &map, &size);
        if (r < 0)
                return r;
        void *copy = malloc(size);
        if (copy)
                memcpy(copy, map, size);
        munmap((void *)map, size);
        if (!copy)
                return -ENOMEM;
        *ret = copy;
        *ret_size = size;
        return 0;
}

/* What is not in `names` gets `refusal`. `narrow`: as for a job; else the calls are allowed as they stand. */
static int compile(char *const *names, bool narrow, uint32_t refusal, void **ret, size_t *ret_size)
{
        scmp_filter_ctx context = seccomp_init(refusal);
        int r = 0;

        if (!context)
                return -ENOMEM;
        /* 32-bit calls and x32: as if the kernel did not have them. A tree, since a list of 300 is slow to load and to
         * pass. */
        if ((r = seccomp_attr_set(context, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_ERRNO(ENOSYS))) >= 0)
                r = seccomp_attr_set(context, SCMP_FLTATR_CTL_OPTIMIZE, 2);
        for (size_t i = 0; narrow && i < ELEMENTS(absent_calls) && r >= 0; i++)
                r = seccomp_rule_add(context, SCMP_ACT_ERRNO(ENOSYS), seccomp_syscall_resolve_name(absent_calls[i]),
                                     0);
        for (size_t i = 0; r >= 0 && names[i]; i++) {
                if (!narrow)
                        r = seccomp_rule_add(context, SCMP_ACT_ALLOW, seccomp_syscall_resolve_name(names[i]), 0);
                else if (!is_absent(names[i]))
                        r = add_rules(context, names[i]);
        }
        if (r >= 0)
                r = export_bytes(context, ret, ret_size);
        seccomp_release(context);
        return r;
}

int policy_compile(JailPolicy *policy, Error *e)
{
        /* Refused calls go to the listener in the jail's reaper, which counts and refuses them. */
        uint32_t refusal = policy->action == POLICY_ACTION_KILL ? SCMP_ACT_KILL_PROCESS : SCMP_ACT_NOTIFY;

        if (policy->filter)
                return 0;
        int r = compile(policy->syscalls, true, refusal, &policy->filter, &policy->filter_size);
        return r < 0 ? error_errno(e, r, "compiling the system call filter of \"%s\"", policy->name) : 0;
}

int filter_for_unpacking(void **ret, size_t *ret_size, Error *e)
{
        static const char *const names[] = {
                "read",       "write",     "pread64", "lseek",  "close",     "fstat",  "newfstatat", "statx",
                "openat2",    "openat",    "mkdirat", "linkat", "symlinkat", "unlinkat", "ftruncate", "fcntl",
                "mmap",       "munmap",    "mremap",  "brk",    "madvise",   "futex",  "exit_group", "getrandom",
                "rt_sigreturn", "restart_syscall",
#ifdef SKEP_SANITIZED /* what the sanitizers' own code calls on the way */
                "mprotect", "sigaltstack", "rt_sigaction", "rt_sigprocmask", "sched_yield", "getpid", "gettid",
                "readlink", "readlinkat", "prctl", "open", "clock_gettime", "sysinfo", "prlimit64",
#endif
                NULL,
        };
        int r = compile((char *const *)names, false, SCMP_ACT_KILL_PROCESS, ret, ret_size);

        return r < 0 ? error_errno(e, r, "compiling the system call filter for unpacking") : 0;
}
