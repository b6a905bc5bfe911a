/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Calls by which the kernel itself is changed, or whose code has a long history of holes. */

#include "attack.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/io_uring.h>
#include <linux/keyctl.h>
#include <linux/perf_event.h>
#include <linux/userfaultfd.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/fanotify.h>
#include <sys/ioctl.h>
#include <sys/klog.h>
#include <sys/mman.h>
#include <sys/quota.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/swap.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/timex.h>
#include <time.h>
#include <unistd.h>

static Verdict io_uring(Attempt *a)
{
        struct io_uring_params params = {0};

        return by_result(a, syscall(SYS_io_uring_setup, 8, &params), "io_uring_setup");
}

/* ---- bpf, perf, userfaultfd ---- */

static Verdict bpf_map(Attempt *a)
{
        union bpf_attr attr = {.map_type = BPF_MAP_TYPE_ARRAY, .key_size = 4, .value_size = 8, .max_entries = 1};

        return by_result(a, syscall(SYS_bpf, BPF_MAP_CREATE, &attr, sizeof attr), "bpf");
}

static Verdict bpf_program(Attempt *a)
{
        const struct bpf_insn code[] = {{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = 0},
                                        {.code = BPF_JMP | BPF_EXIT}};
        union bpf_attr attr = {.prog_type = BPF_PROG_TYPE_SOCKET_FILTER, .insn_cnt = ELEMENTS(code),
                               .insns = (uint64_t)(uintptr_t)code, .license = (uint64_t)(uintptr_t)"GPL"};

        return by_result(a, syscall(SYS_bpf, BPF_PROG_LOAD, &attr, sizeof attr), "bpf");
}

static Verdict perf(Attempt *a)
{
        struct perf_event_attr attr = {.type = PERF_TYPE_SOFTWARE, .size = sizeof attr,
                                       .config = PERF_COUNT_SW_CPU_CLOCK, .exclude_kernel = 1, .exclude_hv = 1};

        return by_result(a, syscall(SYS_perf_event_open, &attr, 0, -1, -1, 0), "perf_event_open");
}

static Verdict perf_of_all(Attempt *a)
{
        struct perf_event_attr attr = {.type = PERF_TYPE_SOFTWARE, .size = sizeof attr,
                                       .config = PERF_COUNT_SW_CPU_CLOCK};

        return by_result(a, syscall(SYS_perf_event_open, &attr, -1, 0, -1, 0), "perf_event_open");
}

static Verdict userfault(Attempt *a)
{
        int fd = (int)syscall(SYS_userfaultfd, O_CLOEXEC | UFFD_USER_MODE_ONLY);

        return by_result(a, fd < 0 ? syscall(SYS_userfaultfd, O_CLOEXEC) : fd, "userfaultfd");
}

/* ---- keys ---- */

static Verdict session_keyring(Attempt *a)
{
        return by_result(a, syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, NULL, 0, 0, 0), "keyctl");
}

static Verdict user_keyring(Attempt *a)
{
        return by_result(a, syscall(SYS_keyctl, KEYCTL_GET_KEYRING_ID, KEY_SPEC_USER_KEYRING, 1, 0, 0), "keyctl");
}

static Verdict add_key(Attempt *a)
{
        return by_result(a, syscall(SYS_add_key, "user", "skep-escape", "x", 1, KEY_SPEC_PROCESS_KEYRING), "add_key");
}

/* The kernel starts a program of the host to find a key that is not there. */
static Verdict request_key(Attempt *a)
{
        long r = syscall(SYS_request_key, "user", "skep-escape", "unknown", KEY_SPEC_PROCESS_KEYRING);

        if (r < 0 && (errno == ENOKEY || errno == EKEYREJECTED || errno == ENOENT))
                return escaped(a, "the kernel was made to start /sbin/request-key");
        return by_result(a, r, "request_key");
}

/* ---- another kernel, more kernel, none ---- */

static Verdict kexec(Attempt *a)
{
        return by_result(a, syscall(SYS_kexec_load, 0UL, 0UL, NULL, 0UL), "kexec_load");
}

static Verdict kexec_file(Attempt *a)
{
#ifdef SYS_kexec_file_load
        int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
        long r = syscall(SYS_kexec_file_load, fd, -1, 1UL, "", 4UL /* KEXEC_FILE_NO_INITRAMFS */);

        /* Refused for what the file is: then the call itself was permitted. */
        return by_result(a, r < 0 && errno == ENOEXEC ? 0 : r, "kexec_file_load");
#else
        return not_applicable(a, "not on this machine");
#endif
}

