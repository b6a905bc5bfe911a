/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Which workers there are, and as many as are wanted: started, started again, drained. Those that live already are found
 * by pool_living.c. */

#include "engine/supervisor/pool_private.h"

#include "engine/base/clock.h"
#include "engine/base/fd.h"
#include "engine/base/log.h"

#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>

#define RESTART_MIN_USEC (100 * USEC_PER_MSEC)
#define RESTART_MAX_USEC (10 * USEC_PER_SECOND)
#define START_USEC (30 * USEC_PER_SECOND)  /* from its start to its first message */

static const char *const state_names[WORKER_STATE_MAX] = {
        [WORKER_STARTING] = "starting", [WORKER_READY] = "ready", [WORKER_DRAINING] = "draining", [WORKER_GONE] = "gone"};

#define TO(state) (1U << (state))

static const unsigned transitions[WORKER_STATE_MAX] = {
        [WORKER_STARTING] = TO(WORKER_READY) | TO(WORKER_DRAINING) | TO(WORKER_GONE),
        [WORKER_READY] = TO(WORKER_DRAINING) | TO(WORKER_GONE),
        [WORKER_DRAINING] = TO(WORKER_GONE),
        [WORKER_GONE] = TO(WORKER_STARTING),
};

const char *worker_state_name(WorkerState state)
{
        return state_names[state];
}

void pool_set_state(PoolWorker *w, WorkerState state)
{
        if (!(transitions[w->state] & TO(state)))
                log_message(LOG_LEVEL_ERROR, &(LogFields){.worker = w->name}, "worker %s: %s cannot become %s", w->name,
                            state_names[w->state], state_names[state]);
        w->state = state;
        w->pool->events->changed(w, POOL_WORKER_STATE, w->pool->userdata);
}

/* ---- the set ---- */

PoolWorker *pool_find_number(const Pool *pool, unsigned number)
{
        PoolWorker *w;

        TAILQ_FOREACH(w, &pool->workers, entry)
                if (w->number == number)
                        return w;
        return NULL;
}

PoolWorker *pool_worker_new(Pool *pool, unsigned number)
{
        PoolWorker *w = calloc(1, sizeof *w), *after;

        if (!w)
                return NULL;
        *w = (PoolWorker){
                .pool = pool, .number = number, .state = WORKER_GONE, .pidfd = -1, .socket = -1, .warm = UINT64_MAX};
        STAILQ_INIT(&w->unsent);
        snprintf(w->name, sizeof w->name, "%u", number);
        TAILQ_FOREACH(after, &pool->workers, entry)
                if (after->number > number)
                        break;
        if (after)
                TAILQ_INSERT_BEFORE(after, w, entry);
        else
                TAILQ_INSERT_TAIL(&pool->workers, w, entry);
        pool->events->changed(w, POOL_WORKER_ADDED, pool->userdata);
        return w;
}

void pool_worker_free(PoolWorker *w)
{
        w->pool->events->changed(w, POOL_WORKER_REMOVED, w->pool->userdata);
        TAILQ_REMOVE(&w->pool->workers, w, entry);
        pool_worker_disconnect(w);
        pool_worker_unwatch(w);
        free(w->why);
        free(w);
}

/* ---- who was there before us ---- */

bool pool_is_settled(const Pool *pool)
{
        const PoolWorker *w;

        TAILQ_FOREACH(w, &pool->workers, entry)
                if (w->awaited)
                        return false;
        return true;
}

void pool_check_settled(Pool *pool)
{
        if (pool->settled || !pool_is_settled(pool))
                return;
        pool->settled = true;
        pool->events->settled(pool->userdata);
}

/* ---- as many as are wanted ---- */

static int start_worker(PoolWorker *w);

static int on_restart(sd_event_source *source _unused_, uint64_t usec _unused_, void *userdata)
{
        PoolWorker *w = userdata;

        w->timer = sd_event_source_disable_unref(w->timer);
        start_worker(w);
        return 0;
}

