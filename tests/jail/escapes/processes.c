/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Into other processes: process 1, which keeps the sandbox, and those of the host. */

#include "attack.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/kcmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- ptrace ---- */

static Verdict trace(Attempt *a, pid_t pid)
{
        if (ptrace(PTRACE_ATTACH, pid, NULL, NULL) == 0) {
                waitpid(pid, NULL, __WALL);
                ptrace(PTRACE_DETACH, pid, NULL, NULL);
                return escaped(a, "attached to process %d", pid);
        }
        long r = ptrace(PTRACE_SEIZE, pid, NULL, NULL);
        if (r == 0)
                ptrace(PTRACE_DETACH, pid, NULL, NULL);
        return by_result(a, r, "ptrace");
}

static Verdict trace_1(Attempt *a)
{
        return trace(a, 1);
}

static Verdict trace_bystander(Attempt *a)
{
        return host_is_seen(a) ? trace(a, (pid_t)given_number(a, "bystander"))
                               : held(a, "no process of the host is seen");
}

/* A tracer changes a call after the filter has looked at it, on kernels before 4.8; and ptrace has had holes of its
 * own since. */
static Verdict change_call(Attempt *a)
{
#ifdef __x86_64__
        int status;
        pid_t pid = fork();

        if (pid < 0)
                return held(a, "no process can be made");
        if (pid == 0) {
                if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) < 0)
                        _exit(errno);
                raise(SIGSTOP);
                syscall(SYS_getppid);
                /* It became unshare(CLONE_NEWUSER) when this is 0. */
                _exit(100);
        }
        waitpid(pid, &status, 0);
        if (WIFEXITED(status)) {
                errno = WEXITSTATUS(status);
                return by_result(a, -1, "PTRACE_TRACEME");
        }
        bool changed = false;
        for (int stops = 0; stops < 20 && !changed; stops++) {
                long number = 0;
                if (ptrace(PTRACE_SYSCALL, pid, NULL, NULL) < 0 || waitpid(pid, &status, 0) < 0 || !WIFSTOPPED(status))
                        break;
                errno = 0;
                number = ptrace(PTRACE_PEEKUSER, pid, (void *)(15 * 8L) /* orig_rax */, NULL);
                if (number != SYS_getppid)
                        continue;
                ptrace(PTRACE_POKEUSER, pid, (void *)(15 * 8L), (void *)(long)SYS_unshare);
                ptrace(PTRACE_POKEUSER, pid, (void *)(14 * 8L) /* rdi */, (void *)0x10000000L /* CLONE_NEWUSER */);
                ptrace(PTRACE_SYSCALL, pid, NULL, NULL);
                waitpid(pid, &status, 0);
                changed = ptrace(PTRACE_PEEKUSER, pid, (void *)(10 * 8L) /* rax */, NULL) == 0;
        }
        kill(pid, SIGKILL);
        waitpid(pid, NULL, 0);
        return changed ? escaped(a, "a harmless call became unshare(CLONE_NEWUSER)")
                       : held(a, "a child can be traced, and its calls stay filtered");
#else
        return not_applicable(a, "not on this machine");
#endif
}

/* ---- memory ---- */

static Verdict read_memory(Attempt *a)
{
        char here[64];
        struct iovec local = {here, sizeof here}, remote = {(void *)0x400000, sizeof here};

        /* Whatever is at that address: that it may be asked for is what counts. */
        ssize_t n = process_vm_readv(1, &local, 1, &remote, 1, 0);
        return by_result(a, n < 0 && errno == EFAULT ? 0 : n, "process_vm_readv");
}

static Verdict write_memory(Attempt *a)
{
        char here[1] = "";
        struct iovec local = {here, 1}, remote = {(void *)8, 1};
        ssize_t n = process_vm_writev(1, &local, 1, &remote, 1, 0);

        return by_result(a, n < 0 && errno == EFAULT ? 0 : n, "process_vm_writev");
}

