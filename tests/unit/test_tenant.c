/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "engine/base/clock.h"
#include "engine/base/remove_tree.h"
#include "engine/base/strv.h"
#include "engine/supervisor/tenants.h"
#include "tests/unit/unit.h"

#include <fcntl.h>
#include <string.h>

static char folder[64];

static void make_folder(void)
{
        snprintf(folder, sizeof folder, "/tmp/skep-tenants-XXXXXX");
        ck_assert_ptr_nonnull(mkdtemp(folder));
}

static void remove_folder(void)
{
        remove_tree_at(AT_FDCWD, folder);
}

static void put(const char *name, const char *text)
{
        char path[128];

        snprintf(path, sizeof path, "%s/%s.json", folder, name);
        _cleanup_fclose_ FILE *f = fopen(path, "we");
        ck_assert_ptr_nonnull(f);
        fputs(text, f);
}

static Tenants *load(void)
{
        _cleanup_error_ Error e = ERROR_NULL;
        _cleanup_strv_ char **notes = NULL;
        Tenants *tenants;

        ck_assert_int_eq(tenants_new(&tenants), 0);
        assert_ok(tenants_load(tenants, folder, &notes, &e), &e);
        ck_assert_ptr_null(notes);
        return tenants;
}

/* "a b" of those that somebody may act for; "-" for nobody. */
static char *names_of(const Tenants *tenants, uid_t uid, gid_t gid, gid_t group)
{
        const Credentials c = {uid, gid, &group, 1};
        Caller caller;

        if (tenants_resolve(tenants, &c, &caller, NULL) < 0)
                return strdup("-");
        char *names = strv_join(caller.names, " ");
        ck_assert_str_eq(caller.tenant, caller.names[0]);
        caller_done(&caller);
        return names;
}

static void assert_names(const Tenants *tenants, uid_t uid, gid_t gid, gid_t group, const char *expected)
{
        _cleanup_free_ char *names = names_of(tenants, uid, gid, group);

        ck_assert_str_eq(names, expected);
}

START_TEST(test_who_may_act_for_whom)
{
        put("zebra", "{\"users\": [\"50001\"], \"weight\": 4}");
        put("acme", "{\"users\": [\"50002\"], \"groups\": [\"60001\"]}");
        put("file", "{\"name\": \"birds\", \"groups\": [\"60001\", \"60002\"]}");
        Tenants *tenants = load();
        assert_names(tenants, 50001, 1, 1, "zebra");
        /* Those that name the user come before those that name a group of his. */
        assert_names(tenants, 50001, 60001, 1, "zebra acme birds");
        assert_names(tenants, 50003, 1, 60002, "birds");
        assert_names(tenants, 50002, 1, 60001, "acme birds");
        assert_names(tenants, 50004, 1, 1, "-");
        assert_names(tenants, 0, 0, 0, "root");
        tenants_free(tenants);
}
END_TEST

START_TEST(test_a_tenant_that_others_have_is_not_a_users_because_of_his_name)
{
        const Credentials root = {.uid = 0};
        Caller caller;

        put("root", "{\"users\": [\"50001\"]}");
        Tenants *tenants = load();
        assert_names(tenants, 50001, 1, 1, "root");
        /* Who may act for all still has one that is his by default. */
        ck_assert_int_eq(tenants_resolve(tenants, &root, &caller, NULL), 0);
        ck_assert(caller.root);
        caller_done(&caller);
        tenants_free(tenants);
}
END_TEST

START_TEST(test_a_caller_acts_for_his_own_tenants_only)
{
        const Credentials c = {.uid = 50001, .gid = 1};
        Caller caller;

        put("acme", "{\"users\": [\"50001\"]}");
        Tenants *tenants = load();
        ck_assert_int_eq(tenants_resolve(tenants, &c, &caller, NULL), 0);
        ck_assert(caller_may_act(&caller, "acme"));
        ck_assert(!caller_may_act(&caller, "acm"));
        ck_assert(!caller_may_act(&caller, "root"));
        caller_done(&caller);
        tenants_free(tenants);
}
END_TEST

