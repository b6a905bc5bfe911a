/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The launcher: makes jails for one program, keeps the time of each (wall and CPU limits), sees the end of each, takes
 * its accounts, removes its cgroup, and reports. When its socket closes, for whatever reason, it ends every jail.
 *
 * As a rule it is a small process of its own without threads, since forking is what it does, which holds nothing of its
 * caller but one socket, and outlives it by the time that it takes to remove the jails. A program that is itself small
 * and runs one jail has it inside (launcher_here), which saves a process and the way to and from it; what would be left
 * when that program is killed, a watchdog removes. The protocol: plan.h. */

#include "engine/base/clock.h"
#include "engine/base/fd.h"
#include "jail/cgroup.h"
#include "jail/ids.h"
#include "jail/launch.h"
#include "jail/launcher.h"
#include "jail/plan.h"
#include "jail/watchdog.h"

#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/wait.h>

#define SETUP_LIMIT_USEC (60 * USEC_PER_SECOND) /* a bound file system that does not answer must not hold a jail */
#define CPU_CHECK_MIN_USEC (2 * USEC_PER_MSEC)
#define REMOVE_RETRY_USEC USEC_PER_MSEC
#define EVENTS_AT_ONCE 64

typedef enum Phase {
        PHASE_SETUP,   /* the jail is being built */
        PHASE_RUNNING, /* the program runs */
        PHASE_GONE,    /* every process has ended; its cgroup is being removed */
} Phase;

typedef struct RunningJail {
        struct RunningJail *next;
        uint64_t id;
        Phase phase;
        Plan plan; /* its strings live in `plan_map` */
        void *plan_map;
        size_t plan_size;
        Launched process;
        int cgroup, output;
        Ids ids;
        char cgroup_name[32];
        ReaperLedger *ledger;
        uint64_t received_usec, started_usec, ended_usec, cpu_check_usec, retry_usec;
        bool killed, ended, exec_failed, setup_failed; /* what is known of its end, beside `verdict` */
        JailReason verdict;                            /* why it was killed */
        ReaperMessage last;
        Error error;
        int exit_status, exit_code; /* of the first process: siginfo_t's */
        Outcome outcome;            /* once it is gone */
} RunningJail;

struct Launcher {
        int socket, epoll, timer;
        uint64_t timer_usec; /* when it is set to strike; USEC_INFINITY: not at all */
        bool here;           /* in the caller's own process */
        Watchdog watchdog;
        CgroupTree cgroups;
        RunningJail *jails;
        uint32_t next_ids;
        uint64_t next_number;
        bool closing; /* the caller has gone */
};

static bool fd_is_readable(int fd)
{
        struct pollfd p = {.fd = fd, .events = POLLIN};

        return poll(&p, 1, 0) > 0;
}

/* ---- what the caller is told ---- */

static void send_packed(Launcher *l, Packer *p, const int *fds, size_t n_fds)
{
        if (!p->failed && send_message(l->socket, p->data, p->size, fds, n_fds) < 0)
                l->closing = true;
}

static void send_ended(Launcher *l, uint64_t id, const Outcome *outcome, const char *text, int output)
{
        _cleanup_packer_ Packer p = {0};

        pack_number(&p, LAUNCHER_ENDED);
        pack_number(&p, id);
        pack_bytes(&p, outcome, sizeof *outcome);
        pack_string(&p, text);
        send_packed(l, &p, &output, output >= 0 ? 1 : 0);
}

static Outcome outcome_unknown(void)
{
        return (Outcome){
                .exit_code = -1,
                .setup_usec = JAIL_UNKNOWN,
                .wall_usec = JAIL_UNKNOWN,
                .cpu_user_usec = JAIL_UNKNOWN,
                .cpu_system_usec = JAIL_UNKNOWN,
                .memory_peak_bytes = JAIL_UNKNOWN,
                .pids_peak = JAIL_UNKNOWN,
                .io_read_bytes = JAIL_UNKNOWN,
                .io_write_bytes = JAIL_UNKNOWN,
                .memory_pressure_usec = JAIL_UNKNOWN,
                .cpu_pressure_usec = JAIL_UNKNOWN,
                .io_pressure_usec = JAIL_UNKNOWN,
                .denied_complete = true,
        };
}

/* ---- the end of a jail ---- */