/* One that fails at once is not started in a tight circle. */
static void restart_later(PoolWorker *w)
{
        if (monotonic_usec() - w->began_usec > USEC_PER_SECOND || w->restart_usec == 0)
                w->restart_usec = RESTART_MIN_USEC;
        else
                w->restart_usec = w->restart_usec * 2 < RESTART_MAX_USEC ? w->restart_usec * 2 : RESTART_MAX_USEC;
        if (sd_event_add_time_relative(w->pool->event, &w->timer, CLOCK_MONOTONIC, w->restart_usec, 0, on_restart, w) < 0)
                log_message(LOG_LEVEL_ERROR, &(LogFields){.worker = w->name}, "worker %s: its timer cannot be set",
                            w->name);
}

/* Said once, however often it is tried. */
static void note_failure(PoolWorker *w, const char *why)
{
        if (!w->why || strcmp(w->why, why) != 0)
                log_message(LOG_LEVEL_ERROR, &(LogFields){.event = LOG_EVENT_WORKER_NOT_STARTED, .worker = w->name},
                            "worker %s cannot be started: %s", w->name, why);
        free(w->why);
        w->why = strdup(why);
}

static int start_worker(PoolWorker *w)
{
        const PoolStarter *starter = w->pool->starter;
        _cleanup_error_ Error e = ERROR_NULL;
        pid_t pid;

        w->began_usec = monotonic_usec();
        w->started_usec = realtime_usec();
        int r = starter->start(starter->userdata, w->pool, w->name, &pid, &e);
        if (r >= 0 || r == -EINPROGRESS) {
                pool_set_state(w, WORKER_STARTING);
                pool_worker_expect(w, START_USEC);
                return r >= 0 ? pool_worker_watch(w, pid, r) : 0;
        }
        note_failure(w, error_text(&e));
        restart_later(w);
        return r;
}

void pool_worker_failed(Pool *pool, const char *name, const char *why)
{
        PoolWorker *w;

        TAILQ_FOREACH(w, &pool->workers, entry)
                if (strcmp(w->name, name) == 0)
                        break;
        /* One that has come has come, whatever is said of its start; and one that is ending has jobs to lose. */
        if (!w || w->pid > 0 || w->ending || w->state == WORKER_GONE)
                return;
        bool drained = w->state == WORKER_DRAINING;
        note_failure(w, why);
        pool_worker_unwatch(w);
        pool_set_state(w, WORKER_GONE);
        if (drained)
                pool_worker_free(w);
        else
                restart_later(w);
}

void pool_note_start(PoolWorker *w)
{
        Pool *pool = w->pool;
        uint64_t usec = monotonic_usec() - w->began_usec, faded = pool->start_usec - pool->start_usec / 8;

        free(w->why);
        w->why = NULL;
        /* The slow ones count: who plans ahead must not be late. */
        pool->start_usec = usec > faded ? usec : faded;
}

void pool_worker_ended(PoolWorker *w)
{
        Pool *pool = w->pool;
        bool drained = w->state == WORKER_DRAINING;

        w->awaited = w->ending = false;
        pool_set_state(w, WORKER_GONE);
        pool->events->lost(w, pool->userdata);
        if (drained)
                pool_worker_free(w);
        else
                restart_later(w);
        pool_check_settled(pool);
        pool_balance(pool);
}

static uint64_t count_wanted(const Pool *pool)
{
        const PoolWorker *w;
        uint64_t n = 0;

        TAILQ_FOREACH(w, &pool->workers, entry)
                n += w->state != WORKER_DRAINING;
        return n;
}

/* Who has the least to do; of equal ones, the last. */
static PoolWorker *find_surplus(const Pool *pool)
{
        PoolWorker *best = NULL, *w;

        TAILQ_FOREACH(w, &pool->workers, entry)
                if (w->state != WORKER_DRAINING && (!best || w->kept <= best->kept))
                        best = w;
        return best;
}

static int add_worker(Pool *pool)
{
        unsigned number = 1;

        while (pool_find_number(pool, number))
                number++;
        PoolWorker *w = number <= WORKER_NUMBER_MAX ? pool_worker_new(pool, number) : NULL;
        return w ? start_worker(w) : -ENOMEM;
}

