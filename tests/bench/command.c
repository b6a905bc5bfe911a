/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/bench/command.h"

#include "engine/base/clock.h"
#include "engine/base/strv.h"

#include <spawn.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>

void command_done(Command *c)
{
        c->argv = strv_free(c->argv);
}

/* "name-7" */
static int number_last(Command *c)
{
        char **last = &c->argv[strv_length(c->argv) - 1], *name = NULL;

        if (asprintf(&name, "%s-%u", c->numbered, c->started++) < 0)
                return -ENOMEM;
        free(*last);
        *last = name;
        return 0;
}

int command_start(Command *c, pid_t *ret)
{
        posix_spawn_file_actions_t actions;
        /* Not /dev/null: crun gives what it is handed to the container's user, and that would be the host's node. */
        _cleanup_close_ int streams = memfd_create("streams", MFD_CLOEXEC);
        int r = streams < 0 ? errno : posix_spawn_file_actions_init(&actions);

        if (r != 0 || (c->numbered && (r = -number_last(c)) != 0))
                return -r;
        posix_spawn_file_actions_adddup2(&actions, streams, 0);
        posix_spawn_file_actions_adddup2(&actions, streams, 1);
        if (c->fd >= 0) {
                /* To itself: that takes CLOEXEC away. */
                posix_spawn_file_actions_adddup2(&actions, c->fd, c->fd);
                lseek(c->fd, 0, SEEK_SET);
        }
        r = posix_spawnp(ret, c->argv[0], &actions, NULL, c->argv, environ);
        posix_spawn_file_actions_destroy(&actions);
        return -r;
}

int command_wait(pid_t pid, pid_t *ret, uint64_t *ret_cpu_usec, Error *e)
{
        struct rusage used;
        int status;
        pid_t ended;

        while ((ended = wait4(pid, &status, 0, &used)) < 0)
                if (errno != EINTR)
                        return error_errno(e, -errno, "waiting for a run");
        if (status != 0)
                return error_set(e, -EIO, "a run ended with wait status %d", status);
        if (ret)
                *ret = ended;
        *ret_cpu_usec = (uint64_t)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) * USEC_PER_SECOND +
                        (uint64_t)(used.ru_utime.tv_usec + used.ru_stime.tv_usec);
        return 0;
}

int command_run(Command *c, uint64_t *ret_usec, uint64_t *ret_cpu_usec, Error *e)
{
        uint64_t start = monotonic_usec();
        pid_t pid;
        int r = command_start(c, &pid);

        if (r < 0)
                return error_errno(e, r, "%s", c->argv[0]);
        if ((r = command_wait(pid, NULL, ret_cpu_usec, e)) < 0)
                return error_prefix(e, "%s", c->argv[0]);
        *ret_usec = monotonic_usec() - start;
        return 0;
}

int command_run_many(Command *c, size_t runs, size_t at_once, Error *e)
{
        size_t running = 0, started = 0;
        uint64_t cpu_usec;
        pid_t pid;

        while (started < runs || running > 0) {
                for (; running < at_once && started < runs; running++, started++) {
                        int r = command_start(c, &pid);
                        if (r < 0)
                                return error_errno(e, r, "%s", c->argv[0]);
                }
                int r = command_wait(-1, &pid, &cpu_usec, e);
                if (r < 0)
                        return r;
                running--;
        }
        return 0;
}
