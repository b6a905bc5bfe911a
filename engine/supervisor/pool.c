/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "engine/supervisor/pool.h"

#include "engine/base/clock.h"
#include "engine/base/fd.h"
#include "engine/base/log.h"

#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>

#define POLICIES_KNOWN 32
#define RESTART_MIN_USEC (100 * USEC_PER_MSEC)
#define RESTART_MAX_USEC (10 * USEC_PER_SECOND)

struct PoolWorker {
        Pool *pool;
        char name[24];
        pid_t pid; /* 0: not running */
        int socket; /* -1: not connected */
        bool welcome;
        unsigned running;
        uint64_t restart_usec; /* the pause before the next start */
        uint64_t started_usec;
        sd_event_source *child, *io, *restart;
        char known[POLICIES_KNOWN][80]; /* digests that were sent, the oldest overwritten */
        size_t n_known;
};

struct Pool {
        sd_event *event;
        const PoolEvents *events;
        void *userdata;
        char *socket_path, *program;
        int listener;
        sd_event_source *accepting;
        PoolWorker *workers;
        size_t n;
        uint64_t jobs_per_worker;
        bool closing;
};

/* ---- the end of a worker ---- */

static void disconnect(PoolWorker *w)
{
        bool was_connected = w->socket >= 0;

        w->io = sd_event_source_disable_unref(w->io);
        w->socket = close_fd(w->socket);
        w->welcome = false;
        w->running = 0;
        w->n_known = 0;
        memset(w->known, 0, sizeof w->known);
        if (was_connected && !w->pool->closing)
                w->pool->events->lost(w, w->pool->userdata);
}

/* For a worker that breaks the protocol, or does not read: its process goes too, and comes back in on_exit(). */
static void expel(PoolWorker *w, const char *why)
{
        log_error("worker %s: %s; it is ended", w->name, why);
        if (w->pid > 0)
                kill(w->pid, SIGKILL);
        disconnect(w);
}

/* ---- messages ---- */

static void take_message(PoolWorker *w, const char *data, size_t size)
{
        Unpacker u = {.next = data, .left = size};
        WorkerMessage kind = (WorkerMessage)unpack_number(&u);
        Pool *pool = w->pool;

        if (!worker_message_allowed(kind, SIDE_WORKER, size) || kind == WORKER_HELLO) {
                expel(w, "a message out of turn");
                return;
        }
        const char *job = unpack_string(&u);
        uint64_t attempt = unpack_number(&u);
        const char *report = kind == WORKER_REPORT ? unpack_string(&u) : NULL;
        if (unpack_end(&u) < 0 || !job || (kind == WORKER_REPORT && !report)) {
                expel(w, "a message that cannot be read");
                return;
        }
        if (kind == WORKER_STARTED) {
                pool->events->started(w, job, attempt, pool->userdata);
                return;
        }
        if (w->running > 0)
                w->running--;
        w->restart_usec = RESTART_MIN_USEC; /* it works */
        pool->events->reported(w, job, attempt, report, pool->userdata);
        pool->events->has_room(pool->userdata);
}

static int on_worker(sd_event_source *source _unused_, int fd, uint32_t events _unused_, void *userdata)
{
        PoolWorker *w = userdata;
        char data[WORKER_MESSAGE_MAX];
        ssize_t n = receive_message(fd, data, sizeof data, NULL, NULL);

        if (n == -EAGAIN)
                return 0;
        if (n == -EMSGSIZE)
                expel(w, "a message that is too long");
        else if (n <= 0)
                disconnect(w);
        else
                take_message(w, data, (size_t)n);
        return 0;
}

static int send_packed(PoolWorker *w, const Packer *p, const int *fds, size_t n_fds)
{
        return p->failed ? -ENOMEM : send_message(w->socket, p->data, p->size, fds, n_fds);
}

/* ---- connecting ---- */

static PoolWorker *find_by_pid(Pool *pool, pid_t pid)
{
        for (size_t i = 0; i < pool->n; i++)
                if (pool->workers[i].pid == pid && pool->workers[i].socket < 0)
                        return &pool->workers[i];
        return NULL;
}

/* The first message decides whether it is one of ours; until then it has nothing from us. */
static int on_hello(sd_event_source *source _unused_, int fd, uint32_t events _unused_, void *userdata)
{
        _cleanup_packer_ Packer p = {0};
        PoolWorker *w = userdata;
        char data[WORKER_MESSAGE_MAX];
        ssize_t n = receive_message(fd, data, sizeof data, NULL, NULL);
        Unpacker u = {.next = data, .left = n > 0 ? (size_t)n : 0};
        WorkerMessage kind = (WorkerMessage)unpack_number(&u);
        uint64_t oldest = unpack_number(&u), newest = unpack_number(&u);

        unpack_string(&u);
        if (n == -EAGAIN)
                return 0;
        if (n <= 0 || unpack_end(&u) < 0 || !worker_message_allowed(kind, SIDE_WORKER, (size_t)n) ||
            kind != WORKER_HELLO) {
                expel(w, "no greeting");
                return 0;
        }
        if (oldest > WORKER_VERSION || newest < WORKER_VERSION_MIN) {
                expel(w, "it speaks another version of the protocol");
                return 0;
        }
        pack_number(&p, WORKER_WELCOME);
        pack_number(&p, WORKER_VERSION);
        w->io = sd_event_source_disable_unref(w->io);
        if (send_packed(w, &p, NULL, 0) < 0 ||
            sd_event_add_io(w->pool->event, &w->io, w->socket, EPOLLIN, on_worker, w) < 0) {
                expel(w, "it cannot be answered");
                return 0;
        }
        w->welcome = true;
        w->pool->events->has_room(w->pool->userdata);
        return 0;
}

