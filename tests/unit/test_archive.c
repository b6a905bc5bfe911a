/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "engine/base/archive.h"
#include "engine/base/fd.h"
#include "engine/base/remove_tree.h"
#include "tests/unit/unit.h"

#include <archive.h>
#include <archive_entry.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/un.h>

static const ArchiveRules generous = {.symlinks = true, .max_bytes = 1 << 20, .max_entries = 100};

static char directory[] = "/tmp/skep-archive-XXXXXX";
static int root = -1, from = -1, to = -1;

static void make_directories(void)
{
        strcpy(directory + strlen(directory) - 6, "XXXXXX");
        ck_assert_ptr_nonnull(mkdtemp(directory));
        root = open(directory, O_RDONLY | O_DIRECTORY);
        mkdirat(root, "from", 0755);
        mkdirat(root, "to", 0755);
        from = openat(root, "from", O_RDONLY | O_DIRECTORY);
        to = openat(root, "to", O_RDONLY | O_DIRECTORY);
}

static void remove_directories(void)
{
        close(from);
        close(to);
        close(root);
        remove_tree_at(AT_FDCWD, directory);
}

static void write_file(int dir, const char *name, const char *text, mode_t mode)
{
        int fd = openat(dir, name, O_WRONLY | O_CREAT | O_TRUNC, mode);

        ck_assert_int_eq(write_full(fd, text, strlen(text)), 0);
        close(fd);
}

/* An archive of entries that no honest tool makes. */
typedef struct Member {
        const char *path, *link, *hardlink, *text;
        mode_t type;
} Member;

static int make_archive(const Member *members, size_t n)
{
        struct archive *a = archive_write_new();
        struct archive_entry *entry = archive_entry_new();
        int fd = memfd_create("archive", MFD_CLOEXEC);

        archive_write_set_format_pax_restricted(a);
        archive_write_open_fd(a, fd);
        for (size_t i = 0; i < n; i++) {
                const char *text = members[i].text ? members[i].text : "";
                archive_entry_clear(entry);
                archive_entry_set_pathname(entry, members[i].path);
                archive_entry_set_filetype(entry, members[i].type);
                archive_entry_set_perm(entry, 0644);
                archive_entry_set_size(entry, (int64_t)strlen(text));
                if (members[i].link)
                        archive_entry_set_symlink(entry, members[i].link);
                if (members[i].hardlink)
                        archive_entry_set_hardlink(entry, members[i].hardlink);
                archive_write_header(a, entry);
                archive_write_data(a, text, strlen(text));
        }
        archive_entry_free(entry);
        archive_write_free(a);
        lseek(fd, 0, SEEK_SET);
        return fd;
}

static int unpack(const Member *members, size_t n, const ArchiveRules *rules, Error *e)
{
        _cleanup_close_ int fd = make_archive(members, n);

        return archive_unpack(fd, to, rules, e);
}

START_TEST(test_a_tree_comes_back_as_it_was)
{
        _cleanup_error_ Error e = ERROR_NULL;
        _cleanup_close_ int fd = memfd_create("archive", MFD_CLOEXEC);
        _cleanup_free_ char *text = NULL;
        char target[16] = "";
        struct stat st;

        write_file(from, "plain", "some text", 0600);
        write_file(from, "program", "#!", 0755);
        mkdirat(from, "sub", 0755);
        write_file(from, "sub/n\xc3\xa4me with space", "more", 0644);
        ck_assert_int_eq(symlinkat("plain", from, "link"), 0);
        assert_ok(archive_pack(from, fd, &generous, NULL, &e), &e);
        lseek(fd, 0, SEEK_SET);
        assert_ok(archive_unpack(fd, to, &generous, &e), &e);
        ck_assert_int_eq(read_file_at(to, "sub/n\xc3\xa4me with space", 100, &text, NULL), 0);
        ck_assert_str_eq(text, "more");
        ck_assert_int_eq(fstatat(to, "program", &st, 0), 0);
        ck_assert(st.st_mode & 0100);
        ck_assert_int_eq(fstatat(to, "plain", &st, 0), 0);
        ck_assert(!(st.st_mode & 0100));
        ck_assert_int_eq(readlinkat(to, "link", target, sizeof target - 1), 5);
}
END_TEST

