/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The system call filter of a policy in our own words: an allowlist, compiled by libseccomp once per policy and kept as
 * bytes, since building it takes longer than starting a jail.
 *
 * Whatever a policy allows, some calls are narrowed by their arguments, because without that they would be another
 * call: clone() with namespaces is unshare(), a vsock socket is a network, personality() can switch protections off.
 * Comparisons are on 32 bits where the kernel takes 32 bits, so that junk in the high half does not slip past. This
 * allows nothing that the floor (floor.h) refuses, which a test holds; so the floor itself need not be asked, but for
 * ioctl() where a policy has devices. */

#include "jail/policy.h"

#include "engine/base/strv.h"
#include "jail/bpf.h"
#include "jail/floor.h"
#include "jail/syscall_names.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <linux/netlink.h>
#include <linux/seccomp.h>
#include <netinet/in.h>
#include <sched.h>
#include <seccomp.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/shm.h>
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

#define MATCHES_MAX 3

typedef struct Narrowing {
        const char *call;
        Match matches[MATCHES_MAX]; /* those that have a mask */
} Narrowing;

#define SETID UINT64_C(06000)
#define SOCKET_TYPE UINT64_C(0xf) /* above it are flags; net/socket.c, SOCK_TYPE_MASK */
#define MAKES_FILE (O_CREAT | (O_TMPFILE & ~O_DIRECTORY)) /* with these, open() has a mode */

