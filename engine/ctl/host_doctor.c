/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "engine/ctl/host_doctor.h"

#include "engine/base/fd.h"
#include "engine/base/json.h"
#include "engine/base/places.h"

#include <fcntl.h>
#include <spawn.h>
#include <string.h>
#include <sys/wait.h>

#define ANSWER_MAX ((size_t)1 << 20)

static int start(const char *program, pid_t *ret_pid, Error *e)
{
        char *const argv[] = {(char *)program, (char *)"doctor", (char *)"--json", NULL};
        posix_spawn_file_actions_t actions;
        int pipe_fds[2];

        if (pipe2(pipe_fds, O_CLOEXEC) < 0)
                return error_errno(e, -errno, "a pipe");
        int r = posix_spawn_file_actions_init(&actions);
        if (r == 0) {
                if ((r = posix_spawn_file_actions_adddup2(&actions, pipe_fds[1], 1)) == 0)
                        r = posix_spawn(ret_pid, program, &actions, NULL, argv, environ);
                posix_spawn_file_actions_destroy(&actions);
        }
        close(pipe_fds[1]);
        if (r == 0)
                return pipe_fds[0];
        close(pipe_fds[0]);
        return error_errno(e, -r, "%s", program);
}

int host_doctor_ask(json_object **ret, Error *e)
{
        _cleanup_free_ char *program = place_program("skep-jail", e), *answer = malloc(ANSWER_MAX);
        pid_t pid;
        int status;

        if (!program || !answer)
                return program ? error_oom(e) : -ENOMEM;
        _cleanup_close_ int fd = start(program, &pid, e);
        if (fd < 0)
                return fd;
        ssize_t n = read_full(fd, answer, ANSWER_MAX);
        while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
                ;
        return n < 0 ? error_errno(e, (int)n, "%s", program) : json_parse_text(answer, (size_t)n, ret, e);
}