static RunningJail *jail_done(RunningJail *j)
{
        close_fd(j->process.pidfd);
        close_fd(j->process.control);
        close_fd(j->cgroup);
        close_fd(j->ids.fd);
        close_fd(j->output);
        plan_done(&j->plan);
        if (j->plan_map)
                munmap(j->plan_map, j->plan_size);
        if (j->ledger)
                munmap(j->ledger, sizeof *j->ledger);
        error_clear(&j->error);
        free(j);
        return NULL;
}
DEFINE_CLEANUP(RunningJail, jail_done)

static void jail_kill(RunningJail *j, JailReason verdict)
{
        if (j->killed || j->phase == PHASE_GONE)
                return;
        j->killed = true;
        j->verdict = verdict;
        /* Either is enough: the cgroup holds all of the jail's processes, and its pid namespace dies with process 1. */
        if (j->cgroup >= 0)
                cgroup_kill(j->cgroup);
        syscall(SYS_pidfd_send_signal, j->process.pidfd, SIGKILL, NULL, 0);
}

/* Which of the things that are known decides. What the job itself did comes first: a limit that struck while it was
 * ending did not end it. */
static void decide(const RunningJail *j, bool oom_killed, Outcome *o)
{
        if (j->setup_failed) {
                o->reason = JAIL_SETUP_FAILED;
        } else if (j->exec_failed) {
                o->reason = JAIL_EXEC_FAILED;
                o->exit_code = j->last.status;
        } else if (j->ended && WIFEXITED(j->last.status)) {
                o->reason = JAIL_EXITED;
                o->exit_code = WEXITSTATUS(j->last.status);
        } else if (oom_killed) {
                o->reason = JAIL_OOM;
                o->signal = SIGKILL;
        } else if (j->killed) {
                o->reason = j->verdict;
                o->signal = SIGKILL;
        } else if (j->ended) {
                o->reason = JAIL_SIGNALLED;
                o->signal = WTERMSIG(j->last.status);
        } else if (j->phase == PHASE_SETUP) {
                o->reason = JAIL_SETUP_FAILED;
        } else {
                o->reason = JAIL_SIGNALLED; /* somebody on the host has killed the jail */
                o->signal = SIGKILL;
        }
}

static const char *sentence(RunningJail *j, const Outcome *o)
{
        if (!j->error.text && o->reason == JAIL_SETUP_FAILED)
                error_set(&j->error, -ECHILD, "the jail's first process ended while it built the jail (%s %d)",
                          j->exit_code == CLD_EXITED ? "status" : "signal", j->exit_status);
        if (j->error.text)
                return error_text(&j->error);
        if (o->reason == JAIL_SIGNALLED && !j->ended)
                return "the jail was killed from outside";
        return NULL;
}

static void account(RunningJail *j)
{
        Outcome *o = &j->outcome;
        bool oom_killed = false, running = j->started_usec > 0;

        *o = outcome_unknown();
        if (j->ended) {
                o->cpu_user_usec = j->last.cpu_user_usec;
                o->cpu_system_usec = j->last.cpu_system_usec;
        }
        if (j->cgroup >= 0)
                cgroup_account(j->cgroup, o, &oom_killed);
        decide(j, oom_killed, o);
        o->setup_usec = (running ? j->started_usec : j->ended_usec) - j->received_usec;
        o->wall_usec = running ? j->ended_usec - j->started_usec : JAIL_UNKNOWN;
        memcpy(o->denied, j->ledger->denied, sizeof o->denied);
        o->denied_complete = !j->ledger->denied_more;
}

/* Every process has gone. The report goes out when the cgroup has, too: nothing of a job outlives its end. */
static void jail_gone(Launcher *l, RunningJail *j)
{
        int r = j->cgroup >= 0 ? cgroup_remove(&l->cgroups, j->cgroup_name) : 0;

        if (r == -EBUSY) {
                j->retry_usec = monotonic_usec() + REMOVE_RETRY_USEC;
                return;
        }
        step_done(&j->ledger->steps, STEP_CGROUP_GONE);
        j->outcome.steps = j->ledger->steps;
        send_ended(l, j->id, &j->outcome, sentence(j, &j->outcome), j->started_usec > 0 ? j->output : -1);
        for (RunningJail **at = &l->jails; *at; at = &(*at)->next)
                if (*at == j) {
                        *at = j->next;
                        break;
                }
        jail_done(j);
}

static void jail_exited(Launcher *l, RunningJail *j)
{
        siginfo_t info;

        waitid(P_PIDFD, (id_t)j->process.pidfd, &info, WEXITED);
        j->exit_code = info.si_code;
        j->exit_status = info.si_status;
        epoll_ctl(l->epoll, EPOLL_CTL_DEL, j->process.pidfd, NULL);
        j->ended_usec = monotonic_usec();
        step_done(&j->ledger->steps, STEP_GONE);
        /* The accounts are read before the group goes, and are complete: nothing in there runs any more. */
        account(j);
        step_done(&j->ledger->steps, STEP_ACCOUNTS);
        j->phase = PHASE_GONE;
        jail_gone(l, j);
}

