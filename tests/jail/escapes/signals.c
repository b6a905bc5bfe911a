/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Signals: to whom they do not belong, and those that are not heeded. */

#include "attack.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define OUTLAST_MSEC 15000

/* ---- sent ---- */

static Verdict kill_all(Attempt *a)
{
        if (host_is_seen(a))
                return escaped(a, "the host's processes are among all");
        signal(SIGTERM, SIG_IGN);
        int r = kill(-1, SIGKILL);
        return held(a, "done, and only within: %s", r < 0 ? strerrorname_np(errno) : "0");
}

static Verdict kill_1(Attempt *a)
{
        static const int signals[] = {SIGSTOP, SIGSEGV, SIGTERM, SIGKILL};
        int sent = 0, error = 0;

        if (host_is_seen(a))
                return kill(1, 0) == 0 ? escaped(a, "process 1 is the host's, and a signal is permitted")
                                       : held(a, "%s", strerrorname_np(errno));
        int pidfd = (int)syscall(SYS_pidfd_open, 1, 0);
        for (size_t i = 0; i < ELEMENTS(signals); i++) {
                siginfo_t info = {.si_signo = signals[i], .si_code = SI_QUEUE};
                long results[] = {
                        kill(1, signals[i]),
                        syscall(SYS_tkill, 1, signals[i]),
                        syscall(SYS_tgkill, 1, 1, signals[i]),
                        syscall(SYS_rt_sigqueueinfo, 1, signals[i], &info),
                        syscall(SYS_pidfd_send_signal, pidfd, signals[i], NULL, 0),
                };
                for (size_t k = 0; k < ELEMENTS(results); k++) {
                        sent += results[k] == 0;
                        error = results[k] < 0 ? errno : error;
                }
        }
        sleep_msec(50);
        return held(a, "%d of 20 sent (%s), and it lives", sent, error ? strerrorname_np(error) : "none refused");
}

static Verdict kill_bystander(Attempt *a)
{
        pid_t pid = (pid_t)given_number(a, "bystander");

        if (!host_is_seen(a))
                return held(a, "no process of the host is seen");
        return by_result(a, kill(pid, 0), "kill");
}

/* The kernel sends it, with the rights of who has asked. */
static Verdict signal_by_owner(Attempt *a)
{
        int fds[2], error = 0;

        if (host_is_seen(a))
                return not_applicable(a, "the host's processes are seen");
        if (pipe(fds) < 0)
                return held(a, "no pipe");
        static const pid_t owners[] = {1, -1};
        for (size_t i = 0; i < ELEMENTS(owners); i++) {
                if (fcntl(fds[0], F_SETOWN, owners[i]) < 0 || fcntl(fds[0], F_SETSIG, SIGKILL) < 0 ||
                    fcntl(fds[0], F_SETFL, O_ASYNC) < 0)
                        error = errno;
                if (write(fds[1], "x", 1) < 0)
                        error = errno;
        }
        sleep_msec(50);
        return held(a, "%s, and process 1 lives", error ? strerrorname_np(error) : "not refused");
}

/* ---- not heeded ---- */

static Verdict deaf(Attempt *a)
{
        for (int s = 1; s < 65; s++)
                signal(s, SIG_IGN);
        prctl(PR_SET_PDEATHSIG, 0);
        sleep_msec(OUTLAST_MSEC);
        return escaped(a, "it was left alone for %d s", OUTLAST_MSEC / 1000);
}

static Verdict stop_self(Attempt *a)
{
        kill(getpid(), SIGSTOP);
        return escaped(a, "it was made to go on");
}

static Verdict stop_all(Attempt *a)
{
        if (host_is_seen(a))
                return not_applicable(a, "the host's processes are among all");
        for (int i = 0; i < 5; i++)
                if (fork() == 0)
                        outlive_everything();
        kill(-1, SIGSTOP);
        kill(getpid(), SIGSTOP);
        return escaped(a, "it was made to go on");
}

const Attack attacks_by_signals[] = {
        {"kill-all", "kill -9 -1", kill_all, NULL, FIRST_PROCESS, NULL},
        {"kill-1", "stop and kill process 1, in 5 ways", kill_1, NULL, ENDLESS, NULL},
        {"kill-bystander", "signal a process of the host by its number", kill_bystander, NULL, 0, NULL},
        {"signal-by-owner", "let the kernel signal process 1 (F_SETOWN)", signal_by_owner, NULL, ENDLESS, NULL},
        {"deaf", "ignore every signal, and go on", deaf, NULL, FIRST_PROCESS | OUTLASTS, NULL},
        {"stop-self", "stop, and be waited for", stop_self, NULL, FIRST_PROCESS | OUTLASTS, NULL},
        {"stop-all", "stop everybody that can be", stop_all, NULL, FIRST_PROCESS | OUTLASTS, NULL},
        {0},
};
