/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "engine/supervisor/starter_embedded.h"

#include "engine/base/places.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* It may outlive us: so it keeps our standard error, for its own messages, and not our standard output, whose reader
 * waits for our end. */
static int spawn(const char *program, char **argv, pid_t *ret_pid)
{
        posix_spawn_file_actions_t actions;
        posix_spawnattr_t attributes;
        sigset_t none;

        if (posix_spawn_file_actions_init(&actions) != 0)
                return -ENOMEM;
        if (posix_spawnattr_init(&attributes) != 0) {
                posix_spawn_file_actions_destroy(&actions);
                return -ENOMEM;
        }
        sigemptyset(&none);
        posix_spawnattr_setsigmask(&attributes, &none);
        posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
        posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
        int r = -posix_spawn(ret_pid, program, &actions, &attributes, argv, environ);
        posix_spawn_file_actions_destroy(&actions);
        posix_spawnattr_destroy(&attributes);
        return r;
}

static int start(void *userdata, Pool *pool, const char *name, pid_t *ret_pid, Error *e)
{
        const EmbeddedStarter *s = userdata;
        char grace[32], warm_maximum[32], warm_memory[32];
        char *argv[] = {(char *)"skep-worker", (char *)"--socket", (char *)pool_socket_path(pool), (char *)"--name", (char *)name,
                        (char *)"--orphan-grace", grace, (char *)"--warm-maximum", warm_maximum,
                        (char *)"--warm-memory", warm_memory, NULL};

        snprintf(grace, sizeof grace, "%" PRIu64 "us", s->config->orphan_grace_usec);
        snprintf(warm_maximum, sizeof warm_maximum, "%" PRIu64, s->config->warm.maximum);
        snprintf(warm_memory, sizeof warm_memory, "%" PRIu64, s->config->warm.memory_bytes);
        int r = spawn(s->program, argv, ret_pid);
        if (r < 0)
                return error_errno(e, r, "%s", s->program);
        /* Nobody else waits for our children: it is there, if only as a zombie. */
        int pidfd = (int)syscall(SYS_pidfd_open, *ret_pid, 0);
        if (pidfd >= 0)
                return pidfd;
        r = -errno;
        kill(*ret_pid, SIGKILL);
        waitpid(*ret_pid, NULL, 0);
        return error_errno(e, r, "watching it");
}

static void end(void *userdata _unused_, const char *name _unused_, int pidfd, bool now)
{
        syscall(SYS_pidfd_send_signal, pidfd, now ? SIGKILL : SIGTERM, NULL, 0);
}

int embedded_starter_init(EmbeddedStarter *s, const Config *config, Error *e)
{
        *s = (EmbeddedStarter){
                .starter = {.start = start, .end = end, .userdata = s},
                .program = place_program("skep-worker", e),
                .config = config,
        };
        if (!s->program)
                return -ENOMEM;
        return access(s->program, X_OK) < 0 ? error_errno(e, -errno, "%s", s->program) : 0;
}

void embedded_starter_done(EmbeddedStarter *s)
{
        free(s->program);
        s->program = NULL;
}
