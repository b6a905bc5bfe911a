/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What the launcher makes of a jail's end, whatever comes between two of its looks: poll() is wrapped (the Makefile), so that
 * something can happen just after it. */

#include "engine/base/fd.h"
#include "jail/running_jail.h"
#include "tests/unit/unit.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#define ID 7

/* A jail of which there is nothing but what the launcher looks at: a process, and a socket by which it tells. */
typedef struct Ending {
        int control; /* where it tells */
        int go;      /* closed: the process ends */
        int pidfd;
        int asked; /* the launcher's end of the socket */
        bool has_ended;
} Ending;

static Ending *ending;

int __real_poll(struct pollfd *fds, nfds_t n, int timeout);
int __wrap_poll(struct pollfd *fds, nfds_t n, int timeout);

static void end_now(void)
{
        const ReaperMessage message = {.kind = REAPER_ENDED};
        struct pollfd gone = {.fd = ending->pidfd, .events = POLLIN};

        ending->has_ended = true;
        ck_assert_int_eq(send_message(ending->control, &message, sizeof message, NULL, 0), 0);
        ending->control = close_fd(ending->control);
        ending->go = close_fd(ending->go);
        ck_assert_int_eq(__real_poll(&gone, 1, -1), 1);
}

int __wrap_poll(struct pollfd *fds, nfds_t n, int timeout)
{
        int r = __real_poll(fds, n, timeout);

        if (ending && !ending->has_ended && r == 0 && fds[0].fd == ending->asked)
                end_now();
        return r;
}

static RunningJail *jail_that_ends(Launcher *l, Ending *ret)
{
        RunningJail *j = calloc(1, sizeof *j);
        int sockets[2], go[2];

        ck_assert_ptr_nonnull(j);
        ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets), 0);
        ck_assert_int_eq(pipe2(go, O_CLOEXEC), 0);
        pid_t pid = fork();
        if (pid == 0) {
                char byte;
                close(go[1]);
                close_many(sockets, 2);
                _exit(read(go[0], &byte, 1) == 0 ? 0 : 1);
        }
        close(go[0]);
        *j = (RunningJail){.id = ID, .phase = PHASE_RUNNING, .cgroup = -1, .peak = -1, .doors = {-1, -1, -1, -1}, .ids = IDS_NULL};
        j->process = (Launched){.pid = pid, .pidfd = (int)syscall(SYS_pidfd_open, pid, 0), .control = sockets[0], .network = -1};
        j->received_usec = j->started_usec = 1;
        j->ledger = mmap(NULL, sizeof *j->ledger, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        ck_assert(j->ledger != MAP_FAILED);
        ck_assert_int_eq(launcher_watch(l, j->process.control, j), 0);
        ck_assert_int_eq(launcher_watch(l, j->process.pidfd, j), 0);
        l->jails = j;
        *ret = (Ending){.control = sockets[1], .go = go[1], .pidfd = dup(j->process.pidfd), .asked = sockets[0]};
        return j;
}

START_TEST(test_an_end_between_two_looks_is_the_end_that_the_job_had)
{
        char data[LAUNCHER_MESSAGE_MAX];
        int sockets[2], fds[1];
        size_t n_fds = ELEMENTS(fds), size;
        Launcher *l;
        Ending e;

        ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets), 0);
        ck_assert_int_eq(launcher_new(sockets[0], true, &l), 0);
        RunningJail *j = jail_that_ends(l, &e);
        ending = &e;
        running_jail_event(l, j);
        ck_assert_msg(e.has_ended, "the launcher has not asked what the jail says");
        ending = NULL;
        while (l->jails)
                ck_assert(launcher_dispatch(l, 1000));
        ssize_t n = receive_message(sockets[1], data, sizeof data, fds, &n_fds);
        ck_assert_int_gt(n, 0);
        Unpacker u = {.next = data, .left = (size_t)n};
        ck_assert_uint_eq(unpack_number(&u), LAUNCHER_ENDED);
        ck_assert_uint_eq(unpack_number(&u), ID);
        const Outcome *outcome = unpack_bytes(&u, &size);
        ck_assert_uint_eq(size, sizeof *outcome);
        JailReason reason;
        memcpy(&reason, (const char *)outcome + offsetof(Outcome, reason), sizeof reason);
        ck_assert_msg(reason == JAIL_EXITED, "it is told as \"%s\"", jail_reason_name(reason));
        close(e.pidfd);
        close(sockets[1]);
        while (launcher_dispatch(l, 1000))
                ;
        launcher_free(l);
}
END_TEST

