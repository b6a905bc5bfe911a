/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "engine/base/fd.h"
#include "engine/base/json.h"
#include "engine/base/strv.h"
#include "jail/filter_reading.h"
#include "jail/policy.h"
#include "tests/unit/unit.h"

#include <inttypes.h>
#include <string.h>
#include <sys/capability.h>
#include <sys/syscall.h>

#define EXECUTES "{\"names\": [\"execve\", \"exit_group\"], \"action\": \"SCMP_ACT_ALLOW\"}"

static int try_profile(const char *text, uint64_t capabilities, OciSeccomp **ret, char ***notes, Error *e)
{
        _cleanup_json_ json_object *o = NULL;
        OciSeccomp *s = NULL;
        int r = json_parse_text(text, strlen(text), &o, e);

        if (r >= 0)
                r = oci_seccomp_read(o, "seccomp", &s, e);
        if (r >= 0)
                r = oci_seccomp_settle(s, capabilities, notes, e);
        if (r < 0)
                s = oci_seccomp_free(s);
        *ret = s;
        return r;
}

/* A profile that refuses what it does not name, with these rules. */
static OciSeccomp *settled(const char *rules, uint64_t capabilities)
{
        _cleanup_error_ Error e = ERROR_NULL;
        _cleanup_free_ char *text = NULL;
        _cleanup_strv_ char **notes = NULL;
        OciSeccomp *s;

        ck_assert_int_gt(asprintf(&text, "{\"defaultAction\": \"SCMP_ACT_ERRNO\", \"syscalls\": [" EXECUTES ", %s]}", rules), 0);
        assert_ok(try_profile(text, capabilities, &s, &notes, &e), &e);
        return s;
}

static bool allows(const OciSeccomp *s, const char *call)
{
        for (size_t i = 0; i < s->n_rules; i++)
                if (s->rules[i].action == SCMP_ACT_ALLOW && strv_contains(s->rules[i].names, call))
                        return true;
        return false;
}

START_TEST(test_conditions_are_evaluated_for_this_machine_and_policy)
{
        static const struct {
                const char *condition;
                bool without, with; /* holds without and with CAP_SYS_PTRACE */
        } cases[] = {
                {"", true, true},
                {", \"includes\": {}, \"excludes\": {}, \"comment\": \"\"", true, true},
                {", \"includes\": null, \"excludes\": null", true, true},
                {", \"includes\": {\"caps\": [\"CAP_SYS_PTRACE\"]}", false, true},
                {", \"excludes\": {\"caps\": [\"CAP_SYS_PTRACE\"]}", true, false},
                {", \"includes\": {\"caps\": [\"CAP_SYS_PTRACE\", \"CAP_SYS_ADMIN\"]}", false, false},
                {", \"excludes\": {\"caps\": [\"CAP_SYS_PTRACE\", \"CAP_SYS_ADMIN\"]}", true, false},
                {", \"includes\": {\"caps\": [\"CAP_OF_THE_FUTURE\"]}", false, false},
                {", \"excludes\": {\"caps\": [\"CAP_OF_THE_FUTURE\"]}", true, true},
                {", \"includes\": {\"arches\": [\"mips\"]}", false, false},
                {", \"excludes\": {\"arches\": [\"mips\"]}", true, true},
                {", \"includes\": {\"minKernel\": \"4.8\"}", true, true},
                {", \"excludes\": {\"minKernel\": \"4.8\"}", false, false},
                {", \"includes\": {\"minKernel\": \"999.0\"}", false, false},
                {", \"excludes\": {\"minKernel\": \"999.0\"}", true, true},
#ifdef __x86_64__
                {", \"includes\": {\"arches\": [\"x32\", \"amd64\"]}", true, true},
                {", \"excludes\": {\"arches\": [\"amd64\"]}", false, false},
                {", \"includes\": {\"arches\": [\"amd64\"], \"caps\": [\"CAP_SYS_PTRACE\"]}", false, true},
#endif
        };

        for (size_t i = 0; i < ELEMENTS(cases); i++) {
                _cleanup_free_ char *rule = NULL;
                ck_assert_int_gt(asprintf(&rule, "{\"names\": [\"kcmp\"], \"action\": \"SCMP_ACT_ALLOW\", \"args\": []%s}",
                                          cases[i].condition), 0);
                _cleanup_oci_seccomp_ OciSeccomp *without = settled(rule, 0),
                                                 *with = settled(rule, UINT64_C(1) << CAP_SYS_PTRACE);
                ck_assert_msg(allows(without, "kcmp") == cases[i].without, "%s", cases[i].condition);
                ck_assert_msg(allows(with, "kcmp") == cases[i].with, "%s, with the capability", cases[i].condition);
        }
}
END_TEST

