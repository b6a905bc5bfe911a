/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Living on after the end: what a job leaves behind must go with it, and what does not end must be ended. */

#include "attack.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define LEFT 5

static void close_stdio(void)
{
        for (int fd = 0; fd < 3; fd++)
                close(fd);
}

/* Twice forked, with its own session, deaf. */
static Verdict orphans(Attempt *a)
{
        for (int i = 0; i < LEFT; i++)
                if (fork() == 0) {
                        if (fork() == 0) {
                                close_stdio();
                                outlive_everything();
                        }
                        _exit(0);
                }
        while (wait(NULL) > 0)
                ;
        return held(a, "%d were left", LEFT);
}

static Verdict orphans_with_output(Attempt *a)
{
        for (int i = 0; i < LEFT; i++)
                if (fork() == 0) {
                        if (fork() == 0)
                                outlive_everything();
                        _exit(0);
                }
        while (wait(NULL) > 0)
                ;
        return held(a, "%d were left with our output open", LEFT);
}

/* They become ours and not process 1's, who might count on having them. */
static Verdict subreaper(Attempt *a)
{
        int r = prctl(PR_SET_CHILD_SUBREAPER, 1);

        for (int i = 0; i < LEFT; i++)
                if (fork() == 0) {
                        if (fork() == 0)
                                outlive_everything();
                        _exit(0);
                }
        return held(a, "%d were left, %s", LEFT, r < 0 ? "and PR_SET_CHILD_SUBREAPER is refused" : "below a subreaper");
}

static Verdict zombies(Attempt *a)
{
        int n = 0;

        while (n < PROCESSES_MAX) {
                pid_t pid = fork();
                if (pid == 0)
                        _exit(0);
                if (pid < 0)
                        break;
                n++;
        }
        return n < PROCESSES_MAX ? held(a, "%d, then %s", n, strerrorname_np(errno))
                                 : escaped(a, "%d zombies were made", n);
}

static Verdict stopped_children(Attempt *a)
{
        for (int i = 0; i < LEFT; i++)
                if (fork() == 0) {
                        kill(getpid(), SIGSTOP);
                        outlive_everything();
                }
        sleep_msec(20);
        return held(a, "%d were left stopped", LEFT);
}

static Verdict traced_children(Attempt *a)
{
        long refused = 0;

        for (int i = 0; i < LEFT; i++) {
                pid_t pid = fork();
                if (pid == 0)
                        outlive_everything();
                sleep_msec(5);
                if (ptrace(PTRACE_SEIZE, pid, NULL, 0) < 0 || ptrace(PTRACE_INTERRUPT, pid, NULL, NULL) < 0)
                        refused = errno;
        }
        return held(a, "%d were left, %s", LEFT, refused ? "not traced" : "traced and stopped");
}

/* The thread that everybody waits for has gone, the process has not. */
static void *go_on(void *unused)
{
        (void)unused;
        outlive_everything();
}

static Verdict leader_gone(Attempt *a)
{
        pthread_t thread;

        if (pthread_create(&thread, NULL, go_on, NULL) != 0)
                return held(a, "no thread can be made");
        syscall(SYS_exit, 0);
        __builtin_unreachable();
}

/* A parent that waits for its vfork() cannot be stopped, only killed. */
static Verdict vfork_stuck(Attempt *a)
{
        pid_t pid = vfork();

        if (pid == 0) {
                struct timespec time = {30, 0};
                syscall(SYS_nanosleep, &time, NULL);
                _exit(0);
        }
        return held(a, "vfork has come back");
}

/* Each lives for the time of one fork: whoever kills them one by one is always late. */
static _Noreturn void comet(void)
{
        time_t start = time(NULL);

        while (time(NULL) - start < SPIN_SECONDS)
                if (fork() > 0)
                        _exit(0);
        _exit(0);
}

static Verdict comets(Attempt *a)
{
        for (int i = 0; i < 10; i++)
                if (fork() == 0) {
                        setsid();
                        comet();
                }
        return held(a, "10 were left that fork and end");
}

static Verdict storm(Attempt *a)
{
        time_t start = time(NULL);

        for (int n = 0; time(NULL) - start < SPIN_SECONDS;) {
                pid_t pid = n < PROCESSES_MAX / 10 ? fork() : -1;
                if (pid == 0) {
                        signal(SIGTERM, SIG_IGN);
                        comet();
                }
                n += pid > 0;
                while (waitpid(-1, NULL, WNOHANG) > 0)
                        ;
        }
        return escaped(a, "it went on for %d s", SPIN_SECONDS);
}

static Verdict output_closed(Attempt *a)
{
        close(0);
        close(1);
        sleep_msec(200);
        return held(a, "it went on, and ended by itself");
}

/* Whoever keeps the books of the sandbox may have left us the way to them. */
static Verdict forged_records(Attempt *a)
{
        char record[768], link[64], target[256];

        memset(record, 0x04, sizeof record);
        for (int fd = 0; fd < 1024; fd++) {
                struct stat st;
                if (fstat(fd, &st) < 0)
                        continue;
                if (!S_ISSOCK(st.st_mode) && (fd < 3 || !S_ISFIFO(st.st_mode)))
                        continue;
                snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
                ssize_t n = readlink(link, target, sizeof target - 1);
                target[n > 0 ? n : 0] = '\0';
                if (fcntl(fd, F_GETFD) & FD_CLOEXEC)
                        continue; /* our own, made since */
                if (send(fd, record, sizeof record, MSG_DONTWAIT) > 0 || write(fd, record, sizeof record) > 0)
                        return escaped(a, "descriptor %d took it: %s", fd, target);
        }
        return held(a, "no descriptor takes it");
}

const Attack attacks_on_life[] = {
        {"orphans", "leave twice forked processes that ignore every signal", orphans, NULL, ALONE, NULL},
        {"orphans-with-output", "leave some that keep our output open", orphans_with_output, NULL, ALONE, NULL},
        {"orphans-of-a-subreaper", "leave some below one that takes them in", subreaper, NULL, ALONE, NULL},
        {"zombies", "leave children unwaited for", zombies, NULL, ALONE, NULL},
        {"stopped-children", "leave stopped children", stopped_children, NULL, ALONE, NULL},
        {"traced-children", "leave children stopped under ptrace", traced_children, NULL, ALONE, NULL},
        {"leader-gone", "end the first thread, and go on in another", leader_gone, NULL, FIRST_PROCESS | OUTLASTS, NULL},
        {"vfork-stuck", "wait for a vfork that does not end", vfork_stuck, NULL, FIRST_PROCESS | OUTLASTS, NULL},
        {"comets", "leave processes that fork and end, and so on", comets, NULL, ALONE, NULL},
        {"storm", "fork without end while being ended", storm, NULL, OUTLASTS | ENDLESS, NULL},
        {"output-closed", "close standard output, and go on", output_closed, NULL, FIRST_PROCESS | ON_STDERR, NULL},
        {"forged-records", "write records to descriptors that were left open", forged_records, NULL, FIRST_PROCESS, NULL},
        {0},
};
