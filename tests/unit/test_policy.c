/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "engine/base/fd.h"
#include "engine/base/remove_tree.h"
#include "engine/base/strv.h"
#include "jail/floor.h"
#include "jail/policy.h"
#include "jail/syscall_groups.h"
#include "tests/unit/unit.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

static const char *const shipped[] = {"strict", "python", "agent", "build", "service"};
static char folder[] = "/tmp/skep-policy-XXXXXX";
static char *folders[3]; /* an operator's over the shipped ones */

static void make_folder(void)
{
        strcpy(folder + strlen(folder) - 6, "XXXXXX");
        ck_assert_ptr_nonnull(mkdtemp(folder));
        folders[0] = folder;
        folders[1] = (char *)"policies";
}

static void remove_folder(void)
{
        remove_tree_at(AT_FDCWD, folder);
}

static void write_policy(const char *name, const char *text)
{
        _cleanup_free_ char *file = NULL;

        ck_assert_int_gt(asprintf(&file, "%s/%s.json", folder, name), 0);
        _cleanup_close_ int fd = open(file, O_WRONLY | O_CREAT | O_TRUNC, 0644);
        ck_assert_int_eq(write_full(fd, text, strlen(text)), 0);
}

START_TEST(test_shipped_policies_load_and_compile)
{
        _cleanup_error_ Error e = ERROR_NULL;

        for (size_t i = 0; i < ELEMENTS(shipped); i++) {
                _cleanup_policy_ JailPolicy *policy = NULL;
                assert_ok(jail_policy_load(shipped[i], folders, &policy, &e), &e);
                assert_ok(policy_compile(policy, &e), &e);
                ck_assert_ptr_null(jail_policy_notes(policy));
                ck_assert_uint_gt(policy->filter_size, 0);
                ck_assert_uint_eq(policy->capabilities, 0);
                ck_assert(strncmp(jail_policy_digest(policy), "sha256:", 7) == 0);
        }
}
END_TEST

START_TEST(test_strict_allows_at_most_100_calls_and_python_200)
{
        _cleanup_error_ Error e = ERROR_NULL;
        _cleanup_policy_ JailPolicy *strict = NULL, *python = NULL;

        assert_ok(jail_policy_load("strict", folders, &strict, &e), &e);
        assert_ok(jail_policy_load("python", folders, &python, &e), &e);
        ck_assert_uint_le(strv_length(strict->syscalls), 100);
        ck_assert_uint_ge(strv_length(python->syscalls), 200);
}
END_TEST

/* Beyond what no policy can allow: skep-policy(5) has this list too. */
START_TEST(test_no_shipped_policy_lets_out)
{
        static const char *const never[] = {
                "ptrace",   "process_vm_readv", "process_vm_writev", "pidfd_getfd", "kcmp",    "chroot",  "setuid",
                "setgid",   "setreuid",         "setregid",          "setfsuid",    "setfsgid", "setgroups",
                "modify_ldt", "name_to_handle_at", "io_setup",       "io_submit",   "seccomp", "mbind",   "move_pages",
                "migrate_pages", "set_mempolicy", "adjtimex",        "clock_adjtime", "memfd_secret", "fanotify_mark",
                "remap_file_pages", "sysfs",    "personality", "sync", "syncfs"};
        _cleanup_error_ Error e = ERROR_NULL;

        for (size_t i = 0; i < ELEMENTS(shipped); i++) {
                _cleanup_policy_ JailPolicy *policy = NULL;
                assert_ok(jail_policy_load(shipped[i], folders, &policy, &e), &e);
                for (size_t k = 0; policy->syscalls[k]; k++)
                        ck_assert_msg(!floor_forbids(policy->syscalls[k]), "%s allows %s", shipped[i], policy->syscalls[k]);
                for (size_t k = 0; k < ELEMENTS(never); k++) {
                        bool build_may = strcmp(shipped[i], "build") == 0 && strcmp(never[k], "personality") == 0;
                        ck_assert_msg(build_may || !strv_contains(policy->syscalls, never[k]), "%s allows %s", shipped[i],
                                      never[k]);
                }
        }
}
END_TEST