START_TEST(test_what_is_neither_file_nor_directory_is_left_out)
{
        const ArchiveRules rules = {.symlinks = false, .max_bytes = 1 << 20, .max_entries = 100};
        _cleanup_error_ Error e = ERROR_NULL;
        _cleanup_close_ int fd = memfd_create("archive", MFD_CLOEXEC);
        _cleanup_free_ char *skipped = NULL;
        struct stat st;

        mkfifoat(from, "fifo", 0644);
        ck_assert_int_eq(symlinkat("/etc/shadow", from, "link"), 0);
        write_file(from, "plain", "x", 0644);
        assert_ok(archive_pack(from, fd, &rules, &skipped, &e), &e);
        ck_assert_ptr_nonnull(skipped);
        ck_assert(strcmp(skipped, "2 entries are left out that are no files and no directories, such as \"fifo\"") == 0 ||
                  strcmp(skipped, "2 entries are left out that are no files and no directories, such as \"link\"") == 0);
        lseek(fd, 0, SEEK_SET);
        assert_ok(archive_unpack(fd, to, &rules, &e), &e);
        ck_assert_int_eq(fstatat(to, "plain", &st, 0), 0);
        ck_assert_int_lt(fstatat(to, "link", &st, AT_SYMLINK_NOFOLLOW), 0);
}
END_TEST

