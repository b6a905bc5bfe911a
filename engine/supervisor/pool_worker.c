/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* One worker: its process, by a pidfd, and its connection. It is lost when its process is gone and its launcher, which
 * removes its jails, too; not before: until then something of its jobs may run. */

#include "engine/supervisor/pool_private.h"

#include "engine/base/clock.h"
#include "engine/base/fd.h"
#include "engine/base/log.h"

#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>

#define END_USEC (5 * USEC_PER_SECOND) /* from the end of its connection to its own */
#define READ_USEC (30 * USEC_PER_SECOND) /* what it is told it has to have read by then */
#define UNSENT_MAX (2 * WORKER_ATTEMPTS_MAX + 8) /* each of its attempts may be cancelled, and acknowledged */
#define JAILS_LOOK_USEC (2 * USEC_PER_MSEC)
#define JAILS_END_USEC (30 * USEC_PER_SECOND) /* from its own end to that of its jails */

/* ---- its process ---- */

static void take_all(PoolWorker *w);

static int on_look_for_jails(sd_event_source *source, uint64_t usec, void *userdata);

/* Nobody is told of the end of another's child's child: so it is looked for. It takes milliseconds, as a rule. */
static void end_when_jails_are_gone(PoolWorker *w)
{
        bool has_jails = pool_worker_has_jails(w), patient = monotonic_usec() < w->ended_usec + JAILS_END_USEC;

        if (has_jails && patient &&
            sd_event_add_time_relative(w->pool->event, &w->timer, CLOCK_MONOTONIC, JAILS_LOOK_USEC, 1, on_look_for_jails, w) >= 0)
                return;
        if (has_jails)
                log_message(LOG_LEVEL_ERROR, &(LogFields){.worker = w->name},
                            "worker %s: it is gone, and what removes its jails does not end; its jobs count as lost", w->name);
        pool_worker_ended(w);
}

static int on_look_for_jails(sd_event_source *source _unused_, uint64_t usec _unused_, void *userdata)
{
        PoolWorker *w = userdata;

        w->timer = sd_event_source_disable_unref(w->timer);
        end_when_jails_are_gone(w);
        return 0;
}

static int on_exited(sd_event_source *source _unused_, int fd _unused_, uint32_t events _unused_, void *userdata)
{
        PoolWorker *w = userdata;
        siginfo_t info = {0};

        take_all(w); /* what it has said before it ended */
        bool ours = waitid(P_PIDFD, (id_t)w->pidfd, &info, WEXITED | WNOHANG) == 0;
        bool well = ours && info.si_code == CLD_EXITED && info.si_status == 0;
        if (ours && !well)
                log_message(LOG_LEVEL_WARNING, &(LogFields){.event = LOG_EVENT_WORKER_DIED, .worker = w->name},
                            "worker %s ended (%s %d)", w->name, info.si_code == CLD_EXITED ? "status" : "signal",
                            info.si_status);
        pool_worker_disconnect(w);
        pool_worker_unwatch(w);
        w->ending = true;
        w->ended_usec = monotonic_usec();
        end_when_jails_are_gone(w);
        return 0;
}

int pool_worker_watch(PoolWorker *w, pid_t pid, int pidfd)
{
        w->pid = pid;
        w->pidfd = pidfd;
        return sd_event_add_io(w->pool->event, &w->exited, pidfd, EPOLLIN, on_exited, w);
}

void pool_worker_unwatch(PoolWorker *w)
{
        w->exited = sd_event_source_disable_unref(w->exited);
        w->timer = sd_event_source_disable_unref(w->timer);
        w->pidfd = close_fd(w->pidfd);
        w->pid = 0;
}

static void end_process(PoolWorker *w)
{
        if (w->pidfd >= 0)
                w->pool->starter->end(w->pool->starter->userdata, w->name, w->pidfd, true);
}

static int on_silent(sd_event_source *source _unused_, uint64_t usec _unused_, void *userdata)
{
        PoolWorker *w = userdata;

        w->timer = sd_event_source_disable_unref(w->timer);
        if (w->pidfd < 0) {
                pool_worker_failed(w->pool, w->name, "it was started, and does not come");
                return 0;
        }
        log_message(LOG_LEVEL_ERROR, &(LogFields){.event = LOG_EVENT_WORKER_EXPELLED, .worker = w->name},
                    "worker %s: it does not %s; it is ended", w->name,
                    w->phase == PHASE_WORK ? "end" : "connect, or does not say what it has");
        end_process(w);
        return 0;
}

void pool_worker_expect(PoolWorker *w, uint64_t usec)
{
        w->timer = sd_event_source_disable_unref(w->timer);
        if (sd_event_add_time_relative(w->pool->event, &w->timer, CLOCK_MONOTONIC, usec, 0, on_silent, w) < 0)
                log_message(LOG_LEVEL_ERROR, &(LogFields){.worker = w->name}, "worker %s: its timer cannot be set",
                            w->name);
}