void pool_balance(Pool *pool)
{
        uint64_t n = count_wanted(pool);

        /* Until each has said what it has, none can be said to have the least. */
        if (!pool->settled)
                return;
        for (; n > pool->target; n--) {
                PoolWorker *w = find_surplus(pool);
                if (w->state == WORKER_GONE) {
                        pool_worker_free(w);
                        continue;
                }
                pool_set_state(w, WORKER_DRAINING);
                pool_worker_stop(w);
        }
        for (; n < pool->target; n++)
                if (add_worker(pool) == -ENOMEM)
                        return;
}

int pool_scale(Pool *pool, uint64_t workers)
{
        if (workers < pool->minimum || workers > pool->maximum)
                return -ERANGE;
        pool->target = workers;
        pool_balance(pool);
        return 0;
}

void pool_set_limits(Pool *pool, uint64_t minimum, uint64_t maximum)
{
        uint64_t target = pool->target < minimum ? minimum : pool->target > maximum ? maximum : pool->target;

        pool->minimum = minimum;
        pool->maximum = maximum;
        pool_scale(pool, target);
}

/* ---- jails that are to be ready ---- */

static void forget_warm(Pool *pool)
{
        for (size_t i = 0; i < pool->n_warm; i++)
                jail_policy_unref(pool->warm[i].policy);
        pool->n_warm = 0;
}

void pool_keep_warm(Pool *pool, const PoolWarm *wanted, size_t n)
{
        PoolWorker *w;

        forget_warm(pool);
        for (size_t i = 0; i < n && i < ELEMENTS(pool->warm); i++)
                pool->warm[pool->n_warm++] = (PoolWarm){jail_policy_ref(wanted[i].policy), wanted[i].jails};
        TAILQ_FOREACH(w, &pool->workers, entry)
                pool_worker_keep_warm(w);
}

/* ---- start and end ---- */

/* It gets its name when it listens: who finds it can connect. */
static int open_listener(const char *path, Error *e)
{
        struct sockaddr_un address = {.sun_family = AF_UNIX};
        _cleanup_close_ int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

        if ((size_t)snprintf(address.sun_path, sizeof address.sun_path, "%s.", path) >= sizeof address.sun_path)
                return error_set(e, -ENAMETOOLONG, "%s: the path of a socket may have %zu characters", path,
                                 sizeof address.sun_path - 2);
        if (unlink(address.sun_path) < 0 && errno != ENOENT)
                return error_errno(e, -errno, "%s", address.sun_path);
        if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof address) < 0 || chmod(address.sun_path, 0600) < 0 ||
            listen(fd, SOMAXCONN) < 0 || rename(address.sun_path, path) < 0)
                return error_errno(e, -errno, "%s", path);
        return take_fd(fd);
}

int pool_new(sd_event *event, const PoolOptions *options, const PoolEvents *events, void *userdata, Pool **ret, Error *e)
{
        Pool *pool = calloc(1, sizeof *pool);

        if (!pool)
                return error_oom(e);
        *pool = (Pool){
                .event = event,
                .events = events,
                .userdata = userdata,
                .starter = options->starter,
                .listener = -1,
                .lock = -1,
                .target = options->workers,
                .minimum = options->minimum,
                .maximum = options->maximum,
                .jobs_per_worker = options->jobs_per_worker,
        };
        TAILQ_INIT(&pool->workers);
        if (asprintf(&pool->socket_path, "%s/" POOL_SOCKET, options->state_directory) < 0) {
                pool->socket_path = NULL;
                pool_free(pool, true);
                return error_oom(e);
        }
        int r = pool->lock = pool_open_lock(pool->socket_path, e);
        if (r >= 0)
                pool_wait_for_jails(pool);
        if (r >= 0)
                r = pool_find_living(pool, e);
        if (r >= 0)
                r = pool->listener = open_listener(pool->socket_path, e);
        if (r >= 0)
                r = sd_event_add_io(event, &pool->accepting, pool->listener, EPOLLIN, pool_on_connect, pool);
        if (r < 0) {
                pool_free(pool, true);
                return r;
        }
        pool->settled = pool_is_settled(pool);
        pool_balance(pool);
        *ret = pool;
        return 0;
}

