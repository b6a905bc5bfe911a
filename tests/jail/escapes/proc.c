/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What /proc and /sys tell about the host, and the settings in them. */

#include "attack.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- telling ---- */

static Verdict read_one(Attempt *a)
{
        char block[512];
        int fd = open(a->argument, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
        ssize_t n = fd < 0 ? -1 : read(fd, block, sizeof block);

        if (n > 0)
                return escaped(a, "%zd bytes were read", n);
        if (n == 0)
                return held(a, "empty");
        if (errno == EAGAIN)
                return escaped(a, "it is open, and will tell when there is something");
        if (errno == ENOENT && strncmp(a->argument, "/proc/1/", 8) != 0)
                return held(a, "not there");
        return held(a, "%s", strerrorname_np(errno));
}

/* Without privilege the kernel shows zeros instead of addresses. */
static Verdict read_addresses(Attempt *a)
{
        char line[512];
        FILE *f = fopen(a->argument, "re");
        int lines = 0;

        if (!f)
                return held(a, "%s", errno == ENOENT ? "not there" : strerrorname_np(errno));
        for (; fgets(line, sizeof line, f); lines++)
                if (strtoull(line, NULL, 16) > 0x100000) {
                        fclose(f);
                        return escaped(a, "it tells addresses");
                }
        fclose(f);
        return held(a, "%d lines without an address", lines);
}

static Verdict environment_of_1(Attempt *a)
{
        char text[65536];
        int fd = open("/proc/1/environ", O_RDONLY | O_CLOEXEC);
        ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof text);

        if (n < 0)
                return held(a, "%s", strerrorname_np(errno));
        if (getenv("ESCAPES_SECRET"))
                return not_applicable(a, "the caller's environment is ours anyway");
        if (memmem(text, (size_t)n, "ESCAPES_SECRET", 14))
                return escaped(a, "the caller's environment was read");
        return held(a, "%zd bytes, and not the caller's", n);
}

static Verdict memory_of_1(Attempt *a)
{
        int fd = open("/proc/1/mem", O_RDWR | O_CLOEXEC);

        return by_result(a, fd, "opening it");
}

static Verdict foreign_processes(Attempt *a)
{
        return host_is_seen(a) ? escaped(a, "a process of the host is seen") : held(a, "%s", strerrorname_np(errno));
}

/* ---- settings ---- */

/* The value that it has is written: what is to be seen is whether it can be. */
static Verdict write_same(Attempt *a)
{
        char value[4096];
        int fd = open(a->argument, O_RDONLY | O_CLOEXEC);
        ssize_t n = fd < 0 ? -1 : read(fd, value, sizeof value - 1);

        if (fd >= 0)
                close(fd);
        else if (errno == ENOENT)
                return held(a, "not there");
        value[n > 0 ? n : 0] = '\0';
        int writable = open(a->argument, O_WRONLY | O_CLOEXEC);
        if (writable < 0)
                return held(a, "%s", strerrorname_np(errno));
        if (n <= 0)
                return escaped(a, "it can be opened to write");
        ssize_t written = write(writable, value, (size_t)n);
        return written < 0 ? held(a, "it opens, and writing is %s", strerrorname_np(errno))
                           : escaped(a, "it was written");
}

/* 'h' prints the list of keys to the kernel's log, and does nothing. */
static Verdict sysrq(Attempt *a)
{
        return by_result(a, write_to("/proc/sysrq-trigger", "h"), "writing to it");
}

static Verdict binfmt(Attempt *a)
{
        static const char entry[] = ":skep-escape:E::skep-escape::/nonexistent:";

        if (access("/proc/sys/fs/binfmt_misc/register", F_OK) < 0)
                return held(a, "not there");
        int r = write_to("/proc/sys/fs/binfmt_misc/register", entry);
        if (r == 0)
                write_to("/proc/sys/fs/binfmt_misc/skep-escape", "-1");
        return by_result(a, r, "registering a format");
}