/* ---- its connection ---- */

static void forget_unsent(PoolWorker *w)
{
        for (PoolMessage *m; (m = STAILQ_FIRST(&w->unsent)); free(m))
                STAILQ_REMOVE_HEAD(&w->unsent, entry);
        w->n_unsent = 0;
        w->reading = sd_event_source_disable_unref(w->reading);
}

void pool_worker_disconnect(PoolWorker *w)
{
        forget_unsent(w);
        w->io = sd_event_source_disable_unref(w->io);
        w->acknowledging = sd_event_source_disable_unref(w->acknowledging);
        w->socket = close_fd(w->socket);
        w->phase = PHASE_CONNECTED;
        w->running = w->kept = 0;
        w->expecting = false;
        w->warm = UINT64_MAX;
        w->unkept = 0;
        w->n_known = w->n_acknowledged = 0;
        memset(w->known, 0, sizeof w->known);
}

/* For a worker that breaks the protocol, or does not read: its process goes, and with that, it is lost. */
static void expel(PoolWorker *w, const char *why)
{
        log_message(LOG_LEVEL_ERROR, &(LogFields){.event = LOG_EVENT_WORKER_EXPELLED, .worker = w->name},
                    "worker %s: %s; it is ended", w->name, why);
        pool_worker_disconnect(w);
        end_process(w);
}

static int send_to(PoolWorker *w, const WorkerMessage *message, const int *fds, size_t n_fds)
{
        _cleanup_packer_ Packer p = {0};

        worker_message_pack(&p, message);
        return p.failed ? -ENOMEM : w->n_unsent > 0 ? -EAGAIN : send_message(w->socket, p.data, p.size, fds, n_fds);
}

static int on_unread(sd_event_source *source _unused_, uint64_t usec _unused_, void *userdata)
{
        expel(userdata, "it does not read what it is told");
        return 0;
}

static int watch_reading(PoolWorker *w)
{
        w->reading = sd_event_source_disable_unref(w->reading);
        return sd_event_add_time_relative(w->pool->event, &w->reading, CLOCK_MONOTONIC, READ_USEC, 0, on_unread, w);
}

/* Many may be told to it in one go, as when an array is cancelled, and it has other tenants' jobs: that it has not read all of
 * that yet is no reason to end it. What waits goes before all that comes later. */
static int send_later(PoolWorker *w, const WorkerMessage *message)
{
        _cleanup_packer_ Packer p = {0};

        worker_message_pack(&p, message);
        PoolMessage *m = !p.failed && w->n_unsent < UNSENT_MAX ? malloc(sizeof *m + p.size) : NULL;
        if (!m)
                return -ENOMEM;
        m->size = p.size;
        memcpy(m->data, p.data, p.size);
        STAILQ_INSERT_TAIL(&w->unsent, m, entry);
        if (w->n_unsent++ > 0)
                return 0;
        int r = sd_event_source_set_io_events(w->io, EPOLLIN | EPOLLOUT);
        return r < 0 ? r : watch_reading(w);
}

static void tell(PoolWorker *w, const WorkerMessage *message)
{
        if (w->phase != PHASE_WORK)
                return;
        int r = send_to(w, message, NULL, 0);
        if (r == -EAGAIN)
                r = send_later(w, message);
        if (r < 0)
                expel(w, "it does not take messages");
}

/* It reads again. */
static void send_unsent(PoolWorker *w)
{
        PoolMessage *m;
        int r = 0;

        while (r >= 0 && (m = STAILQ_FIRST(&w->unsent)) && (r = send_message(w->socket, m->data, m->size, NULL, 0)) >= 0) {
                STAILQ_REMOVE_HEAD(&w->unsent, entry);
                w->n_unsent--;
                free(m);
        }
        if (r == -EAGAIN)
                r = watch_reading(w);
        else if (r >= 0)
                r = sd_event_source_set_io_events(w->io, EPOLLIN);
        if (r < 0) {
                expel(w, "it does not take messages");
        } else if (w->n_unsent == 0) {
                forget_unsent(w);
                pool_worker_keep_warm(w);
                w->pool->events->has_room(w->pool->userdata);
        }
}

void pool_worker_stop(PoolWorker *w)
{
        tell(w, &(WorkerMessage){.kind = WORKER_STOP});
}

/* ---- what it says ---- */

static void get_to_work(PoolWorker *w)
{
        Pool *pool = w->pool;

        w->phase = PHASE_WORK;
        if (pool->starter->came)
                pool->starter->came(pool->starter->userdata, w->name);
        if (w->state == WORKER_STARTING && !w->awaited)
                pool_note_start(w);
        w->awaited = false;
        w->timer = sd_event_source_disable_unref(w->timer);
        if (w->state == WORKER_DRAINING)
                pool_worker_stop(w);
        else
                pool_set_state(w, WORKER_READY);
        pool_worker_keep_warm(w);
        pool_check_settled(pool);
        pool_balance(pool);
        pool->events->has_room(pool->userdata);
}

