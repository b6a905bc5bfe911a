/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "engine/base/json.h"
#include "jail/call.h"
#include "jail/cli/draft.h"
#include "jail/cli/host_path.h"
#include "tests/unit/unit.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>

/* ---- calls ---- */

START_TEST(test_a_call_comes_back_as_it_was)
{
        const JailCall call = {
                .kind = JAIL_CALL_MISSED,
                .number = SYS_openat,
                .pid = 7,
                .arguments = {1, 2, UINT64_MAX, 4, 5, 6},
                .texts = {NULL, "/opt/x"},
                .program = "cat",
                .path = "/opt/x",
        };
        _cleanup_packer_ Packer p = {0};
        JailCall back;

        call_pack(&p, &call);
        ck_assert_int_eq(call_unpack(p.data, p.size, &back), 0);
        ck_assert_int_eq(back.kind, JAIL_CALL_MISSED);
        ck_assert_int_eq(back.number, SYS_openat);
        ck_assert_int_eq(back.pid, 7);
        ck_assert_uint_eq(back.arguments[2], UINT64_MAX);
        ck_assert_ptr_null(back.texts[0]);
        ck_assert_str_eq(back.texts[1], "/opt/x");
        ck_assert_str_eq(back.path, "/opt/x");
        for (size_t n = 0; n < p.size; n++)
                ck_assert_int_lt(call_unpack(p.data, n, &back), 0);
}
END_TEST

static int unpack_changed(JailCall call)
{
        _cleanup_packer_ Packer p = {0};
        JailCall back;

        call_pack(&p, &call);
        return call_unpack(p.data, p.size, &back);
}

START_TEST(test_what_is_no_call_is_refused)
{
        const JailCall good = {.kind = JAIL_CALL_REFUSED, .number = 3, .pid = 1, .program = "x"};
        JailCall bad = good;

        ck_assert_int_eq(unpack_changed(good), 0);
        bad.number = JAIL_SYSCALL_MAX;
        ck_assert_int_lt(unpack_changed(bad), 0);
        bad.number = -1;
        ck_assert_int_lt(unpack_changed(bad), 0);
        bad = good;
        bad.kind = JAIL_CALL_MISSED + 1;
        ck_assert_int_lt(unpack_changed(bad), 0);
        bad.kind = JAIL_CALL_EXECUTED; /* without a path */
        ck_assert_int_lt(unpack_changed(bad), 0);
        bad = good;
        bad.program = NULL;
        ck_assert_int_lt(unpack_changed(bad), 0);
}
END_TEST

static void assert_text(JailCall call, const char *expected)
{
        _cleanup_free_ char *text = jail_call_text(&call);

        ck_assert_str_eq(text, expected);
}

START_TEST(test_a_call_is_shown_with_its_arguments)
{
        assert_text((JailCall){.number = SYS_ptrace, .arguments = {16, 1}, .program = "python3", .pid = 7},
                    "ptrace(16, 1, 0x0, 0x0) by \"python3\" (pid 7)");
        assert_text((JailCall){.number = SYS_mount,
                               .arguments = {1, 2, 3, 4, 5},
                               .texts = {"none", "/tmp"},
                               .program = "mount",
                               .pid = 2},
                    "mount(\"none\", \"/tmp\", 0x3, 0x4, 0x5) by \"mount\" (pid 2)");
        assert_text((JailCall){.number = SYS_mkdirat,
                               .arguments = {(uint64_t)AT_FDCWD, 1, 04755},
                               .texts = {NULL, "d"},
                               .program = "m",
                               .pid = 2},
                    "mkdirat(AT_FDCWD, \"d\", 04755) by \"m\" (pid 2)");
        assert_text((JailCall){.number = JAIL_SYSCALL_MAX - 1, .program = "m", .pid = 2},
                    "511(0x0, 0x0, 0x0, 0x0, 0x0, 0x0) by \"m\" (pid 2)");
}
END_TEST

