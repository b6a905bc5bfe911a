/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The pool, with workers that say what we want: each is a forked process that plays a part. */

#include "engine/base/clock.h"
#include "engine/base/fd.h"
#include "engine/base/remove_tree.h"
#include "engine/supervisor/pool.h"
#include "tests/unit/unit.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>

#define PATIENCE_USEC (20 * USEC_PER_SECOND)

typedef void (*Part)(int socket);

static char directory[] = "/tmp/skep-pool-XXXXXX";
static sd_event *event;
static Pool *pool;
static Part part;
static unsigned n_room, n_reported, n_claimed, n_settled, n_lost, n_spawned, n_there;
static uint64_t n_unkept;
static bool wanted; /* what is claimed */
static char reported_by[8], report[64];

/* ---- in the worker ---- */

static void hold_number(const char *name)
{
        struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = atoi(name), .l_len = 1};
        char path[64];

        snprintf(path, sizeof path, "%s/worker.sock" WORKER_LOCK_SUFFIX, directory);
        int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
        if (fcntl(fd, F_SETLK, &lock) < 0)
                _exit(3);
}

static int connect_to_pool(void)
{
        struct sockaddr_un address = {.sun_family = AF_UNIX};
        int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

        snprintf(address.sun_path, sizeof address.sun_path, "%s/worker.sock", directory);
        while (connect(fd, (struct sockaddr *)&address, sizeof address) < 0)
                usleep(1000);
        return fd;
}

static void say(int socket, const WorkerMessage *message)
{
        Packer p = {0};

        worker_message_pack(&p, message);
        send_message(socket, p.data, p.size, NULL, 0);
        packer_done(&p);
}

/* The kind of what was heard; 0 when the supervisor has gone, or says what it may not. */
static WorkerMessageKind hear(int socket, WorkerPhase phase, uint64_t version, WorkerMessage *m, size_t *ret_fds)
{
        static char data[WORKER_MESSAGE_MAX];
        _cleanup_error_ Error e = ERROR_NULL;
        int fds[RUN_FDS_MAX];
        size_t n_fds = ELEMENTS(fds);
        ssize_t n = receive_message(socket, data, sizeof data, fds, &n_fds);

        close_many(fds, n > 0 ? n_fds : 0);
        if (ret_fds)
                *ret_fds = n_fds;
        if (n <= 0 || worker_message_read(data, (size_t)n, n_fds, SIDE_SUPERVISOR, phase, version, m, &e) < 0)
                return 0;
        return m->kind;
}

static void greet(int socket, uint64_t version)
{
        WorkerMessage m;

        say(socket, &(WorkerMessage){.kind = WORKER_HELLO, .oldest = version, .version = version, .name = "1"});
        if (hear(socket, PHASE_GREETED, 0, &m, NULL) != WORKER_WELCOME || m.version != version)
                _exit(1);
}

static void wait_for_stop(int socket)
{
        WorkerMessage m;
        WorkerMessageKind kind;

        while ((kind = hear(socket, PHASE_WORK, WORKER_VERSION, &m, NULL)) != 0 && kind != WORKER_STOP)
                ;
        _exit(kind == WORKER_STOP ? 0 : 1);
}

static void play_ready(int socket)
{
        greet(socket, 2);
        say(socket, &(WorkerMessage){.kind = WORKER_ATTEMPTS});
        wait_for_stop(socket);
}

/* ---- in the supervisor ---- */

static pid_t play(const char *name, Part what)
{
        pid_t pid = fork();

        if (pid != 0)
                return pid;
        hold_number(name);
        what(connect_to_pool());
        _exit(0);
}

static int start(void *userdata _unused_, Pool *whose _unused_, const char *name, pid_t *ret_pid,
                 Error *e _unused_)
{
        n_spawned++;
        *ret_pid = play(name, part);
        return (int)syscall(SYS_pidfd_open, *ret_pid, 0);
}

static void end(void *userdata _unused_, const char *name _unused_, int pidfd, bool now _unused_)
{
        syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, NULL, 0);
}

