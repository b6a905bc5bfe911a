/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "engine/base/disk_room.h"
#include "engine/base/fd.h"
#include "engine/base/json.h"
#include "engine/base/remove_tree.h"
#include "engine/supervisor/output.h"
#include "engine/worker/files.h"
#include "tests/unit/unit.h"

#include <endian.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

static char directory[] = "/tmp/skep-output-XXXXXX";
static const Id job = {"01kfz0000000000000000000aa"};
static int outputs = -1;

static void set_up(void)
{
        _cleanup_error_ Error e = ERROR_NULL;

        strcpy(directory + strlen(directory) - 6, "XXXXXX");
        ck_assert_ptr_nonnull(mkdtemp(directory));
        outputs = output_directory_new(directory, &e);
        assert_ok(outputs, &e);
}

static void tear_down(void)
{
        outputs = close_fd(outputs);
        remove_tree_at(AT_FDCWD, directory);
}

static void open_files(Files *f)
{
        files_init(f, fcntl(outputs, F_DUPFD_CLOEXEC, 3), job.text, 1);
}

typedef struct Record {
        uint64_t time_usec, offset;
        uint32_t length, stream;
} Record;

static size_t read_index(Record *ret, size_t room)
{
        _cleanup_close_ int fd = output_open(outputs, &job, 1, OUTPUT_INDEX, false);
        ssize_t n = read_full(fd, ret, room * sizeof *ret);

        ck_assert_int_ge(n, 0);
        ck_assert_int_eq(n % INDEX_RECORD_BYTES, 0);
        return (size_t)n / INDEX_RECORD_BYTES;
}

START_TEST(test_the_index_keeps_the_order_of_two_streams)
{
        Record records[8];
        Files f;

        open_files(&f);
        files_write(&f, 1, "one", 3);
        files_write(&f, 2, "error", 5);
        files_write(&f, 1, "two", 3);
        files_done(&f);
        ck_assert_uint_eq(read_index(records, 8), 3);
        ck_assert_uint_eq(le32toh(records[0].stream), 1);
        ck_assert_uint_eq(le64toh(records[0].offset), 0);
        ck_assert_uint_eq(le32toh(records[1].stream), 2);
        ck_assert_uint_eq(le32toh(records[1].length), 5);
        ck_assert_uint_eq(le64toh(records[2].offset), 3);
        ck_assert_uint_le(le64toh(records[0].time_usec), le64toh(records[2].time_usec));
        ck_assert_uint_gt(le64toh(records[0].time_usec), UINT64_C(1600000000000000));
}
END_TEST

START_TEST(test_the_index_is_no_longer_than_the_output_may_be)
{
        static Record records[10000];
        struct stat st;
        Files f;

        open_files(&f);
        files_limit_index(&f, 100000);
        for (int i = 0; i < 9000; i++)
                files_write(&f, 1 + i % 2, "x", 1);
        fstat(f.fds[FILES_STDOUT], &st);
        ck_assert_int_eq(st.st_size, 4500);
        ck_assert_uint_eq(read_index(records, 10000), 100000 / INDEX_RECORD_BYTES);
        ck_assert_int_eq(f.index_error, 0);
        files_done(&f);
}
END_TEST

START_TEST(test_a_disk_that_is_full_takes_no_more_and_the_report_says_so)
{
        _cleanup_json_ json_object *report = json_object_new_object();
        char data[3000] = "";
        json_object *value;
        struct stat st;
        Files f;

        /* As if that were all the room: what is written beyond fails in the midst. */
        setrlimit(RLIMIT_FSIZE, &(struct rlimit){5000, 5000});
        signal(SIGXFSZ, SIG_IGN);
        open_files(&f);
        for (int i = 0; i < 5; i++)
                files_write(&f, 1, data, sizeof data);
        files_write(&f, 2, "late", 4);
        fstat(f.fds[FILES_STDOUT], &st);
        ck_assert_int_eq(st.st_size, 5000);
        json_add_string(report, "message", "before");
        files_complete_report(&f, report);
        json_object_object_get_ex(report, "stdout_bytes", &value);
        ck_assert_int_eq(json_object_get_int(value), 5000);
        json_object_object_get_ex(report, "stderr_bytes", &value);
        ck_assert_int_eq(json_object_get_int(value), 0);
        json_object_object_get_ex(report, "truncated", &value);
        ck_assert(json_object_get_boolean(value));
        json_object_object_get_ex(report, "message", &value);
        ck_assert_ptr_nonnull(strstr(json_object_get_string(value), "before; the end of the output could not be written"));
        files_done(&f);
}
END_TEST