static void make_socket(int dir, const char *name)
{
        struct sockaddr_un address = {.sun_family = AF_UNIX};
        _cleanup_close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

        snprintf(address.sun_path, sizeof address.sun_path, "/proc/self/fd/%d/%s", dir, name);
        ck_assert_int_eq(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
}

START_TEST(test_a_hostile_tree_does_no_harm)
{
        const ArchiveRules rules = {.max_bytes = 2 << 20, .max_entries = 50};
        _cleanup_error_ Error e = ERROR_NULL;
        _cleanup_close_ int fd = memfd_create("archive", MFD_CLOEXEC);
        _cleanup_free_ char *text = NULL;
        _cleanup_free_ char *skipped = NULL;
        struct stat st;

        make_socket(from, "socket");
        ck_assert_int_eq(mknodat(from, "fifo", S_IFIFO | 0666, 0), 0);
        unsigned made = 2;
        made += mknodat(from, "zero", S_IFCHR | 0666, makedev(1, 5)) == 0;
        ck_assert_int_eq(symlinkat("..", from, "up"), 0);
        ck_assert_int_eq(symlinkat("/proc/self/mem", from, "memory"), 0);
        made += 2;
        write_file(from, "a\nb\033[2J", "odd", 0644);
        write_file(from, "-rf", "dash", 0644);
        /* A second name of a file is a copy of it: so it is counted again. */
        write_file(from, "first", "linked", 0600);
        ck_assert_int_eq(linkat(from, "first", from, "second", 0), 0);
        assert_ok(archive_pack(from, fd, &rules, &skipped, &e), &e);
        ck_assert_ptr_nonnull(skipped);
        ck_assert_uint_eq(strtoul(skipped, NULL, 10), made);
        lseek(fd, 0, SEEK_SET);
        assert_ok(archive_unpack(fd, to, &rules, &e), &e);
        ck_assert_int_eq(read_file_at(to, "a\nb\033[2J", 100, &text, NULL), 0);
        ck_assert_str_eq(text, "odd");
        ck_assert_int_eq(fstatat(to, "second", &st, 0), 0);
        ck_assert_uint_eq(st.st_nlink, 1);
        ck_assert_int_eq(unlinkat(from, "a\nb\033[2J", 0), 0);

        /* What is refused is named, and its name does no harm either. */
        write_file(from, "x\033]0;owned\007", "", 0644);
        _cleanup_close_ int sparse = openat(from, "x\033]0;owned\007", O_WRONLY);
        ck_assert_int_eq(ftruncate(sparse, (off_t)1 << 40), 0);
        assert_refused(archive_pack(from, fd, &rules, NULL, &e), &e, "too large");
        ck_assert_ptr_nonnull(strstr(error_text(&e), "owned"));
        ck_assert_ptr_null(strchr(error_text(&e), '\033'));
}
END_TEST

START_TEST(test_many_files_end_at_their_limit)
{
        const ArchiveRules rules = {.max_bytes = 1 << 20, .max_entries = 1000};
        _cleanup_error_ Error e = ERROR_NULL;
        _cleanup_close_ int fd = memfd_create("archive", MFD_CLOEXEC);
        struct stat st;

        for (int i = 0; i < 5000; i++) {
                char name[16];
                snprintf(name, sizeof name, "%d", i);
                if (mknodat(from, name, S_IFREG | 0644, 0) < 0) /* a passing assertion writes to a file: too slow here */
                        ck_abort_msg("%s: %s", name, strerror(errno));
        }
        assert_refused(archive_pack(from, fd, &rules, NULL, &e), &e, "too many files");
        fstat(fd, &st);
        ck_assert_int_lt(st.st_size, 2 << 20);
}
END_TEST

START_TEST(test_packing_holds_its_limits)
{
        const ArchiveRules few = {.max_bytes = 1 << 20, .max_entries = 2}, small = {.max_bytes = 3, .max_entries = 100};
        _cleanup_error_ Error e = ERROR_NULL;
        _cleanup_close_ int fd = memfd_create("archive", MFD_CLOEXEC), deep = dup(from);

        for (int i = 0; i < 3; i++) {
                char name[8];
                snprintf(name, sizeof name, "f%d", i);
                write_file(from, name, "xx", 0644);
        }
        assert_refused(archive_pack(from, fd, &few, NULL, &e), &e, "too many files");
        assert_refused(archive_pack(from, fd, &small, NULL, &e), &e, "too large");
        for (int i = 0; i < ARCHIVE_DEPTH_MAX + 2; i++) {
                mkdirat(deep, "d", 0755);
                int next = openat(deep, "d", O_RDONLY | O_DIRECTORY);
                close(deep);
                deep = next;
        }
        const ArchiveRules many = {.max_bytes = 1 << 20, .max_entries = 1000};
        assert_refused(archive_pack(from, fd, &many, NULL, &e), &e, "nested too deep");
}
END_TEST

START_TEST(test_members_that_lead_out_are_refused)
{
        static const struct {
                Member members[2];
                const char *part;
        } cases[] = {
                {{{"/etc/evil", NULL, NULL, "x", AE_IFREG}}, "absolute"},
                {{{"../evil", NULL, NULL, "x", AE_IFREG}}, "\"..\""},
                {{{"a/../../evil", NULL, NULL, "x", AE_IFREG}}, "\"..\""},
                {{{"d", "/tmp", NULL, NULL, AE_IFLNK}, {"d/evil", NULL, NULL, "x", AE_IFREG}}, "d/evil"},
                {{{"l", "/etc/passwd", NULL, NULL, AE_IFLNK}, {"h", NULL, "../../etc/passwd", NULL, AE_IFREG}}, "\"..\""},
                {{{"fifo", NULL, NULL, NULL, AE_IFIFO}}, "FIFO"},
                {{{"dev", NULL, NULL, NULL, AE_IFCHR}}, "device"},
        };
        _cleanup_error_ Error e = ERROR_NULL;

        for (size_t i = 0; i < ELEMENTS(cases); i++)
                assert_refused(unpack(cases[i].members, cases[i].members[1].path ? 2 : 1, &generous, &e), &e,
                               cases[i].part);
        ck_assert_int_lt(access("/tmp/evil", F_OK), 0);
}
END_TEST

START_TEST(test_a_file_over_a_link_replaces_the_link)
{
        const Member members[] = {{"x", "victim", NULL, NULL, AE_IFLNK}, {"x", NULL, NULL, "new", AE_IFREG}};
        _cleanup_error_ Error e = ERROR_NULL;
        _cleanup_free_ char *text = NULL;

        write_file(to, "victim", "old", 0644);
        assert_ok(unpack(members, 2, &generous, &e), &e);
        ck_assert_int_eq(read_file_at(to, "victim", 100, &text, NULL), 0);
        ck_assert_str_eq(text, "old");
}
END_TEST

START_TEST(test_links_are_refused_where_the_rules_say_so)
{
        const ArchiveRules rules = {.symlinks = false, .max_bytes = 100, .max_entries = 100};
        const Member members[] = {{"l", "/etc/passwd", NULL, NULL, AE_IFLNK}};
        _cleanup_error_ Error e = ERROR_NULL;

        assert_refused(unpack(members, 1, &rules, &e), &e, "symbolic link");
}
END_TEST

START_TEST(test_unpacking_holds_its_limits)
{
        const ArchiveRules small = {.max_bytes = 3, .max_entries = 100}, few = {.max_bytes = 100, .max_entries = 1};
        const Member members[] = {{"a", NULL, NULL, "xx", AE_IFREG}, {"b", NULL, NULL, "xx", AE_IFREG}};
        _cleanup_error_ Error e = ERROR_NULL;

        assert_refused(unpack(members, 2, &small, &e), &e, "too large");
        assert_refused(unpack(members, 2, &few, &e), &e, "more than 1 entries");
}
END_TEST

typedef struct Parts {
        int fds[2], result;
        size_t n, next;
} Parts;

static int next_part(ArchivePart *ret, void *userdata)
{
        Parts *parts = userdata;

        if (parts->next == parts->n)
                return parts->result;
        ret->fd = fcntl(parts->fds[parts->next], F_DUPFD_CLOEXEC, 3);
        ck_assert_int_eq(lseek(ret->fd, 0, SEEK_SET), 0);
        snprintf(ret->directory, sizeof ret->directory, "%zu", 10 * parts->next++);
        return 1;
}

static int join_one(const Member *members, size_t n, const ArchiveRules *rules, int out)
{
        _cleanup_close_ int fd = make_archive(members, n);
        Parts parts = {.fds = {fd}, .n = 1};

        return archive_join(out, rules, next_part, &parts);
}

START_TEST(test_several_archives_become_one_with_a_directory_for_each)
{
        const Member other[] = {{"./a", NULL, NULL, "of the other", AE_IFREG}, {".", NULL, NULL, NULL, AE_IFDIR}};
        _cleanup_close_ int first = memfd_create("first", MFD_CLOEXEC), second = make_archive(other, 2),
                            joined = memfd_create("joined", MFD_CLOEXEC);
        _cleanup_error_ Error e = ERROR_NULL;
        _cleanup_free_ char *text = NULL, *of_other = NULL, *large = malloc(300001), *read_back = NULL;
        struct stat st;

        memset(large, 'x', 300000);
        large[300000] = '\0';
        write_file(from, "a", "of the first", 0644);
        write_file(from, "large", large, 0755);
        mkdirat(from, "empty", 0755);
        mkdirat(from, "sub", 0755);
        write_file(from, "sub/n\xc3\xa4me with space", "", 0644);
        assert_ok(archive_pack(from, first, &generous, NULL, &e), &e);
        Parts parts = {.fds = {first, second}, .n = 2};
        ck_assert_int_eq(archive_join(joined, &generous, next_part, &parts), 0);
        ck_assert_int_eq(lseek(joined, 0, SEEK_SET), 0);
        assert_ok(archive_unpack(joined, to, &generous, &e), &e);
        ck_assert_int_eq(read_file_at(to, "0/a", 100, &text, NULL), 0);
        ck_assert_str_eq(text, "of the first");
        ck_assert_int_eq(read_file_at(to, "10/a", 100, &of_other, NULL), 0);
        ck_assert_str_eq(of_other, "of the other");
        ck_assert_int_eq(read_file_at(to, "0/large", 400000, &read_back, NULL), 0);
        ck_assert_str_eq(read_back, large);
        ck_assert_int_eq(fstatat(to, "0/large", &st, 0), 0);
        ck_assert(st.st_mode & 0100);
        ck_assert_int_eq(fstatat(to, "0/sub/n\xc3\xa4me with space", &st, 0), 0);
        ck_assert_int_eq(st.st_size, 0);
        ck_assert_int_eq(fstatat(to, "0/empty", &st, 0), 0);
        ck_assert(S_ISDIR(st.st_mode));
}
END_TEST

START_TEST(test_what_no_job_can_have_left_is_not_put_together)
{
        static const Member bad[] = {{"/a", NULL, NULL, "x", AE_IFREG},
                                     {"b/../../a", NULL, NULL, "x", AE_IFREG},
                                     {"a", "target", NULL, NULL, AE_IFLNK},
                                     {"a", NULL, "b", NULL, AE_IFREG},
                                     {"a", NULL, NULL, NULL, AE_IFIFO}};
        static const Member two[] = {{"a", NULL, NULL, "xx", AE_IFREG}, {"b", NULL, NULL, "xx", AE_IFREG}};
        const ArchiveRules few = {.max_bytes = 100, .max_entries = 2}, enough = {.max_bytes = 100, .max_entries = 3};
        _cleanup_close_ int out = memfd_create("joined", MFD_CLOEXEC), half = make_archive(two, 2), full = open("/dev/full", O_WRONLY | O_CLOEXEC);

        for (size_t i = 0; i < ELEMENTS(bad); i++)
                ck_assert_int_eq(join_one(&bad[i], 1, &generous, out), -EINVAL);
        ck_assert_int_eq(join_one(two, 2, &enough, out), 0);
        ck_assert_int_eq(join_one(two, 2, &few, out), -E2BIG);
        ck_assert_int_eq(join_one(two, 2, &enough, full), -ENOSPC);
        ck_assert_int_eq(ftruncate(half, 512 + 1), 0);
        Parts cut = {.fds = {half}, .n = 1}, gone = {.result = -ENODATA};
        ck_assert_int_eq(archive_join(out, &generous, next_part, &cut), -EINVAL);
        ck_assert_int_eq(archive_join(out, &generous, next_part, &gone), -ENODATA);
}
END_TEST

/* Deeper than there are descriptors, and partly without a mode. */
START_TEST(test_a_tree_of_any_depth_is_removed)
{
        struct rlimit limit;

        getrlimit(RLIMIT_NOFILE, &limit);
        mkdirat(from, "deep", 0755);
        int at = openat(from, "deep", O_RDONLY | O_DIRECTORY);
        for (int i = 0; i < 1000; i++) {
                write_file(at, "file", "x", 0);
                ck_assert_int_eq(mkdirat(at, "0", 0755), 0);
                int next = openat(at, "0", O_RDONLY | O_DIRECTORY);
                fchmod(at, i % 100 == 0 ? 0 : 0755);
                close(at);
                at = next;
        }
        ck_assert_int_eq(symlinkat(directory, at, "link"), 0);
        close(at);
        write_file(to, "kept", "x", 0600);
        ck_assert_int_eq(symlinkat("to", from, "link"), 0);
        setrlimit(RLIMIT_NOFILE, &(struct rlimit){200, limit.rlim_max});
        ck_assert_int_eq(remove_tree_at(root, "from"), 0);
        ck_assert_int_eq(faccessat(root, "from", F_OK, 0), -1);
        ck_assert_int_eq(faccessat(to, "kept", F_OK, 0), 0);
        ck_assert_int_eq(remove_tree_at(root, "from"), 0);
        setrlimit(RLIMIT_NOFILE, &limit);
}
END_TEST

START_TEST(test_what_is_no_archive_is_refused)
{
        _cleanup_error_ Error e = ERROR_NULL;
        _cleanup_close_ int fd = memfd_create("archive", MFD_CLOEXEC);

        write_full(fd, "this is not a tar archive at all", 32);
        lseek(fd, 0, SEEK_SET);
        assert_refused(archive_unpack(fd, to, &generous, &e), &e, "not a tar archive");
}
END_TEST

Suite *archive_suite(void)
{
        Suite *suite = suite_create("archive");
        TCase *tests = tcase_create("archive");

        tcase_add_checked_fixture(tests, make_directories, remove_directories);
        tcase_set_timeout(tests, 60);
        tcase_add_test(tests, test_a_tree_comes_back_as_it_was);
        tcase_add_test(tests, test_what_is_neither_file_nor_directory_is_left_out);
        tcase_add_test(tests, test_a_hostile_tree_does_no_harm);
        tcase_add_test(tests, test_many_files_end_at_their_limit);
        tcase_add_test(tests, test_packing_holds_its_limits);
        tcase_add_test(tests, test_members_that_lead_out_are_refused);
        tcase_add_test(tests, test_a_file_over_a_link_replaces_the_link);
        tcase_add_test(tests, test_links_are_refused_where_the_rules_say_so);
        tcase_add_test(tests, test_unpacking_holds_its_limits);
        tcase_add_test(tests, test_several_archives_become_one_with_a_directory_for_each);
        tcase_add_test(tests, test_what_no_job_can_have_left_is_not_put_together);
        tcase_add_test(tests, test_what_is_no_archive_is_refused);
        tcase_add_test(tests, test_a_tree_of_any_depth_is_removed);
        suite_add_tcase(suite, tests);
        return suite;
}
