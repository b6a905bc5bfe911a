/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The job is started as posix_spawn() does it: the child shares the reaper's memory and descriptors until it executes
 * the program, and the reaper sleeps until then. So
 *
 *   - what goes wrong in the child is simply there afterwards, in the struct that both see;
 *   - the listener for refused calls, which only the filtered process can make, is in the table of both, and stays
 *     here when the exec gives the job a table of its own without it. No message has to pass the filter;
 *   - nothing is copied that the exec would throw away.
 *
 * In a jail that waits for its job the child goes ahead to where the job must be known, and waits there: under the
 * filter, where that allows to wait, and to go on. The two then take turns: only one of them is ever at work, as they
 * share all that a thread has for itself, errno among it.
 *
 * The child's credentials are its own from the first change on. Nobody else is in the jail at that time; and having
 * changed its ids it cannot be traced (it is not "dumpable"), should that ever change. */

#include "jail/spawn.h"

#include "engine/base/name.h"
#include "engine/base/strv.h"
#include "jail/host.h"

#include <fcntl.h>
#include <linux/futex.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define SHOWN_MAX 300 /* of a path: the reaper's message has room for what is wrong with it, too */
#define STACK_SIZE ((size_t)256 << 10)
#define USUAL_DIRECTORY "/work"

enum { TURN_REAPER, TURN_JOB };

static void wait_while(uint32_t *word, uint32_t value)
{
        /* Not a private futex: the kernel's own wake-up, when `here` is cleared, is not. */
        while (__atomic_load_n(word, __ATOMIC_ACQUIRE) == value)
                syscall(SYS_futex, word, FUTEX_WAIT, value, NULL);
}

static void give_turn(Spawn *s, uint32_t to)
{
        __atomic_store_n(&s->turn, to, __ATOMIC_RELEASE);
        syscall(SYS_futex, &s->turn, FUTEX_WAKE, 1);
}

/* ---- in the job's process ---- */

/* As a shell does: not there is worth trying the next, and anything else is remembered. */
static int exec_first(char *const *candidates, char *const *environment, char *const *command, const char **ret_tried)
{
        int first = -ENOENT;

        for (size_t i = 0; candidates[i]; i++) {
                *ret_tried = candidates[i];
                execve(candidates[i], command, environment);
                if (errno == ENOENT || errno == ENOTDIR)
                        continue;
                first = -errno;
                if (errno != EACCES)
                        break;
        }
        return first;
}

/* What is the same for every job of a policy. */
static int give_up_rights(Spawn *s)
{
        sigset_t none;

        sigemptyset(&none);
        s->step = "starting a session";
        if (setsid() < 0 || sigprocmask(SIG_SETMASK, &none, NULL) < 0)
                return -errno;
        s->step = "setting resource limits";
        int r = confine_resources();
        return r < 0 ? r : confine_enter(&s->confinement, &s->step);
}

static int enter_directory(Spawn *s, const char *directory)
{
        s->step = "working directory ";
        s->detail = directory;
        int r = chdir(directory) < 0 ? -errno : 0;
        s->detail = r < 0 ? directory : "";
        return r;
}

/* The very last, since it need not allow any of the calls above. */
static int enter_filter(Spawn *s)
{
        s->step = "loading the system call filter";
        int r = confine_filter(&s->confinement);
        if (r >= 0 && s->confinement.listener_flags)
                s->listener = r;
        return r;
}

/* With the controller there is a cgroup's count; the other would only answer first, and less clearly. */
static int limit_processes(Spawn *s, pid_t pid)
{
        s->step = "limiting the number of processes";
        return confine_processes(pid, s->plan->controllers & CONTROLLER_PIDS ? JAIL_UNLIMITED : s->plan->limits.pids);
}

static int wait_for_job(Spawn *s)
{
        int r = s->filtered ? enter_directory(s, USUAL_DIRECTORY) : 0;

        if (r >= 0 && s->filtered)
                r = enter_filter(s);
        s->error = r;
        give_turn(s, TURN_REAPER);
        if (r >= 0)
                wait_while(&s->turn, TURN_REAPER);
        return r;
}

static int become_job(Spawn *s)
{
        bool ahead = !s->plan;
        int r = give_up_rights(s);

        if (ahead && r < 0) {
                s->error = r;
                give_turn(s, TURN_REAPER);
        }
        if (r >= 0 && ahead)
                r = wait_for_job(s);
        if (r >= 0 && (!s->filtered || strcmp(s->plan->working_directory, USUAL_DIRECTORY) != 0))
                r = enter_directory(s, s->plan->working_directory);
        if (r >= 0 && !ahead)
                r = limit_processes(s, 0);
        return r >= 0 && !s->filtered ? enter_filter(s) : r;
}