static const Narrowing narrowings[] = {
        {"clone", {{0, CLONE_NAMESPACES, 0}}},

        {"socket", {{0, LOW32, AF_UNIX}}},
        /* TCP and UDP. For a protocol that it does not have, the kernel loads a module of the host, and those are the ones
         * that nobody has looked at for long (SCTP, DCCP, L2TP). */
        {"socket", {{0, LOW32, AF_INET}, {1, SOCKET_TYPE, SOCK_STREAM}, {2, LOW32, 0}}},
        {"socket", {{0, LOW32, AF_INET}, {1, SOCKET_TYPE, SOCK_STREAM}, {2, LOW32, IPPROTO_TCP}}},
        {"socket", {{0, LOW32, AF_INET}, {1, SOCKET_TYPE, SOCK_DGRAM}, {2, LOW32, 0}}},
        {"socket", {{0, LOW32, AF_INET}, {1, SOCKET_TYPE, SOCK_DGRAM}, {2, LOW32, IPPROTO_UDP}}},
        {"socket", {{0, LOW32, AF_INET6}, {1, SOCKET_TYPE, SOCK_STREAM}, {2, LOW32, 0}}},
        {"socket", {{0, LOW32, AF_INET6}, {1, SOCKET_TYPE, SOCK_STREAM}, {2, LOW32, IPPROTO_TCP}}},
        {"socket", {{0, LOW32, AF_INET6}, {1, SOCKET_TYPE, SOCK_DGRAM}, {2, LOW32, 0}}},
        {"socket", {{0, LOW32, AF_INET6}, {1, SOCKET_TYPE, SOCK_DGRAM}, {2, LOW32, IPPROTO_UDP}}},
        /* getifaddrs() and getaddrinfo() ask the jail's own network namespace which addresses it has. By another protocol
         * than that, the kernel would tell of the host's devices, and has much more that could be wrong. */
        {"socket", {{0, LOW32, AF_NETLINK}, {2, LOW32, NETLINK_ROUTE}}},
        {"socketpair", {{0, LOW32, AF_UNIX}}},

        /* Without F_SETLEASE and F_NOTIFY (1024 to 1027), by which a job would be told what the host, and other jobs, do
         * with files that all of them have, such as those of /usr. */
        {"fcntl", {{1, 1024, 0}}},
        {"fcntl", {{1, LOW32 & ~UINT64_C(3), 1028}}},  /* F_DUPFD_CLOEXEC, F_SETPIPE_SZ */
        {"fcntl", {{1, LOW32 & ~UINT64_C(7), 1032}}}, /* F_GETPIPE_SZ, seals, hints */

        /* All limits but that of cores (4), which keeps the host's program for crashes away: see confine.c. */
        {"setrlimit", {{0, 4, 0}}},
        {"setrlimit", {{0, 5, 5}}},
        {"setrlimit", {{0, 6, 6}}},
        {"setrlimit", {{0, 12, 12}}},
        {"prlimit64", {{1, 4, 0}}},
        {"prlimit64", {{1, 5, 5}}},
        {"prlimit64", {{1, 6, 6}}},
        {"prlimit64", {{1, 12, 12}}},
        {"prlimit64", {{2, ~UINT64_C(0), 0}}}, /* asks, sets nothing */

        /* No large pages of the host's. */
        {"mmap", {{3, MAP_HUGETLB, 0}}},
        {"memfd_create", {{1, MFD_HUGETLB, 0}}},
        {"shmget", {{2, SHM_HUGETLB, 0}}},
        /* All but MADV_MERGEABLE (12): a line for each bit in which a number can differ from it. */
        {"madvise", {{2, 1, 1}}},
        {"madvise", {{2, 2, 2}}},
        {"madvise", {{2, 4, 0}}},
        {"madvise", {{2, 8, 0}}},
        {"madvise", {{2, 28, 28}}},
        /* All but POSIX_FADV_DONTNEED (4). */
        {"fadvise64", {{3, 4, 0}}},
        {"fadvise64", {{3, LOW32, POSIX_FADV_NOREUSE}}},
        /* All but PR_SCHED_CORE (62). */
        {"prctl", {{0, 1, 1}}},
        {"prctl", {{0, 2, 0}}},
        {"prctl", {{0, 4, 0}}},
        {"prctl", {{0, 8, 0}}},
        {"prctl", {{0, 16, 0}}},
        {"prctl", {{0, 32, 0}}},
        {"prctl", {{0, 126, 126}}},

        /* No listener that answers in the place of ours: see floor.c. */
        {"seccomp", {{1, SECCOMP_FILTER_FLAG_NEW_LISTENER, 0}}},

        {"personality", {{0, LOW32, PER_LINUX}}},
        {"personality", {{0, LOW32, LOW32}}}, /* asks, sets nothing */

        /* An allowlist here too: drivers and file systems have thousands. Nothing of a terminal that sets (TIOCSTI). */
        {"ioctl", {{1, LOW32, TCGETS}}},
        {"ioctl", {{1, LOW32, 0x802c542a}}}, /* TCGETS2, asm-generic/ioctls.h: isatty() since glibc 2.42 */
        {"ioctl", {{1, LOW32, TIOCGPGRP}}},
        {"ioctl", {{1, LOW32, TIOCGWINSZ}}},
        {"ioctl", {{1, LOW32, FIONREAD}}},
        {"ioctl", {{1, LOW32, FIONBIO}}},
        {"ioctl", {{1, LOW32, FIOASYNC}}},
        {"ioctl", {{1, LOW32, FIOCLEX}}},
        {"ioctl", {{1, LOW32, FIONCLEX}}},
        {"ioctl", {{1, LOW32, FICLONE}}},
        {"ioctl", {{1, LOW32, FICLONERANGE}}},
        {"ioctl", {{1, LOW32, FS_IOC_GETFLAGS}}},
        {"ioctl", {{1, LOW32, 0x8910}}}, /* SIOCGIFNAME, include/uapi/linux/sockios.h; if_nameindex() */
        {"ioctl", {{1, LOW32, 0x8912}}}, /* SIOCGIFCONF */
        {"ioctl", {{1, LOW32, 0x8913}}}, /* SIOCGIFFLAGS */
        {"ioctl", {{1, LOW32, 0x8915}}}, /* SIOCGIFADDR */
        {"ioctl", {{1, LOW32, 0x8933}}}, /* SIOCGIFINDEX */

        /* Where a directory of the host is bound writable, a file that is "set user id" would be so for its owner there. */
        {"chmod", {{1, SETID, 0}}},
        {"fchmod", {{1, SETID, 0}}},
        {"fchmodat", {{2, SETID, 0}}},
        {"fchmodat2", {{2, SETID, 0}}},
        {"creat", {{1, SETID, 0}}},
        {"mkdir", {{1, SETID, 0}}},
        {"mkdirat", {{2, SETID, 0}}},
        {"mknod", {{1, SETID, 0}}},
        {"mknodat", {{2, SETID, 0}}},
        {"open", {{1, MAKES_FILE, 0}}},
        {"open", {{2, SETID, 0}}},
        {"openat", {{2, MAKES_FILE, 0}}},
        {"openat", {{3, SETID, 0}}},
};

/* Which calls are allowed for some arguments only. */
typedef enum Narrow {
        NARROW_ALL,
        NARROW_NOT_IOCTL, /* devices have their own; the floor (floor.h) keeps what is a terminal's */
        NARROW_NONE,      /* for a program of ours, which needs no floor */
} Narrow;

static int add_rules(scmp_filter_ctx context, const char *name, Narrow narrow)
{
        int number = syscall_number(name), r;
        bool as_it_is = narrow == NARROW_NONE || (narrow == NARROW_NOT_IOCTL && strcmp(name, "ioctl") == 0);
        bool narrowed = false;

        if (number < 0)
                return 0;
        for (size_t i = 0; i < ELEMENTS(narrowings) && !as_it_is; i++) {
                const Narrowing *n = &narrowings[i];
                if (strcmp(n->call, name) != 0)
                        continue;
                narrowed = true;
                struct scmp_arg_cmp checks[MATCHES_MAX];
                unsigned n_checks = 0;
                for (const Match *m = n->matches; n_checks < MATCHES_MAX && m->mask; m++)
                        checks[n_checks++] = SCMP_CMP(m->argument, SCMP_CMP_MASKED_EQ, m->mask, m->value);
                r = seccomp_rule_add_array(context, SCMP_ACT_ALLOW, number, n_checks, checks);
                if (r < 0)
                        return r;
        }
        return narrowed ? 0 : seccomp_rule_add(context, SCMP_ACT_ALLOW, number, 0);
}