START_TEST(test_files_are_taken_whole_or_not_at_all)
{
        static const struct {
                const char *text, *part;
        } cases[] = {
                {"{", "a.json"},
                {"{\"weight\": 0}", "a.json: weight: must be from 1 to 10000"},
                {"{\"weight\": 10001}", "a.json: weight: must be from 1 to 10000"},
                {"{\"weigth\": 2}", "weigth: unknown key"},
                {"{\"users\": \"bob\"}", "users: must be an array"},
                {"{\"name\": \"../x\"}", "name"},
                {"{\"name\": \"b\"}", "two files are for the tenant \"b\""},
                {"{\"policies\": [\"/etc/passwd\"]}", "policies[0]"},
                {"{\"limits\": {\"running\": 0}}", "limits.running"},
                {"{\"limits\": {\"runing\": 1}}", "limits.runing: unknown key"},
                {"{\"limits\": {\"input_bytes\": \"5 apples\"}}", "limits.input_bytes"},
        };
        _cleanup_error_ Error e = ERROR_NULL;
        _cleanup_strv_ char **notes = NULL;

        put("b", "{\"users\": [\"50001\"]}");
        Tenants *tenants = load();
        for (size_t i = 0; i < ELEMENTS(cases); i++) {
                put("a", cases[i].text);
                assert_refused(tenants_load(tenants, folder, &notes, &e), &e, cases[i].part);
                assert_names(tenants, 50001, 1, 1, "b");
        }
        put("a", "{\"users\": [\"no-such-user-here\", \"50002\"]}");
        assert_ok(tenants_load(tenants, folder, &notes, &e), &e);
        ck_assert(strstr(notes[0], "there is no user \"no-such-user-here\""));
        assert_names(tenants, 50002, 1, 1, "a");
        tenants_free(tenants);
}
END_TEST

START_TEST(test_what_files_leave_out_is_the_default_files)
{
        _cleanup_error_ Error e = ERROR_NULL;
        Tenant *a, *b;

        put("default", "{\"weight\": 3, \"policies\": [\"python\"], \"limits\": {\"queued\": 7, \"running\": 2}}");
        put("a", "{\"limits\": {\"queued\": 9}, \"policies\": []}");
        Tenants *tenants = load();
        ck_assert_int_eq(tenants_get(tenants, "a", &a), 0);
        ck_assert_int_eq(tenants_get(tenants, "b", &b), 0);
        ck_assert_uint_eq(a->rules.limits.queued, 9);
        ck_assert_uint_eq(a->rules.limits.running, 2);
        ck_assert_uint_eq(a->rules.weight, 3);
        ck_assert_uint_eq(b->rules.limits.queued, 7);
        assert_ok(tenant_admit(b, "python", 1, 10, 0, &e), &e);
        assert_refused(tenant_admit(b, "strict", 1, 10, 0, &e), &e, "tenant b may use python, and not strict");
        assert_refused(tenant_admit(a, "python", 1, 10, 0, &e), &e, "may use none");
        put("default", "{\"users\": [\"50001\"]}");
        _cleanup_strv_ char **notes = NULL;
        assert_refused(tenants_load(tenants, folder, &notes, &e), &e, "default.json");
        tenants_free(tenants);
}
END_TEST

START_TEST(test_ceilings_are_held_and_say_what_to_do)
{
        _cleanup_error_ Error e = ERROR_NULL;
        Tenant *a;

        put("a", "{\"limits\": {\"queued\": 2, \"spec_bytes\": \"1K\", \"input_bytes\": 100, \"output_bytes\": 1000}}");
        Tenants *tenants = load();
        ck_assert_int_eq(tenants_get(tenants, "a", &a), 0);
        assert_ok(tenant_admit(a, "p", 1, 1024, 0, &e), &e);
        assert_refused(tenant_admit(a, "p", 1, 1025, 0, &e), &e, "specifications of its jobs may take 1K");
        assert_refused(tenant_admit(a, "p", 1, UINT64_MAX, 0, &e), &e, "specifications");
        a->spec_bytes = 1000;
        assert_refused(tenant_admit(a, "p", 1, 25, 0, &e), &e, "specifications");
        a->queued = 2;
        assert_refused(tenant_admit(a, "p", 1, 1, 0, &e), &e, "2 jobs that wait");
        a->queued = 0;
        a->output_bytes = 1000;
        assert_refused(tenant_admit(a, "p", 1, 1, 0, &e), &e, "remove jobs that have ended");
        a->input_bytes = 60;
        assert_ok(tenant_check_input(a, 40, &e), &e);
        assert_refused(tenant_check_input(a, 41, &e), &e, "inputs");
        tenants_free(tenants);
}
END_TEST