/* What it has left behind may use more until the kernel has ended it. */
START_TEST(test_accounts_are_read_at_the_end_of_a_job_that_leaves_nothing)
{
        const ReaperMessage message = {.kind = REAPER_ENDED, .alone = _i, .cpu_user_usec = 5};
        int sockets[2];
        Launcher *l;
        Ending e;

        ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets), 0);
        ck_assert_int_eq(launcher_new(sockets[0], true, &l), 0);
        RunningJail *j = jail_that_ends(l, &e);
        ck_assert_int_eq(send_message(e.control, &message, sizeof message, NULL, 0), 0);
        running_jail_event(l, j);
        ck_assert_ptr_eq(l->jails, j);
        ck_assert_int_eq(j->counted, _i);
        ck_assert_uint_eq(j->outcome.cpu_user_usec, _i ? 5 : 0);
        close(e.control);
        close(e.go);
        close(e.pidfd);
        close(sockets[1]);
        while (launcher_dispatch(l, 1000))
                ;
        launcher_free(l);
}
END_TEST

START_TEST(test_a_limit_that_strikes_while_a_job_ends_has_not_ended_it)
{
        const struct {
                int status; /* as of wait(2); -1: the job's end was not seen */
                bool killed, oom_killed;
                JailReason reason;
                int exit_code, signal;
        } cases[] = {
                {3 << 8, true, true, JAIL_EXITED, 3, 0},
                {SIGSEGV, false, false, JAIL_SIGNALLED, -1, SIGSEGV},
                {SIGSEGV, true, false, JAIL_SIGNALLED, -1, SIGSEGV},
                {SIGSEGV, true, true, JAIL_SIGNALLED, -1, SIGSEGV},
                {SIGKILL, false, false, JAIL_SIGNALLED, -1, SIGKILL},
                {SIGKILL, true, false, JAIL_WALL_LIMIT, -1, SIGKILL},
                {SIGKILL, true, true, JAIL_OOM, -1, SIGKILL},
                {-1, true, false, JAIL_WALL_LIMIT, -1, SIGKILL},
                {-1, true, true, JAIL_OOM, -1, SIGKILL},
                {-1, false, false, JAIL_SIGNALLED, -1, SIGKILL},
        };

        for (size_t i = 0; i < ELEMENTS(cases); i++) {
                const RunningJail j = {
                        .phase = PHASE_RUNNING,
                        .ended = cases[i].status >= 0,
                        .last.status = cases[i].status,
                        .killed = cases[i].killed,
                        .oom_killed = cases[i].oom_killed,
                        .verdict = JAIL_WALL_LIMIT,
                };
                Outcome o = {.exit_code = -1};
                running_jail_decide(&j, &o);
                ck_assert_msg(o.reason == cases[i].reason, "%zu is told as \"%s\"", i, jail_reason_name(o.reason));
                ck_assert_int_eq(o.exit_code, cases[i].exit_code);
                ck_assert_int_eq(o.signal, cases[i].signal);
        }
}
END_TEST

Suite *launcher_suite(void)
{
        Suite *suite = suite_create("launcher");
        TCase *tests = tcase_create("launcher");

        tcase_add_test(tests, test_an_end_between_two_looks_is_the_end_that_the_job_had);
        tcase_add_loop_test(tests, test_accounts_are_read_at_the_end_of_a_job_that_leaves_nothing, 0, 2);
        tcase_add_test(tests, test_a_limit_that_strikes_while_a_job_ends_has_not_ended_it);
        suite_add_tcase(suite, tests);
        return suite;
}
