/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "jail/unpack.h"

#include "engine/base/archive.h"
#include "engine/base/fd.h"
#include "engine/base/name.h"
#include "jail/confine.h"
#include "jail/landlock.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>

#define SENTENCE_MAX 512

/* In the child: never returns. The sentence goes through the pipe; none means that all is well. */
static _Noreturn void unpack_child(const Plan *plan, int archive_fd, int dir_fd, int pipe_fd)
{
        const ArchiveRules rules = {
                .symlinks = true, /* they lead nowhere but into the jail */
                .max_bytes = plan->limits.disk_bytes,
                .max_entries = plan->limits.files,
        };
        Confinement confinement = {
                .id = ids_inside(plan->ids, JAIL_UNPACK_ID),
                .keep_groups = plan->ids == IDS_CALLER,
                .bounds = plan->capabilities,
                .ruleset = -1,
                .filter = plan->unpack_filter,
                .filter_size = plan->unpack_filter_size,
        };
        Error e = ERROR_NULL;
        const char *step = "setting resource limits";
        int keep[] = {archive_fd, dir_fd, pipe_fd};

        close_others(keep, ELEMENTS(keep));
        int r = confine_resources();

        if (r >= 0)
                r = confine_processes(0, 1);
        if (r >= 0 && plan->landlock_abi > 0) {
                step = "making a Landlock ruleset";
                r = confinement.ruleset = landlock_for_unpacking(plan->landlock_abi, dir_fd);
        }
        if (r >= 0)
                r = confine_enter(&confinement, &step);
        if (r >= 0) {
                step = "loading the system call filter";
                r = confine_filter(&confinement);
        }
        if (r < 0)
                error_errno(&e, r, "%s", step);
        else
                archive_unpack(archive_fd, dir_fd, &rules, &e);
        if (e.code == -E2BIG || e.code == -ENOSPC)
                error_prefix(&e, "more than the job's limits of disk and files");
        if (e.code < 0) {
                const char *text = error_text(&e);
                write_full(pipe_fd, text, text_start(text, SENTENCE_MAX));
        }
        _exit(0);
}

int unpack_input(const Plan *plan, const char *name, int archive_fd, int dir_fd, Error *e)
{
        int pipe_fds[2], status = 0;
        char sentence[SENTENCE_MAX + 1];

        if (pipe2(pipe_fds, O_CLOEXEC) < 0)
                return error_errno(e, -errno, "input \"%s\"", name);
        pid_t pid = fork();
        if (pid < 0) {
                close_many(pipe_fds, 2);
                return error_errno(e, -errno, "input \"%s\"", name);
        }
        if (pid == 0)
                unpack_child(plan, archive_fd, dir_fd, pipe_fds[1]);
        close(pipe_fds[1]);
        ssize_t n = read_full(pipe_fds[0], sentence, SENTENCE_MAX);
        close(pipe_fds[0]);
        while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
                ;
        if (n > 0) {
                /* An archive that has taken the process over says what it likes. */
                sentence[n] = '\0';
                _cleanup_free_ char *shown = text_escape(sentence, SENTENCE_MAX);
                return error_set(e, -EINVAL, "input \"%s\": %s", name, shown ? shown : "cannot be unpacked");
        }
        if (WIFSIGNALED(status))
                return error_set(e, -EINVAL, "input \"%s\": unpacking it ended by signal %d", name, WTERMSIG(status));
        /* unpack_child() ends with 0: it is not itself any more. */
        if (WEXITSTATUS(status) != 0)
                return error_set(e, -EINVAL, "input \"%s\": unpacking it ended with status %d", name, WEXITSTATUS(status));
        return 0;
}
