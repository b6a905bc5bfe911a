/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "jail/probe/probe.h"

#include "engine/base/fd.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>

static int map_own_id(const char *file, unsigned id)
{
        char line[32];

        snprintf(line, sizeof line, "0 %u 1", id);
        return write_file_at(AT_FDCWD, file, line);
}

static int become_root_of_namespace(void)
{
        unsigned uid = geteuid(), gid = getegid();
        int r;

        if (unshare(CLONE_NEWUSER) < 0)
                return -errno;
        /* Without a privilege, groups are given up before any can be mapped; user_namespaces(7). */
        if ((r = write_file_at(AT_FDCWD, "/proc/self/setgroups", "deny")) < 0 ||
            (r = map_own_id("/proc/self/uid_map", uid)) < 0)
                return r;
        return map_own_id("/proc/self/gid_map", gid);
}

int attempt(const Surroundings *around, bool always, int (*what)(void *argument), void *argument)
{
        int status;
        pid_t pid = fork();

        if (pid < 0)
                return -errno;
        if (pid == 0) {
                prctl(PR_SET_PDEATHSIG, SIGKILL);
                int r = always || !around->root ? become_root_of_namespace() : 0;
                if (r >= 0)
                        r = what(argument);
                /* errno values fit into a status */
                _exit(r < 0 ? -r : 0);
        }
        while (waitpid(pid, &status, 0) < 0)
                if (errno != EINTR)
                        return -errno;
        return WIFEXITED(status) ? -WEXITSTATUS(status) : -ECANCELED;
}
