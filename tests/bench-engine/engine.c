/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/bench-engine/engine.h"

#include "engine/base/clock.h"
#include "engine/base/fd.h"
#include "engine/base/places.h"

#include <ctype.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/wait.h>

#define PROCESSES_MAX 256

int engine_new(Engine *engine, const char *folder, const char *name, const char *missing, Error *e)
{
        *engine = (Engine){.missing = missing};
        if (asprintf(&engine->folder, "%s/%s", folder, name) < 0 ||
            asprintf(&engine->socket, "%s/%s.sock", folder, name) < 0 ||
            asprintf(&engine->address, "unix:path=%s", engine->socket) < 0)
                return error_oom(e);
        return engine_start(engine, e);
}

int engine_start(Engine *engine, Error *e)
{
        _cleanup_free_ char *program = place_program("skepd", e), *missing = NULL;
        posix_spawn_file_actions_t actions;
        int ready[2];
        char text[8];

        if (!program || asprintf(&missing, "--allow-missing=%s", engine->missing) < 0)
                return error_oom(e);
        char *argv[] = {(char *)"skepd", (char *)"--embedded", (char *)"--state", engine->folder, (char *)"--socket",
                        engine->socket, (char *)"--drain", (char *)"0s", missing, NULL};
        if (pipe2(ready, O_CLOEXEC) < 0)
                return error_errno(e, -errno, "pipe");
        posix_spawn_file_actions_init(&actions);
        posix_spawn_file_actions_adddup2(&actions, ready[1], STDOUT_FILENO);
        uint64_t start = monotonic_usec();
        int r = -posix_spawn(&engine->pid, program, &actions, NULL, argv, environ);
        posix_spawn_file_actions_destroy(&actions);
        close(ready[1]);
        if (r < 0)
                engine->pid = 0;
        else if (read_full(ready[0], text, strlen("ready\n")) != (ssize_t)strlen("ready\n"))
                r = -EPROTO;
        engine->start_usec = monotonic_usec() - start;
        close(ready[0]);
        return r < 0 ? error_errno(e, r, "%s does not start", program) : 0;
}

void engine_stop(Engine *engine)
{
        if (engine->pid > 0) {
                kill(engine->pid, SIGTERM);
                waitpid(engine->pid, NULL, 0);
        }
        engine->pid = 0;
}

void engine_done(Engine *engine)
{
        engine_stop(engine);
        free(engine->folder);
        free(engine->socket);
        free(engine->address);
        *engine = (Engine){0};
}

/* ---- what it holds and does ---- */

static char *read_proc(pid_t pid, const char *file)
{
        char path[64], *text;

        snprintf(path, sizeof path, "/proc/%d/%s", pid, file);
        return read_file_at(AT_FDCWD, path, 65536, &text, NULL) < 0 ? NULL : text;
}

/* The number behind "\nKey:" in a text of /proc. */
static uint64_t number_behind(const char *text, const char *key)
{
        const char *at = text ? strstr(text, key) : NULL;

        return at ? strtoull(at + strlen(key), NULL, 10) : 0;
}

static uint64_t wakeups_of(pid_t pid)
{
        uint64_t sum = 0;
        char path[64];

        snprintf(path, sizeof path, "/proc/%d/task", pid);
        _cleanup_closedir_ DIR *tasks = opendir(path);
        for (struct dirent *d; tasks && (d = readdir(tasks));)
                if (isdigit((unsigned char)d->d_name[0])) {
                        _cleanup_free_ char *status = read_proc((pid_t)atoi(d->d_name), "status");
                        sum += number_behind(status, "\nvoluntary_ctxt_switches:");
                }
        return sum;
}

static void add_process(pid_t pid, Usage *usage)
{
        _cleanup_free_ char *status = read_proc(pid, "status");

        usage->rss_bytes += number_behind(status, "\nVmRSS:") << 10;
        usage->wakeups += wakeups_of(pid);
        usage->processes++;
}

static bool runs_program(pid_t pid, const char *program)
{
        _cleanup_free_ char *name = read_proc(pid, "comm");

        return name && strncmp(name, program, strlen(program)) == 0 && name[strlen(program)] == '\n';
}

static pid_t parent_of(pid_t pid)
{
        _cleanup_free_ char *status = read_proc(pid, "status");

        return (pid_t)number_behind(status, "\nPPid:");
}

void engine_usage(const Engine *engine, const char *program, Usage *ret)
{
        pid_t family[PROCESSES_MAX] = {engine->pid};
        size_t n = 1;

        *ret = (Usage){0};
        if (!program) {
                add_process(engine->pid, ret);
                return;
        }
        /* The list grows while it is walked along. */
        for (size_t i = 0; i < n; i++) {
                _cleanup_closedir_ DIR *proc = opendir("/proc");
                for (struct dirent *d; proc && (d = readdir(proc));) {
                        pid_t pid = isdigit((unsigned char)d->d_name[0]) ? (pid_t)atoi(d->d_name) : 0;
                        if (pid <= 0 || n == PROCESSES_MAX || parent_of(pid) != family[i])
                                continue;
                        family[n++] = pid;
                        if (runs_program(pid, program))
                                add_process(pid, ret);
                }
        }
}