START_TEST(test_what_a_job_calls_itself_cannot_write_to_a_terminal)
{
        assert_text((JailCall){.number = SYS_chroot,
                               .texts = {"\033]0;x\007\n/"},
                               .program = "\033[2J\nskep",
                               .pid = 2},
                    "chroot(\"\\x1b]0;x\\x07\\x0a/\") by \"\\x1b[2J\\x0askep\" (pid 2)");
}
END_TEST

/* ---- paths of the host ---- */

static void assert_plain(const char *path, const char *expected)
{
        _cleanup_free_ char *plain = host_path_plain(path);

        if (expected)
                ck_assert_str_eq(plain, expected);
        else
                ck_assert_ptr_null(plain);
}

START_TEST(test_paths_become_plain)
{
        assert_plain("/", "/");
        assert_plain("//opt///x/", "/opt/x");
        assert_plain("/opt/./a/../b/.", "/opt/b");
        assert_plain("/../../etc", "/etc");
        assert_plain("/a/..", "/");
        assert_plain("relative", NULL);
        assert_plain("", NULL);
}
END_TEST

static void make_file(const char *path, mode_t mode)
{
        int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

        ck_assert_int_ge(fd, 0);
        fchmod(fd, mode);
        close(fd);
}

START_TEST(test_only_what_everybody_may_read_is_offered)
{
        char place[] = "/var/lib/skep-test-XXXXXX", path[64];

        ck_assert_ptr_nonnull(mkdtemp(place));
        chmod(place, 0755);
        snprintf(path, sizeof path, "%s/file", place);
        make_file(path, 0644);
        ck_assert_int_eq(host_path_judge(path, true, false), HOST_OFFERED);
        ck_assert_int_eq(host_path_judge(path, false, false), HOST_OFFERED);
        ck_assert_int_eq(host_path_judge(path, true, true), HOST_PRIVATE); /* not executable */
        chmod(path, 0640);
        ck_assert_int_eq(host_path_judge(path, true, false), HOST_PRIVATE);
        chmod(path, 0755);
        ck_assert_int_eq(host_path_judge(path, true, true), HOST_OFFERED);

        /* A directory is given when it was opened, and not when somebody only passed through. */
        ck_assert_int_eq(host_path_judge(place, true, false), HOST_OFFERED);
        ck_assert_int_eq(host_path_judge(place, false, false), HOST_ABSENT);
        chmod(place, 0700);
        ck_assert_int_eq(host_path_judge(path, true, false), HOST_PRIVATE);
        chmod(place, 0755);

        /* A link leads to what it leads to. */
        unlink(path);
        ck_assert_int_eq(symlink("/etc/shadow", path), 0);
        ck_assert_int_eq(host_path_judge(path, true, false), HOST_PRIVATE);
        unlink(path);
        ck_assert_int_eq(symlink("/proc/version", path), 0);
        ck_assert_int_eq(host_path_judge(path, true, false), HOST_SYSTEM);
        unlink(path);
        ck_assert_int_eq(mkfifo(path, 0644), 0);
        chmod(path, 0644);
        ck_assert_int_eq(host_path_judge(path, true, false), HOST_SPECIAL);
        unlink(path);
        snprintf(path, sizeof path, "%s/a\nb", place);
        make_file(path, 0644);
        ck_assert_int_eq(host_path_judge(path, true, false), HOST_STRANGE);
        unlink(path);
        rmdir(place);
}
END_TEST

START_TEST(test_some_places_are_never_offered)
{
        ck_assert_int_eq(host_path_judge("/proc/version", true, false), HOST_SYSTEM);
        ck_assert_int_eq(host_path_judge("/dev/null", true, false), HOST_SYSTEM);
        ck_assert_int_eq(host_path_judge("/tmp", true, false), HOST_SYSTEM);
        ck_assert_int_eq(host_path_judge("/var", true, false), HOST_BROAD);
        ck_assert_int_eq(host_path_judge("/etc/shadow", true, false), HOST_PRIVATE);
        ck_assert_int_eq(host_path_judge("/no/such/path", true, false), HOST_ABSENT);
}
END_TEST

