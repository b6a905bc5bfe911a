/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "engine/base/spawn.h"

#include "engine/base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>

#define FIRST_FD 3

static int spawn(const char *program, char *const *argv, const int *fds, size_t n, pid_t *ret)
{
        const int end = FIRST_FD + (int)n;
        posix_spawn_file_actions_t actions;
        char *envp[] = {NULL};
        int r = posix_spawn_file_actions_init(&actions);

        if (r != 0)
                return -r;
        posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
        posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
        for (int fd = FIRST_FD; fd < end; fd++)
                posix_spawn_file_actions_adddup2(&actions, fds[fd - FIRST_FD], fd);
        posix_spawn_file_actions_addclosefrom_np(&actions, end);
        r = posix_spawn(ret, program, &actions, NULL, argv, envp);
        posix_spawn_file_actions_destroy(&actions);
        return -r;
}

int spawn_with_fds(const char *program, char *const *argv, const int *fds, size_t n, pid_t *ret)
{
        int moved[SPAWN_FDS_MAX], r = 0;
        size_t n_moved = 0;

        if (n > SPAWN_FDS_MAX)
                return -EINVAL;
        /* To where none that gets its number comes to lie on another. */
        for (; r >= 0 && n_moved < n; n_moved++)
                if ((moved[n_moved] = fcntl(fds[n_moved], F_DUPFD_CLOEXEC, FIRST_FD + SPAWN_FDS_MAX)) < 0)
                        r = -errno;
        if (r >= 0)
                r = spawn(program, argv, moved, n, ret);
        close_many(moved, n_moved);
        return r;
}