static Verdict open_sys(Attempt *a)
{
        static const char *const files[] = {
                "/sys/kernel/uevent_helper", "/sys/power/state", "/sys/kernel/kexec_crash_size",
                "/sys/module/kernel/parameters/panic", "/sys/class/net/lo/mtu", "/sys/kernel/mm/ksm/run",
                "/sys/kernel/mm/transparent_hugepage/enabled", "/sys/block/vda/queue/read_ahead_kb",
                "/sys/block/sda/queue/read_ahead_kb", "/sys/devices/system/cpu/cpu1/online", "/sys/bus/pci/rescan",
                "/sys/kernel/security/lockdown", "/sys/firmware/acpi/interrupts/sci", "/sys/fs/cgroup/cgroup.procs",
                "/sys/kernel/debug/sched_features", "/sys/kernel/tracing/tracing_on",
        };
        int error = ENOENT;

        for (size_t i = 0; i < ELEMENTS(files); i++) {
                int fd = open(files[i], O_WRONLY | O_CLOEXEC);
                if (fd >= 0)
                        return escaped(a, "%s can be opened to write", files[i]);
                if (errno != ENOENT)
                        error = errno;
        }
        return held(a, "%s", strerrorname_np(error));
}

#define SETTING(name, path) {"set-" name, "change " path, write_same, "/proc/sys/" path, 0, NULL}

const Attack attacks_on_proc[] = {
        {"read-kcore", "read the kernel's memory (/proc/kcore)", read_one, "/proc/kcore", 0, NULL},
        {"read-kmsg", "read the kernel's log (/proc/kmsg)", read_one, "/proc/kmsg", 0, NULL},
        {"read-keys", "read the list of keys", read_one, "/proc/keys", 0, NULL},
        {"read-key-users", "read who has keys", read_one, "/proc/key-users", 0, NULL},
        {"read-timers", "read the timers of all processes", read_one, "/proc/timer_list", 0, NULL},
        {"read-command-line", "read the kernel's command line", read_one, "/proc/cmdline", 0, NULL},
        {"read-locks", "read who holds which file locks", read_one, "/proc/locks", 0, NULL},
        {"read-symbols", "read the addresses of the kernel", read_addresses, "/proc/kallsyms", 0, NULL},
        {"read-memory-map", "read the map of the physical memory", read_addresses, "/proc/iomem", 0, NULL},
        {"read-slabs", "read /proc/slabinfo", read_one, "/proc/slabinfo", 0, NULL},
        {"read-diskstats", "read what the host's disks do", read_one, "/proc/diskstats", 0, NULL},
        {"read-partitions", "read which disks the host has", read_one, "/proc/partitions", 0, NULL},
        {"read-interrupts", "read the interrupts, which tell of typing", read_one, "/proc/interrupts", 0, NULL},
        {"environment-of-1", "read the environment of process 1", environment_of_1, NULL, 0, NULL},
        {"memory-of-1", "open the memory of process 1", memory_of_1, NULL, 0, NULL},
        {"maps-of-1", "read the address space of process 1", read_one, "/proc/1/maps", 0, NULL},
        {"stack-of-1", "read the kernel stack of process 1", read_one, "/proc/1/stack", 0, NULL},
        {"foreign-processes", "see a process of the host", foreign_processes, NULL, 0, NULL},
        {"sysrq", "press a key of sysrq", sysrq, NULL, 0, NULL},
        {"binfmt", "register a format of programs (binfmt_misc)", binfmt, NULL, 0, NULL},
        {"write-sys", "open settings in /sys to write", open_sys, NULL, 0, NULL},
        SETTING("core-pattern", "kernel/core_pattern"),
        SETTING("modprobe", "kernel/modprobe"),
        SETTING("sysrq", "kernel/sysrq"),
        SETTING("panic", "kernel/panic"),
        SETTING("randomize", "kernel/randomize_va_space"),
        SETTING("kptr-restrict", "kernel/kptr_restrict"),
        SETTING("threads", "kernel/threads-max"),
        SETTING("printk", "kernel/printk"),
        SETTING("overcommit", "vm/overcommit_memory"),
        SETTING("min-address", "vm/mmap_min_addr"),
        SETTING("file-max", "fs/file-max"),
        SETTING("suid-dumpable", "fs/suid_dumpable"),
        SETTING("protected-links", "fs/protected_hardlinks"),
        SETTING("line-disciplines", "dev/tty/ldisc_autoload"),
        {0},
};
