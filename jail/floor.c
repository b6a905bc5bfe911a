/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "jail/floor.h"

#include "jail/syscall_names.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/stat.h>

#define LOW32 UINT64_C(0xffffffff)

#ifndef PR_SCHED_CORE
#define PR_SCHED_CORE 62 /* include/uapi/linux/prctl.h */
#endif

static const char *const forbidden[] = {
        /* to make or enter namespaces, and to change what is mounted */
        "unshare", "setns", "mount", "umount", "umount2", "pivot_root", "mount_setattr", "move_mount", "open_tree",
        "fsopen", "fsconfig", "fsmount", "fspick",
        /* keys outlive their process, and count against others of its id */
        "add_key", "request_key", "keyctl",
        /* does what it is asked for without passing any filter */
        "io_uring_setup", "io_uring_enter", "io_uring_register",
        /* programs in the kernel, and eyes in it */
        "bpf", "perf_event_open", "userfaultfd", "fanotify_init", "lookup_dcookie", "syslog",
        /* a file of the same file system, whatever is mounted of it */
        "open_by_handle_at",
        /* the machine */
        "kexec_load", "kexec_file_load", "init_module", "finit_module", "delete_module", "create_module",
        "query_module", "reboot", "swapon", "swapoff", "acct", "quotactl", "quotactl_fd", "nfsservctl", "sethostname",
        "setdomainname", "settimeofday", "clock_settime", "stime", "iopl", "ioperm", "vhangup", "uselib",
};

static const char *const hidden[] = {"clone3", "openat2"};

/* A call is refused when both arguments, masked, equal their values. A mask of 0 looks at nothing. */
typedef struct Refused {
        const char *call;
        struct {
                unsigned argument;
                uint64_t mask, value;
        } first, second;
} Refused;

#define FLAG(argument, flag) {argument, flag, flag}
#define REQUEST(request) {1, LOW32, request}

static const Refused refused[] = {
        {"clone", FLAG(0, CLONE_NEWUSER), {0}},
        {"clone", FLAG(0, CLONE_NEWNS), {0}},
        {"clone", FLAG(0, CLONE_NEWPID), {0}},
        {"clone", FLAG(0, CLONE_NEWNET), {0}},
        {"clone", FLAG(0, CLONE_NEWIPC), {0}},
        {"clone", FLAG(0, CLONE_NEWUTS), {0}},
        {"clone", FLAG(0, CLONE_NEWCGROUP), {0}},

        /* puts words into the mouth of a terminal, or changes what every other reader of it gets */
        {"ioctl", REQUEST(TIOCSTI), {0}},
        {"ioctl", REQUEST(TIOCLINUX), {0}},
        {"ioctl", REQUEST(TIOCCONS), {0}},
        {"ioctl", REQUEST(TIOCSETD), {0}},

        /* tells what others do with a file or a directory of the host that all have */
        {"fcntl", {1, LOW32, F_SETLEASE}, {0}},
        {"fcntl", {1, LOW32, F_NOTIFY}, {0}},

        /* takes from the memory that the host has set aside in large pages, which no limit of a jail counts */
        {"mmap", FLAG(3, MAP_HUGETLB), {0}},
        {"memfd_create", FLAG(1, MFD_HUGETLB), {0}},
        {"shmget", FLAG(2, SHM_HUGETLB), {0}},
        /* has memory merged with others' that says the same, which can be timed */
        {"madvise", {2, LOW32, MADV_MERGEABLE}, {0}},
        /* drops a file of the host from memory, for everybody, and they read it from the disk again */
        {"fadvise64", {3, LOW32, POSIX_FADV_DONTNEED}, {0}},
        /* A listener of the job's own answers in the place of ours, where that is not open any more, and may have the
         * kernel do what the filter refuses: of two filters that ask, the kernel asks the newer. */
        {"seccomp", FLAG(1, SECCOMP_FILTER_FLAG_NEW_LISTENER), {0}},
        /* leaves the other half of a processor's core idle, whose ever it would be */
        {"prctl", {0, LOW32, PR_SCHED_CORE}, {0}},

        /* Of netlink, protocol 0 (route) alone; the kernel has 32. */
        {"socket", {0, LOW32, AF_NETLINK}, FLAG(2, 1)},
        {"socket", {0, LOW32, AF_NETLINK}, FLAG(2, 2)},
        {"socket", {0, LOW32, AF_NETLINK}, FLAG(2, 4)},
        {"socket", {0, LOW32, AF_NETLINK}, FLAG(2, 8)},
        {"socket", {0, LOW32, AF_NETLINK}, FLAG(2, 16)},
};

/* Where a directory of the host is bound writable, a file that is "set user id" would be so for its owner there. */
typedef struct MakesMode {
        const char *call;
        unsigned mode;  /* argument */
        unsigned flags; /* argument that says whether there is a mode; 0: there always is */
} MakesMode;

static const MakesMode modes[] = {
        {"chmod", 1, 0}, {"fchmod", 1, 0},  {"fchmodat", 2, 0}, {"fchmodat2", 2, 0}, {"creat", 1, 0},  {"mkdir", 1, 0},
        {"mkdirat", 2, 0}, {"mknod", 1, 0}, {"mknodat", 2, 0},  {"open", 2, 1},      {"openat", 3, 2},
};

static const char *const family_calls[] = {"socket", "socketpair"};

/* Lowering the limit of cores would have the host's program for crashes started: see confine.c. */
static const char *const limit_calls[] = {"setrlimit", "prlimit64"};