START_TEST(test_who_watches_is_told_that_no_more_comes)
{
        _cleanup_close_ int reader = output_open(outputs, &job, 1, OUTPUT_STDOUT, false);
        _cleanup_close_ int watch = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
        struct inotify_event event;
        char link[32];
        Files f;

        snprintf(link, sizeof link, "/proc/self/fd/%d", reader);
        ck_assert_int_ge(inotify_add_watch(watch, link, IN_MODIFY | IN_CLOSE_WRITE), 0);
        open_files(&f);
        files_write(&f, 1, "x", 1);
        ck_assert_int_eq(read(watch, &event, sizeof event), sizeof event);
        ck_assert_uint_eq(event.mask, IN_MODIFY);
        files_done(&f);
        ck_assert_int_eq(read(watch, &event, sizeof event), sizeof event);
        ck_assert_uint_eq(event.mask, IN_CLOSE_WRITE);
        /* Also when nothing comes. */
        open_files(&f);
        files_done(&f);
        ck_assert_int_eq(read(watch, &event, sizeof event), sizeof event);
        ck_assert_uint_eq(event.mask, IN_CLOSE_WRITE);
}
END_TEST

/* A client that got a descriptor: another user, with nothing but that. */
static int try_to_write(int fd)
{
        char link[32];

        snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
        if (setgid(65534) < 0 || setuid(65534) < 0)
                return 1;
        if (write(fd, "x", 1) >= 0 || ftruncate(fd, 0) == 0 || open(link, O_WRONLY) >= 0 || open(link, O_RDWR) >= 0 ||
            fchmod(fd, 0666) == 0)
                return 2;
        /* It may read and watch it, though. */
        int watch = inotify_init1(IN_CLOEXEC);
        return open(link, O_RDONLY) >= 0 && inotify_add_watch(watch, link, IN_MODIFY) >= 0 ? 0 : 3;
}

START_TEST(test_a_descriptor_that_is_handed_out_is_for_reading_alone)
{
        int status;

        if (geteuid() != 0)
                return;
        for (OutputStream stream = 0; stream < OUTPUT_STREAM_MAX; stream++) {
                _cleanup_close_ int fd = output_open(outputs, &job, 1, stream, false);
                pid_t pid = fork();
                if (pid == 0)
                        _exit(try_to_write(fd));
                ck_assert_int_eq(waitpid(pid, &status, 0), pid);
                ck_assert_int_eq(status, 0);
        }
}
END_TEST

START_TEST(test_an_attempt_begins_with_empty_files)
{
        Files first, again;
        struct stat st;

        open_files(&first);
        files_write(&first, 1, "of an attempt that was forgotten", 32);
        output_clear(outputs, &job, 1);
        open_files(&again);
        files_write(&again, 1, "new", 3);
        /* Whoever still writes the old one does not write into it. */
        files_write(&first, 1, "more", 4);
        _cleanup_close_ int reader = output_open(outputs, &job, 1, OUTPUT_STDOUT, false);
        ck_assert_int_eq(fstat(reader, &st), 0);
        ck_assert_int_eq(st.st_size, 3);
        files_done(&first);
        files_done(&again);
}
END_TEST

/* It was given another's result, which was forgotten in a crash. */
START_TEST(test_an_attempt_does_not_write_into_what_is_shared)
{
        static const Id other = {"01kfz0000000000000000000ab"};
        Files first, again;

        open_files(&first);
        files_write(&first, 2, "x", 1);
        close_fd(output_open(outputs, &job, 1, OUTPUT_STDOUT, false));
        files_done(&first);
        ck_assert_int_eq(output_link(outputs, &job, 1, &other, 1), 0);
        output_clear(outputs, &other, 1);
        files_init(&again, fcntl(outputs, F_DUPFD_CLOEXEC, 3), other.text, 1);
        files_write(&again, 1, "new", 3);
        files_done(&again);
        ck_assert_uint_eq(output_file_size(outputs, &other, 1, OUTPUT_STDOUT), 3);
        ck_assert_uint_eq(output_file_size(outputs, &job, 1, OUTPUT_STDOUT), 0);
}
END_TEST

static off_t size_of(OutputStream stream)
{
        _cleanup_close_ int fd = output_open(outputs, &job, 1, stream, true);
        struct stat st;

        ck_assert_int_ge(fd, 0);
        ck_assert_int_eq(fstat(fd, &st), 0);
        return st.st_size;
}