START_TEST(test_no_policy_may_name_a_call_of_the_floor)
{
        _cleanup_error_ Error e = ERROR_NULL;
        JailPolicy *policy = NULL;

        write_policy("low", "{\"extends\": \"strict\", \"syscalls\": {\"allow\": [\"sync\", \"mount\"]}}");
        assert_refused(jail_policy_load("low", folders, &policy, &e), &e,
                       "syscalls.allow: \"mount\" is among the calls that no policy allows");
}
END_TEST

START_TEST(test_a_profile_replaces_system_calls_and_they_a_profile)
{
        _cleanup_error_ Error e = ERROR_NULL;
        _cleanup_policy_ JailPolicy *profile = NULL, *child = NULL, *back = NULL, *calls = NULL;

        write_policy("profile", "{\"extends\": \"python\", \"syscalls\": {\"action\": \"kill\"}}");
        write_policy("over", "{\"extends\": \"profile\", \"seccomp\": {\"defaultAction\": \"SCMP_ACT_ALLOW\"}}");
        write_policy("child", "{\"extends\": \"over\", \"capabilities\": [\"cap_sys_ptrace\"], \"seccomp\":"
                              " {\"defaultAction\": \"SCMP_ACT_ERRNO\", \"syscalls\": ["
                              "{\"names\": [\"execve\", \"exit_group\"], \"action\": \"SCMP_ACT_ALLOW\"},"
                              "{\"names\": [\"ptrace\"], \"action\": \"SCMP_ACT_ALLOW\", \"includes\": {\"caps\": [\"CAP_SYS_PTRACE\"]}}]}}");
        write_policy("calls", "{\"extends\": \"child\", \"syscalls\": {\"allow\": [\"execve\", \"exit_group\", \"read\"]}}");
        assert_ok(jail_policy_load("over", folders, &profile, &e), &e);
        ck_assert(profile->seccomp && profile->seccomp->default_action == SCMP_ACT_ALLOW);
        ck_assert_ptr_null(profile->syscalls);
        ck_assert(strv_contains(profile->execute, "/work")); /* the rest is inherited */
        assert_ok(jail_policy_load("child", folders, &child, &e), &e);
        ck_assert_uint_eq(child->seccomp->n_rules, 2); /* of capabilities that are only known when all is read */
        assert_ok(jail_policy_from_text("child", jail_policy_text(child), &back, &e), &e);
        ck_assert_str_eq(jail_policy_digest(child), jail_policy_digest(back));
        assert_ok(jail_policy_load("calls", folders, &calls, &e), &e);
        ck_assert_ptr_null(calls->seccomp);
        ck_assert_uint_eq(strv_length(calls->syscalls), 3);

        JailPolicy *none = NULL;
        write_policy("both", "{\"syscalls\": {\"allow\": [\"read\"]}, \"seccomp\": {\"defaultAction\": \"SCMP_ACT_ALLOW\"}}");
        assert_refused(jail_policy_load("both", folders, &none, &e), &e, "seccomp: a policy has either this or \"syscalls\"");
}
END_TEST

START_TEST(test_a_bare_profile_is_python_with_its_system_calls)
{
        _cleanup_error_ Error e = ERROR_NULL;
        _cleanup_policy_ JailPolicy *bare = NULL, *python = NULL;
        JailPolicy *none = NULL;

        write_policy("bare", "{\"defaultAction\": \"SCMP_ACT_ALLOW\", \"syscalls\": ["
                             "{\"name\": \"call_of_tomorrow\", \"action\": \"SCMP_ACT_LOG\"}]}");
        assert_ok(jail_policy_load("bare", folders, &bare, &e), &e);
        assert_ok(jail_policy_load("python", folders, &python, &e), &e);
        ck_assert_ptr_nonnull(bare->seccomp);
        ck_assert_uint_eq(bare->limits.memory_bytes, python->limits.memory_bytes);
        ck_assert_uint_eq(strv_length(bare->execute), strv_length(python->execute));
        ck_assert_str_eq(jail_policy_notes(bare)[0], "not known to this libseccomp, and so not allowed: call_of_tomorrow");
        write_policy("bad", "{\"defaultAction\": \"SCMP_ACT_ALLOW\", \"syscals\": []}");
        assert_refused(jail_policy_load("bad", folders, &none, &e), &e, "bad.json: syscals: unknown key");
        assert_refused(jail_policy_from_text("bare", "{\"defaultAction\": \"SCMP_ACT_ALLOW\"}", &none, &e), &e, "resolved");
}
END_TEST

