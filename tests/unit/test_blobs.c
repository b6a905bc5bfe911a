/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "engine/base/fd.h"
#include "engine/base/remove_tree.h"
#include "engine/supervisor/blobs.h"
#include "engine/supervisor/tenants.h"
#include "tests/unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>

static char directory[] = "/tmp/skep-blobs-XXXXXX";
static sd_event *event;
static Tenants *tenants;
static Tenant *tenant;
static Blobs *blobs;
static bool done;

static void set_up(void)
{
        _cleanup_error_ Error e = ERROR_NULL;
        sigset_t child;

        /* As the supervisor has it: the event loop hears of processes that end. */
        sigemptyset(&child);
        sigaddset(&child, SIGCHLD);
        sigprocmask(SIG_BLOCK, &child, NULL);
        strcpy(directory + strlen(directory) - 6, "XXXXXX");
        ck_assert_ptr_nonnull(mkdtemp(directory));
        ck_assert_int_ge(sd_event_new(&event), 0);
        ck_assert_int_eq(tenants_new(&tenants), 0);
        ck_assert_int_eq(tenants_get(tenants, "a", &tenant), 0);
        assert_ok(blobs_new(event, directory, &blobs, &e), &e);
}

static void tear_down(void)
{
        blobs = blobs_free(blobs);
        tenant_unref(tenant);
        tenants_free(tenants);
        event = sd_event_unref(event);
        remove_tree_at(AT_FDCWD, directory);
}

static void until_done(void)
{
        for (done = false; !done;)
                ck_assert_int_ge(sd_event_run(event, UINT64_MAX), 0);
}

static void on_added(char *const *names, const Error *error, void *userdata)
{
        Error *e = userdata;

        error_set(e, error->code, "%s", names ? "" : error_text(error));
        done = true;
}

static void on_taken(int error, void *userdata)
{
        *(int *)userdata = error;
        done = true;
}

/* Who has this descriptor, as if a client had sent it. */
static Porter *hand_over(int fd)
{
        _cleanup_error_ Error e = ERROR_NULL;
        int pair[2], error = 1;
        Porter *porter;

        ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
        ck_assert_int_ge(send_message(pair[0], "x", 1, &fd, 1), 0);
        assert_ok(porter_new(blobs_porters(blobs), 0, false, &porter, &e), &e);
        ck_assert_int_ge(porter_take(porter, pair[1], 1, on_taken, &error), 0);
        until_done();
        ck_assert_int_eq(error, 0);
        ck_assert_uint_eq(porter_n_fds(porter), 1);
        close_many(pair, 2);
        return porter;
}

/* The code, and its sentence. */
static int add(int fd, Error *e)
{
        const PorterInput input = {"a", 0};
        BlobRequest *request;

        error_clear(e);
        Porter *porter = hand_over(fd);
        assert_ok(blobs_add(blobs, tenant, porter, &input, 1, on_added, e, &request, e), e);
        until_done();
        return e->code;
}

static void assert_unreadable(const char *path, int flags, const char *why)
{
        _cleanup_error_ Error e = ERROR_NULL;
        _cleanup_close_ int fd = open(path, flags | O_CLOEXEC);

        ck_assert_int_ge(fd, 0);
        assert_refused(add(fd, &e), &e, why);
        ck_assert_int_eq(e.code, -EINVAL);
}

/* Memory at 0 answers EIO, which is what a broken state directory is called. */
START_TEST(test_a_file_that_cannot_be_read_is_said_to_be_that)
{
        switch (_i) {
        case 0: assert_unreadable("/proc/self/mem", O_RDONLY, "input \"a\": cannot be read: Input/output error"); break;
        case 1: assert_unreadable("/proc/self/exe", O_PATH, "input \"a\" is not open for reading"); break;
        case 2: assert_unreadable("/dev/null", O_RDONLY, "input \"a\" is not a regular file"); break;
        case 3: assert_unreadable("/", O_RDONLY | O_DIRECTORY, "input \"a\" is not a regular file"); break;
        }
}
END_TEST