static bool is_family(unsigned family)
{
        return family == AF_UNIX || family == AF_INET || family == AF_INET6 || family == AF_NETLINK;
}

static bool contains(const char *const *list, size_t n, const char *call)
{
        for (size_t i = 0; i < n; i++)
                if (strcmp(list[i], call) == 0)
                        return true;
        return false;
}

bool floor_forbids(const char *call)
{
        return contains(forbidden, ELEMENTS(forbidden), call);
}

bool floor_hides(const char *call)
{
        return contains(hidden, ELEMENTS(hidden), call);
}

int floor_hide_calls(scmp_filter_ctx context)
{
        int r = 0;

        for (size_t i = 0; r >= 0 && i < ELEMENTS(hidden); i++) {
                int number = syscall_number(hidden[i]);
                if (number >= 0)
                        r = seccomp_rule_add(context, SCMP_ACT_ERRNO(ENOSYS), number, 0);
        }
        return r;
}

const char *floor_call(size_t i)
{
        if (i < ELEMENTS(forbidden))
                return forbidden[i];
        i -= ELEMENTS(forbidden);
        if (i < ELEMENTS(refused))
                return refused[i].call;
        i -= ELEMENTS(refused);
        if (i < ELEMENTS(modes))
                return modes[i].call;
        i -= ELEMENTS(modes);
        if (i < ELEMENTS(family_calls))
                return family_calls[i];
        i -= ELEMENTS(family_calls);
        return i < ELEMENTS(limit_calls) ? limit_calls[i] : NULL;
}

/* What is being compiled: after the first error nothing more is added. */
typedef struct Rules {
        scmp_filter_ctx context;
        uint32_t refusal;
        int error;
} Rules;

static void refuse(Rules *rules, const char *call, const struct scmp_arg_cmp *checks, unsigned n)
{
        int number = syscall_number(call);

        /* not of this architecture, or newer than the library: then its number is not known, and not allowed */
        if (number >= 0 && rules->error >= 0)
                rules->error = seccomp_rule_add_array(rules->context, rules->refusal, number, n, checks);
}

static void refuse_when(Rules *rules, const Refused *what)
{
        const struct scmp_arg_cmp checks[] = {
                SCMP_CMP(what->first.argument, SCMP_CMP_MASKED_EQ, what->first.mask, what->first.value),
                SCMP_CMP(what->second.argument, SCMP_CMP_MASKED_EQ, what->second.mask, what->second.value),
        };

        refuse(rules, what->call, checks, what->second.mask ? 2 : 1);
}

static void refuse_modes(Rules *rules, const MakesMode *m)
{
        static const uint64_t set_id[] = {S_ISUID, S_ISGID}, makes[] = {O_CREAT, O_TMPFILE & ~O_DIRECTORY};

        for (size_t i = 0; i < ELEMENTS(set_id); i++) {
                if (m->flags == 0)
                        refuse_when(rules, &(Refused){m->call, FLAG(m->mode, set_id[i]), {0}});
                else
                        for (size_t k = 0; k < ELEMENTS(makes); k++)
                                refuse_when(rules, &(Refused){m->call, FLAG(m->mode, set_id[i]),
                                                              FLAG(m->flags, makes[k])});
        }
}

/* An allowlist, written as all that is not on it: numbers below 32 one by one, above by their bits. */
static void refuse_families(Rules *rules, const char *call)
{
        for (unsigned family = 0; family < 32; family++)
                if (!is_family(family))
                        refuse_when(rules, &(Refused){call, {0, LOW32, family}, {0}});
        for (unsigned bit = 5; bit < 32; bit++)
                refuse_when(rules, &(Refused){call, FLAG(0, UINT64_C(1) << bit), {0}});
}

/* prlimit64() without new limits only asks. */
static void refuse_core_limit(Rules *rules)
{
        const struct scmp_arg_cmp set = SCMP_CMP(0, SCMP_CMP_MASKED_EQ, LOW32, RLIMIT_CORE),
                                  of_process[] = {SCMP_CMP(1, SCMP_CMP_MASKED_EQ, LOW32, RLIMIT_CORE),
                                                  SCMP_CMP(2, SCMP_CMP_NE, 0, 0)};

        refuse(rules, limit_calls[0], &set, 1);
        refuse(rules, limit_calls[1], of_process, ELEMENTS(of_process));
}

int floor_compile(uint32_t refusal, BpfProgram *ret)
{
        Rules rules = {.context = bpf_begin(SCMP_ACT_ALLOW), .refusal = refusal};

        if (!rules.context)
                return -ENOMEM;
        rules.error = seccomp_attr_set(rules.context, SCMP_FLTATR_CTL_OPTIMIZE, 2);
        if (rules.error >= 0)
                rules.error = floor_hide_calls(rules.context);
        for (size_t i = 0; i < ELEMENTS(forbidden); i++)
                refuse(&rules, forbidden[i], NULL, 0);
        for (size_t i = 0; i < ELEMENTS(refused); i++)
                refuse_when(&rules, &refused[i]);
        for (size_t i = 0; i < ELEMENTS(modes); i++)
                refuse_modes(&rules, &modes[i]);
        for (size_t i = 0; i < ELEMENTS(family_calls); i++)
                refuse_families(&rules, family_calls[i]);
        refuse_core_limit(&rules);
        if (rules.error >= 0)
                rules.error = bpf_export(rules.context, ret);
        seccomp_release(rules.context);
        return rules.error;
}