START_TEST(test_what_cannot_be_allowed_is_left_out_and_said)
{
        _cleanup_error_ Error e = ERROR_NULL;
        _cleanup_strv_ char **notes = NULL;
        _cleanup_oci_seccomp_ OciSeccomp *s = NULL;

        assert_ok(try_profile("{\"defaultAction\": \"SCMP_ACT_ERRNO\", \"syscalls\": [" EXECUTES ","
                              "{\"names\": [\"read\", \"call_of_tomorrow\", \"mount\", \"recv\", \"keyctl\", \"read\"],"
                              " \"action\": \"SCMP_ACT_ALLOW\"},"
                              "{\"names\": [\"call_of_tomorrow\", \"mo\\u001b[1mre\"], \"action\": \"SCMP_ACT_LOG\"},"
                              "{\"names\": [\"unshare\", \"arm_fadvise64_64\"], \"action\": \"SCMP_ACT_ALLOW\","
                              " \"includes\": {\"caps\": [\"CAP_SYS_ADMIN\"]}}],"
                              "\"flags\": [\"SECCOMP_FILTER_FLAG_TSYNC\", \"SECCOMP_FILTER_FLAG_LOG\"]}",
                              0, &s, &notes, &e), &e);
        ck_assert_uint_eq(strv_length(notes), 3);
        ck_assert_ptr_nonnull(strstr(notes[0], "SECCOMP_FILTER_FLAG_LOG has no effect"));
        ck_assert_str_eq(notes[1], "seccomp: not known to this libseccomp, and so not allowed: call_of_tomorrow, mo\\x1b[1mre");
        ck_assert_str_eq(notes[2], "seccomp: no policy allows: mount, keyctl");
        ck_assert_uint_eq(s->n_rules, 2);
        ck_assert_uint_eq(strv_length(s->rules[1].names), 1); /* recv is of other architectures */
}
END_TEST