/* Its file may have so many bytes: EFBIG is what an input that is too large is called. Porters have the limits of their nursery. */
START_TEST(test_what_cannot_be_written_is_not_the_fault_of_the_file)
{
        const struct rlimit limit = {.rlim_cur = 64 << 10, .rlim_max = 64 << 10};
        static const char text[100 << 10];
        _cleanup_error_ Error e = ERROR_NULL;
        _cleanup_close_ int fd = sealed_file("text", text, sizeof text);

        ck_assert_int_ge(fd, 0);
        signal(SIGXFSZ, SIG_IGN);
        ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
        blobs = blobs_free(blobs);
        assert_ok(blobs_new(event, directory, &blobs, &e), &e);
        assert_refused(add(fd, &e), &e, "input \"a\": cannot be stored");
        ck_assert_int_eq(e.code, -EIO);
}
END_TEST

/* No system call gives a file of /proc to another, so that this one is read. */
START_TEST(test_a_file_that_can_only_be_read_is_copied)
{
        _cleanup_error_ Error e = ERROR_NULL;
        _cleanup_close_ int fd = open("/proc/self/environ", O_RDONLY | O_CLOEXEC);

        assert_ok(add(fd, &e), &e);
}
END_TEST

#define AT_ONCE 8
#define INPUT_BYTES ((size_t)100 << 10)

typedef struct Answers {
        unsigned taken, refused;
} Answers;

/* As the supervisor does it: what is taken is charged. */
static void count_answer(char *const *names, const Error *error, void *userdata)
{
        Answers *answers = userdata;

        if (names) {
                answers->taken++;
                tenant->input_bytes += INPUT_BYTES;
        } else {
                ck_assert_int_eq(error->code, -EDQUOT);
                answers->refused++;
        }
}

static Answers add_at_once(unsigned n)
{
        _cleanup_error_ Error e = ERROR_NULL;
        static char text[INPUT_BYTES];
        Porter *porters[AT_ONCE];
        Answers answers = {0};

        for (unsigned i = 0; i < n; i++) {
                text[0]++;
                _cleanup_close_ int fd = sealed_file("text", text, sizeof text);
                porters[i] = hand_over(fd);
        }
        for (unsigned i = 0; i < n; i++) {
                const PorterInput input = {"a", 0};
                BlobRequest *request;
                assert_ok(blobs_add(blobs, tenant, porters[i], &input, 1, count_answer, &answers, &request, &e), &e);
        }
        while (answers.taken + answers.refused < n)
                ck_assert_int_ge(sd_event_run(event, UINT64_MAX), 0);
        return answers;
}

START_TEST(test_copies_at_the_same_time_have_the_room_of_their_tenant_together)
{
        tenant->rules.limits.input_bytes = 3 * INPUT_BYTES + INPUT_BYTES / 2;
        Answers answers = add_at_once(AT_ONCE);
        /* Those that meet at the edge may keep each other out. */
        ck_assert_uint_ge(answers.taken, 1);
        ck_assert_uint_le(answers.taken, 3);
        /* What they had is free again, but for what is charged. */
        tenant->input_bytes = 2 * INPUT_BYTES;
        ck_assert_uint_eq(add_at_once(1).taken, 1);
        ck_assert_uint_eq(add_at_once(1).refused, 1);
}
END_TEST

/* ---- the nursery ---- */

static bool is_nursery(pid_t pid)
{
        _cleanup_free_ char *path = NULL, *text = NULL;
        char parent[32];

        ck_assert_int_ge(asprintf(&path, "/proc/%d/status", (int)pid), 0);
        snprintf(parent, sizeof parent, "\nPPid:\t%d\n", (int)getpid());
        return read_file_at(AT_FDCWD, path, 65536, &text, NULL) >= 0 && strncmp(text, "Name:\tskep-nursery\n", 19) == 0 &&
               strstr(text, parent);
}

static pid_t find_nursery(void)
{
        _cleanup_closedir_ DIR *proc = opendir("/proc");

        ck_assert_ptr_nonnull(proc);
        for (struct dirent *d; (d = readdir(proc));)
                if (is_nursery(atoi(d->d_name)))
                        return atoi(d->d_name);
        return 0;
}

/* It is noticed in the event loop. */
static void kill_nursery(void)
{
        const pid_t pid = find_nursery();

        ck_assert_int_gt(pid, 0);
        ck_assert_int_eq(kill(pid, SIGKILL), 0);
        while (find_nursery() == pid)
                ck_assert_int_ge(sd_event_run(event, 10000), 0);
}

