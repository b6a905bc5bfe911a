/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "jail/reaper.h"

#include "engine/base/clock.h"
#include "engine/base/fd.h"
#include "engine/base/name.h"
#include "jail/landlock.h"
#include "jail/listener.h"
#include "jail/resident.h"

#include <linux/capability.h>
#include <linux/keyctl.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#define LINGER_LOOK_MSEC 20 /* how often it is looked whether what lingers has had its time */

static void tell(int control_fd, const ReaperMessage *message)
{
        send_message(control_fd, message, sizeof *message, NULL, 0);
}

static _Noreturn void fail(int control_fd, ReaperKind kind, int status, const Error *e)
{
        ReaperMessage message = {.kind = kind, .status = status};

        const char *text = error_text(e);
        memcpy(message.text, text, text_start(text, sizeof message.text - 1));
        tell(control_fd, &message);
        _exit(1);
}

_Noreturn void reaper_fail(int control_fd, const Error *e)
{
        fail(control_fd, REAPER_SETUP_FAILED, 0, e);
}

/* ---- until the end ---- */

/* Where the policy allows ptrace(), whoever asks to be traced by its parent (PTRACE_TRACEME) may ask us: it has stopped, and has
 * not ended. We trace nobody. Of SIGTRAP, the program that was executed meanwhile knows nothing. */
static void let_go(pid_t pid, int status)
{
        ptrace(PTRACE_DETACH, pid, NULL, WSTOPSIG(status) == SIGTRAP ? 0L : (long)WSTOPSIG(status));
}

/* `*ret_ended` becomes true once the job itself has ended, and `ret->alone` where no process is left. */
static void reap(pid_t job, ReaperMessage *ret, bool *ret_ended)
{
        pid_t pid;
        int one;

        while ((pid = waitpid(-1, &one, WNOHANG)) > 0)
                if (WIFSTOPPED(one)) {
                        let_go(pid, one);
                } else if (pid == job) {
                        ret->status = one;
                        *ret_ended = true;
                }
        ret->alone = pid < 0;
}

static uint64_t timeval_usec(struct timeval t)
{
        return (uint64_t)t.tv_sec * USEC_PER_SECOND + (uint64_t)t.tv_usec;
}

static _Noreturn void end(int control_fd, ReaperMessage *message)
{
        struct rusage used;

        if (getrusage(RUSAGE_CHILDREN, &used) == 0) {
                message->cpu_user_usec = timeval_usec(used.ru_utime);
                message->cpu_system_usec = timeval_usec(used.ru_stime);
        }
        tell(control_fd, message);
        /* The kernel kills what the job has left, and waits for it. */
        _exit(0);
}

/* What the job leaves behind may go on for `linger_usec`, as a rule 0. */
static _Noreturn void watch(pid_t job, uint64_t linger_usec, int control_fd, int signal_fd, Listener *listener)
{
        ReaperMessage message = {.kind = REAPER_ENDED};
        uint64_t until_usec = 0; /* once the job has ended */
        bool shrunk = false, ended = false;

        for (;;) {
                struct pollfd fds[] = {
                        {.fd = signal_fd, .events = POLLIN},
                        {.fd = control_fd, .events = POLLIN},
                        {.fd = listener->fd, .events = POLLIN},
                };
                int n = ended ? poll(fds, ELEMENTS(fds), LINGER_LOOK_MSEC) : resident_poll(fds, ELEMENTS(fds), &shrunk);
                if (n < 0 && errno != EINTR)
                        _exit(1);
                if (fds[2].revents & POLLIN)
                        listener_serve(listener);
                else if (fds[2].revents)
                        listener->fd = close_fd(listener->fd); /* nobody is left under the filter */
                if (fds[0].revents) {
                        struct signalfd_siginfo info;
                        if (read(signal_fd, &info, sizeof info) > 0)
                                reap(job, &message, &ended);
                }
                if (ended && until_usec == 0) {
                        message.left = !message.alone;
                        until_usec = monotonic_usec() + linger_usec;
                }
                if (ended && (message.alone || monotonic_usec() >= until_usec))
                        end(control_fd, &message);
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
        /* What a signal interrupts is called again: it would be counted twice, and where each call is told, a program with a fast
         * timer would never get on. */
        return plan->listen ? SECCOMP_FILTER_FLAG_NEW_LISTENER | SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV : 0;
}

/* For a recording, where each call goes to the listener first. */
static void record(Reaper *r, const Plan *plan)
{
        void *filter;
        Error e = ERROR_NULL;

        if (listener_recording_filter(plan->filter, plan->filter_size, plan->command, plan->environment, &filter,
                                      &r->job.confinement.filter_size) < 0) {
                error_oom(&e);
                reaper_fail(r->control, &e);
        }
        r->job.confinement.filter = filter;
}

static int prepare(Reaper *r, const Plan *plan, Error *e)
{
        r->signals = block_sigchld();
        if (r->signals < 0)
                return error_errno(e, r->signals, "watching for children");
        /* A keyring of its own: the session's is shared with whoever started us. */
        if (syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, NULL, 0, 0, 0) < 0 && errno != ENOSYS)
                return error_errno(e, -errno, "leaving the session keyring");
        if (plan->landlock_abi > 0 && (r->job.confinement.ruleset = landlock_for_job(plan, e)) < 0)
                return r->job.confinement.ruleset;
        /* A job with the same id must not be able to look into this process, or trace it. */
        prctl(PR_SET_DUMPABLE, 0);
        if (!plan->waits)
                return 0;
        int ahead = spawn_ahead(&r->job, plan->waits_filtered, e);
        r->job.confinement.ruleset = close_fd(r->job.confinement.ruleset); /* the job's process is under it */
        return ahead;
}