START_TEST(test_errors_of_a_profile_name_the_key)
{
        static const struct {
                const char *text, *part;
        } cases[] = {
                {"[]", "seccomp: must be an object"},
                {"{}", "seccomp: the key \"defaultAction\" is missing"},
                {"{\"defaultAction\": \"SCMP_ACT_MAYBE\"}", "seccomp.defaultAction: \"SCMP_ACT_MAYBE\" is not an action"},
                {"{\"defaultAction\": \"SCMP_ACT_TRACE\"}", "SCMP_ACT_TRACE needs a tracer"},
                {"{\"defaultAction\": \"SCMP_ACT_NOTIFY\"}", "SCMP_ACT_NOTIFY needs a listener"},
                {"{\"defaultAction\": \"SCMP_ACT_ERRNO\"}", "without execve and exit_group"},
                {"{\"defaultAction\": \"SCMP_ACT_ERRNO\", \"defaultErrnoRet\": 4096}", "defaultErrnoRet: must be at most 4095"},
                {"{\"defaultAction\": \"SCMP_ACT_ERRNO\", \"defaultErrnoRet\": -1}", "whole number from 0"},
                {"{\"defaultAction\": \"SCMP_ACT_ERRNO\", \"defaultErrno\": \"EHERE\"}", "\"EHERE\" is not the name of an error"},
                {"{\"defaultAction\": \"SCMP_ACT_ERRNO\", \"defaultErrno\": \"EPERM\", \"defaultErrnoRet\": 38}", "given twice"},
                {"{\"defaultAction\": \"SCMP_ACT_KILL\", \"defaultErrnoRet\": 1}", "SCMP_ACT_KILL gives no error"},
                {"{\"defaultAction\": \"SCMP_ACT_ALLOW\", \"architectures\": [\"SCMP_ARCH_MIPS\"]}", "seccomp.architectures: the profile is not for this machine"},
                {"{\"defaultAction\": \"SCMP_ACT_ALLOW\", \"flags\": [\"SECCOMP_FILTER_FLAG_X\"]}", "seccomp.flags: \"SECCOMP_FILTER_FLAG_X\" is not"},
                {"{\"defaultAction\": \"SCMP_ACT_ALLOW\", \"listenerPath\": \"/run/x\"}", "listenerPath"},
                {"{\"defaultAction\": \"SCMP_ACT_ALLOW\", \"listenerMetadata\": \"x\"}", "listenerMetadata"},
                {"{\"defaultAction\": \"SCMP_ACT_ALLOW\", \"syscall\": []}", "seccomp.syscall: unknown key"},
                {"{\"defaultAction\": \"SCMP_ACT_ALLOW\", \"syscalls\": {}}", "seccomp.syscalls: must be an array"},
                {"{\"defaultAction\": \"SCMP_ACT_ALLOW\", \"archMap\": {}}", "seccomp.archMap: must be an array"},
        };
        /* in a rule */
        static const struct {
                const char *rule, *part;
        } rules[] = {
                {"5", "seccomp.syscalls[1]: must be an object"},
                {"{\"action\": \"SCMP_ACT_ALLOW\"}", "seccomp.syscalls[1]: names no system call"},
                {"{\"names\": [], \"action\": \"SCMP_ACT_ALLOW\"}", "names no system call"},
                {"{\"names\": [\"read\"]}", "seccomp.syscalls[1]: the key \"action\" is missing"},
                {"{\"names\": [\"read\"], \"name\": \"write\", \"action\": \"SCMP_ACT_ALLOW\"}", "both \"name\" and \"names\""},
                {"{\"names\": [5], \"action\": \"SCMP_ACT_ALLOW\"}", "seccomp.syscalls[1].names[0]: must be a string"},
                {"{\"names\": [\"raed\"], \"action\": \"SCMP_ACT_ERRNO\"}", "seccomp.syscalls[1]: \"raed\" is not a system call that libseccomp knows"},
                {"{\"names\": [\"raed\"], \"action\": \"SCMP_ACT_KILL\"}", "cannot be denied"},
                {"{\"names\": [\"read\"], \"action\": \"SCMP_ACT_ALLOW\", \"errnoRet\": 5}", "SCMP_ACT_ALLOW gives no error"},
                {"{\"names\": [\"read\"], \"action\": \"SCMP_ACT_ALLOW\", \"arg\": []}", "seccomp.syscalls[1].arg: unknown key"},
                {"{\"names\": [\"read\"], \"action\": \"SCMP_ACT_ALLOW\", \"args\": [{\"index\": 6, \"value\": 1, \"op\": \"SCMP_CMP_EQ\"}]}", "seccomp.syscalls[1].args[0].index: a system call has"},
                {"{\"names\": [\"read\"], \"action\": \"SCMP_ACT_ALLOW\", \"args\": [{\"index\": 0, \"value\": -1, \"op\": \"SCMP_CMP_EQ\"}]}", "args[0].value: must be a whole number"},
                {"{\"names\": [\"read\"], \"action\": \"SCMP_ACT_ALLOW\", \"args\": [{\"index\": 0, \"value\": 1.5, \"op\": \"SCMP_CMP_EQ\"}]}", "args[0].value: must be a whole number"},
                {"{\"names\": [\"read\"], \"action\": \"SCMP_ACT_ALLOW\", \"args\": [{\"index\": 0, \"value\": 1, \"op\": \"==\"}]}", "args[0].op: must be SCMP_CMP_NE"},
                {"{\"names\": [\"read\"], \"action\": \"SCMP_ACT_ALLOW\", \"args\": [{\"index\": 0, \"value\": 1}]}", "the key \"op\" is missing"},
                {"{\"names\": [\"read\"], \"action\": \"SCMP_ACT_ALLOW\", \"includes\": {\"minKernel\": \"new\"}}", "includes.minKernel: must be a version"},
                {"{\"names\": [\"read\"], \"action\": \"SCMP_ACT_ALLOW\", \"includes\": {\"minKernel\": \"4.8.1\"}}", "must be a version"},
                {"{\"names\": [\"read\"], \"action\": \"SCMP_ACT_ALLOW\", \"excludes\": {\"cap\": []}}", "excludes.cap: unknown key"},
                {"{\"names\": [\"execve\"], \"action\": \"SCMP_ACT_ERRNO\"}", "without execve and exit_group"},
        };
        _cleanup_error_ Error e = ERROR_NULL;
        _cleanup_strv_ char **notes = NULL;
        OciSeccomp *s;

        for (size_t i = 0; i < ELEMENTS(cases); i++)
                assert_refused(try_profile(cases[i].text, 0, &s, &notes, &e), &e, cases[i].part);
        for (size_t i = 0; i < ELEMENTS(rules); i++) {
                _cleanup_free_ char *text = NULL;
                ck_assert_int_gt(asprintf(&text, "{\"defaultAction\": \"SCMP_ACT_ERRNO\", \"syscalls\": [" EXECUTES ", %s]}",
                                          rules[i].rule), 0);
                assert_refused(try_profile(text, 0, &s, &notes, &e), &e, rules[i].part);
        }
        /* A denial that does not hold here needs no such call. */
        s = settled("{\"names\": [\"call_of_tomorrow\"], \"action\": \"SCMP_ACT_ERRNO\", \"includes\": {\"arches\": [\"mips\"]}}", 0);
        oci_seccomp_free(s);
}
END_TEST