static int on_connect(sd_event_source *source _unused_, int fd, uint32_t events _unused_, void *userdata)
{
        Pool *pool = userdata;
        struct ucred peer;
        socklen_t size = sizeof peer;
        _cleanup_close_ int connection = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

        if (connection < 0 || getsockopt(connection, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0)
                return 0;
        PoolWorker *w = find_by_pid(pool, peer.pid);
        if (!w) {
                log_warning("process %d is not a worker that was started here; its connection is closed", peer.pid);
                return 0;
        }
        w->socket = take_fd(connection);
        if (sd_event_add_io(pool->event, &w->io, w->socket, EPOLLIN, on_hello, w) < 0)
                expel(w, "it cannot be watched");
        return 0;
}

/* ---- starting ---- */

static int start_worker(PoolWorker *w);

static int on_restart(sd_event_source *source _unused_, uint64_t usec _unused_, void *userdata)
{
        PoolWorker *w = userdata;

        w->restart = sd_event_source_disable_unref(w->restart);
        start_worker(w);
        return 0;
}

static void restart_later(PoolWorker *w)
{
        if (w->pool->closing)
                return;
        /* One that fails at once is not started in a tight circle. */
        if (monotonic_usec() - w->started_usec < USEC_PER_SECOND)
                w->restart_usec = w->restart_usec * 2 < RESTART_MAX_USEC ? w->restart_usec * 2 : RESTART_MAX_USEC;
        else
                w->restart_usec = RESTART_MIN_USEC;
        sd_event_add_time_relative(w->pool->event, &w->restart, CLOCK_MONOTONIC, w->restart_usec, 0, on_restart, w);
}

static int on_exit_of_worker(sd_event_source *source _unused_, const siginfo_t *info, void *userdata)
{
        PoolWorker *w = userdata;

        w->child = sd_event_source_disable_unref(w->child);
        w->pid = 0;
        if (!w->pool->closing)
                log_warning("worker %s ended (%s %d)", w->name, info->si_code == CLD_EXITED ? "status" : "signal",
                            info->si_status);
        disconnect(w);
        restart_later(w);
        return 0;
}

static int start_worker(PoolWorker *w)
{
        char *argv[] = {(char *)"skep-worker", (char *)"--socket", w->pool->socket_path, (char *)"--name", w->name, NULL};
        posix_spawnattr_t attributes;
        sigset_t none;
        int r = -posix_spawnattr_init(&attributes);

        if (r == 0) {
                sigemptyset(&none);
                posix_spawnattr_setsigmask(&attributes, &none);
                posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
                r = -posix_spawn(&w->pid, w->pool->program, NULL, &attributes, argv, environ);
                posix_spawnattr_destroy(&attributes);
        }
        w->started_usec = monotonic_usec();
        if (r == 0)
                r = sd_event_add_child(w->pool->event, &w->child, w->pid, WEXITED, on_exit_of_worker, w);
        else
                w->pid = 0;
        if (r < 0) {
                log_error("worker %s cannot be started: %s: %s", w->name, w->pool->program, strerror(-r));
                restart_later(w);
        }
        return r;
}

static int open_listener(const char *path, Error *e)
{
        struct sockaddr_un address = {.sun_family = AF_UNIX};
        _cleanup_close_ int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

        if (strlen(path) >= sizeof address.sun_path)
                return error_set(e, -ENAMETOOLONG, "%s: the path of a socket may have %zu characters", path,
                                 sizeof address.sun_path - 1);
        memcpy(address.sun_path, path, strlen(path));
        if (unlink(path) < 0 && errno != ENOENT)
                return error_errno(e, -errno, "%s", path);
        if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof address) < 0 || chmod(path, 0600) < 0 ||
            listen(fd, 64) < 0)
                return error_errno(e, -errno, "%s", path);
        return take_fd(fd);
}

static int start_all(Pool *pool, uint64_t workers, Error *e)
{
        int r = 0;

        pool->workers = calloc(workers, sizeof *pool->workers);
        if (!pool->workers)
                return error_oom(e);
        pool->n = workers;
        for (size_t i = 0; i < pool->n; i++) {
                PoolWorker *w = &pool->workers[i];
                *w = (PoolWorker){.pool = pool, .socket = -1, .restart_usec = RESTART_MIN_USEC};
                snprintf(w->name, sizeof w->name, "%zu", i + 1);
        }
        for (size_t i = 0; i < pool->n && r >= 0; i++)
                r = start_worker(&pool->workers[i]);
        return r < 0 ? error_errno(e, r, "starting %s", pool->program) : 0;
}

