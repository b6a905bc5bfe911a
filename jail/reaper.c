/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The job is started as posix_spawn() does it: the child shares this process's memory and descriptors until it
 * executes the program, and this process sleeps until then. So
 *
 *   - what goes wrong in the child is simply there afterwards, in the struct that both see;
 *   - the listener for refused calls, which only the filtered process can make, is in the table of both, and stays
 *     here when the exec gives the job a table of its own without it. No message has to pass the filter;
 *   - nothing is copied that the exec would throw away.
 *
 * The child's credentials are its own from the first change on. Nobody else is in the jail at that time; and having
 * changed its ids it cannot be traced (it is not "dumpable"), should that ever change. */

#include "jail/reaper.h"

#include "engine/base/clock.h"
#include "engine/base/fd.h"
#include "engine/base/strv.h"
#include "jail/confine.h"
#include "jail/host.h"
#include "jail/landlock.h"
#include "jail/listener.h"
#include "jail/unpack.h"

#include <linux/capability.h>
#include <linux/keyctl.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#define SPAWN_STACK_SIZE ((size_t)256 << 10)

static void tell(int control_fd, const ReaperMessage *message)
{
        send_message(control_fd, message, sizeof *message, NULL, 0);
}

_Noreturn void reaper_fail(int control_fd, const Error *e)
{
        ReaperMessage message = {.kind = REAPER_SETUP_FAILED};

        snprintf(message.text, sizeof message.text, "%s", error_text(e));
        tell(control_fd, &message);
        _exit(1);
}

/* ---- starting the job ---- */

typedef struct Spawn {
        const Plan *plan;
        Confinement confinement;
        char **candidates; /* paths to try, in order */
        const char *step;  /* what went wrong, with `error`: a negative errno, 0 once the program runs */
        int error;
        bool exec_failed;
        const char *program; /* the last candidate that was tried */
        int listener;        /* -1: none */
} Spawn;

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

static int spawned(void *argument)
{
        Spawn *s = argument;
        sigset_t none;

        sigemptyset(&none);
        s->step = "starting a session";
        if (setsid() < 0 || sigprocmask(SIG_SETMASK, &none, NULL) < 0) {
                s->error = -errno;
                _exit(1);
        }
        s->step = "setting resource limits";
        /* With the controller there is a cgroup's count; the other would only answer first, and less clearly. */
        s->error = confine_resources(s->plan->controllers & CONTROLLER_PIDS ? JAIL_UNLIMITED
                                                                            : s->plan->limits.pids);
        if (s->error < 0)
                _exit(1);
        int r = confine_apply(&s->confinement, &s->step);
        if (r < 0) {
                s->error = r;
                _exit(1);
        }
        if (s->confinement.listener_flags)
                s->listener = r;
        s->error = exec_first(s->candidates, s->plan->environment, s->plan->command, &s->program);
        s->exec_failed = true;
        _exit(1);
}

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

static void describe_exec_failure(const Spawn *s, ReaperMessage *message)
{
        const char *name = s->plan->command[0];
        bool there = false;

        for (size_t i = 0; s->candidates[i]; i++)
                there |= access(s->candidates[i], F_OK) == 0;
        message->kind = REAPER_EXEC_FAILED;
        message->status = there ? 126 : 127;
        if (s->error == -ENOENT && there)
                snprintf(message->text, sizeof message->text, "%s: its interpreter is not in the jail", name);
        else if (s->error == -ENOENT)
                snprintf(message->text, sizeof message->text, "%s: not found in the jail", name);
        else if (s->error == -EACCES)
                snprintf(message->text, sizeof message->text,
                         "%s: permission denied: it is not executable, or not where the policy lets programs be executed",
                         name);
        else
                snprintf(message->text, sizeof message->text, "%s: %s", name, strerror(-s->error));
}

/* Returns the job's pid. On failure the launcher is told, and the jail ends. */
static pid_t spawn(Spawn *s, int control_fd)
{
        _cleanup_error_ Error e = ERROR_NULL;
        char *stack = mmap(NULL, SPAWN_STACK_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);

        if (stack == MAP_FAILED || !s->candidates) {
                error_oom(&e);
                reaper_fail(control_fd, &e);
        }
        pid_t pid = clone(spawned, stack + SPAWN_STACK_SIZE, CLONE_VM | CLONE_VFORK | CLONE_FILES | SIGCHLD, s);
        if (pid < 0)
                error_errno(&e, -errno, "starting the job's process");
        else if (s->error < 0 && !s->exec_failed)
                error_errno(&e, s->error, "%s", s->step);
        if (e.code < 0)
                reaper_fail(control_fd, &e);
        munmap(stack, SPAWN_STACK_SIZE);
        if (s->exec_failed) {
                ReaperMessage message = {0};
                describe_exec_failure(s, &message);
                tell(control_fd, &message);
                _exit(1);
        }
        return pid;
}

/* ---- until the end ---- */

/* True once the job itself has ended. */
static bool reap(pid_t job, int *status)
{
        bool ended = false;
        int one;

        for (pid_t pid; (pid = waitpid(-1, &one, WNOHANG)) > 0;)
                if (pid == job) {
                        *status = one;
                        ended = true;
                }
        return ended;
}

static uint64_t timeval_usec(struct timeval t)
{
        return (uint64_t)t.tv_sec * USEC_PER_SECOND + (uint64_t)t.tv_usec;
}