/* ---- the life of a jail ---- */

static void jail_message(Launcher *l, RunningJail *j)
{
        ReaperMessage m;
        size_t n_fds = 1;
        int fd = -1;
        ssize_t n = receive_message(j->process.control, &m, sizeof m, &fd, &n_fds);

        if (n != sizeof m) {
                /* Its end is seen by the pidfd. */
                epoll_ctl(l->epoll, EPOLL_CTL_DEL, j->process.control, NULL);
                j->process.control = close_fd(j->process.control);
                close_fd(n > 0 && n_fds ? fd : -1);
                return;
        }
        m.text[sizeof m.text - 1] = '\0';
        j->last = m;
        switch (m.kind) {
        case REAPER_BUILT:
                j->output = n_fds ? fd : -1;
                return;
        case REAPER_STARTED:
                j->phase = PHASE_RUNNING;
                j->started_usec = monotonic_usec();
                j->cpu_check_usec = j->started_usec;
                step_done(&j->ledger->steps, STEP_STARTED);
                break;
        case REAPER_SETUP_FAILED:
                j->setup_failed = true;
                error_set(&j->error, -EINVAL, "%s", m.text);
                break;
        case REAPER_EXEC_FAILED:
                j->exec_failed = true;
                error_set(&j->error, -EINVAL, "%s", m.text);
                break;
        case REAPER_ENDED:
                j->ended = true;
                step_done(&j->ledger->steps, STEP_ENDED);
                break;
        }
        close_fd(n_fds ? fd : -1);
}

static int make_jail(Launcher *l, RunningJail *j, const int *fds, size_t n_fds, Error *e)
{
        int r = map_file(fds[START_PLAN], PLAN_SIZE_MAX, (const void **)&j->plan_map, &j->plan_size);

        if (r >= 0)
                r = plan_unpack(j->plan_map, j->plan_size, &j->plan);
        if (r < 0)
                return error_errno(e, r, "reading the plan");
        if ((r = ids_take(j->plan.ids, &l->next_ids, &j->ids, e)) < 0)
                return r;
        j->ledger = mmap(NULL, sizeof *j->ledger, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        if (j->ledger == MAP_FAILED) {
                j->ledger = NULL;
                return error_oom(e);
        }
        if (l->cgroups.fd >= 0) {
                snprintf(j->cgroup_name, sizeof j->cgroup_name, "%" PRIu64, l->next_number++);
                j->cgroup = cgroup_make(&l->cgroups, j->cgroup_name, &j->plan, e);
                if (j->cgroup < 0)
                        return j->cgroup;
        }
        j->ledger->steps.done_usec[STEP_RECEIVED] = j->received_usec;
        step_done(&j->ledger->steps, STEP_CGROUP);
        const Launch launch = {
                .plan = &j->plan,
                .fds = fds,
                .n_fds = n_fds,
                .cgroup = j->cgroup,
                .ids = &j->ids,
                .ledger = j->ledger,
        };
        r = launch_start(&launch, &j->process, e);
        if (r < 0 && j->process.pid < 0 && j->cgroup >= 0)
                cgroup_remove(&l->cgroups, j->cgroup_name);
        return r;
}

static int watch_fd(Launcher *l, int fd, void *whose)
{
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = whose};

        return epoll_ctl(l->epoll, EPOLL_CTL_ADD, fd, &event) < 0 ? -errno : 0;
}

static void start(Launcher *l, uint64_t id, int *fds, size_t n_fds)
{
        _cleanup_(jail_donep) RunningJail *j = calloc(1, sizeof *j);
        _cleanup_error_ Error e = ERROR_NULL;
        int r = -EPROTO;

        if (!j)
                return;
        *j = (RunningJail){.id = id, .process = {-1, -1, -1}, .cgroup = -1, .ids = IDS_NULL, .output = -1};
        j->received_usec = monotonic_usec();
        if (n_fds >= START_INPUTS)
                r = make_jail(l, j, fds, n_fds, &e);
        if (r < 0 && j->process.pid < 0) {
                Outcome o = outcome_unknown();
                o.reason = JAIL_SETUP_FAILED;
                o.setup_usec = monotonic_usec() - j->received_usec;
                send_ended(l, id, &o, error_text(&e), -1);
                return;
        }
        if (watch_fd(l, j->process.control, j) < 0 || watch_fd(l, j->process.pidfd, j) < 0)
                r = error_oom(&e);
        if (r < 0) {
                j->setup_failed = true;
                j->error = e;
                e = ERROR_NULL;
                jail_kill(j, JAIL_SETUP_FAILED);
        }
        j->next = l->jails;
        l->jails = take(j);
}

