/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/bench/floor_process.h"

#include "engine/base/places.h"

#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>

int floor_process_start(const char *payload, const char *cgroup, FloorProcess *ret, Error *e)
{
        _cleanup_free_ char *program = place_program("bench-floor", e);
        char *argv[] = {program, (char *)payload, (char *)cgroup, NULL};
        posix_spawn_file_actions_t actions;
        int sockets[2];

        if (!program)
                return -ENOMEM;
        if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets) < 0)
                return error_errno(e, -errno, "making a socket");
        ret->socket = sockets[0];
        posix_spawn_file_actions_init(&actions);
        posix_spawn_file_actions_adddup2(&actions, sockets[1], FLOOR_SOCKET_FD);
        int r = posix_spawn(&ret->pid, program, &actions, NULL, argv, environ);
        posix_spawn_file_actions_destroy(&actions);
        close(sockets[1]);
        return r != 0 ? error_errno(e, -r, "%s", program) : 0;
}

int floor_process_run(const FloorProcess *f, FloorRun *ret, Error *e)
{
        if (write(f->socket, "", 1) != 1 || read(f->socket, ret, sizeof *ret) != sizeof *ret)
                return error_set(e, -EIO, "the floor has ended before its time");
        return 0;
}

void floor_process_end(FloorProcess *f)
{
        f->socket = close_fd(f->socket);
        if (f->pid > 0)
                waitpid(f->pid, NULL, 0);
        f->pid = 0;
}