void reaper_prepare(Reaper *r, const Plan *plan, int control_fd, ReaperLedger *ledger)
{
        _cleanup_error_ Error e = ERROR_NULL;

        *r = (Reaper){
                .control = control_fd,
                .ledger = ledger,
                .refusals = plan->refusals,
                .refusals_size = plan->refusals_size,
                .job =
                        {
                                .begun = &ledger->begun,
                                .listener = -1,
                                .pid = -1,
                                .confinement =
                                        {
                                                .id = JAIL_AGENT_ID,
                                                .keep_groups = plan->ids == IDS_CALLER,
                                                .bounds = plan->capabilities,
                                                .capabilities = plan->capabilities,
                                                .ruleset = -1,
                                                .filter = plan->filter,
                                                .filter_size = plan->filter_size,
                                                .listener_flags = listener_flags(plan),
                                                .steps = &ledger->steps,
                                        },
                        },
        };
        if (prepare(r, plan, &e) < 0)
                reaper_fail(control_fd, &e);
}

void reaper_wait(const Reaper *r)
{
        tell(r->control, &(ReaperMessage){.kind = REAPER_WAITS});
        for (;;) {
                struct pollfd fds[] = {{.fd = r->control, .events = POLLIN}, {.fd = r->signals, .events = POLLIN}};
                if (poll(fds, ELEMENTS(fds), -1) < 0 && errno != EINTR)
                        _exit(1);
                /* A jail whose job's process somebody has killed is of no use. */
                if (fds[1].revents)
                        _exit(1);
                if (fds[0].revents)
                        return;
        }
}

_Noreturn void reaper_run(Reaper *r, const Plan *plan, int calls_fd)
{
        Listener listener = {
                .watch = plan->watch,
                .refusals = r->refusals,
                .refusals_size = r->refusals_size,
                .calls_fd = calls_fd,
                .ledger = r->ledger,
        };
        _cleanup_error_ Error e = ERROR_NULL;
        int exec_failed;

        if (plan->listen && plan->watch == JAIL_WATCH_RECORD)
                record(r, plan);
        step_done(&r->ledger->steps, STEP_REAPER);

        pid_t job = spawn_run(&r->job, plan, &exec_failed, &e);
        if (job == -ECHILD)
                _exit(1);
        if (job < 0)
                fail(r->control, exec_failed ? REAPER_EXEC_FAILED : REAPER_SETUP_FAILED, exec_failed, &e);
        step_done(&r->ledger->steps, STEP_EXECUTED);
        tell(r->control, &(ReaperMessage){.kind = REAPER_STARTED});

        /* The job's ends of its pipes must be the job's alone: their closing means something. */
        close_range(0, 2, 0);
        close_fd(r->job.confinement.ruleset);
        confine_drop_capabilities(capabilities_for(plan));
        listener.fd = r->job.listener;
        listener_tell_program(&listener, job, r->job.program);
        watch(job, plan->linger_usec, r->control, r->signals, &listener);
}