/* ---- time ---- */

static uint64_t earliest(uint64_t a, uint64_t b)
{
        return a < b ? a : b;
}

/* Holds a jail against its clocks, and returns when to look again. */
static uint64_t check_clocks(Launcher *l, RunningJail *j, uint64_t now, uint64_t processors)
{
        const JailLimits *limits = &j->plan.limits;
        uint64_t next = USEC_INFINITY;

        if (j->phase == PHASE_GONE) {
                next = j->retry_usec;
                if (now >= next)
                        jail_gone(l, j); /* may free it */
                return next > now ? next : now + REMOVE_RETRY_USEC;
        }
        if (j->killed)
                return next;
        if (j->phase == PHASE_SETUP) {
                next = j->received_usec + SETUP_LIMIT_USEC;
                if (now >= next) {
                        j->setup_failed = true;
                        error_set(&j->error, -ETIMEDOUT, "the jail was not ready after 60 s");
                        jail_kill(j, JAIL_SETUP_FAILED);
                }
                return next;
        }
        if (limits->wall_usec != JAIL_UNLIMITED) {
                next = j->started_usec + limits->wall_usec;
                if (now >= next)
                        jail_kill(j, JAIL_WALL_LIMIT);
        }
        if (limits->cpu_time_usec != JAIL_UNLIMITED && j->cgroup >= 0) {
                if (now >= j->cpu_check_usec) {
                        uint64_t used = cgroup_cpu_usec(j->cgroup);
                        uint64_t left = used < limits->cpu_time_usec ? limits->cpu_time_usec - used : 0;
                        if (left == 0)
                                jail_kill(j, JAIL_CPU_LIMIT);
                        /* All processors together cannot use it up before that. */
                        uint64_t pause = left / processors;
                        j->cpu_check_usec = now + (pause > CPU_CHECK_MIN_USEC ? pause : CPU_CHECK_MIN_USEC);
                }
                next = earliest(next, j->cpu_check_usec);
        }
        return next;
}

/* Looks at every clock that may have struck, and sets the timer for the next one. */
static void check_all_clocks(Launcher *l)
{
        uint64_t now = monotonic_usec(), next = USEC_INFINITY;
        long processors = sysconf(_SC_NPROCESSORS_ONLN);

        for (RunningJail *j = l->jails, *following; j; j = following) {
                following = j->next;
                next = earliest(next, check_clocks(l, j, now, processors > 0 ? (uint64_t)processors : 1));
        }
        if (next == l->timer_usec)
                return;
        struct itimerspec at = {{0, 0}, {0, 0}};
        if (next != USEC_INFINITY) {
                at.it_value.tv_sec = (time_t)(next / USEC_PER_SECOND);
                at.it_value.tv_nsec = (long)(next % USEC_PER_SECOND) * 1000;
        }
        timerfd_settime(l->timer, TFD_TIMER_ABSTIME, &at, NULL);
        l->timer_usec = next;
}

/* ---- the caller's socket ---- */

static void greet(Launcher *l, Unpacker *u)
{
        _cleanup_packer_ Packer p = {0};
        _cleanup_error_ Error e = ERROR_NULL;
        _cleanup_free_ char *base = NULL;
        uint64_t version = unpack_number(u);
        const char *chosen = unpack_string(u);
        int r = 0;

        if (unpack_end(u) < 0)
                r = error_set(&e, -EPROTO, "the launcher was greeted with something else");
        else if (version != LAUNCHER_VERSION)
                r = error_set(&e, -EPROTO, "skep-launcher is of another version than the program that started it");
        /* Without a cgroup there are jails still, if the operator allows it: the caller decides. A group that was
         * named, though, is meant. */
        if (r >= 0 && cgroup_choose(chosen, &base, &e) >= 0) {
                int made = cgroup_tree_make(base, &l->cgroups, &e);
                if (made < 0 && chosen)
                        r = made;
                if (l->here)
                        watchdog_start(&l->watchdog, &l->cgroups);
        }
        pack_number(&p, r < 0 ? LAUNCHER_REFUSED : LAUNCHER_READY);
        if (r >= 0) {
                pack_number(&p, l->cgroups.fd >= 0);
                pack_number(&p, l->cgroups.controllers);
                pack_number(&p, ids_kind());
                pack_number(&p, l->cgroups.holds_launcher);
                pack_string(&p, l->cgroups.path);
        }
        pack_string(&p, e.text);
        pack_number(&p, (uint64_t)-r);
        send_packed(l, &p, NULL, 0);
}