START_TEST(test_a_nursery_that_is_killed_is_replaced_and_its_porters_go_on)
{
        _cleanup_error_ Error e = ERROR_NULL;
        const PorterInput input = {"a", 0};
        BlobRequest *request;
        _cleanup_close_ int fd = sealed_file("text", "text", 4);
        Porter *before = hand_over(fd);

        kill_nursery();
        assert_ok(blobs_add(blobs, tenant, before, &input, 1, on_added, &e, &request, &e), &e);
        until_done();
        assert_ok(e.code, &e);
        usleep(150000); /* one that ends at once is not started all the time */
        ck_assert_int_eq(find_nursery(), 0);
        assert_ok(add(fd, &e), &e);
        ck_assert_int_gt(find_nursery(), 0);
}
END_TEST

START_TEST(test_who_waits_for_a_porter_of_a_nursery_that_is_killed_can_ask_again)
{
        _cleanup_error_ Error e = ERROR_NULL;
        int pair[2], error = 0;
        char byte = 0;
        Porter *porter, *unwanted;

        ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
        ck_assert_int_ge(send_message(pair[0], "x", 1, &pair[0], 1), 0);
        ck_assert_int_eq(kill(find_nursery(), SIGSTOP), 0);
        assert_ok(porter_new(blobs_porters(blobs), 0, false, &porter, &e), &e);
        assert_ok(porter_new(blobs_porters(blobs), 0, false, &unwanted, &e), &e);
        ck_assert_int_ge(porter_take(porter, pair[1], 1, on_taken, &error), 0);
        porter_free(unwanted);
        kill_nursery();
        ck_assert_int_eq(error, -ECHILD);
        porter_free(porter);
        /* Nothing was taken. */
        ck_assert_int_eq(recv(pair[1], &byte, 1, MSG_DONTWAIT), 1);
        ck_assert_int_eq(byte, 'x');
        close_many(pair, 2);
}
END_TEST

START_TEST(test_what_cannot_be_closed_by_a_process_stays_open_until_it_can)
{
        enum { N = 2 * PORTERS_PER_USER + 1 };
        static struct pollfd ends[N];
        int pair[2];

        ck_assert_int_eq(kill(find_nursery(), SIGSTOP), 0);
        for (size_t i = 0; i < N; i++) {
                ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
                ends[i] = (struct pollfd){.fd = pair[0]};
                porters_close(blobs_porters(blobs), 0, false, pair[1]);
        }
        kill_nursery();
        ck_assert_int_eq(poll(ends, N, 0), 0);
        for (size_t i = 0; i < N; i++) {
                while (poll(&ends[i], 1, 0) == 0)
                        ck_assert_int_ge(sd_event_run(event, 10000), 0);
                ck_assert_int_eq(ends[i].revents, POLLHUP);
                close(ends[i].fd);
        }
}
END_TEST

/* It waits to answer, since nobody has heard the answers before. Each child is waited for in the end. */
START_TEST(test_no_porter_is_lost_with_a_nursery_that_could_not_tell_of_it)
{
        _cleanup_error_ Error e = ERROR_NULL;
        Porter *porter;
        siginfo_t child;

        for (unsigned i = 0; i < PORTERS_PER_USER * 4; i++)
                if (porter_new(blobs_porters(blobs), i / PORTERS_PER_USER, false, &porter, &e) >= 0)
                        porter_free(porter);
                else
                        usleep(1000);
        usleep(100000);
        kill_nursery();
        while (waitid(P_ALL, 0, &child, WEXITED | WNOHANG | WNOWAIT) == 0)
                ck_assert_int_ge(sd_event_run(event, 10000), 0);
        ck_assert_int_eq(errno, ECHILD);
}
END_TEST

