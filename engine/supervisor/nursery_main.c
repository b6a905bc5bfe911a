/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* skep-nursery: forks porters for the supervisor (nursery.h). It never has a stranger's descriptor, nor the supervisor's end of
 * anything, so that nothing can hold it up. */

#include "engine/supervisor/porter_protocol.h"

#include "engine/base/fd.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>

/* fork(), but the child is the supervisor's, as if he had forked it himself. By clone(2), since RestrictNamespaces= leaves no clone3(2). */
static pid_t fork_for_parent(pid_t *youngest)
{
        return (pid_t)syscall(SYS_clone, (long)(CLONE_PARENT | CLONE_PARENT_SETTID | SIGCHLD), 0L, youngest, 0L, 0L);
}

static pid_t start_porter(int wire, Copy *copies, pid_t *youngest, pid_t supervisor)
{
        pid_t pid = fork_for_parent(youngest);

        if (pid != 0)
                return pid < 0 ? -errno : pid;
        /* The next supervisor removes what is left of copies, and gives the same temporary names. */
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() != supervisor)
                _exit(1);
        prctl(PR_SET_NAME, "skep-porter");
        close(NURSERY_SOCKET_FD);
        porter_serve(wire, NURSERY_DIRECTORY_FD, copies);
}

/* The supervisor says when they are to end. A service manager that ends the unit, or a terminal, tells all at once. */
static void block_signals(void)
{
        sigset_t set;

        sigemptyset(&set);
        sigaddset(&set, SIGTERM);
        sigaddset(&set, SIGINT);
        sigaddset(&set, SIGHUP);
        sigprocmask(SIG_BLOCK, &set, NULL);
}

int main(int argc, char **argv)
{
        const pid_t supervisor = getppid();
        Copy *copies;
        pid_t *youngest;
        struct stat st;
        int wire;
        char byte;

        if (argc != 2 || fstat(NURSERY_SOCKET_FD, &st) < 0 || !S_ISSOCK(st.st_mode) || !(copies = copies_map(NURSERY_COPIES_FD)) ||
            (youngest = mmap(NULL, sizeof *youngest, PROT_READ | PROT_WRITE, MAP_SHARED, NURSERY_YOUNGEST_FD, 0)) == MAP_FAILED) {
                fprintf(stderr, "skep-nursery is started by skepd, not by hand.\n");
                return 1;
        }
        if (strcmp(argv[1], SKEP_VERSION) != 0) {
                fprintf(stderr, "skep-nursery is of another version than skepd, which has to be started again.\n");
                return 1;
        }
        close(NURSERY_COPIES_FD);
        close(NURSERY_YOUNGEST_FD);
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        block_signals();
        for (size_t n = 1; receive_message(NURSERY_SOCKET_FD, &byte, 1, &wire, &n) > 0 && n == 1; n = 1) {
                NurseryAnswer answer = {.pid = start_porter(wire, copies, youngest, supervisor)};
                close(wire);
                if (send(NURSERY_SOCKET_FD, &answer, sizeof answer, MSG_NOSIGNAL) < 0)
                        break;
        }
        return 0;
}