START_TEST(test_null_lifts_a_limit_and_a_ceiling_lowers_it)
{
        _cleanup_error_ Error e = ERROR_NULL;
        _cleanup_policy_ JailPolicy *service = NULL, *lifted = NULL, *back = NULL, *lower = NULL;

        assert_ok(jail_policy_load("service", folders, &service, &e), &e);
        ck_assert(service->limits.wall_usec == JAIL_UNLIMITED && service->limits.memory_bytes != JAIL_UNLIMITED);
        write_policy("capped", "{\"extends\": \"strict\", \"limits\": {\"memory\": {\"max\": \"1G\"}, \"pids\": {\"max\": 50}}}");
        write_policy("lifted", "{\"extends\": \"capped\", \"limits\": {\"memory\": {\"default\": null, \"max\": null}, \"pids\": null}}");
        assert_ok(jail_policy_load("lifted", folders, &lifted, &e), &e);
        ck_assert(lifted->limits.memory_bytes == JAIL_UNLIMITED && lifted->ceilings.memory_bytes == JAIL_UNLIMITED);
        ck_assert_uint_eq(lifted->limits.pids, 50); /* the ceiling stands */
        write_policy("lower", "{\"extends\": \"strict\", \"limits\": {\"pids\": {\"max\": 9}}}");
        assert_ok(jail_policy_load("lower", folders, &lower, &e), &e);
        ck_assert_uint_eq(lower->limits.pids, 9); /* which was 32 */
        assert_ok(jail_policy_from_text("lifted", jail_policy_text(lifted), &back, &e), &e);
        ck_assert_str_eq(jail_policy_digest(lifted), jail_policy_digest(back));
}
END_TEST

START_TEST(test_lists_add_and_scalars_replace)
{
        _cleanup_error_ Error e = ERROR_NULL;
        _cleanup_policy_ JailPolicy *policy = NULL;

        write_policy("mine", "{\"extends\": \"strict\", \"description\": \"mine\","
                             " \"filesystem\": {\"execute\": [\"/work\"], \"hidden\": [\"/usr/games\"]},"
                             " \"syscalls\": {\"allow\": [\"@sync\", \"socket\"], \"deny\": [\"kill\"]},"
                             " \"limits\": {\"memory\": {\"default\": \"1M\", \"max\": \"2M\"}, \"io\": {\"read\": \"5M\"}}}");
        assert_ok(jail_policy_load("mine", folders, &policy, &e), &e);
        ck_assert_str_eq(jail_policy_description(policy), "mine");
        ck_assert(strv_contains(policy->execute, "/usr") && strv_contains(policy->execute, "/work"));
        ck_assert(strv_contains(policy->syscalls, "sync_file_range") && strv_contains(policy->syscalls, "read"));
        ck_assert(!strv_contains(policy->syscalls, "kill"));
        ck_assert_uint_eq(policy->limits.memory_bytes, 1 << 20);
        ck_assert_uint_eq(policy->ceilings.memory_bytes, 2 << 20);
        ck_assert_uint_eq(policy->limits.pids, 32);
        ck_assert_uint_eq(policy->limits.io_read_bytes_per_sec, 5 << 20);
}
END_TEST

START_TEST(test_an_operators_policy_may_extend_the_shipped_one_of_its_name)
{
        _cleanup_error_ Error e = ERROR_NULL;
        _cleanup_policy_ JailPolicy *policy = NULL;

        write_policy("strict", "{\"extends\": \"strict\", \"limits\": {\"pids\": 7}}");
        assert_ok(jail_policy_load("strict", folders, &policy, &e), &e);
        ck_assert_uint_eq(policy->limits.pids, 7);
        ck_assert(strv_contains(policy->syscalls, "read"));
}
END_TEST

START_TEST(test_circles_of_extends_are_refused)
{
        _cleanup_error_ Error e = ERROR_NULL;
        JailPolicy *policy = NULL;

        write_policy("one", "{\"extends\": \"two\"}");
        write_policy("two", "{\"extends\": \"one\"}");
        assert_refused(jail_policy_load("one", folders, &policy, &e), &e, "circle");
}
END_TEST

