/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Which workers live. A number from 1 stands for each; who holds the lock on it has it, whoever has started him. So a
 * supervisor sees at its start which workers there are, and awaits what they have to say; who does not connect in time
 * is ended. */

#include "engine/supervisor/pool_private.h"

#include "engine/base/clock.h"
#include "engine/base/fd.h"

#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/syscall.h>

#define AWAIT_USEC (10 * USEC_PER_SECOND) /* from its start, or ours, to its first message */
#define POLL_MSEC 2

int pool_open_lock(const char *socket_path, Error *e)
{
        _cleanup_free_ char *path = NULL;

        if (asprintf(&path, "%s" WORKER_LOCK_SUFFIX, socket_path) < 0)
                return error_oom(e);
        int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
        return fd < 0 ? error_errno(e, -errno, "%s", path) : fd;
}

/* The process that has this number; 0: none. */
static pid_t find_holder(const Pool *pool, unsigned number)
{
        struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = number, .l_len = 1};

        if (fcntl(pool->lock, F_GETLK, &lock) < 0 || lock.l_type == F_UNLCK)
                return 0;
        return lock.l_pid;
}

static bool has_jails(const Pool *pool, unsigned number)
{
        struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = WORKER_JAILS_LOCK + number, .l_len = 1};

        return fcntl(pool->lock, F_OFD_GETLK, &lock) == 0 && lock.l_type != F_UNLCK;
}

bool pool_worker_has_jails(const PoolWorker *w)
{
        return has_jails(w->pool, w->number);
}

void pool_wait_for_jails(const Pool *pool)
{
        for (unsigned number = 1; number <= WORKER_NUMBER_MAX; number++)
                for (int msec = 0; msec < POOL_END_MSEC && has_jails(pool, number) && find_holder(pool, number) == 0; msec += POLL_MSEC)
                        poll(NULL, 0, POLL_MSEC);
}

/* Takes a worker over that somebody else has started. */
static int adopt(PoolWorker *w, pid_t pid)
{
        _cleanup_close_ int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);

        if (pidfd < 0)
                return -errno;
        /* As long as it has the lock, it is the one whose pid this was, and no later process of the same. */
        if (find_holder(w->pool, w->number) != pid)
                return -ESRCH;
        if (w->state == WORKER_GONE)
                pool_set_state(w, WORKER_STARTING);
        return pool_worker_watch(w, pid, take_fd(pidfd));
}

int pool_find_living(Pool *pool, Error *e)
{
        for (unsigned number = 1; number <= WORKER_NUMBER_MAX; number++) {
                pid_t pid = find_holder(pool, number);
                PoolWorker *w = pid > 0 ? pool_worker_new(pool, number) : NULL;
                if (pid <= 0)
                        continue;
                if (!w)
                        return error_oom(e);
                if (adopt(w, pid) < 0) {
                        pool_worker_free(w); /* it has just ended */
                        continue;
                }
                w->awaited = true;
                pool_worker_expect(w, AWAIT_USEC);
        }
        return 0;
}

PoolWorker *pool_find_process(Pool *pool, pid_t pid)
{
        PoolWorker *w;

        TAILQ_FOREACH(w, &pool->workers, entry)
                if (w->pid == pid)
                        return w;
        for (unsigned number = 1; number <= WORKER_NUMBER_MAX; number++) {
                if (find_holder(pool, number) != pid)
                        continue;
                w = pool_find_number(pool, number);
                if (w && w->ending)
                        return NULL; /* it will try again */
                if (w && w->pid > 0) {
                        /* Two of the same number: the one that has the lock is the right one. It will try again. */
                        pool->starter->end(pool->starter->userdata, w->name, w->pidfd, true);
                        return NULL;
                }
                if (!w)
                        w = pool_worker_new(pool, number);
                if (!w)
                        return NULL;
                if (adopt(w, pid) < 0) {
                        pool_worker_free(w);
                        pool_balance(pool);
                        return NULL;
                }
                pool_worker_expect(w, AWAIT_USEC);
                return w;
        }
        return NULL;
}