static const PoolStarter starter = {.start = start, .end = end};

static void on_room(void *userdata _unused_)
{
        n_room++;
}

static void on_started(PoolWorker *w _unused_, const char *job _unused_, uint64_t attempt _unused_, void *userdata _unused_)
{
}

static void on_reported(PoolWorker *w, const char *job, uint64_t attempt, const char *text, void *userdata _unused_)
{
        n_reported++;
        snprintf(reported_by, sizeof reported_by, "%s", pool_worker_name(w));
        snprintf(report, sizeof report, "%s %d %s", job, (int)attempt, text);
        pool_acknowledge(pool, pool_worker_name(w), job, attempt);
}

static bool on_claimed(PoolWorker *w _unused_, const WorkerAttempt *attempt _unused_, void *userdata _unused_)
{
        n_claimed++;
        ck_assert_uint_eq(n_settled, 0);
        return wanted;
}

static void on_settled(void *userdata _unused_)
{
        n_settled++;
}

static void on_lost(PoolWorker *w _unused_, void *userdata _unused_)
{
        n_lost++;
}

static void on_unkept(void *userdata _unused_)
{
        n_unkept = pool_unkept(pool);
}

static void on_changed(const PoolWorker *w _unused_, PoolChange change, void *userdata _unused_)
{
        n_there += change == POOL_WORKER_ADDED;
        n_there -= change == POOL_WORKER_REMOVED;
}

static const PoolEvents events = {
        .changed = on_changed,
        .has_room = on_room,
        .started = on_started,
        .reported = on_reported,
        .claimed = on_claimed,
        .settled = on_settled,
        .unkept = on_unkept,
        .lost = on_lost,
};

static void make_pool(unsigned workers)
{
        const PoolOptions options = {.state_directory = directory,
                                     .starter = &starter,
                                     .workers = workers,
                                     .minimum = 0,
                                     .maximum = 9,
                                     .jobs_per_worker = 2};
        _cleanup_error_ Error e = ERROR_NULL;

        assert_ok(pool_new(event, &options, &events, NULL, &pool, &e), &e);
}