/* For calls that only newer libraries know, and that are not allowed: those libraries have another way. */
static int hide_newest(scmp_filter_ctx context, char *const *names)
{
        int r = 0;

        for (size_t i = 0; r >= 0 && syscall_newest(i); i++)
                if (!strv_contains(names, syscall_newest(i)))
                        r = seccomp_rule_add(context, SCMP_ACT_ERRNO(ENOSYS), syscall_number(syscall_newest(i)), 0);
        return r;
}

/* What is not in `names` gets `refusal`. */
static int compile_names(char *const *names, Narrow narrow, uint32_t refusal, BpfProgram *ret)
{
        scmp_filter_ctx context = bpf_begin(refusal);

        if (!context)
                return -ENOMEM;
        /* A tree, since a list of 300 is slow to load and to pass. */
        int r = seccomp_attr_set(context, SCMP_FLTATR_CTL_OPTIMIZE, 2);
        if (r >= 0 && narrow != NARROW_NONE)
                r = floor_hide_calls(context);
        if (r >= 0 && narrow != NARROW_NONE)
                r = hide_newest(context, names);
        for (size_t i = 0; r >= 0 && names[i]; i++)
                if (narrow == NARROW_NONE || !floor_hides(names[i]))
                        r = add_rules(context, names[i], narrow);
        if (r >= 0)
                r = bpf_export(context, ret);
        seccomp_release(context);
        return r;
}

/* Refused calls go to the listener in the jail's reaper, which counts and refuses them. */
static int compile_syscalls(const JailPolicy *policy, uint32_t refusal, BpfProgram *ret)
{
        enum { UNKNOWN, FLOOR, NAMES, N_PARTS };
        BpfProgram parts[N_PARTS] = {0};
        bool devices = strv_length(policy->devices) > 0;
        int r = bpf_unknown_calls(&parts[UNKNOWN]);

        if (r >= 0 && devices)
                r = floor_compile(refusal, &parts[FLOOR]);
        if (r >= 0)
                r = compile_names(policy->syscalls, devices ? NARROW_NOT_IOCTL : NARROW_ALL, refusal, &parts[NAMES]);
        if (r >= 0)
                r = bpf_chain(parts, N_PARTS, ret);
        for (size_t i = 0; i < N_PARTS; i++)
                bpf_program_done(&parts[i]);
        return r;
}

/* A profile says of each rule what happens. SIGSYS, which nobody handles as a rule, is an end, too. */
static bool action_kills(uint32_t action)
{
        uint32_t what = action & SECCOMP_RET_ACTION_FULL;

        return what == SECCOMP_RET_KILL_PROCESS || what == SECCOMP_RET_KILL_THREAD || what == SECCOMP_RET_TRAP;
}

static bool profile_kills(const OciSeccomp *s)
{
        bool kills = action_kills(s->default_action);

        for (size_t i = 0; i < s->n_rules; i++)
                kills |= action_kills(s->rules[i].action);
        return kills;
}

int policy_compile(JailPolicy *policy, Error *e)
{
        BpfProgram program = {0};
        int r;

        if (policy->filter)
                return 0;
        if (policy->seccomp) {
                policy->listen = true;
                policy->kills = profile_kills(policy->seccomp);
                r = oci_seccomp_compile(policy->seccomp, &program, &policy->refusals, &policy->n_refusals);
        } else {
                policy->listen = policy->action == POLICY_ACTION_ERRNO;
                policy->kills = !policy->listen;
                r = compile_syscalls(policy, policy->listen ? SCMP_ACT_NOTIFY : SCMP_ACT_KILL_PROCESS, &program);
        }
        if (r == -E2BIG)
                return error_set(e, r,
                                 "the system call filter of \"%s\" is longer than the kernel takes (%d instructions)",
                                 policy->name, BPF_PROGRAM_MAX);
        if (r < 0)
                return error_errno(e, r, "compiling the system call filter of \"%s\"", policy->name);
        policy->filter = program.code;
        policy->filter_size = program.length * sizeof *program.code;
        return 0;
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
        BpfProgram program;
        int r = compile_names((char *const *)names, NARROW_NONE, SCMP_ACT_KILL_PROCESS, &program);

        if (r < 0)
                return error_errno(e, r, "compiling the system call filter for unpacking");
        *ret = program.code;
        *ret_size = program.length * sizeof *program.code;
        return 0;
}
