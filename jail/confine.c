/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "jail/confine.h"

#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/ioprio.h>
#include <linux/seccomp.h>
#include <linux/securebits.h>
#include <sched.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#define DESCRIPTORS_MAX 4096

/* The calls are made directly: the process that runs this shares its memory with the reaper (see reaper.c), and libc's
 * own wrappers keep state there about threads and ids. */

static int set_limit(pid_t pid, int resource, rlim_t wanted)
{
        struct rlimit limit;

        if (prlimit(pid, resource, NULL, &limit) < 0)
                return -errno;
        /* Down only: up may need a privilege that is not there. */
        if (wanted < limit.rlim_max)
                limit.rlim_max = wanted;
        if (wanted < limit.rlim_cur || limit.rlim_cur > limit.rlim_max)
                limit.rlim_cur = limit.rlim_max;
        return prlimit(pid, resource, &limit, NULL) < 0 ? -errno : 0;
}

/* With 0, the kernel writes no core; but where the host has a program for crashes (core_pattern with "|"), it is started
 * all the same, as root, for every crash. It is not with 1: fs/coredump.c. Where the limit was 0 before, that stays. */
static int set_core_limit(void)
{
        const struct rlimit one = {1, 1};

        return setrlimit(RLIMIT_CORE, &one) < 0 ? set_limit(0, RLIMIT_CORE, 0) : 0;
}

/* Who may run before all others, on the processors or on the disks, does not hand that on to what it runs in a jail; nor
 * an address space that is the same each time. */
static int leave_privileges_of_caller(void)
{
        const struct sched_param usual = {0};
        int class = sched_getscheduler(0);
        long nice = 20 - syscall(SYS_getpriority, PRIO_PROCESS, 0), io = syscall(SYS_ioprio_get, IOPRIO_WHO_PROCESS, 0);

        if ((class == SCHED_FIFO || class == SCHED_RR || class == SCHED_DEADLINE) && sched_setscheduler(0, SCHED_OTHER, &usual) < 0)
                return -errno;
        if (nice < 0 && setpriority(PRIO_PROCESS, 0, 0) < 0)
                return -errno;
        if (io >= 0 && IOPRIO_PRIO_CLASS(io) == IOPRIO_CLASS_RT && syscall(SYS_ioprio_set, IOPRIO_WHO_PROCESS, 0, 0) < 0)
                return -errno;
        return personality(PER_LINUX) < 0 ? -errno : 0;
}

int confine_resources(void)
{
        int r = leave_privileges_of_caller();

        if (r < 0 || (r = set_core_limit()) < 0 || (r = set_limit(0, RLIMIT_NOFILE, DESCRIPTORS_MAX)) < 0 ||
            (r = set_limit(0, RLIMIT_RTPRIO, 0)) < 0 || (r = set_limit(0, RLIMIT_NICE, 0)) < 0)
                return r;
        return 0;
}

int confine_processes(pid_t pid, uint64_t pids)
{
        return pids == JAIL_UNLIMITED ? 0 : set_limit(pid, RLIMIT_NPROC, pids);
}

/* What is in `usable` and not in `kept` is gone with the next exec. */
static int set_capabilities(uint64_t usable, uint64_t kept)
{
        struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
        struct __user_cap_data_struct data[2];

        for (int i = 0; i < 2; i++) {
                uint32_t now = (uint32_t)(usable >> (32 * i)), later = (uint32_t)(kept >> (32 * i));
                data[i] = (struct __user_cap_data_struct){.effective = now, .permitted = now, .inheritable = later};
        }
        return syscall(SYS_capset, &header, data) < 0 ? -errno : 0;
}

int confine_bound(uint64_t set, uint64_t kept)
{
        for (unsigned long c = 0; c < 64; c++) {
                if (!(set & ~kept & (UINT64_C(1) << c)))
                        continue;
                /* EINVAL: the kernel knows no more of them. */
                if (prctl(PR_CAPBSET_DROP, c, 0, 0, 0) < 0)
                        return errno == EINVAL && c > 0 ? 0 : -errno;
        }
        return 0;
}

static int raise_ambient(uint64_t kept)
{
        for (unsigned long c = 0; c < 64; c++)
                if ((kept & (UINT64_C(1) << c)) && prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, c, 0, 0) < 0)
                        return -errno;
        return 0;
}

static int set_ids(uint32_t id, bool keep_groups)
{
        if ((!keep_groups && syscall(SYS_setgroups, 0, NULL) < 0) || syscall(SYS_setresgid, id, id, id) < 0 ||
            syscall(SYS_setresuid, id, id, id) < 0)
                return -errno;
        return 0;
}

/* Ids change while the capabilities for it are still there; then the sets are cut down to what is kept, and locked:
 * no bit that could bring one back by a file, by uid 0 or by an ambient set can be changed again. */
static int become(uint32_t id, bool keep_groups, uint64_t bounds, uint64_t kept)
{
        const unsigned long bits = SECBIT_NOROOT | SECBIT_NOROOT_LOCKED | SECBIT_NO_SETUID_FIXUP |
                                   SECBIT_NO_SETUID_FIXUP_LOCKED | SECBIT_KEEP_CAPS_LOCKED |
                                   SECBIT_NO_CAP_AMBIENT_RAISE | SECBIT_NO_CAP_AMBIENT_RAISE_LOCKED;
        const uint64_t for_securebits = UINT64_C(1) << CAP_SETPCAP;
        int r;

        if ((r = confine_bound(bounds, kept)) < 0)
                return r;
        if (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) < 0)
                return -errno;
        if ((r = set_ids(id, keep_groups)) < 0 || (r = set_capabilities(kept | for_securebits, kept)) < 0 ||
            (r = raise_ambient(kept)) < 0)
                return r;
        if (prctl(PR_SET_SECUREBITS, bits, 0, 0, 0) < 0)
                return -errno;
        return set_capabilities(kept, kept);
}

int confine_filter(const Confinement *c)
{
        if (!c->filter)
                return 0;
        struct sock_fprog program = {
                .len = (unsigned short)(c->filter_size / sizeof(struct sock_filter)),
                .filter = (struct sock_filter *)c->filter,
        };
        long fd = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, c->listener_flags, &program);

        return fd < 0 ? -errno : (int)fd;
}

int confine_enter(const Confinement *c, const char **ret_step)
{
        int r;

        *ret_step = "changing ids and dropping capabilities";
        if ((r = become(c->id, c->keep_groups, c->bounds, c->capabilities)) < 0)
                return r;
        *ret_step = "setting no_new_privs";
        if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
                return -errno;
        step_done(c->steps, STEP_CAPABILITIES);
        *ret_step = "entering the Landlock domain";
        if (c->ruleset >= 0 && syscall(SYS_landlock_restrict_self, c->ruleset, 0) < 0)
                return -errno;
        step_done(c->steps, STEP_LANDLOCK);
        return 0;
}

int confine_drop_capabilities(uint64_t kept)
{
        int r = set_capabilities(kept, 0);

        if (r >= 0 && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
                r = -errno;
        return r;
}