START_TEST(test_a_settled_profile_comes_back_from_its_json)
{
        _cleanup_error_ Error e = ERROR_NULL;
        _cleanup_strv_ char **notes = NULL;
        _cleanup_oci_seccomp_ OciSeccomp *s = NULL, *back = NULL;

        assert_ok(try_profile("{\"defaultAction\": \"SCMP_ACT_ERRNO\", \"defaultErrno\": \"ENOSYS\", \"syscalls\": [" EXECUTES ","
                              "{\"name\": \"lseek\", \"action\": \"SCMP_ACT_ALLOW\", \"args\": ["
                              "{\"index\": 1, \"value\": 18446744073709551615, \"op\": \"SCMP_CMP_LE\"},"
                              "{\"index\": 1, \"value\": 2, \"valueTwo\": 3, \"op\": \"SCMP_CMP_MASKED_EQ\"}]},"
                              "{\"names\": [\"read\", \"write\"], \"action\": \"SCMP_ACT_ERRNO\", \"errno\": \"EACCES\"}]}",
                              0, &s, &notes, &e), &e);
        _cleanup_json_ json_object *o = oci_seccomp_to_json(s);
        const char *text = json_object_to_json_string(o);
        assert_ok(try_profile(text, 0, &back, &notes, &e), &e);
        _cleanup_json_ json_object *again = oci_seccomp_to_json(back);
        ck_assert_str_eq(text, json_object_to_json_string(again));
        ck_assert_uint_eq(oci_errno(back->default_action), ENOSYS);
        ck_assert_uint_eq(back->n_rules, 4); /* the alternatives have become two */
        ck_assert(back->rules[1].checks[0].value == UINT64_MAX);
        ck_assert_uint_eq(oci_errno(back->rules[3].action), EACCES);
}
END_TEST

/* A profile of this one rule, and of what denies nothing. */
static bool denies(const char *rules, uint64_t a, uint64_t b)
{
        _cleanup_error_ Error e = ERROR_NULL;
        _cleanup_policy_ JailPolicy *policy = NULL;
        _cleanup_free_ char *text = NULL;
        const struct seccomp_data call = {.nr = SYS_kcmp, .arch = seccomp_arch_native(), .args = {a, b}};

        ck_assert_int_gt(asprintf(&text, "{\"seccomp\": {\"defaultAction\": \"SCMP_ACT_ALLOW\", \"syscalls\": [%s]}}", rules), 0);
        assert_ok(jail_policy_from_text("profile", text, &policy, &e), &e);
        assert_ok(policy_compile(policy, &e), &e);
        return !filter_allows(policy, &call);
}