START_TEST(test_the_resolved_text_means_the_same_policy)
{
        _cleanup_error_ Error e = ERROR_NULL;
        _cleanup_policy_ JailPolicy *policy = NULL, *back = NULL;

        write_policy("full", "{\"extends\": \"build\", \"capabilities\": [\"cap_chown\"], \"require\": [\"memory\"],"
                             " \"devices\": [\"/dev/kvm\"], \"filesystem\": {\"tmpfs\": [\"/run\"], \"read_only\": [\"/opt\"]},"
                             " \"network\": \"broker\", \"syscalls\": {\"action\": \"kill\"},"
                             " \"limits\": {\"cpu\": 1.5, \"cpu_time\": \"1min\", \"io\": {\"read\": \"5M\", \"write\": {\"max\": 7}}}}");
        assert_ok(jail_policy_load("full", folders, &policy, &e), &e);
        assert_ok(jail_policy_from_text("full", jail_policy_text(policy), &back, &e), &e);
        ck_assert_str_eq(jail_policy_digest(policy), jail_policy_digest(back));
        ck_assert_str_eq(jail_policy_text(policy), jail_policy_text(back));
        ck_assert_uint_eq(back->limits.cpu_milli, 1500);
        ck_assert_uint_eq(back->ceilings.io_write_bytes_per_sec, 7);
}
END_TEST

START_TEST(test_errors_name_file_key_and_what_is_allowed)
{
        static const struct {
                const char *text, *part;
        } cases[] = {
                {"{\"extends\": \"strict\", \"limit\": {}}", "limit: unknown key; known here: extends, description"},
                {"{\"extends\": \"strict\", \"limits\": {\"memroy\": 1}}", "limits.memroy: unknown key; known here: memory"},
                {"{\"extends\": \"strict\", \"limits\": {\"memory\": \"lots\"}}", "limits.memory: \"lots\" is not a size"},
                {"{\"extends\": \"strict\", \"limits\": {\"memory\": 0}}", "limits.memory: must be more than 0"},
                {"{\"extends\": \"strict\", \"limits\": {\"memory\": \"99999999T\"}}", "too large"},
                {"{\"extends\": \"strict\", \"limits\": {\"wall\": 60}}", "limits.wall: a number needs a unit"},
                {"{\"extends\": \"strict\", \"limits\": {\"memory\": {\"min\": 1}}}", "limits.memory.min: unknown key"},
                {"{\"extends\": \"strict\", \"limits\": {\"io\": {\"reed\": 1}}}", "limits.io.reed: unknown key; known here: read, write"},
                {"{\"extends\": \"strict\", \"syscalls\": {\"allow\": [\"raed\"]}}", "syscalls.allow[0]: \"raed\" is not a system call"},
                {"{\"extends\": \"strict\", \"syscalls\": {\"allow\": [\"@nope\"]}}", "\"@nope\" is not a group"},
                {"{\"extends\": \"strict\", \"syscalls\": {\"action\": \"allow\"}}", "syscalls.action: must be \"errno\" or \"kill\""},
                {"{\"extends\": \"strict\", \"network\": {\"mode\": \"allow\"}}", "network: an object with a mode and an allowlist is not built yet"},
                {"{\"extends\": \"strict\", \"seccomp\": {\"defaultAction\": \"SCMP_ACT_TRACE\"}}", "seccomp.defaultAction: SCMP_ACT_TRACE needs a tracer"},
                {"{\"extends\": \"strict\", \"network\": \"host\"}", "network: must be \"none\" or \"broker\""},
                {"{\"extends\": \"strict\", \"filesystem\": {\"hidden\": [\"../x\"]}}", "filesystem.hidden[0]"},
                {"{\"extends\": \"strict\", \"filesystem\": {\"read_only\": [\"/a/../b\"]}}", "filesystem.read_only[0]"},
                {"{\"extends\": \"strict\", \"devices\": [\"/etc/passwd\"]}", "devices"},
                {"{\"extends\": \"strict\", \"capabilities\": [\"cap_everything\"]}", "capabilities[0]"},
                {"{\"extends\": \"strict\", \"capabilities\": [\"cap_chown,cap_kill\"]}", "capabilities[0]"},
                {"{\"extends\": \"strict\", \"capabilities\": [\"CAP_CHOWN\", \"63\"]}", "capabilities[1]"},
                {"{\"extends\": \"strict\", \"require\": [\"magic\"]}", "require[0]: \"magic\" is not a layer; there are: user, mount, pid, net, ipc, uts, cgroup,"},
                {"{\"extends\": 1}", "bad.json: extends: must be a string"},
                {"{\"extends\": \"nowhere\"}", "there is no policy \"nowhere\""},
                {"{\"extends\": \"../../etc/passwd\"}", "policy"},
                {"{\"extends\": \"strict\", \"limits\": {\"wall\": {\"default\": \"3s\", \"max\": \"1s\"}}}",
                 "limits.wall: the default is above the max"},
                {"{\"extends\": \"strict\", \"syscalls\": {\"deny\": [\"execve\"]}}", "without execve"},
                {"{}", "no system call is allowed"},
                {"[]", "must be an object"},
                {"{", "not JSON"},
        };
        _cleanup_error_ Error e = ERROR_NULL;

        for (size_t i = 0; i < ELEMENTS(cases); i++) {
                JailPolicy *policy = NULL;
                write_policy("bad", cases[i].text);
                assert_refused(jail_policy_load("bad", folders, &policy, &e), &e, cases[i].part);
                ck_assert_msg(strstr(error_text(&e), "bad"), "no file in \"%s\"", error_text(&e));
        }
        JailPolicy *policy = NULL;
        assert_refused(jail_policy_load("absent", folders, &policy, &e), &e, "there is no policy \"absent\" in");
        assert_refused(jail_policy_load("../strict", (char *[]){(char *)"policies", NULL}, &policy, &e), &e, "");
}
END_TEST

