/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The watchdog shares the memory of the process that it watches, so that making it costs no copies of pages. What it
 * runs is therefore system calls only: errno is not read while the other process lives, and neither malloc() nor stdio
 * is used after it was killed, perhaps in the middle of them. */

#include "jail/watchdog.h"

#include <dirent.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

#define ATTEMPTS_MAX 2500
#define PAUSE_NSEC 2000000
#define STACK_SIZE 16384

typedef struct Watch {
        char stack[STACK_SIZE] __attribute__((aligned(16)));
        const CgroupTree *tree;
        int pipe;
} Watch;

static void remove_jails(int tree_fd)
{
        char entries[2048] __attribute__((aligned(8)));
        int fd = openat(tree_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        long n;

        while ((n = syscall(SYS_getdents64, fd, entries, sizeof entries)) > 0)
                for (long at = 0; at < n;) {
                        const struct dirent64 *d = (const void *)(entries + at);
                        at += d->d_reclen;
                        if (d->d_type == DT_DIR && d->d_name[0] != '.')
                                unlinkat(tree_fd, d->d_name, AT_REMOVEDIR);
                }
        close(fd);
}

/* What is being killed takes a moment to go. */
static void tidy(const CgroupTree *tree)
{
        const struct timespec pause_time = {.tv_nsec = PAUSE_NSEC};
        int base = openat(tree->fd, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

        cgroup_kill(tree->fd);
        for (int i = 0; i < ATTEMPTS_MAX; i++) {
                remove_jails(tree->fd);
                if (unlinkat(base, tree->name, AT_REMOVEDIR) == 0 || errno == ENOENT)
                        break;
                nanosleep(&pause_time, NULL);
        }
}

static void close_all_but(unsigned a, unsigned b)
{
        unsigned low = a < b ? a : b, high = a < b ? b : a;

        if (low > 0)
                close_range(0, low - 1, 0);
        if (high > low + 1)
                close_range(low + 1, high - 1, 0);
        close_range(high + 1, ~0U, 0);
}

static int watch(void *argument)
{
        const Watch *w = argument;
        char byte;

        /* A Ctrl-C is not for us; nor do we keep anybody's terminal or pipe open. */
        setsid();
        prctl(PR_SET_NAME, "skep-watchdog");
        close_all_but((unsigned)w->pipe, (unsigned)w->tree->fd);
        while (read(w->pipe, &byte, 1) < 0)
                ;
        tidy(w->tree);
        _exit(0);
}

void watchdog_start(Watchdog *w, const CgroupTree *tree)
{
        Watch *memory = tree->fd < 0 ? NULL : malloc(sizeof *memory);
        int fds[2];

        if (!memory || pipe2(fds, O_CLOEXEC) < 0) {
                free(memory);
                return;
        }
        memory->tree = tree;
        memory->pipe = fds[0];
        pid_t pid = clone(watch, memory->stack + STACK_SIZE, CLONE_VM | SIGCHLD, memory);
        close(fds[0]);
        *w = (Watchdog){pid, fds[1], memory};
}

void watchdog_dismiss(Watchdog *w)
{
        if (w->pid >= 0)
                kill(w->pid, SIGKILL);
}

void watchdog_end(Watchdog *w)
{
        while (w->pid >= 0 && waitpid(w->pid, NULL, 0) < 0 && errno == EINTR)
                ;
        close_fd(w->pipe);
        free(w->memory);
        *w = WATCHDOG_NULL;
}