static void take_hello(PoolWorker *w, const WorkerMessage *m)
{
        if (m->oldest > WORKER_VERSION || m->version < WORKER_VERSION_MIN) {
                expel(w, "it speaks another version of the protocol");
                return;
        }
        w->version = m->version < WORKER_VERSION ? m->version : WORKER_VERSION;
        if (send_to(w, &(WorkerMessage){.kind = WORKER_WELCOME, .version = w->version}, NULL, 0) < 0) {
                expel(w, "it cannot be answered");
                return;
        }
        w->phase = PHASE_WELCOME;
}

static void take_attempts(PoolWorker *w, const WorkerMessage *m)
{
        const Pool *pool = w->pool;

        w->phase = PHASE_WORK;
        for (size_t i = 0; i < m->n_attempts && w->socket >= 0; i++) {
                const WorkerAttempt *a = &m->attempts[i];
                w->kept++;
                w->running++; /* until its report is here */
                if (!pool->events->claimed(w, a, pool->userdata) && !a->ended)
                        pool_cancel(w, a->job, a->attempt);
        }
        if (w->socket >= 0)
                get_to_work(w);
}

static void take_report(PoolWorker *w, const WorkerMessage *m)
{
        const Pool *pool = w->pool;

        if (w->running > 0)
                w->running--;
        w->restart_usec = 0; /* it works */
        pool->events->reported(w, m->job, m->attempt, m->report, pool->userdata);
        pool->events->has_room(pool->userdata);
}

static void take_message(PoolWorker *w, const void *data, size_t size)
{
        _cleanup_error_ Error e = ERROR_NULL;
        WorkerMessage m;

        if (worker_message_read(data, size, 0, SIDE_WORKER, w->phase, w->version, &m, &e) < 0) {
                expel(w, error_text(&e));
                return;
        }
        switch (m.kind) {
        case WORKER_HELLO:
                take_hello(w, &m);
                break;
        case WORKER_ATTEMPTS:
                take_attempts(w, &m);
                break;
        case WORKER_STARTED:
                w->pool->events->started(w, m.job, m.attempt, w->pool->userdata);
                break;
        case WORKER_CONDITION:
                w->warm = m.warm;
                break;
        case WORKER_UNKEPT:
                w->unkept = m.unkept;
                w->pool->events->unkept(w->pool->userdata);
                break;
        default:
                take_report(w, &m);
        }
        free(m.attempts);
}

/* False: there is nothing more for now. */
static bool take_next(PoolWorker *w)
{
        char data[WORKER_MESSAGE_MAX];
        ssize_t n = receive_message(w->socket, data, sizeof data, NULL, NULL);

        if (n == -EAGAIN)
                return false;
        if (n == -EMSGSIZE) {
                expel(w, "a message that is too long, or has descriptors");
        } else if (n <= 0) {
                pool_worker_disconnect(w);
                pool_worker_expect(w, END_USEC);
        } else {
                take_message(w, data, (size_t)n);
        }
        return w->socket >= 0;
}

static void take_all(PoolWorker *w)
{
        while (w->socket >= 0 && take_next(w))
                ;
}

static int on_worker(sd_event_source *source _unused_, int fd _unused_, uint32_t events, void *userdata)
{
        PoolWorker *w = userdata;

        if (events & EPOLLOUT)
                send_unsent(w);
        if (w->socket >= 0 && events & ~(uint32_t)EPOLLOUT)
                take_next(w);
        return 0;
}