START_TEST(test_groups_that_contain_themselves_are_refused)
{
        _cleanup_error_ Error e = ERROR_NULL;
        _cleanup_strv_ char **names = NULL;
        json_object *groups = json_tokener_parse("{\"@a\": [\"@b\"], \"@b\": [\"@a\"]}");

        assert_refused(syscall_groups_expand(groups, "@a", "x", &names, &e), &e, "contains itself");
        json_object_put(groups);
}
END_TEST

START_TEST(test_ceilings_are_held)
{
        _cleanup_error_ Error e = ERROR_NULL;
        _cleanup_policy_ JailPolicy *policy = NULL;
        JailLimits asked = jail_limits_none;

        write_policy("capped", "{\"extends\": \"strict\", \"limits\": {\"memory\": {\"default\": \"1M\", \"max\": \"2M\"},"
                               " \"io\": {\"read\": {\"max\": 5}}}}");
        assert_ok(jail_policy_load("capped", folders, &policy, &e), &e);
        asked.memory_bytes = 2 << 20;
        assert_ok(jail_policy_admit(policy, &asked, &e), &e);
        asked.memory_bytes++;
        assert_refused(jail_policy_admit(policy, &asked, &e), &e, "limits.memory: the policy \"capped\" allows at most 2M");
        asked = jail_limits_none;
        asked.io_read_bytes_per_sec = 6;
        assert_refused(jail_policy_admit(policy, &asked, &e), &e, "limits.io.read");
}
END_TEST

Suite *policy_suite(void)
{
        Suite *suite = suite_create("policy");
        TCase *tests = tcase_create("policy");

        tcase_add_checked_fixture(tests, make_folder, remove_folder);
        tcase_set_timeout(tests, 60);
        tcase_add_test(tests, test_shipped_policies_load_and_compile);
        tcase_add_test(tests, test_strict_allows_at_most_100_calls_and_python_200);
        tcase_add_test(tests, test_no_shipped_policy_lets_out);
        tcase_add_test(tests, test_no_policy_may_name_a_call_of_the_floor);
        tcase_add_test(tests, test_a_profile_replaces_system_calls_and_they_a_profile);
        tcase_add_test(tests, test_a_bare_profile_is_python_with_its_system_calls);
        tcase_add_test(tests, test_null_lifts_a_limit_and_a_ceiling_lowers_it);
        tcase_add_test(tests, test_lists_add_and_scalars_replace);
        tcase_add_test(tests, test_an_operators_policy_may_extend_the_shipped_one_of_its_name);
        tcase_add_test(tests, test_circles_of_extends_are_refused);
        tcase_add_test(tests, test_the_resolved_text_means_the_same_policy);
        tcase_add_test(tests, test_errors_name_file_key_and_what_is_allowed);
        tcase_add_test(tests, test_groups_that_contain_themselves_are_refused);
        tcase_add_test(tests, test_ceilings_are_held);
        suite_add_tcase(suite, tests);
        return suite;
}