static void close_down(Launcher *l)
{
        epoll_ctl(l->epoll, EPOLL_CTL_DEL, l->socket, NULL);
        l->closing = true;
        for (RunningJail *j = l->jails; j; j = j->next)
                jail_kill(j, JAIL_CANCELLED);
}

static void caller_message(Launcher *l)
{
        char data[LAUNCHER_MESSAGE_MAX];
        int fds[START_FDS_MAX];
        size_t n_fds = ELEMENTS(fds);
        ssize_t n = receive_message(l->socket, data, sizeof data, fds, &n_fds);

        if (n == -EINTR || n == -EAGAIN)
                return;
        if (n <= 0) {
                close_down(l);
                return;
        }
        Unpacker u = {.next = data, .left = (size_t)n};
        switch (unpack_number(&u)) {
        case LAUNCHER_INIT:
                greet(l, &u);
                break;
        case LAUNCHER_START:
                start(l, unpack_number(&u), fds, n_fds);
                break;
        case LAUNCHER_CANCEL: {
                uint64_t id = unpack_number(&u);
                for (RunningJail *j = l->jails; j; j = j->next)
                        if (j->id == id)
                                jail_kill(j, JAIL_CANCELLED);
                break;
        }
        }
        close_many(fds, n_fds);
}

/* What a jail's descriptors say: its first process's messages, and its end. */
static void jail_event(Launcher *l, RunningJail *j)
{
        /* One jail has two descriptors, and may have been freed by the first of them: look it up. */
        RunningJail *known = l->jails;

        while (known && known != j)
                known = known->next;
        if (!known || j->phase == PHASE_GONE)
                return;
        /* What it has said comes before that it has ended. */
        while (j->process.control >= 0 && fd_is_readable(j->process.control))
                jail_message(l, j);
        if (fd_is_readable(j->process.pidfd))
                jail_exited(l, j);
}

int launcher_fd(const Launcher *l)
{
        return l->epoll;
}

bool launcher_dispatch(Launcher *l, int timeout_msec)
{
        struct epoll_event events[EVENTS_AT_ONCE];
        int n = epoll_wait(l->epoll, events, EVENTS_AT_ONCE, timeout_msec);

        if (n < 0 && errno != EINTR)
                return false;
        for (int i = 0; i < n; i++) {
                uint64_t struck;
                if (events[i].data.ptr == &l->socket)
                        caller_message(l);
                else if (events[i].data.ptr == &l->timer)
                        l->timer_usec = read(l->timer, &struck, sizeof struck) > 0 ? USEC_INFINITY : l->timer_usec;
                else
                        jail_event(l, events[i].data.ptr);
        }
        if (l->closing)
                close_down(l);
        check_all_clocks(l);
        return !l->closing || l->jails;
}

int launcher_new(int socket_fd, bool here, Launcher **ret)
{
        Launcher *l = malloc(sizeof *l);

        if (!l) {
                close(socket_fd);
                return -ENOMEM;
        }
        *l = (Launcher){
                .socket = socket_fd,
                .epoll = epoll_create1(EPOLL_CLOEXEC),
                .timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK),
                .timer_usec = USEC_INFINITY,
                .here = here,
                .watchdog = WATCHDOG_NULL,
                .cgroups = CGROUP_TREE_NULL,
                .next_ids = (uint32_t)getpid() * 64,
        };
        if (l->epoll < 0 || l->timer < 0 || watch_fd(l, l->socket, &l->socket) < 0 || watch_fd(l, l->timer, &l->timer) < 0) {
                int r = -errno;
                launcher_free(l);
                return r;
        }
        *ret = l;
        return 0;
}

Launcher *launcher_free(Launcher *l)
{
        watchdog_end(&l->watchdog);
        cgroup_tree_remove(&l->cgroups);
        ids_tidy();
        close_fd(l->timer);
        close_fd(l->epoll);
        close_fd(l->socket);
        free(l);
        return NULL;
}

static int here_new(int socket_fd, Launcher **ret)
{
        return launcher_new(socket_fd, true, ret);
}

const JailLauncherHere launcher_here = {
        .new = here_new,
        .fd = launcher_fd,
        .dispatch = launcher_dispatch,
        .free = launcher_free,
};