/* Runs the loop until it is so. */
#define loop_until(condition)                                                        \
        do {                                                                         \
                uint64_t _until = monotonic_usec() + PATIENCE_USEC;                  \
                while (!(condition)) {                                               \
                        ck_assert_msg(monotonic_usec() < _until, "%s", #condition);  \
                        sd_event_run(event, 100000);                                 \
                }                                                                    \
        } while (0)

static void set_up(void)
{
        strcpy(directory + strlen(directory) - 6, "XXXXXX");
        ck_assert_ptr_nonnull(mkdtemp(directory));
        ck_assert_int_ge(sd_event_new(&event), 0);
        n_room = n_reported = n_claimed = n_settled = n_lost = n_spawned = n_there = 0;
        n_unkept = 0;
        wanted = true;
        part = play_ready;
}

static void tear_down(void)
{
        if (pool)
                pool = pool_free(pool, false);
        sd_event_unref(event);
        remove_tree_at(AT_FDCWD, directory);
}

static void run_something(PoolWorker *w)
{
        char *command[] = {(char *)"true", NULL};
        _cleanup_policy_ JailPolicy *policy = NULL;
        _cleanup_error_ Error e = ERROR_NULL;
        _cleanup_close_ int null = open("/dev/null", O_RDWR | O_CLOEXEC),
                            outputs = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        const int fds[] = {outputs, null}; /* from RUN_OUTPUT on */

        assert_ok(jail_policy_from_text("test", "{\"syscalls\": {\"allow\": [\"execve\", \"exit_group\"]}}", &policy, &e), &e);
        ck_assert_ptr_nonnull(w);
        ck_assert_int_eq(pool_run(w, &(RunOrder){.job = "a", .attempt = 1, .policy_digest = jail_policy_digest(policy),
                                                 .command = command}, policy, fds, ELEMENTS(fds)), 0);
}

/* ---- the tests ---- */

START_TEST(test_workers_are_started_scaled_and_drained)
{
        make_pool(2);
        ck_assert(pool_is_settled(pool));
        loop_until(pool_size(pool).connected == 2);
        ck_assert_uint_eq(n_there, 2);
        ck_assert_int_eq(pool_scale(pool, 4), 0);
        ck_assert_uint_eq(n_there, 4);
        loop_until(pool_size(pool).connected == 4);
        ck_assert_int_eq(pool_scale(pool, 10), -ERANGE);
        ck_assert_uint_eq(pool_size(pool).target, 4);
        run_something(pool_find_room(pool)); /* the first: so it is not the one that goes */
        ck_assert_int_eq(pool_scale(pool, 1), 0);
        loop_until(pool_size(pool).connected == 1 && !pool_next_worker(pool, pool_next_worker(pool, NULL)));
        ck_assert_str_eq(pool_worker_name(pool_next_worker(pool, NULL)), "1");
        ck_assert_int_eq(pool_worker_status(pool_next_worker(pool, NULL)).state, WORKER_READY);
        ck_assert_uint_eq(n_spawned, 4);
        ck_assert_int_eq(pool_scale(pool, 0), 0);
        loop_until(!pool_next_worker(pool, NULL));
}
END_TEST

START_TEST(test_a_worker_that_dies_is_lost_and_started_again)
{
        make_pool(1);
        loop_until(pool_size(pool).connected == 1);
        kill(pool_worker_status(pool_next_worker(pool, NULL)).pid, SIGKILL);
        loop_until(n_lost == 1);
        ck_assert_int_eq(pool_worker_status(pool_next_worker(pool, NULL)).state, WORKER_GONE);
        ck_assert_ptr_null(pool_find_room(pool));
        loop_until(pool_size(pool).connected == 1);
        ck_assert_uint_eq(n_spawned, 2);
}
END_TEST

START_TEST(test_a_worker_whose_jails_are_there_is_not_lost_yet)
{
        struct flock lock = {.l_type = F_RDLCK, .l_whence = SEEK_SET, .l_start = WORKER_JAILS_LOCK + 1, .l_len = 1};
        char path[64];

        make_pool(1);
        loop_until(pool_size(pool).connected == 1);
        snprintf(path, sizeof path, "%s/worker.sock" WORKER_LOCK_SUFFIX, directory);
        int launcher = open(path, O_RDWR | O_CLOEXEC);
        ck_assert_int_eq(fcntl(launcher, F_OFD_SETLK, &lock), 0);
        kill(pool_worker_status(pool_next_worker(pool, NULL)).pid, SIGKILL);
        loop_until(pool_size(pool).connected == 0);
        for (int i = 0; i < 10; i++)
                sd_event_run(event, 10000);
        ck_assert_uint_eq(n_lost, 0);
        ck_assert_uint_eq(n_spawned, 1);
        /* What systemd says of its unit meanwhile changes nothing. */
        pool_worker_failed(pool, "1", "its unit has failed");
        for (int i = 0; i < 10; i++)
                sd_event_run(event, 10000);
        ck_assert_uint_eq(n_lost, 0);
        ck_assert_uint_eq(n_spawned, 1);
        close(launcher);
        loop_until(n_lost == 1);
        loop_until(pool_size(pool).connected == 1);
        ck_assert_uint_eq(n_spawned, 2);
}
END_TEST

/* It does not read before there is a file, and says what it was told then. */
#define MANY_CANCELS 600

static void play_slow(int socket)
{
        char text[32], file[64];
        WorkerMessage m;
        unsigned n = 0;
        size_t n_fds;

        greet(socket, 2);
        say(socket, &(WorkerMessage){.kind = WORKER_ATTEMPTS});
        snprintf(file, sizeof file, "%s/read", directory);
        while (access(file, F_OK) < 0)
                usleep(1000);
        for (; n < MANY_CANCELS; n++)
                if (hear(socket, PHASE_WORK, 2, &m, NULL) != WORKER_CANCEL || m.attempt != n + 1)
                        break;
        snprintf(text, sizeof text, "{\"heard\":%u}", n);
        say(socket, &(WorkerMessage){.kind = WORKER_REPORT, .job = "a", .attempt = 1, .report = text});
        if (hear(socket, PHASE_WORK, 2, &m, NULL) != WORKER_POLICY || hear(socket, PHASE_WORK, 2, &m, &n_fds) != WORKER_RUN)
                _exit(1);
        wait_for_stop(socket);
}

START_TEST(test_a_worker_that_is_slow_is_told_later_and_in_order)
{
        char file[64];

        part = play_slow;
        make_pool(1);
        loop_until(pool_size(pool).connected == 1);
        for (uint64_t attempt = 1; attempt <= MANY_CANCELS; attempt++)
                pool_cancel(pool_next_worker(pool, NULL), "a", attempt);
        ck_assert_uint_eq(pool_size(pool).connected, 1);
        ck_assert_ptr_null(pool_find_room(pool));
        snprintf(file, sizeof file, "%s/read", directory);
        close(open(file, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
        n_room = 0;
        loop_until(n_reported == 1);
        ck_assert_str_eq(report, "a 1 {\"heard\":600}");
        ck_assert_ptr_nonnull(pool_find_room(pool));
        ck_assert_uint_ge(n_room, 2); /* of the report, and before, when it had read all */
        ck_assert_uint_eq(n_lost, 0);
        run_something(pool_find_room(pool));
}
END_TEST

START_TEST(test_a_worker_that_does_not_read_is_not_told_for_ever)
{
        part = play_slow;
        make_pool(1);
        loop_until(pool_size(pool).connected == 1);
        for (uint64_t attempt = 1; pool_size(pool).connected == 1; attempt++) {
                ck_assert_uint_lt(attempt, 100000);
                pool_cancel(pool_next_worker(pool, NULL), "a", attempt);
        }
        loop_until(n_lost == 1);
}
END_TEST

/* It says nothing of its condition, and what it would say now is out of turn. */
static void play_version_before(int socket)
{
        WorkerMessage m;
        size_t n_fds;

        greet(socket, WORKER_VERSION_MIN);
        say(socket, &(WorkerMessage){.kind = WORKER_ATTEMPTS});
        if (hear(socket, PHASE_WORK, WORKER_VERSION_MIN, &m, NULL) != WORKER_POLICY ||
            hear(socket, PHASE_WORK, WORKER_VERSION_MIN, &m, &n_fds) != WORKER_RUN || n_fds != RUN_INPUTS ||
            hear(socket, PHASE_WORK, WORKER_VERSION_MIN, &m, NULL) != WORKER_CANCEL || strcmp(m.job, "a") != 0)
                _exit(1);
        say(socket, &(WorkerMessage){.kind = WORKER_REPORT, .job = "a", .attempt = 1, .report = "{}"});
        if (hear(socket, PHASE_WORK, WORKER_VERSION_MIN, &m, NULL) != WORKER_CANCEL || m.attempt != 2)
                _exit(1);
        say(socket, &(WorkerMessage){.kind = WORKER_REPORT, .job = "b", .attempt = 2, .report = "{}"});
        if (hear(socket, PHASE_WORK, WORKER_VERSION_MIN, &m, NULL) != WORKER_CANCEL)
                _exit(1);
        say(socket, &(WorkerMessage){.kind = WORKER_CONDITION, .warm = 3});
        hear(socket, PHASE_WORK, WORKER_VERSION_MIN, &m, NULL);
}

START_TEST(test_the_version_before_is_understood)
{
        part = play_version_before;
        make_pool(1);
        loop_until(pool_size(pool).connected == 1);
        PoolWorker *w = pool_find_room(pool);
        run_something(w);
        pool_cancel(w, "a", 1);
        loop_until(n_reported == 1);
        ck_assert_str_eq(report, "a 1 {}");
        pool_cancel(w, "b", 2);
        loop_until(n_reported == 2);
        ck_assert_uint_eq(n_lost, 0);
        ck_assert_uint_eq(pool_worker_status(w).running, 0);
        pool_cancel(w, "c", 3);
        loop_until(n_lost == 1);
}
END_TEST

static void play_warm(int socket)
{
        greet(socket, WORKER_VERSION);
        say(socket, &(WorkerMessage){.kind = WORKER_ATTEMPTS});
        say(socket, &(WorkerMessage){.kind = WORKER_CONDITION, .warm = 7});
        wait_for_stop(socket);
}

START_TEST(test_a_worker_says_how_many_jails_it_keeps_ready)
{
        part = play_warm;
        make_pool(1);
        const PoolWorker *w = pool_next_worker(pool, NULL);
        ck_assert_uint_eq(pool_worker_status(w).warm, UINT64_MAX);
        loop_until(pool_worker_status(w).warm == 7);
        kill(pool_worker_status(w).pid, SIGKILL);
        loop_until(n_lost == 1);
        ck_assert_uint_eq(pool_worker_status(w).warm, UINT64_MAX);
}
END_TEST

static void play_unkept(int socket)
{
        greet(socket, WORKER_VERSION);
        say(socket, &(WorkerMessage){.kind = WORKER_ATTEMPTS});
        say(socket, &(WorkerMessage){.kind = WORKER_UNKEPT, .unkept = 2});
        say(socket, &(WorkerMessage){.kind = WORKER_UNKEPT, .unkept = 1});
        wait_for_stop(socket);
}

START_TEST(test_a_worker_says_what_it_has_no_room_for)
{
        part = play_unkept;
        make_pool(1);
        loop_until(n_unkept == 2);
        loop_until(n_unkept == 1);
        kill(pool_worker_status(pool_next_worker(pool, NULL)).pid, SIGKILL);
        loop_until(n_lost == 1);
        ck_assert_uint_eq(pool_unkept(pool), 0);
}
END_TEST

/* It ends where it is told what it was not to be told. */
static void play_expecting(int socket)
{
        WorkerMessage m;

        greet(socket, WORKER_VERSION);
        say(socket, &(WorkerMessage){.kind = WORKER_ATTEMPTS});
        /* Three in two workers. */
        if (hear(socket, PHASE_WORK, WORKER_VERSION, &m, NULL) != WORKER_POLICY ||
            hear(socket, PHASE_WORK, WORKER_VERSION, &m, NULL) != WORKER_KEEP_WARM || m.n_levels != 1 ||
            m.levels[0].jails != 2 || strncmp(m.levels[0].policy, "sha256:", 7) != 0)
                _exit(1);
        say(socket, &(WorkerMessage){.kind = WORKER_CONDITION, .warm = 2});
        if (hear(socket, PHASE_WORK, WORKER_VERSION, &m, NULL) != WORKER_KEEP_WARM || m.n_levels != 0)
                _exit(1);
        say(socket, &(WorkerMessage){.kind = WORKER_CONDITION, .warm = 0});
        _exit(hear(socket, PHASE_WORK, WORKER_VERSION, &m, NULL) == WORKER_STOP ? 0 : 1);
}

static bool all_have(uint64_t warm)
{
        for (PoolWorker *w = pool_next_worker(pool, NULL); w; w = pool_next_worker(pool, w))
                if (pool_worker_status(w).warm != warm)
                        return false;
        return true;
}

static void expect_jails(uint64_t jails)
{
        _cleanup_policy_ JailPolicy *policy = NULL;
        _cleanup_error_ Error e = ERROR_NULL;

        assert_ok(jail_policy_from_text("test", "{\"syscalls\": {\"allow\": [\"execve\", \"exit_group\"]}}", &policy, &e), &e);
        pool_keep_warm(pool, &(PoolWarm){policy, jails}, jails ? 1 : 0);
}

START_TEST(test_workers_share_what_jails_are_expected)
{
        part = play_expecting;
        make_pool(2);
        expect_jails(3); /* before they are there */
        loop_until(all_have(2));
        expect_jails(0);
        expect_jails(0); /* said once */
        loop_until(all_have(0));
        ck_assert_uint_eq(n_lost, 0);
        ck_assert_int_eq(pool_scale(pool, 0), 0);
        loop_until(!pool_next_worker(pool, NULL));
        ck_assert_uint_eq(n_spawned, 2);
}
END_TEST

/* What it would not understand it is not told. */
static void play_not_expecting(int socket)
{
        WorkerMessage m;

        greet(socket, WORKER_VERSION_MIN);
        say(socket, &(WorkerMessage){.kind = WORKER_ATTEMPTS});
        _exit(hear(socket, PHASE_WORK, WORKER_VERSION_MIN, &m, NULL) == WORKER_STOP ? 0 : 1);
}

START_TEST(test_the_version_before_is_not_told_what_to_expect)
{
        part = play_not_expecting;
        make_pool(1);
        expect_jails(7);
        loop_until(pool_size(pool).connected == 1);
        expect_jails(5);
        ck_assert_int_eq(pool_scale(pool, 0), 0);
        loop_until(!pool_next_worker(pool, NULL));
        ck_assert_uint_eq(n_spawned, 1);
}
END_TEST

/* It has one job that runs and one that has ended; the first is refused, the second acknowledged. */
static void play_survivor(int socket)
{
        WorkerAttempt attempts[] = {{"runs", 3, 1, 0}, {"ended", 2, 1, 1}};
        WorkerMessage m;

        greet(socket, 2);
        say(socket, &(WorkerMessage){.kind = WORKER_ATTEMPTS, .attempts = attempts, .n_attempts = 2});
        say(socket, &(WorkerMessage){.kind = WORKER_REPORT, .job = "ended", .attempt = 2, .report = "{}"});
        for (bool cancelled = false, acknowledged = false; !cancelled || !acknowledged;) {
                WorkerMessageKind kind = hear(socket, PHASE_WORK, 2, &m, NULL);
                if (kind == 0)
                        _exit(1);
                cancelled |= kind == WORKER_CANCEL && strcmp(m.job, "runs") == 0 && m.attempt == 3;
                acknowledged |= kind == WORKER_ACKNOWLEDGE && m.n_attempts == 1 && m.attempts[0].attempt == 2;
        }
        say(socket, &(WorkerMessage){.kind = WORKER_REPORT, .job = "runs", .attempt = 3, .report = "{\"cancelled\":1}"});
        wait_for_stop(socket);
}

/* A player has it then. */
static void until_locked(const char *path)
{
        struct flock lock = {.l_type = F_UNLCK};

        while (access(path, F_OK) < 0)
                usleep(1000);
        int fd = open(path, O_RDWR | O_CLOEXEC);
        ck_assert_int_ge(fd, 0);
        while (lock.l_type == F_UNLCK) {
                usleep(1000);
                lock = (struct flock){.l_type = F_WRLCK, .l_whence = SEEK_SET};
                ck_assert_int_eq(fcntl(fd, F_GETLK, &lock), 0);
        }
        close(fd);
}

START_TEST(test_what_a_worker_has_from_before_is_claimed_before_anything_else)
{
        pid_t pid = play("7", play_survivor);
        char path[64];

        snprintf(path, sizeof path, "%s/worker.sock" WORKER_LOCK_SUFFIX, directory);
        until_locked(path);
        wanted = false;
        make_pool(1);
        ck_assert(!pool_is_settled(pool));
        ck_assert_int_eq(pool_worker_status(pool_next_worker(pool, NULL)).pid, pid);
        loop_until(n_settled == 1);
        ck_assert_uint_eq(n_claimed, 2);
        loop_until(n_reported == 2);
        ck_assert_str_eq(reported_by, "7");
        ck_assert_str_eq(report, "runs 3 {\"cancelled\":1}");
        ck_assert_uint_eq(n_spawned, 0); /* it is as good as one of ours */
        ck_assert_uint_eq(n_lost, 0);
}
END_TEST

static void play_dead(int socket)
{
        close(socket);
        raise(SIGKILL);
}

START_TEST(test_a_worker_that_ends_before_it_speaks_is_not_waited_for)
{
        pid_t pid = play("2", play_dead); /* as soon as there is somebody to connect to */
        char path[64];

        snprintf(path, sizeof path, "%s/worker.sock" WORKER_LOCK_SUFFIX, directory);
        until_locked(path);
        make_pool(1);
        ck_assert(!pool_is_settled(pool));
        ck_assert_int_eq(pool_worker_status(pool_next_worker(pool, NULL)).pid, pid);
        loop_until(n_settled == 1 && pool_size(pool).connected == 1);
        ck_assert_uint_eq(n_claimed, 0);
        ck_assert_str_eq(pool_worker_name(pool_next_worker(pool, NULL)), "2");
}
END_TEST

/* Messages of a worker that are not as they should be. */
static unsigned bad;

static void play_bad(int socket)
{
        static char large[WORKER_MESSAGE_MAX + 1];
        const WorkerAttempt attempt = {"x", 1, 0, 0};
        WorkerMessage m;

        switch (bad) {
        case 0: /* no greeting */
                say(socket, &(WorkerMessage){.kind = WORKER_ATTEMPTS});
                break;
        case 1: /* of a version that nobody speaks */
                say(socket, &(WorkerMessage){.kind = WORKER_HELLO, .oldest = 77, .version = 78, .name = "1"});
                break;
        case 2: /* what only a supervisor says */
                greet(socket, 2);
                say(socket, &(WorkerMessage){.kind = WORKER_STOP});
                break;
        case 3: /* before it has said what it has */
                greet(socket, 2);
                say(socket, &(WorkerMessage){.kind = WORKER_REPORT, .job = "a", .attempt = 1, .report = "{}"});
                break;
        case 4: /* twice */
                greet(socket, 2);
                say(socket, &(WorkerMessage){.kind = WORKER_ATTEMPTS});
                say(socket, &(WorkerMessage){.kind = WORKER_ATTEMPTS, .attempts = (WorkerAttempt *)&attempt, .n_attempts = 1});
                break;
        case 5:
                send(socket, large, sizeof large, 0);
                break;
        default: /* with descriptors */
                greet(socket, 2);
                send_message(socket, "\11\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 16, &socket, 1);
        }
        hear(socket, PHASE_WORK, 2, &m, NULL);
        pause();
}

START_TEST(test_a_worker_that_breaks_the_protocol_is_ended)
{
        bad = (unsigned)_i;
        part = play_bad;
        make_pool(1);
        loop_until(n_lost >= 1);
        ck_assert_uint_eq(n_claimed + n_reported, 0);
}
END_TEST

Suite *pool_suite(void)
{
        Suite *suite = suite_create("pool");
        TCase *tests = tcase_create("pool");

        tcase_add_checked_fixture(tests, set_up, tear_down);
        tcase_set_timeout(tests, 60);
        tcase_add_test(tests, test_workers_are_started_scaled_and_drained);
        tcase_add_test(tests, test_a_worker_that_dies_is_lost_and_started_again);
        tcase_add_test(tests, test_a_worker_says_what_it_has_no_room_for);
        tcase_add_test(tests, test_a_worker_that_is_slow_is_told_later_and_in_order);
        tcase_add_test(tests, test_a_worker_that_does_not_read_is_not_told_for_ever);
        tcase_add_test(tests, test_the_version_before_is_understood);
        tcase_add_test(tests, test_workers_share_what_jails_are_expected);
        tcase_add_test(tests, test_the_version_before_is_not_told_what_to_expect);
        tcase_add_test(tests, test_a_worker_whose_jails_are_there_is_not_lost_yet);
        tcase_add_test(tests, test_a_worker_says_how_many_jails_it_keeps_ready);
        tcase_add_test(tests, test_what_a_worker_has_from_before_is_claimed_before_anything_else);
        tcase_add_test(tests, test_a_worker_that_ends_before_it_speaks_is_not_waited_for);
        tcase_add_loop_test(tests, test_a_worker_that_breaks_the_protocol_is_ended, 0, 7);
        suite_add_tcase(suite, tests);
        return suite;
}