START_TEST(test_hidden_files_of_a_home_are_never_offered)
{
        char place[] = "/var/lib/skep-test-XXXXXX", path[64];

        ck_assert_ptr_nonnull(mkdtemp(place));
        chmod(place, 0755);
        setenv("HOME", place, 1);
        snprintf(path, sizeof path, "%s/.netrc", place);
        make_file(path, 0644);
        ck_assert_int_eq(host_path_judge(path, true, false), HOST_HOME);
        unlink(path);
        rmdir(place);
}
END_TEST

static void assert_leads_to(const char *path, const char *expected)
{
        _cleanup_free_ char *followed = host_path_follow_shown(path);

        ck_assert_str_eq(followed, expected);
}

START_TEST(test_links_of_usr_are_followed_and_others_are_not)
{
        char place[] = "/usr/local/lib/skep-test-XXXXXX", link[64], path[128];

        ck_assert_ptr_nonnull(mkdtemp(place));
        snprintf(link, sizeof link, "%s/out", place);
        snprintf(path, sizeof path, "%s/out/x", place);
        ck_assert_int_eq(symlink("/opt/../opt/tool", link), 0);
        assert_leads_to(path, "/opt/tool/x");
        assert_leads_to(link, "/opt/tool");
        unlink(link);
        ck_assert_int_eq(symlink("../here", link), 0);
        assert_leads_to(path, "/usr/local/lib/here/x");
        unlink(link);
        ck_assert_int_eq(symlink("out", link), 0); /* to itself: it ends */
        assert_leads_to(path, path);
        unlink(link);
        rmdir(place);
        assert_leads_to("/proc/self/exe", "/proc/self/exe");
        assert_leads_to("/", "/");
}
END_TEST

/* ---- drafts ---- */

static JailPolicy *load_base(void)
{
        _cleanup_error_ Error e = ERROR_NULL;
        JailPolicy *policy = NULL;

        assert_ok(jail_policy_from_text("base",
                                        "{\"filesystem\": {\"execute\": [\"/usr\"], \"hidden\": [\"/usr/share\"]},"
                                        " \"syscalls\": {\"allow\": [\"execve\", \"exit_group\", \"read\", \"ptrace\"],"
                                        " \"action\": \"kill\"},"
                                        " \"limits\": {\"pids\": {\"default\": 5, \"max\": 9}}}",
                                        &policy, &e),
                  &e);
        return policy;
}

static bool allows(const JailPolicy *policy, const char *word)
{
        _cleanup_json_ json_object *o = json_tokener_parse(jail_policy_text(policy));

        return strstr(json_object_to_json_string_ext(o, JSON_C_TO_STRING_NOSLASHESCAPE), word) != NULL;
}

START_TEST(test_a_draft_can_do_without_each_item)
{
        _cleanup_error_ Error e = ERROR_NULL;
        _cleanup_policy_ JailPolicy *base = load_base(), *all = NULL, *less = NULL, *none = NULL;
        _cleanup_(draft_done) Draft d = {.base = NULL};
        bool is_new;

        assert_ok(draft_from_policy(base, &d, &e), &e);
        ck_assert_int_eq(draft_use(&d, DRAFT_READ_ONLY, "/opt/x", &is_new), 0);
        ck_assert(is_new);
        ck_assert_int_eq(draft_use(&d, DRAFT_CALL, "read", &is_new), 0);
        ck_assert(!is_new && draft_find(&d, DRAFT_CALL, "read")->used && !draft_find(&d, DRAFT_CALL, "ptrace")->used);

        assert_ok(draft_policy(&d, NULL, 0, &all, &e), &e);
        ck_assert(allows(all, "\"ptrace\"") && allows(all, "/opt/x") && allows(all, "/usr/share"));
        ck_assert(allows(all, "\"errno\"")); /* to see what is refused */

        const size_t without[] = {(size_t)(draft_find(&d, DRAFT_CALL, "ptrace") - d.items)};
        assert_ok(draft_policy(&d, without, 1, &less, &e), &e);
        ck_assert(!allows(less, "\"ptrace\"") && allows(less, "\"read\""));

        const size_t needed[] = {(size_t)(draft_find(&d, DRAFT_CALL, "execve") - d.items)};
        assert_refused(draft_policy(&d, needed, 1, &none, &e), &e, "execve");
}
END_TEST