static Verdict module(Attempt *a)
{
        char image[64] = "\177ELF";
        long r = syscall(SYS_init_module, image, sizeof image, "");

        return by_result(a, r < 0 && errno == ENOEXEC ? 0 : r, "init_module");
}

static Verdict module_file(Attempt *a)
{
        int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
        long r = syscall(SYS_finit_module, fd, "", 0);

        return by_result(a, r < 0 && (errno == ENOEXEC || errno == EINVAL) ? 0 : r, "finit_module");
}

static Verdict remove_module(Attempt *a)
{
        long r = syscall(SYS_delete_module, "skep_escape", O_NONBLOCK);

        return by_result(a, r < 0 && errno == ENOENT ? 0 : r, "delete_module");
}

/* Switches Ctrl-Alt-Del off, as it is on most hosts. */
static Verdict restart(Attempt *a)
{
        return by_result(a, syscall(SYS_reboot, 0xfee1dead, 672274793, RB_DISABLE_CAD, NULL), "reboot");
}

/* ---- time ---- */

/* The time that it is. */
static Verdict set_clock(Attempt *a)
{
        struct timespec now;

        clock_gettime(CLOCK_REALTIME, &now);
        return by_result(a, clock_settime(CLOCK_REALTIME, &now), "clock_settime");
}

static Verdict set_time(Attempt *a)
{
        struct timeval now;

        gettimeofday(&now, NULL);
        return by_result(a, settimeofday(&now, NULL), "settimeofday");
}

static Verdict adjust_clock(Attempt *a)
{
        struct timex now = {0}, same;

        syscall(SYS_adjtimex, &now);
        same = (struct timex){.modes = ADJ_TICK, .tick = now.tick ? now.tick : 10000};
        long r = syscall(SYS_adjtimex, &same);
        if (r < 0)
                r = syscall(SYS_clock_adjtime, CLOCK_REALTIME, &same);
        return by_result(a, r, "adjtimex, clock_adjtime");
}

/* ---- settings of the host ---- */

static Verdict host_name(Attempt *a)
{
        static const char name[] = "escaped";
        int r = sethostname(name, strlen(name));

        if (r < 0)
                r = setdomainname(name, strlen(name));
        return r < 0 ? by_result(a, r, "sethostname, setdomainname") : held(a, "set, and seen outside if it were there");
}

static Verdict log_of_kernel(Attempt *a)
{
        char text[4096];

        return by_result(a, klogctl(3 /* SYSLOG_ACTION_READ_ALL */, text, sizeof text), "syslog");
}

static Verdict log_level(Attempt *a)
{
        return by_result(a, klogctl(8 /* SYSLOG_ACTION_CONSOLE_LEVEL */, NULL, 7), "syslog");
}

static Verdict accounting(Attempt *a)
{
        char path[PATH_ROOM];

        snprintf(path, sizeof path, "%s/skep-escape-accounts", own_directory());
        close(open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644));
        int r = acct(path);
        if (r == 0)
                acct(NULL);
        return by_result(a, r, "acct");
}

static Verdict swap_on(Attempt *a)
{
        static char page[4096];
        char path[PATH_ROOM];

        snprintf(path, sizeof path, "%s/skep-escape-swap", own_directory());
        int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
        /* The signature that mkswap(8) writes, of ten pages. */
        *(uint32_t *)(void *)(page + 1024) = 1;
        *(uint32_t *)(void *)(page + 1028) = 9;
        memcpy(page + 4086, "SWAPSPACE2", 10);
        if (pwrite(fd, page, sizeof page, 0) != sizeof page || ftruncate(fd, 10 * 4096) < 0)
                return held(a, "no file: %s", strerrorname_np(errno));
        int r = swapon(path, 0);
        if (r == 0)
                swapoff(path);
        /* Refused for what the file lies on: then the call itself was permitted. */
        return by_result(a, r < 0 && errno == EINVAL ? 0 : r, "swapon");
}