START_TEST(test_what_nothing_was_written_to_is_empty_and_takes_no_room)
{
        static const Id other = {"01kfz0000000000000000000ab"};
        Files f;

        open_files(&f);
        files_done(&f);
        for (OutputStream stream = 0; stream < OUTPUT_STREAM_MAX; stream++)
                ck_assert_int_eq(size_of(stream), stream == OUTPUT_FILES ? 1024 : 0);
        ck_assert_int_eq(output_link(outputs, &job, 1, &other, 1), 0);
        ck_assert_int_lt(faccessat(outputs, job.text, F_OK, 0), 0);
        open_files(&f);
        files_write(&f, 2, "x", 1);
        files_done(&f);
        ck_assert_int_eq(size_of(OUTPUT_STDOUT), 0);
        ck_assert_int_eq(size_of(OUTPUT_STDERR), 1);
        ck_assert_int_eq(output_link(outputs, &job, 1, &other, 1), 0);
        ck_assert_uint_eq(output_size(outputs, &other, 1), 1 + INDEX_RECORD_BYTES);
        ck_assert_uint_eq(output_file_room(outputs, &other, 1, OUTPUT_STDERR), 1);
        ck_assert_uint_eq(output_file_room(outputs, &other, 1, OUTPUT_STDOUT), 0);
}
END_TEST

/* A tmpfs that is mounted nowhere. */
static int make_disk(const char *size)
{
        int context = fsopen("tmpfs", FSOPEN_CLOEXEC);

        ck_assert_int_ge(context, 0);
        ck_assert_int_eq(fsconfig(context, FSCONFIG_SET_STRING, "size", size, 0), 0);
        ck_assert_int_eq(fsconfig(context, FSCONFIG_CMD_CREATE, NULL, NULL, 0), 0);
        int disk = fsmount(context, FSMOUNT_CLOEXEC, 0);
        ck_assert_int_ge(disk, 0);
        close(context);
        return disk;
}

START_TEST(test_what_found_no_room_is_tried_again_when_there_is_more_than_it_had)
{
        _cleanup_close_ int disk = make_disk("4M"), file = openat(disk, "other", O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, 0600);
        DiskRoom room = {0}, unknown = {0};

        ck_assert_int_eq(posix_fallocate(file, 0, 3 << 20), 0);
        disk_room_tried(&room, disk, 1 << 20);
        disk_room_tried(&unknown, disk, UINT64_MAX);
        ck_assert(!disk_room_may_do(&room, disk));
        ck_assert(!disk_room_may_do(&unknown, disk));
        ck_assert(disk_room_has(disk, 1 << 20));
        ck_assert(!disk_room_has(disk, (1 << 20) + 1));
        ck_assert_int_eq(ftruncate(file, 2 << 20), 0);
        ck_assert(disk_room_may_do(&room, disk));
        ck_assert(disk_room_may_do(&unknown, disk));
        /* Another had the half of it in that moment, and has given it back before anybody looked. */
        disk_room_tried(&room, disk, 1 << 20);
        disk_room_tried(&unknown, disk, UINT64_MAX);
        ck_assert(disk_room_may_do(&room, disk));
        ck_assert(!disk_room_may_do(&unknown, disk));
        /* A file system that always gives less than it says would be filled once a second. */
        unsigned n = 1;
        for (; n < 100 && disk_room_may_do(&room, disk); n++)
                disk_room_tried(&room, disk, 1 << 20);
        ck_assert_uint_gt(n, 2);
        ck_assert_uint_lt(n, 20);
        ck_assert_int_eq(ftruncate(file, 0), 0);
        ck_assert(disk_room_may_do(&room, disk));
}
END_TEST

START_TEST(test_two_who_wait_for_room_do_not_look_at_the_same_time_again_and_again)
{
        const uint64_t first = disk_room_pause_usec();
        bool differs = false;

        for (int i = 0; i < 20; i++) {
                uint64_t pause = disk_room_pause_usec();
                ck_assert_uint_ge(pause, 500000);
                ck_assert_uint_lt(pause, 1500000);
                differs |= pause != first;
        }
        ck_assert(differs);
}
END_TEST

Suite *output_suite(void)
{
        Suite *suite = suite_create("output");
        TCase *tests = tcase_create("output");

        tcase_add_checked_fixture(tests, set_up, tear_down);
        tcase_add_test(tests, test_the_index_keeps_the_order_of_two_streams);
        tcase_add_test(tests, test_the_index_is_no_longer_than_the_output_may_be);
        tcase_add_test(tests, test_a_disk_that_is_full_takes_no_more_and_the_report_says_so);
        tcase_add_test(tests, test_who_watches_is_told_that_no_more_comes);
        tcase_add_test(tests, test_a_descriptor_that_is_handed_out_is_for_reading_alone);
        tcase_add_test(tests, test_an_attempt_begins_with_empty_files);
        tcase_add_test(tests, test_an_attempt_does_not_write_into_what_is_shared);
        tcase_add_test(tests, test_what_nothing_was_written_to_is_empty_and_takes_no_room);
        tcase_add_test(tests, test_what_found_no_room_is_tried_again_when_there_is_more_than_it_had);
        tcase_add_test(tests, test_two_who_wait_for_room_do_not_look_at_the_same_time_again_and_again);
        suite_add_tcase(suite, tests);
        return suite;
}