static int spawned(void *argument)
{
        Spawn *s = argument;

        s->error = become_job(s);
        if (s->error < 0)
                _exit(1);
        *s->begun = true;
        s->error = exec_first(s->candidates, s->plan->environment, s->plan->command, &s->program);
        s->exec_failed = true;
        /* Directly: what a sanitizer calls before an _exit() may be refused, and there is nobody yet to refuse it. */
        syscall(SYS_exit_group, 1);
        return 1;
}

/* ---- in the reaper ---- */

/* Where to look for the program: the path itself, or along PATH. */
static char **find_candidates(const Plan *plan)
{
        _cleanup_strv_ char **folders = NULL, **list = NULL;
        const char *name = plan->command[0], *path = environment_get(plan->environment, "PATH");

        if (strchr(name, '/'))
                return strv_add(&list, name) < 0 ? NULL : take(list);
        if (strv_split(path ? path : "", ':', &folders) < 0)
                return NULL;
        for (size_t i = 0; folders && folders[i]; i++)
                if (strv_addf(&list, "%s/%s", folders[i], name) < 0)
                        return NULL;
        return list ? take(list) : calloc(1, sizeof(char *));
}

/* As shells have it; looked at from the job's directory, which is not ours. */
static int exec_status(const Spawn *s)
{
        _cleanup_close_ int from = open(s->plan->working_directory, O_PATH | O_DIRECTORY | O_CLOEXEC);
        bool there = false;

        for (size_t i = 0; s->candidates[i]; i++)
                there |= faccessat(from, s->candidates[i], F_OK, 0) == 0;
        return there ? 126 : 127;
}

static int describe_exec_failure(const Spawn *s, int status, Error *e)
{
        _cleanup_free_ char *shown = text_escape(s->plan->command[0], SHOWN_MAX);
        const char *name = shown ? shown : "the program";

        if (s->error == -ENOENT && status == 126)
                return error_set(e, s->error, "%s: its interpreter is not in the jail", name);
        if (s->error == -ENOENT)
                return error_set(e, s->error, "%s: not found in the jail", name);
        if (s->error == -EACCES)
                return error_set(e, s->error,
                                 "%s: permission denied: it is not executable, or not where the policy lets "
                                 "programs be executed",
                                 name);
        return error_errno(e, s->error, "%s", name);
}

static int start(Spawn *s, int flags, Error *e)
{
        s->detail = "";
        s->here = 1;
        s->stack = mmap(NULL, STACK_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
        if (s->stack == MAP_FAILED)
                return error_oom(e);
        s->pid = clone(spawned, (char *)s->stack + STACK_SIZE,
                       CLONE_VM | CLONE_FILES | CLONE_CHILD_CLEARTID | SIGCHLD | flags, s, NULL, NULL, &s->here);
        return s->pid < 0 ? error_errno(e, -errno, "starting the job's process") : 0;
}

static int early_error(const Spawn *s, Error *e)
{
        if (s->error >= 0 || s->exec_failed)
                return 0;
        _cleanup_free_ char *shown = text_escape(s->detail, SHOWN_MAX);
        return error_errno(e, s->error, "%s%s", s->step, shown ? shown : "");
}

int spawn_ahead(Spawn *s, bool filtered, Error *e)
{
        s->filtered = filtered;
        s->turn = TURN_JOB;
        int r = start(s, 0, e);

        if (r < 0)
                return r;
        wait_while(&s->turn, TURN_JOB);
        return early_error(s, e);
}

pid_t spawn_run(Spawn *s, const Plan *plan, int *ret_exec_failed, Error *e)
{
        int r = 0;

        *ret_exec_failed = 0;
        s->plan = plan;
        s->candidates = find_candidates(plan);
        if (!s->candidates)
                return error_oom(e);
        if (s->pid >= 0) {
                if ((s->error = limit_processes(s, s->pid)) >= 0) {
                        give_turn(s, TURN_JOB);
                        wait_while(&s->here, 1);
                }
        } else {
                r = start(s, CLONE_VFORK, e);
        }
        if (r >= 0)
                r = early_error(s, e);
        if (r < 0)
                return r;
        if (!s->program && !s->exec_failed)
                return -ECHILD;
        munmap(s->stack, STACK_SIZE);
        if (!s->exec_failed)
                return s->pid;
        *ret_exec_failed = exec_status(s);
        return describe_exec_failure(s, *ret_exec_failed, e);
}