int pool_new(sd_event *event, const PoolOptions *options, const PoolEvents *events, void *userdata, Pool **ret, Error *e)
{
        Pool *pool = calloc(1, sizeof *pool);

        if (!pool)
                return error_oom(e);
        *pool = (Pool){.event = event,
                       .events = events,
                       .userdata = userdata,
                       .listener = -1,
                       .jobs_per_worker = options->jobs_per_worker};
        pool->program = strdup(options->program);
        if (!pool->program || asprintf(&pool->socket_path, "%s/worker.sock", options->state_directory) < 0) {
                pool->socket_path = NULL;
                pool_free(pool);
                return error_oom(e);
        }
        int r = pool->listener = open_listener(pool->socket_path, e);
        if (r >= 0)
                r = sd_event_add_io(event, &pool->accepting, pool->listener, EPOLLIN, on_connect, pool);
        if (r >= 0)
                r = start_all(pool, options->workers, e);
        if (r < 0) {
                pool_free(pool);
                return r;
        }
        *ret = pool;
        return 0;
}

Pool *pool_free(Pool *pool)
{
        pool->closing = true;
        for (size_t i = 0; i < pool->n; i++) {
                PoolWorker *w = &pool->workers[i];
                sd_event_source_disable_unref(w->child);
                sd_event_source_disable_unref(w->restart);
                disconnect(w); /* a worker without its supervisor ends its jobs and itself */
                if (w->pid > 0)
                        kill(w->pid, SIGTERM);
        }
        for (size_t i = 0; i < pool->n; i++)
                if (pool->workers[i].pid > 0)
                        waitpid(pool->workers[i].pid, NULL, 0);
        sd_event_source_disable_unref(pool->accepting);
        close_fd(pool->listener);
        if (pool->socket_path)
                unlink(pool->socket_path);
        free(pool->workers);
        free(pool->socket_path);
        free(pool->program);
        free(pool);
        return NULL;
}

uint64_t pool_size(const Pool *pool)
{
        uint64_t n = 0;

        for (size_t i = 0; i < pool->n; i++)
                n += pool->workers[i].welcome;
        return n;
}

const char *pool_worker_name(const PoolWorker *w)
{
        return w->name;
}

/* ---- giving them work ---- */

PoolWorker *pool_find_room(Pool *pool)
{
        PoolWorker *best = NULL;

        for (size_t i = 0; i < pool->n; i++) {
                PoolWorker *w = &pool->workers[i];
                if (w->welcome && w->running < pool->jobs_per_worker && (!best || w->running < best->running))
                        best = w;
        }
        return best;
}

static int send_policy(PoolWorker *w, const JailPolicy *policy)
{
        _cleanup_packer_ Packer p = {0};
        const char *digest = jail_policy_digest(policy), *text = jail_policy_text(policy);

        for (size_t i = 0; i < POLICIES_KNOWN; i++)
                if (strcmp(w->known[i], digest) == 0)
                        return 0;
        _cleanup_close_ int fd = sealed_file("policy", text, strlen(text));
        if (fd < 0)
                return fd;
        pack_number(&p, WORKER_POLICY);
        pack_string(&p, jail_policy_name(policy));
        int r = send_packed(w, &p, &fd, 1);
        if (r >= 0)
                snprintf(w->known[w->n_known++ % POLICIES_KNOWN], sizeof w->known[0], "%s", digest);
        return r;
}

/* Its end of the socket is closed, and we have not been told yet. */
static bool is_gone(int r)
{
        return r == -EPIPE || r == -ECONNRESET || r == -ENOTCONN || r == -EBADF;
}

int pool_run(PoolWorker *w, const RunOrder *order, const JailPolicy *policy, const int *fds, size_t n_fds)
{
        _cleanup_packer_ Packer document = {0}, p = {0};
        int all[RUN_FDS_MAX];
        int r = send_policy(w, policy);

        if (is_gone(r)) {
                expel(w, "it does not take messages");
                return -ENOTCONN;
        }
        run_order_pack(&document, order);
        pack_number(&p, WORKER_RUN);
        if (r < 0 || document.failed || n_fds + 1 > RUN_FDS_MAX)
                return r < 0 ? r : -ENOMEM;
        _cleanup_close_ int fd = sealed_file("run", document.data, document.size);
        if (fd < 0)
                return fd;
        all[RUN_ORDER] = fd;
        memcpy(&all[RUN_STDOUT], fds, n_fds * sizeof *fds);
        r = send_packed(w, &p, all, n_fds + 1);
        if (is_gone(r)) {
                expel(w, "it does not take messages");
                return -ENOTCONN;
        }
        if (r >= 0)
                w->running++;
        return r;
}

void pool_cancel(PoolWorker *w, const char *job)
{
        _cleanup_packer_ Packer p = {0};

        pack_number(&p, WORKER_CANCEL);
        pack_string(&p, job);
        if (send_packed(w, &p, NULL, 0) < 0)
                expel(w, "it does not take messages");
}
