/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "jail/running_jail.h"

#include "engine/base/clock.h"
#include "engine/base/fd.h"
#include "jail/output_tree.h"

#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

static bool fd_is_readable(int fd)
{
        struct pollfd p = {.fd = fd, .events = POLLIN};

        return poll(&p, 1, 0) > 0;
}

/* ---- what the caller is told ---- */

static void send_ended(Launcher *l, uint64_t id, const Outcome *outcome, const char *text, int output)
{
        _cleanup_packer_ Packer p = {0};

        pack_number(&p, LAUNCHER_ENDED);
        pack_number(&p, id);
        pack_bytes(&p, outcome, sizeof *outcome);
        pack_string(&p, text);
        launcher_send(l, &p, &output, output >= 0 ? 1 : 0);
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

static void forget_fds(RunningJail *j)
{
        close_many(j->fds, j->n_fds);
        free(j->fds);
        j->fds = NULL;
        j->n_fds = 0;
}

static RunningJail *jail_done(RunningJail *j)
{
        close_fd(j->process.pidfd);
        close_fd(j->process.control);
        close_fd(j->process.network);
        close_fd(j->cgroup);
        close_fd(j->peak);
        ids_done(&j->ids);
        close_many(j->doors, DOORS);
        forget_fds(j);
        plan_file_done(&j->file);
        if (j->ledger)
                munmap(j->ledger, sizeof *j->ledger);
        error_clear(&j->error);
        free(j);
        return NULL;
}
DEFINE_CLEANUP(RunningJail, jail_done)

void running_jail_kill(RunningJail *j, JailReason verdict)
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

/* It cannot be had: whatever of it runs is ended. */
static void jail_fail(RunningJail *j, Error *e)
{
        j->setup_failed = true;
        j->error = *e;
        *e = ERROR_NULL;
        running_jail_kill(j, JAIL_SETUP_FAILED);
}

/* Whoever ends a jail does so by SIGKILL. */
static bool has_ended_itself(const RunningJail *j)
{
        return j->ended && (WIFEXITED(j->last.status) || WTERMSIG(j->last.status) != SIGKILL);
}

/* What the job itself did comes first: a limit that struck while it was ending did not end it. */
void running_jail_decide(const RunningJail *j, Outcome *o)
{
        if (j->setup_failed) {
                o->reason = JAIL_SETUP_FAILED;
        } else if (j->exec_failed) {
                o->reason = JAIL_EXEC_FAILED;
                o->exit_code = j->last.status;
        } else if (has_ended_itself(j) && WIFEXITED(j->last.status)) {
                o->reason = JAIL_EXITED;
                o->exit_code = WEXITSTATUS(j->last.status);
        } else if (has_ended_itself(j)) {
                o->reason = JAIL_SIGNALLED;
                o->signal = WTERMSIG(j->last.status);
        } else if (j->oom_killed) {
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

/* When nothing of the job runs any more: the accounts are complete. */
static void count(RunningJail *j)
{
        Outcome *o = &j->outcome;

        *o = outcome_unknown();
        if (j->ended) {
                o->cpu_user_usec = j->last.cpu_user_usec;
                o->cpu_system_usec = j->last.cpu_system_usec;
        }
        if (j->cgroup >= 0)
                cgroup_account(j->cgroup, j->peak, o, &j->oom_killed);
        if (j->kind > 0)
                cgroup_account_without(o, &j->before);
        j->counted = true;
        step_done(&j->ledger->steps, STEP_ACCOUNTS);
}

static void judge(RunningJail *j)
{
        Outcome *o = &j->outcome;
        bool running = j->started_usec > 0;

        o->warm = j->kind > 0;
        running_jail_decide(j, o);
        o->setup_usec = (running ? j->started_usec : j->ended_usec) - j->received_usec;
        o->wall_usec = running ? j->ended_usec - j->started_usec : JAIL_UNKNOWN;
        memcpy(o->denied, j->ledger->denied, sizeof o->denied);
        o->denied_complete = !j->ledger->denied_more;
        o->left_running = j->ended && j->last.left;
}

/* Every process has gone. The report goes out when the cgroup has, too: nothing of a job outlives its end. */
void running_jail_gone(Launcher *l, RunningJail *j)
{
        int r = j->cgroup >= 0 ? cgroup_remove(&l->cgroups, j->cgroup_name) : 0;

        if (r == -EBUSY) {
                /* As a rule the kernel needs a moment; a process that waits for a disk, or a host that has stopped, longer. */
                j->pause_usec = j->pause_usec == 0 ? REMOVE_RETRY_USEC
                                : j->pause_usec < REMOVE_RETRY_MAX_USEC / 2 ? 2 * j->pause_usec
                                                                            : REMOVE_RETRY_MAX_USEC;
                j->retry_usec = monotonic_usec() + j->pause_usec;
                return;
        }
        step_done(&j->ledger->steps, STEP_CGROUP_GONE);
        j->outcome.steps = j->ledger->steps;
        if (j->started_usec > 0)
                output_tree_open(j->doors[DOOR_OUTPUT], &j->ids);
        if (j->id > 0)
                send_ended(l, j->id, &j->outcome, sentence(j, &j->outcome),
                           j->started_usec > 0 ? j->doors[DOOR_OUTPUT] : -1);
        networks_give_back(&l->networks, take_fd(j->process.network));
        kept_ids_give_back(&l->ids, &j->ids);
        l->busy_usec = monotonic_usec();
        for (RunningJail **at = &l->jails; *at; at = &(*at)->next)
                if (*at == j) {
                        *at = j->next;
                        break;
                }
        jail_done(j);
}

/* The job of a jail that has waited gets one that is made for it. */
static void start_cold(Launcher *l, RunningJail *j)
{
        running_jail_start(l, j->id, 0, j->fds, j->n_fds);
        j->id = 0;
}

/* A jail that has waited was killed from outside before it could do anything for its job. */
static void start_again(Launcher *l, RunningJail *j)
{
        if (j->fds && !j->ledger->begun && !j->killed && !j->setup_failed && !j->exec_failed && !l->closing)
                start_cold(l, j);
}

static void jail_exited(Launcher *l, RunningJail *j)
{
        siginfo_t info;

        waitid(P_PIDFD, (id_t)j->process.pidfd, &info, WEXITED);
        j->exit_code = info.si_code;
        j->exit_status = info.si_status;
        epoll_ctl(l->epoll, EPOLL_CTL_DEL, j->process.pidfd, NULL);
        j->ended_usec = monotonic_usec();
        if ((j->phase == PHASE_BUILDING || j->phase == PHASE_WAITING) && !j->killed)
                warm_failed(l, j->kind);
        bool waited = j->phase == PHASE_WAITING;
        if (!j->counted)
                count(j);
        judge(j);
        step_done(&j->ledger->steps, STEP_GONE);
        j->phase = PHASE_GONE;
        if (waited)
                warm_tell(l, j->kind);
        start_again(l, j);
        running_jail_gone(l, j);
}

/* ---- the life of a jail ---- */

/* What was counted until here is not the job's, and nothing happens any more until that comes. */
static void jail_waits(Launcher *l, RunningJail *j)
{
        bool oom_killed;

        j->phase = PHASE_WAITING;
        j->before = outcome_unknown();
        if (j->cgroup >= 0) {
                cgroup_account(j->cgroup, -1, &j->before, &oom_killed);
                j->peak = cgroup_forget_peak(j->cgroup);
        }
        warm_tell(l, j->kind);
}

static void jail_message(Launcher *l, RunningJail *j)
{
        ReaperMessage m;
        int doors[DOORS];
        size_t n_doors = DOORS;
        ssize_t n = receive_message(j->process.control, &m, sizeof m, doors, &n_doors);

        if (n != sizeof m) {
                /* Its end is seen by the pidfd. */
                epoll_ctl(l->epoll, EPOLL_CTL_DEL, j->process.control, NULL);
                j->process.control = close_fd(j->process.control);
                if (n > 0)
                        close_many(doors, n_doors);
                return;
        }
        m.text[sizeof m.text - 1] = '\0';
        j->last = m;
        switch (m.kind) {
        case REAPER_BUILT:
                memcpy(j->doors, doors, n_doors * sizeof *doors);
                return;
        case REAPER_WAITS:
                jail_waits(l, j);
                break;
        case REAPER_STARTED:
                forget_fds(j);
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
                /* While the kernel takes the jail down. */
                if (m.alone)
                        count(j);
                break;
        }
        close_many(doors, n_doors);
}

static RunningJail *jail_new(uint64_t id, Phase phase)
{
        RunningJail *j = calloc(1, sizeof *j);

        if (!j)
                return NULL;
        *j = (RunningJail){
                .id = id, .phase = phase, .process = {-1, -1, -1, -1}, .cgroup = -1, .peak = -1, .ids = IDS_NULL};
        for (size_t i = 0; i < DOORS; i++)
                j->doors[i] = -1;
        j->received_usec = monotonic_usec();
        return j;
}

static int make_jail(Launcher *l, RunningJail *j, const Plan *plan, const int *fds, size_t n_fds, Error *e)
{
        int r = kept_ids_take(&l->ids, plan->ids, &l->next_ids, &j->ids, e);

        if (r < 0)
                return r;
        j->ledger = mmap(NULL, sizeof *j->ledger, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        if (j->ledger == MAP_FAILED) {
                j->ledger = NULL;
                return error_oom(e);
        }
        if (l->cgroups.fd >= 0) {
                snprintf(j->cgroup_name, sizeof j->cgroup_name, "%" PRIu64, l->next_number++);
                j->cgroup = cgroup_make(&l->cgroups, j->cgroup_name, e);
                if (j->cgroup < 0)
                        return j->cgroup;
                r = cgroup_limit(j->cgroup, plan, e);
        }
        j->ledger->steps.done_usec[STEP_RECEIVED] = j->received_usec;
        step_done(&j->ledger->steps, STEP_CGROUP);
        const Launch launch = {
                .plan = plan,
                .fds = fds,
                .n_fds = n_fds,
                .cgroup = j->cgroup,
                .ids = &j->ids,
                .networks = &l->networks,
                .own_ipc = l->own_ipc,
                .ledger = j->ledger,
        };
        if (r >= 0)
                r = launch_start(&launch, &j->process, e);
        if (r < 0 && j->process.pid < 0 && j->cgroup >= 0)
                cgroup_remove(&l->cgroups, j->cgroup_name);
        return r;
}

/* From here on it has an end that is seen, even if it is ended at once. `r`: of its making. */
static void jail_begin(Launcher *l, RunningJail *j, int r, Error *e)
{
        if (launcher_watch(l, j->process.control, j) < 0 || launcher_watch(l, j->process.pidfd, j) < 0)
                r = error_oom(e);
        j->next = l->jails;
        l->jails = j;
        if (r < 0)
                jail_fail(j, e);
}

int running_jail_make_warm(Launcher *l, const WarmKind *kind, uint64_t stamp)
{
        _cleanup_(jail_donep) RunningJail *j = jail_new(0, PHASE_BUILDING);
        _cleanup_error_ Error e = ERROR_NULL;

        if (!j)
                return -ENOMEM;
        j->kind = kind->number;
        j->stamp = stamp;
        int r = make_jail(l, j, &kind->file.plan, NULL, 0, &e);
        if (r < 0 && j->process.pid < 0)
                return r;
        jail_begin(l, take(j), r, &e);
        return 0;
}

/* False: it is not possible, and nothing has happened. */
static bool hand_over(Launcher *l, RunningJail *j, uint64_t id, uint64_t received_usec, PlanFile *file, int *fds,
                      size_t n_fds)
{
        int mounts[JAIL_INPUTS_MAX], r = 0;
        Error e = ERROR_NULL;

        j->fds = handover_begin(&file->plan, fds, n_fds, mounts) ? malloc(n_fds * sizeof *fds) : NULL;
        if (!j->fds) {
                close_many(mounts, JAIL_INPUTS_MAX);
                return false;
        }
        for (j->n_fds = 0; j->n_fds < n_fds; j->n_fds++)
                j->fds[j->n_fds] = take_fd(fds[j->n_fds]);
        j->id = id;
        j->phase = PHASE_SETUP;
        j->received_usec = received_usec;
        j->file = *file;
        *file = (PlanFile){0};
        memset(&j->ledger->steps, 0, sizeof j->ledger->steps);
        j->ledger->steps.done_usec[STEP_RECEIVED] = received_usec;
        if (j->cgroup >= 0)
                r = cgroup_limit(j->cgroup, &j->file.plan, &e);
        step_done(&j->ledger->steps, STEP_SOURCES);
        if (r >= 0)
                r = handover_send(j->process.control, &j->file.plan, j->fds, j->doors, mounts, &j->ids, &e);
        close_many(mounts, JAIL_INPUTS_MAX);
        /* Its mounts go with its first process, and not when we come to close the last door. */
        close_many(&j->doors[DOOR_INPUT], DOORS - DOOR_INPUT);
        if (r < 0) {
                /* If it is the job that cannot be had, a jail of its own will say so. */
                error_clear(&e);
                running_jail_kill(j, JAIL_CANCELLED);
                start_cold(l, j);
        }
        return true;
}

/* The pipes for output are the library's own. Who opens /dev/stdout opens the pipe anew, and needs the right. */
static int open_streams(const int *fds)
{
        struct stat st;

        for (size_t i = START_STDOUT; i <= START_STDERR; i++)
                if (fstat(fds[i], &st) < 0 || (S_ISFIFO(st.st_mode) && fchmod(fds[i], 0666) < 0))
                        return -errno;
        return 0;
}

static int start(Launcher *l, uint64_t id, uint64_t kind, int *fds, size_t n_fds, Error *e)
{
        _cleanup_(jail_donep) RunningJail *j = jail_new(id, PHASE_SETUP);
        int r = !j ? -ENOMEM : n_fds < START_INPUTS ? -EPROTO : plan_file_open(fds[START_PLAN], &j->file);

        if (r < 0)
                return error_errno(e, r, "reading the plan");
        if ((r = open_streams(fds)) < 0)
                return error_errno(e, r, "standard streams");
        RunningJail *warm = kind > 0 ? warm_find(l, kind) : NULL;
        if (warm && hand_over(l, warm, id, j->received_usec, &j->file, fds, n_fds))
                return 0;
        r = make_jail(l, j, &j->file.plan, fds, n_fds, e);
        if (r < 0 && j->process.pid < 0)
                return r;
        jail_begin(l, take(j), r, e);
        return 0;
}

void running_jail_start(Launcher *l, uint64_t id, uint64_t kind, int *fds, size_t n_fds)
{
        _cleanup_error_ Error e = ERROR_NULL;
        uint64_t received_usec = l->busy_usec = monotonic_usec();

        if (start(l, id, kind, fds, n_fds, &e) >= 0)
                return;
        Outcome o = outcome_unknown();
        o.reason = JAIL_SETUP_FAILED;
        o.setup_usec = monotonic_usec() - received_usec;
        send_ended(l, id, &o, error_text(&e), -1);
}

bool running_jail_is_alive(const RunningJail *j)
{
        return !j->killed && !fd_is_readable(j->process.pidfd) && !fd_is_readable(j->process.control);
}

void running_jail_event(Launcher *l, RunningJail *j)
{
        /* One jail has two descriptors, and may have been freed by the first of them: look it up. */
        RunningJail *known = l->jails;

        while (known && known != j)
                known = known->next;
        if (!known || j->phase == PHASE_GONE)
                return;
        /* What it has said comes before that it has ended; and is all there is only if it had ended before we looked. */
        bool exited = fd_is_readable(j->process.pidfd);
        while (j->process.control >= 0 && fd_is_readable(j->process.control))
                jail_message(l, j);
        if (exited)
                jail_exited(l, j);
}