START_TEST(test_a_draft_is_written_as_the_policy_that_it_is)
{
        _cleanup_error_ Error e = ERROR_NULL;
        _cleanup_policy_ JailPolicy *base = load_base(), *back = NULL;
        _cleanup_(draft_done) Draft d = {.base = NULL};
        _cleanup_json_ json_object *groups = NULL;
        const char *two_groups = "{\"@io\": [\"read\"], \"@others\": [\"ptrace\"]}";
        JailLimits limits = jail_limits_none, ceilings = jail_limits_none, more = jail_limits_none;

        assert_ok(draft_from_policy(base, &d, &e), &e);
        assert_ok(json_parse_text(two_groups, strlen(two_groups), &groups, &e), &e);
        ck_assert_int_eq(draft_use(&d, DRAFT_EXECUTE, "/usr/bin/a\"b", NULL), 0);
        draft_find(&d, DRAFT_CALL, "ptrace")->in = false;
        draft_find(&d, DRAFT_EXECUTE, "/usr")->in = false;
        limits.memory_bytes = UINT64_C(256) << 20;
        limits.wall_usec = 90000000;
        limits.cpu_milli = 1500;
        limits.io_read_bytes_per_sec = 1 << 20;
        ceilings.wall_usec = 91000000;
        ceilings.io_read_bytes_per_sec = 1 << 20;
        _cleanup_free_ char *text = draft_text(&d, groups, &(DraftLimits){&limits, &ceilings}, "it said \"x\"\n// no comment");
        assert_ok(jail_policy_from_text("back", text, &back, &e), &e);
        ck_assert_str_eq(jail_policy_description(back), "it said \"x\"\n// no comment");
        ck_assert(allows(back, "a\\\"b") && allows(back, "\"read\"") && !allows(back, "ptrace"));
        ck_assert(allows(back, "\"/usr/share\"") && !allows(back, "\"/usr\""));
        ck_assert_uint_eq(jail_policy_limits(back)->memory_bytes, UINT64_C(256) << 20);
        ck_assert_uint_eq(jail_policy_limits(back)->wall_usec, 90000000);
        ck_assert_uint_eq(jail_policy_limits(back)->cpu_milli, 1500);
        ck_assert_uint_eq(jail_policy_limits(back)->io_read_bytes_per_sec, 1 << 20);
        ck_assert_uint_eq(jail_policy_limits(back)->pids, JAIL_UNLIMITED);
        more.wall_usec = 91000000;
        more.memory_bytes = UINT64_C(1) << 40;
        assert_ok(jail_policy_admit(back, &more, &e), &e);
        more.wall_usec++;
        assert_refused(jail_policy_admit(back, &more, &e), &e, "limits.wall");
        more = jail_limits_none;
        more.io_read_bytes_per_sec = (1 << 20) + 1;
        assert_refused(jail_policy_admit(back, &more, &e), &e, "limits.io.read");
}
END_TEST

Suite *learn_suite(void)
{
        Suite *suite = suite_create("learn");
        TCase *t = tcase_create("learn");

        tcase_add_test(t, test_a_call_comes_back_as_it_was);
        tcase_add_test(t, test_what_is_no_call_is_refused);
        tcase_add_test(t, test_a_call_is_shown_with_its_arguments);
        tcase_add_test(t, test_what_a_job_calls_itself_cannot_write_to_a_terminal);
        tcase_add_test(t, test_paths_become_plain);
        tcase_add_test(t, test_only_what_everybody_may_read_is_offered);
        tcase_add_test(t, test_some_places_are_never_offered);
        tcase_add_test(t, test_hidden_files_of_a_home_are_never_offered);
        tcase_add_test(t, test_links_of_usr_are_followed_and_others_are_not);
        tcase_add_test(t, test_a_draft_can_do_without_each_item);
        tcase_add_test(t, test_a_draft_is_written_as_the_policy_that_it_is);
        suite_add_tcase(suite, t);
        return suite;
}