/* No descriptor is left by which it is heard that it has ended. */
START_TEST(test_a_porter_that_cannot_be_watched_has_taken_nothing)
{
        _cleanup_error_ Error e = ERROR_NULL;
        struct rlimit before, none;
        int pair[2], error = 0;
        char byte = 0;
        Porter *porter;

        ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
        ck_assert_int_ge(send_message(pair[0], "x", 1, &pair[0], 1), 0);
        assert_ok(porter_new(blobs_porters(blobs), 0, false, &porter, &e), &e);
        ck_assert_int_ge(porter_take(porter, pair[1], 1, on_taken, &error), 0);
        ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &before), 0);
        none = before;
        none.rlim_cur = 3;
        ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &none), 0);
        until_done();
        ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &before), 0);
        ck_assert_int_eq(error, -ECHILD);
        porter_free(porter);
        ck_assert_int_eq(recv(pair[1], &byte, 1, MSG_DONTWAIT), 1);
        close_many(pair, 2);
}
END_TEST

START_TEST(test_a_nursery_has_nothing_of_who_starts_it)
{
        _cleanup_free_ char *path = NULL;
        const int open_here = open("/dev/null", O_RDONLY);
        unsigned n = 0;

        kill_nursery();
        usleep(150000);
        Porter *porter = hand_over(open_here);
        ck_assert_int_ge(asprintf(&path, "/proc/%d/fd", (int)find_nursery()), 0);
        _cleanup_closedir_ DIR *dir = opendir(path);
        ck_assert_ptr_nonnull(dir);
        for (struct dirent *d; (d = readdir(dir));)
                n += d->d_name[0] != '.';
        ck_assert_uint_eq(n, 5);
        porter_free(porter);
        close(open_here);
}
END_TEST

static void ask(uid_t uid, bool of_bus, unsigned n, int refused)
{
        _cleanup_error_ Error e = ERROR_NULL;
        Porter *porter;

        for (unsigned i = 0; i < n; i++) {
                int r;
                while ((r = porter_new(blobs_porters(blobs), uid, of_bus, &porter, &e)) == -EAGAIN)
                        ck_assert_int_ge(sd_event_run(event, 10000), 0);
                assert_ok(r, &e);
        }
        if (refused)
                ck_assert_int_eq(porter_new(blobs_porters(blobs), uid, of_bus, &porter, &e), refused);
}

START_TEST(test_no_user_has_all_porters_of_a_message_bus)
{
        _cleanup_error_ Error e = ERROR_NULL;
        Porter *porter;

        ask(5, true, PORTERS_PER_USER, -EDQUOT);
        ask(5, false, 0, -EDQUOT);
        /* Nor by messages of which it is not yet known that they are his. */
        assert_ok(porter_new(blobs_porters(blobs), PORTER_NOBODY, true, &porter, &e), &e);
        porter_belongs_to(porter, 5);
        ask(PORTER_NOBODY, true, PORTERS_OF_NOBODY - 1, -EDQUOT);
        ask(6, true, PORTERS_OF_BUS - PORTERS_PER_USER - PORTERS_OF_NOBODY, 0);
        ask(7, true, 0, -EBUSY);
        ask(7, false, 1, 0);
}
END_TEST

Suite *blobs_suite(void)
{
        Suite *suite = suite_create("blobs");
        TCase *tests = tcase_create("blobs");

        tcase_add_checked_fixture(tests, set_up, tear_down);
        tcase_add_loop_test(tests, test_a_file_that_cannot_be_read_is_said_to_be_that, 0, 4);
        tcase_add_test(tests, test_what_cannot_be_written_is_not_the_fault_of_the_file);
        tcase_add_test(tests, test_a_file_that_can_only_be_read_is_copied);
        tcase_add_test(tests, test_copies_at_the_same_time_have_the_room_of_their_tenant_together);
        tcase_add_test(tests, test_a_nursery_that_is_killed_is_replaced_and_its_porters_go_on);
        tcase_add_test(tests, test_who_waits_for_a_porter_of_a_nursery_that_is_killed_can_ask_again);
        tcase_add_test(tests, test_what_cannot_be_closed_by_a_process_stays_open_until_it_can);
        tcase_add_test(tests, test_no_porter_is_lost_with_a_nursery_that_could_not_tell_of_it);
        tcase_add_test(tests, test_a_porter_that_cannot_be_watched_has_taken_nothing);
        tcase_add_test(tests, test_no_user_has_all_porters_of_a_message_bus);
        tcase_add_test(tests, test_a_nursery_has_nothing_of_who_starts_it);
        suite_add_tcase(suite, tests);
        return suite;
}