START_TEST(test_each_comparison_is_of_all_64_bits)
{
        static const struct {
                const char *op;
                bool less, equal, more;
        } ops[] = {
                {"LT", true, false, false}, {"LE", true, true, false}, {"EQ", false, true, false},
                {"GE", false, true, true},  {"GT", false, false, true}, {"NE", true, false, true},
        };
        static const uint64_t values[] = {1, UINT64_C(0xffffffff), UINT64_C(0x100000000), UINT64_C(0x1ffffffff),
                                          UINT64_C(0x8000000000000000), UINT64_MAX - 1};

        for (size_t i = 0; i < ELEMENTS(ops); i++)
                for (size_t k = 0; k < ELEMENTS(values); k++) {
                        _cleanup_free_ char *rule = NULL;
                        ck_assert_int_gt(asprintf(&rule, "{\"names\": [\"kcmp\"], \"action\": \"SCMP_ACT_ERRNO\", \"args\": ["
                                                  "{\"index\": 1, \"value\": %" PRIu64 ", \"op\": \"SCMP_CMP_%s\"}]}",
                                                  values[k], ops[i].op), 0);
                        ck_assert(denies(rule, 5, values[k] - 1) == ops[i].less);
                        ck_assert(denies(rule, 5, values[k]) == ops[i].equal);
                        ck_assert(denies(rule, 5, values[k] + 1) == ops[i].more);
                }
        /* What is compared with cannot have more bits than the mask. */
        static const char masked[] = "{\"names\": [\"kcmp\"], \"action\": \"SCMP_ACT_ERRNO\", \"args\": ["
                                     "{\"index\": 0, \"value\": 1095216660480, \"valueTwo\": 4294967297, \"op\": \"SCMP_CMP_MASKED_EQ\"}]}";
        ck_assert(denies(masked, UINT64_C(0xff00000123456789), 0));
        ck_assert(!denies(masked, UINT64_C(0xff00000223456789), 0));
}
END_TEST

#define LE(index, value) "{\"names\": [\"kcmp\"], \"action\": \"SCMP_ACT_ERRNO\", \"args\": [{\"index\": " #index ", \"value\": " #value ", \"op\": \"SCMP_CMP_LE\"}]}"

/* libseccomp 2.5.4 makes of these a filter that lets some of it pass. */
START_TEST(test_rules_about_the_same_argument_do_not_weaken_each_other)
{
        static const char both[] = LE(0, 8589934591) "," LE(0, 3);

        ck_assert(denies(both, 3, 0));
        ck_assert(denies(both, 4, 0));
        ck_assert(denies(both, UINT64_C(0x80000000), 0));
        ck_assert(denies(both, UINT64_C(0x1ffffffff), 0));
        ck_assert(!denies(both, UINT64_C(0x200000000), 0));
        /* An unconditional one among them is all of them. */
        ck_assert(denies(LE(0, 3) ", {\"names\": [\"kcmp\"], \"action\": \"SCMP_ACT_ERRNO\"}", 9, 0));
        ck_assert(!denies("{\"names\": [\"kcmp\"], \"action\": \"SCMP_ACT_ALLOW\"}", 9, 0));
}
END_TEST

Suite *oci_seccomp_suite(void)
{
        Suite *suite = suite_create("oci_seccomp");
        TCase *tests = tcase_create("oci_seccomp");

        tcase_set_timeout(tests, 60);
        tcase_add_test(tests, test_conditions_are_evaluated_for_this_machine_and_policy);
        tcase_add_test(tests, test_what_cannot_be_allowed_is_left_out_and_said);
        tcase_add_test(tests, test_errors_of_a_profile_name_the_key);
        tcase_add_test(tests, test_a_settled_profile_comes_back_from_its_json);
        tcase_add_test(tests, test_each_comparison_is_of_all_64_bits);
        tcase_add_test(tests, test_rules_about_the_same_argument_do_not_weaken_each_other);
        suite_add_tcase(suite, tests);
        return suite;
}