START_TEST(test_a_rate_has_a_burst_of_a_minute_and_no_edge)
{
        _cleanup_error_ Error e = ERROR_NULL;
        uint64_t now = 1000 * USEC_PER_SECOND;
        size_t passed = 0;
        Tenant *a;

        put("a", "{\"limits\": {\"submissions_per_minute\": 60}}");
        Tenants *tenants = load();
        ck_assert_int_eq(tenants_get(tenants, "a", &a), 0);
        for (; passed < 1000 && tenant_admit(a, "p", 1, 1, now, NULL) >= 0; passed++)
                tenant_count_submission(a, now);
        ck_assert_uint_eq(passed, 60);
        assert_refused(tenant_admit(a, "p", 1, 1, now, &e), &e, "60 jobs a minute: try again in 1 s");
        /* What came to nothing was none. */
        tenant_uncount_submission(a);
        assert_ok(tenant_admit(a, "p", 1, 1, now, &e), &e);
        tenant_count_submission(a, now);
        for (now += 10 * USEC_PER_SECOND, passed = 0; tenant_admit(a, "p", 1, 1, now, NULL) >= 0; passed++)
                tenant_count_submission(a, now);
        ck_assert_uint_eq(passed, 10);
        tenants_free(tenants);
}
END_TEST

START_TEST(test_tenants_go_when_nothing_is_theirs)
{
        Tenant *kept, *rated;

        put("default", "{\"limits\": {\"submissions_per_minute\": 60}}");
        Tenants *tenants = load();
        ck_assert_int_eq(tenants_get(tenants, "kept", &kept), 0);
        ck_assert_int_eq(tenants_get(tenants, "rated", &rated), 0);
        tenant_count_submission(rated, monotonic_usec());
        tenant_unref(rated);
        for (size_t i = 0; i < 1000; i++) {
                char name[32];
                Tenant *passing;
                snprintf(name, sizeof name, "t%zu", i);
                ck_assert_int_eq(tenants_get(tenants, name, &passing), 0);
                tenant_unref(passing);
        }
        ck_assert_uint_lt(tenants_count(tenants), 20);
        Tenant *again;
        ck_assert_int_eq(tenants_get(tenants, "rated", &again), 0);
        ck_assert_ptr_eq(again, rated);
        ck_assert_int_eq(tenants_get(tenants, "kept", &again), 0);
        ck_assert_ptr_eq(again, kept);
        for (size_t i = 1; i < tenants_count(tenants); i++)
                ck_assert(strcmp(tenants_at(tenants, i - 1)->name, tenants_at(tenants, i)->name) < 0);
        tenants_free(tenants);
}
END_TEST

Suite *tenant_suite(void)
{
        Suite *suite = suite_create("tenant");
        TCase *tests = tcase_create("tenant");

        tcase_add_checked_fixture(tests, make_folder, remove_folder);
        tcase_add_test(tests, test_who_may_act_for_whom);
        tcase_add_test(tests, test_a_tenant_that_others_have_is_not_a_users_because_of_his_name);
        tcase_add_test(tests, test_a_caller_acts_for_his_own_tenants_only);
        tcase_add_test(tests, test_files_are_taken_whole_or_not_at_all);
        tcase_add_test(tests, test_what_files_leave_out_is_the_default_files);
        tcase_add_test(tests, test_ceilings_are_held_and_say_what_to_do);
        tcase_add_test(tests, test_a_rate_has_a_burst_of_a_minute_and_no_edge);
        tcase_add_test(tests, test_tenants_go_when_nothing_is_theirs);
        suite_add_tcase(suite, tests);
        return suite;
}