/* Waits for the end of a process; false when that takes too long. */
static bool wait_for_end(const PoolWorker *w, uint64_t until_usec)
{
        struct pollfd p = {.fd = w->pidfd, .events = POLLIN};
        siginfo_t info;

        for (;;) {
                uint64_t now = monotonic_usec();
                int n = poll(&p, 1, now < until_usec ? (int)((until_usec - now) / USEC_PER_MSEC) + 1 : 0);
                if (n < 0 && errno == EINTR)
                        continue;
                if (n <= 0)
                        return false;
                waitid(P_PIDFD, (id_t)w->pidfd, &info, WEXITED | WNOHANG);
                return true;
        }
}

static void end_workers(Pool *pool)
{
        uint64_t until_usec = monotonic_usec() + POOL_END_MSEC * USEC_PER_MSEC;
        PoolWorker *w;

        TAILQ_FOREACH(w, &pool->workers, entry)
                if (w->pidfd >= 0)
                        pool->starter->end(pool->starter->userdata, w->name, w->pidfd, false);
        TAILQ_FOREACH(w, &pool->workers, entry) {
                if (w->pidfd < 0 || wait_for_end(w, until_usec))
                        continue;
                pool->starter->end(pool->starter->userdata, w->name, w->pidfd, true);
                wait_for_end(w, monotonic_usec() + POOL_END_MSEC * USEC_PER_MSEC);
        }
}

Pool *pool_free(Pool *pool, bool leave)
{
        sd_event_source_disable_unref(pool->accepting);
        if (!leave)
                end_workers(pool);
        while (!TAILQ_EMPTY(&pool->workers))
                pool_worker_free(TAILQ_FIRST(&pool->workers));
        forget_warm(pool);
        if (pool->listener >= 0)
                unlink(pool->socket_path);
        close_fd(pool->listener);
        close_fd(pool->lock); /* the file stays: others may have it open */
        free(pool->socket_path);
        free(pool);
        return NULL;
}

/* ---- looking ---- */

PoolSize pool_size(const Pool *pool)
{
        PoolSize size = {.target = pool->target, .minimum = pool->minimum, .maximum = pool->maximum};
        const PoolWorker *w;

        TAILQ_FOREACH(w, &pool->workers, entry)
                size.connected += w->phase == PHASE_WORK;
        return size;
}

uint64_t pool_unkept(const Pool *pool)
{
        const PoolWorker *w;
        uint64_t n = 0;

        TAILQ_FOREACH(w, &pool->workers, entry)
                n += w->unkept;
        return n;
}

PoolWorker *pool_next_worker(const Pool *pool, const PoolWorker *before)
{
        return before ? TAILQ_NEXT(before, entry) : TAILQ_FIRST(&pool->workers);
}

const char *pool_worker_name(const PoolWorker *w)
{
        return w->name;
}

const char *pool_socket_path(const Pool *pool)
{
        return pool->socket_path;
}

uint64_t pool_start_usec(const Pool *pool)
{
        return pool->start_usec;
}

PoolWorkerStatus pool_worker_status(const PoolWorker *w)
{
        return (PoolWorkerStatus){
                .state = w->state,
                .pid = w->pid,
                .running = w->running,
                .warm = w->warm,
                .started_usec = w->started_usec,
                .why = w->why,
        };
}

PoolWorker *pool_find_room(Pool *pool)
{
        PoolWorker *best = NULL, *w;

        TAILQ_FOREACH(w, &pool->workers, entry)
                if (w->state == WORKER_READY && w->phase == PHASE_WORK && w->n_unsent == 0 &&
                    w->running < pool->jobs_per_worker && w->kept < WORKER_ATTEMPTS_MAX && (!best || w->running < best->running))
                        best = w;
        return best;
}

void pool_acknowledge(Pool *pool, const char *name, const char *job, uint64_t attempt)
{
        PoolWorker *w;

        TAILQ_FOREACH(w, &pool->workers, entry)
                if (strcmp(w->name, name) == 0)
                        pool_worker_acknowledge(w, job, attempt);
}
