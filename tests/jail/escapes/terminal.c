/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A terminal for a sandbox to be started on: what is typed into it without anybody typing came from inside. */

#include "host.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

static _Noreturn void child(const char *name, char **command)
{
        setsid();
        int fd = open(name, O_RDWR);
        if (fd < 0 || ioctl(fd, TIOCSCTTY, 0) < 0 || dup2(fd, 0) < 0)
                _exit(125);
        close(fd);
        prctl(PR_SET_PDEATHSIG, SIGTERM);
        signal(SIGHUP, SIG_IGN);
        execvp(command[0], command);
        _exit(127);
}

int host_terminal(char **command)
{
        char typed[256], *name;
        int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK), status = 0;

        if (master < 0 || grantpt(master) < 0 || unlockpt(master) < 0 || !(name = ptsname(master)))
                return 125;
        int slave = open(name, O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK);
        pid_t pid = fork();
        if (pid < 0 || slave < 0)
                return 125;
        if (pid == 0)
                child(name, command);
        while (waitpid(pid, &status, WNOHANG) == 0) {
                /* The echo of what is typed must not fill the terminal. */
                struct pollfd p = {.fd = master, .events = POLLIN};
                if (poll(&p, 1, 20) > 0 && read(master, typed, sizeof typed) < 0 && errno != EAGAIN)
                        poll(NULL, 0, 20);
        }
        ssize_t n = read(slave, typed, sizeof typed - 1);
        if (n > 0) {
                typed[strcspn(typed, "\n")] = '\0';
                fprintf(stderr, "typed: %s\n", typed);
        }
        return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}