static Verdict quota(Attempt *a)
{
        struct dqblk block;
        int fd = open("/usr", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        /* Of another user than ourselves. */
        long r = syscall(443 /* quotactl_fd */, fd, QCMD(Q_GETQUOTA, USRQUOTA), getuid() + 1, &block);

        /* There is none: then the question was permitted. */
        return by_result(a, r < 0 && errno == ESRCH ? 0 : r, "quotactl_fd");
}

/* ---- what nearly nobody needs ---- */

static Verdict fanotify(Attempt *a)
{
        int fd = fanotify_init(FAN_CLASS_CONTENT, O_RDONLY);

        if (fd < 0)
                fd = fanotify_init(FAN_CLASS_NOTIF | FAN_REPORT_FID, O_RDONLY);
        return by_result(a, fd, "fanotify_init");
}

static Verdict hang_up(Attempt *a)
{
        return by_result(a, syscall(SYS_vhangup), "vhangup");
}

static Verdict legacy(Attempt *a)
{
#ifdef __x86_64__
        static const struct {
                const char *name;
                long number;
        } calls[] = {{"_sysctl", 156}, {"create_module", 174}, {"get_kernel_syms", 177}, {"query_module", 178},
                     {"nfsservctl", 180}, {"getpmsg", 181},    {"putpmsg", 182},          {"afs_syscall", 183},
                     {"tuxcall", 184},    {"security", 185},   {"lookup_dcookie", 212},   {"vserver", 236},
                     {"uselib", 134}};
        int error = ENOSYS;

        for (size_t i = 0; i < ELEMENTS(calls); i++) {
                char text[256];
                long r = syscall(calls[i].number, calls[i].number == 134 ? (long)"/usr/bin/env" : 1L, text, sizeof text,
                                 0L);
                if (r >= 0)
                        return escaped(a, "%s is permitted", calls[i].name);
                error = errno == ENOSYS ? error : errno;
        }
        errno = error;
        return by_result(a, -1, "13 calls");
#else
        return not_applicable(a, "not on this machine");
#endif
}

const Attack attacks_on_kernel[] = {
        {"io-uring", "set up a ring of io_uring", io_uring, NULL, 0, NULL},
        {"bpf-map", "make a BPF map", bpf_map, NULL, 0, NULL},
        {"bpf-program", "load a BPF program", bpf_program, NULL, 0, NULL},
        {"perf", "count events of oneself (perf_event_open)", perf, NULL, 0, NULL},
        {"perf-of-all", "count events of a processor, with the kernel's", perf_of_all, NULL, 0, NULL},
        {"userfaultfd", "handle own page faults", userfault, NULL, 0, NULL},
        {"session-keyring", "join a session keyring", session_keyring, NULL, 0, NULL},
        {"user-keyring", "find the keyring of the user", user_keyring, NULL, 0, NULL},
        {"add-key", "add a key", add_key, NULL, 0, NULL},
        {"request-key", "make the kernel start request-key", request_key, NULL, 0, NULL},
        {"kexec", "load another kernel", kexec, NULL, 0, NULL},
        {"kexec-file", "load another kernel from a file", kexec_file, NULL, 0, NULL},
        {"module", "load a module", module, NULL, 0, NULL},
        {"module-file", "load a module from a file", module_file, NULL, 0, NULL},
        {"module-remove", "remove a module", remove_module, NULL, 0, NULL},
        {"reboot", "switch off the keys that restart the host", restart, NULL, 0, NULL},
        {"clock", "set the clock", set_clock, NULL, 0, NULL},
        {"clock-of-day", "set the time of day", set_time, NULL, 0, NULL},
        {"clock-tick", "adjust the clock's tick", adjust_clock, NULL, 0, NULL},
        {"host-name", "set the name of the host", host_name, NULL, 0, NULL},
        {"kernel-log", "read the kernel's log", log_of_kernel, NULL, 0, NULL},
        {"kernel-log-level", "set what it prints", log_level, NULL, 0, NULL},
        {"accounting", "switch accounting on", accounting, NULL, 0, NULL},
        {"swap", "swap to an own file", swap_on, NULL, 0, NULL},
        {"quota", "ask for the quota of another user", quota, NULL, 0, NULL},
        {"fanotify", "watch a file system", fanotify, NULL, 0, NULL},
        {"hang-up", "hang up the terminal", hang_up, NULL, 0, NULL},
        {"legacy-calls", "calls from other times", legacy, NULL, 0, NULL},
        {0},
};