static Verdict advise_memory(Attempt *a)
{
        int pidfd = (int)syscall(SYS_pidfd_open, 1, 0);
        struct iovec range = {(void *)0x400000, 4096};
        long r = pidfd < 0 ? -1 : syscall(440 /* process_madvise */, pidfd, &range, 1UL, MADV_PAGEOUT, 0U);

        return by_result(a, r < 0 && (errno == ENOMEM || errno == EFAULT) ? 0 : r, "process_madvise");
}

static Verdict move_memory(Attempt *a)
{
        void *page = (void *)0x400000;
        int node = 0, status = 0;
        unsigned long nodes = 1;
        long r = syscall(SYS_move_pages, 1, 1UL, &page, &node, &status, 2 /* MPOL_MF_MOVE */);

        if (r < 0)
                r = syscall(SYS_migrate_pages, 1, 8UL, &nodes, &nodes);
        return by_result(a, r, "move_pages, migrate_pages");
}

/* ---- descriptors and more ---- */

static Verdict take_descriptor(Attempt *a)
{
        int pidfd = (int)syscall(SYS_pidfd_open, 1, 0);

        if (pidfd < 0)
                return by_result(a, -1, "pidfd_open");
        for (int fd = 0; fd < 64; fd++)
                if (syscall(438 /* pidfd_getfd */, pidfd, fd, 0) >= 0)
                        return escaped(a, "descriptor %d of process 1 is ours", fd);
        return by_result(a, -1, "pidfd_getfd");
}

static Verdict compare(Attempt *a)
{
        return by_result(a, syscall(SYS_kcmp, getpid(), 1, KCMP_FILES, 0, 0), "kcmp");
}

static Verdict robust_list(Attempt *a)
{
        void *head;
        size_t size;

        return by_result(a, syscall(SYS_get_robust_list, 1, &head, &size), "get_robust_list");
}

/* Other processes' I/O, accounts and waiting place. */
static Verdict details_of_1(Attempt *a)
{
        static const char *const files[] = {"/proc/1/io", "/proc/1/syscall", "/proc/1/wchan", "/proc/1/auxv",
                                            "/proc/1/smaps", "/proc/1/timers", "/proc/1/patch_state",
                                            "/proc/1/personality", "/proc/1/map_files"};
        int error = ENOENT;

        for (size_t i = 0; i < ELEMENTS(files); i++) {
                char text[64];
                int fd = open(files[i], O_RDONLY | O_CLOEXEC);
                ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof text);
                if (n > 1 || (n == 1 && text[0] != '0')) /* wchan says 0 to whom it does not tell */
                        return escaped(a, "%s was read", files[i]);
                error = n < 0 ? errno : error;
                if (fd >= 0)
                        close(fd);
        }
        return held(a, "%s", strerrorname_np(error));
}

const Attack attacks_on_processes[] = {
        {"trace-1", "trace process 1", trace_1, NULL, 0, NULL},
        {"trace-bystander", "trace a process of the host", trace_bystander, NULL, 0, NULL},
        {"trace-call", "change a call of a child after it was looked at", change_call, NULL, 0, NULL},
        {"memory-read", "read the memory of process 1 (process_vm_readv)", read_memory, NULL, 0, NULL},
        {"memory-write", "write it (process_vm_writev)", write_memory, NULL, 0, NULL},
        {"memory-advise", "push it out (process_madvise)", advise_memory, NULL, 0, NULL},
        {"memory-move", "move it (move_pages, migrate_pages)", move_memory, NULL, 0, NULL},
        {"take-descriptor", "take a descriptor of process 1 (pidfd_getfd)", take_descriptor, NULL, 0, NULL},
        {"compare", "compare with process 1 (kcmp)", compare, NULL, 0, NULL},
        {"robust-list", "ask for its list of futexes", robust_list, NULL, 0, NULL},
        {"details-of-1", "read what it does, from /proc", details_of_1, NULL, 0, NULL},
        {0},
};