static _Noreturn void end(int control_fd, int status)
{
        ReaperMessage message = {.kind = REAPER_ENDED, .status = status};
        struct rusage used;

        if (getrusage(RUSAGE_CHILDREN, &used) == 0) {
                message.cpu_user_usec = timeval_usec(used.ru_utime);
                message.cpu_system_usec = timeval_usec(used.ru_stime);
        }
        tell(control_fd, &message);
        /* The kernel kills what the job has left, and waits for it. */
        _exit(0);
}

static _Noreturn void watch(pid_t job, int control_fd, int signal_fd, Listener *listener)
{
        int status = 0;

        for (;;) {
                struct pollfd fds[] = {
                        {.fd = signal_fd, .events = POLLIN},
                        {.fd = control_fd, .events = POLLIN},
                        {.fd = listener->fd, .events = POLLIN},
                };
                if (poll(fds, ELEMENTS(fds), -1) < 0 && errno != EINTR)
                        _exit(1);
                if (fds[2].revents & POLLIN)
                        listener_serve(listener);
                else if (fds[2].revents)
                        listener->fd = close_fd(listener->fd); /* nobody is left under the filter */
                if (fds[0].revents) {
                        struct signalfd_siginfo info;
                        if (read(signal_fd, &info, sizeof info) > 0 && reap(job, &status))
                                end(control_fd, status);
                }
                /* The launcher has gone: so has the jail. (Its death cannot be seen otherwise: to a process in its
                 * own pid namespace, its parent is 0 in life and in death.) */
                if (fds[1].revents)
                        _exit(1);
        }
}

static int block_sigchld(void)
{
        sigset_t set;

        sigemptyset(&set);
        sigaddset(&set, SIGCHLD);
        if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
                return -errno;
        int fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
        return fd < 0 ? -errno : fd;
}

/* To read what calls refer to, the reaper looks at the job's memory and at its part of /proc: rights over the jail's
 * own processes, and no others. */
static uint64_t capabilities_for(const Plan *plan)
{
        return plan_tells(plan) ? UINT64_C(1) << CAP_SYS_PTRACE | UINT64_C(1) << CAP_DAC_READ_SEARCH : 0;
}

/* Flags of seccomp(2). */
static unsigned listener_flags(const Plan *plan)
{
        if (!plan->listen)
                return 0;
        /* What a signal interrupts is called again: a program with a fast timer would never get on. */
        return SECCOMP_FILTER_FLAG_NEW_LISTENER |
               (plan->watch == JAIL_WATCH_RECORD ? SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV : 0);
}

_Noreturn void reaper_run(const Plan *plan, int control_fd, int calls_fd, ReaperLedger *ledger)
{
        _cleanup_error_ Error e = ERROR_NULL;
        Spawn s = {
                .plan = plan,
                .candidates = find_candidates(plan),
                .listener = -1,
                .confinement =
                        {
                                .id = JAIL_AGENT_ID,
                                .keep_groups = plan->ids == IDS_CALLER,
                                .capabilities = plan->capabilities,
                                .ruleset = -1,
                                .filter = plan->filter,
                                .filter_size = plan->filter_size,
                                .listener_flags = listener_flags(plan),
                                .steps = &ledger->steps,
                        },
        };
        Listener listener = {
                .watch = plan->watch,
                .refusals = plan->refusals,
                .refusals_size = plan->refusals_size,
                .calls_fd = calls_fd,
                .ledger = ledger,
        };
        void *recording = NULL;
        int signal_fd = block_sigchld();

        if (signal_fd < 0) {
                error_errno(&e, signal_fd, "watching for children");
                reaper_fail(control_fd, &e);
        }
        /* A keyring of its own: the session's is shared with whoever started us. */
        if (syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, NULL, 0, 0, 0) < 0 && errno != ENOSYS) {
                error_errno(&e, -errno, "leaving the session keyring");
                reaper_fail(control_fd, &e);
        }
        if (chdir(plan->working_directory) < 0) {
                error_errno(&e, -errno, "working directory %s", plan->working_directory);
                reaper_fail(control_fd, &e);
        }
        if (plan->landlock_abi > 0) {
                s.confinement.ruleset = landlock_for_job(plan, &e);
                if (s.confinement.ruleset < 0)
                        reaper_fail(control_fd, &e);
        }
        if (plan->listen && plan->watch == JAIL_WATCH_RECORD) {
                if (listener_recording_filter(plan->filter, plan->filter_size, plan->command, plan->environment,
                                              &recording, &s.confinement.filter_size) < 0) {
                        error_oom(&e);
                        reaper_fail(control_fd, &e);
                }
                s.confinement.filter = recording;
        }

        /* A job with the same id must not be able to look into this process, or trace it. */
        prctl(PR_SET_DUMPABLE, 0);
        step_done(&ledger->steps, STEP_REAPER);

        pid_t job = spawn(&s, control_fd);
        step_done(&ledger->steps, STEP_EXECUTED);
        tell(control_fd, &(ReaperMessage){.kind = REAPER_STARTED});

        /* The job's ends of its pipes must be the job's alone: their closing means something. */
        close_range(0, 2, 0);
        close_fd(s.confinement.ruleset);
        confine_drop_capabilities(capabilities_for(plan));
        listener.fd = s.listener;
        listener_tell_program(&listener, job, s.program);
        watch(job, control_fd, signal_fd, &listener);
}