int pool_on_connect(sd_event_source *source _unused_, int fd, uint32_t events _unused_, void *userdata)
{
        Pool *pool = userdata;
        struct ucred peer;
        socklen_t size = sizeof peer;
        _cleanup_close_ int connection = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

        if (connection < 0 || getsockopt(connection, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0)
                return 0;
        /* A pid of 0: it is in a namespace that is not below ours. */
        PoolWorker *w = peer.uid == geteuid() && peer.pid > 0 ? pool_find_process(pool, peer.pid) : NULL;
        if (!w || w->socket >= 0) {
                log_warning("process %d is no worker of this state directory; its connection is closed", peer.pid);
                return 0;
        }
        w->socket = take_fd(connection);
        w->version = 0;
        if (sd_event_add_io(pool->event, &w->io, w->socket, EPOLLIN, on_worker, w) < 0)
                expel(w, "it cannot be watched");
        return 0;
}

/* ---- giving it work ---- */

static int send_policy(PoolWorker *w, const JailPolicy *policy)
{
        const char *digest = jail_policy_digest(policy), *text = jail_policy_text(policy);

        for (size_t i = 0; i < POLICIES_KNOWN; i++)
                if (strcmp(w->known[i], digest) == 0)
                        return 0;
        _cleanup_close_ int fd = sealed_file("policy", text, strlen(text));
        if (fd < 0)
                return fd;
        int r = send_to(w, &(WorkerMessage){.kind = WORKER_POLICY, .name = jail_policy_name(policy)}, &fd, 1);
        if (r >= 0)
                snprintf(w->known[w->n_known++ % POLICIES_KNOWN], sizeof w->known[0], "%s", digest);
        return r;
}

void pool_worker_keep_warm(PoolWorker *w)
{
        const Pool *pool = w->pool;
        uint64_t workers = pool->target > 0 ? pool->target : 1;
        WorkerMessage m = {.kind = WORKER_KEEP_WARM};

        if (w->phase != PHASE_WORK || w->state != WORKER_READY || w->version < 3 || w->n_unsent > 0 ||
            (pool->n_warm == 0 && !w->expecting))
                return;
        /* Jobs that come at once are spread over all of them. */
        for (size_t i = 0; i < pool->n_warm; i++) {
                uint64_t share = (pool->warm[i].jails + workers - 1) / workers;
                if (send_policy(w, pool->warm[i].policy) < 0)
                        continue;
                m.levels[m.n_levels++] = (WarmLevel){jail_policy_digest(pool->warm[i].policy),
                                                     share < pool->jobs_per_worker ? share : pool->jobs_per_worker};
        }
        w->expecting = m.n_levels > 0;
        tell(w, &m);
}

static int send_run(PoolWorker *w, const RunOrder *order, const int *fds, size_t n_fds)
{
        _cleanup_packer_ Packer document = {0};
        int all[RUN_FDS_MAX];

        run_order_pack(&document, order);
        if (document.failed || n_fds + RUN_OUTPUT > RUN_FDS_MAX)
                return document.failed ? -ENOMEM : -E2BIG;
        _cleanup_close_ int fd = sealed_file("run", document.data, document.size);
        if (fd < 0)
                return fd;
        all[RUN_ORDER] = fd;
        memcpy(&all[RUN_OUTPUT], fds, n_fds * sizeof *fds);
        return send_to(w, &(WorkerMessage){.kind = WORKER_RUN}, all, RUN_OUTPUT + n_fds);
}

int pool_run(PoolWorker *w, const RunOrder *order, const JailPolicy *policy, const int *fds, size_t n_fds)
{
        int r = send_policy(w, policy);

        if (r >= 0)
                r = send_run(w, order, fds, n_fds);
        /* Its end of the socket is closed, and we have not been told yet. */
        if (r == -EPIPE || r == -ECONNRESET || r == -ENOTCONN || r == -EBADF) {
                expel(w, "it does not take messages");
                return -ENOTCONN;
        }
        if (r >= 0) {
                w->running++;
                w->kept++;
        }
        return r;
}

void pool_cancel(PoolWorker *w, const char *job, uint64_t attempt)
{
        tell(w, &(WorkerMessage){.kind = WORKER_CANCEL, .job = job, .attempt = attempt});
}

/* ---- acknowledging ---- */

static void send_acknowledged(PoolWorker *w)
{
        WorkerAttempt attempts[ACKNOWLEDGED_AT_ONCE];

        for (size_t i = 0; i < w->n_acknowledged; i++)
                attempts[i] = (WorkerAttempt){.job = w->acknowledged[i].job.text, .attempt = w->acknowledged[i].attempt};
        tell(w, &(WorkerMessage){.kind = WORKER_ACKNOWLEDGE, .attempts = attempts, .n_attempts = w->n_acknowledged});
        w->n_acknowledged = 0;
}

static int on_acknowledging(sd_event_source *source _unused_, void *userdata)
{
        PoolWorker *w = userdata;

        w->acknowledging = sd_event_source_disable_unref(w->acknowledging);
        send_acknowledged(w);
        return 0;
}

/* Those that one commit has brought go together. */
void pool_worker_acknowledge(PoolWorker *w, const char *job, uint64_t attempt)
{
        if (w->phase != PHASE_WORK)
                return;
        if (w->kept > 0)
                w->kept--;
        if (w->n_acknowledged == ACKNOWLEDGED_AT_ONCE)
                send_acknowledged(w);
        snprintf(w->acknowledged[w->n_acknowledged].job.text, sizeof w->acknowledged[0].job.text, "%s", job);
        w->acknowledged[w->n_acknowledged++].attempt = attempt;
        if (!w->acknowledging && sd_event_add_defer(w->pool->event, &w->acknowledging, on_acknowledging, w) < 0)
                send_acknowledged(w);
}
