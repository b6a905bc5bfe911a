/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "engine/base/clock.h"
#include "engine/base/strv.h"
#include "engine/supervisor/config.h"
#include "engine/supervisor/tenant_file.h"
#include "tests/unit/unit.h"

#include <string.h>

static void take_text(Config *config, const char *text, char ***problems)
{
        _cleanup_error_ Error e = ERROR_NULL;

        assert_ok(config_take_text(config, text, strlen(text), "file", problems, &e), &e);
}

START_TEST(test_a_value_knows_where_it_is_from)
{
        _cleanup_(config_freep) Config *config = NULL;
        _cleanup_strv_ char **problems = NULL;
        _cleanup_json_ json_object *all = NULL;
        _cleanup_error_ Error e = ERROR_NULL;
        json_object *one;

        assert_ok(config_new(&config, &e), &e);
        ck_assert_str_eq(config->default_policy, "python");
        ck_assert_uint_eq(config->drain_usec, 10 * USEC_PER_SECOND);
        take_text(config, "{\"workers\": {\"minimum\": 4}, \"retention\": {\"age\": \"1h 30min\"}, // said\n"
                          " \"default_policy\": \"strict\", \"allow_missing\": [\"memory\", \"io\"]}",
                  &problems);
        ck_assert_ptr_null(problems);
        ck_assert_uint_eq(config->workers.minimum, 4);
        ck_assert_uint_eq(config->workers.maximum, 50);
        ck_assert_uint_eq(config->retention.age_usec, 5400 * USEC_PER_SECOND);
        ck_assert_str_eq(config->default_policy, "strict");
        ck_assert_uint_eq(config->allow_missing, 1U << JAIL_MEMORY | 1U << JAIL_IO);
        _cleanup_free_ char *shown = config_show(config);
        assert_ok(json_parse_text(shown, strlen(shown), &all, &e), &e);
        json_object_object_get_ex(all, "workers.minimum", &one);
        ck_assert_str_eq(json_object_to_json_string_ext(one, JSON_C_TO_STRING_PLAIN), "{\"value\":4,\"from\":\"file\"}");
        json_object_object_get_ex(all, "workers.maximum", &one);
        ck_assert_str_eq(json_object_to_json_string_ext(one, JSON_C_TO_STRING_PLAIN), "{\"value\":50,\"from\":\"default\"}");
}
END_TEST

START_TEST(test_a_bad_value_is_named_and_the_others_are_taken)
{
        static const struct {
                const char *text, *problem;
        } cases[] = {
                {"[]", "file: must be an object"},
                {"{", "file: not JSON"},
                {"{\"drain\": 5}", "file: drain: a number needs a unit"},
                {"{\"drain\": \"2d\"}", "file: drain: must be from 0us to 1d"},
                {"{\"workers\": 5}", "file: workers: must be an object"},
                {"{\"workers\": {\"minimum\": 51}}", "file: workers.minimum: must be from 1 to 50"},
                {"{\"workers\": {\"minimum\": -1}}", "file: workers.minimum: must be a whole number"},
                {"{\"workers\": {\"minimum\": 1e3}}", "file: workers.minimum: must be a whole number"},
                {"{\"workers\": {\"minimum\": null}}", "file: workers.minimum"},
                {"{\"workers\": {\"start\": \"docker\"}}", "file: workers.start: must be auto, embedded or units"},
                {"{\"worker\": {}}", "file: worker: unknown key; known here: default_policy, "},
                {"{\"workers\": {\"min\": 1}}", "file: workers.min: unknown key; known here: minimum, maximum, start"},
                {"{\"a\\u001b[2J\": 1}", "file: a\\x1b[2J: unknown key"},
                {"{\"workers.minimum\": 1}", "file: workers.minimum: unknown key; a file has it as \"workers\": {\"minimum\": …}"},
                {"{\"workers\": {\"minimum.x\": 1}}", "file: workers.minimum.x: unknown key; known here: minimum, "},
                {"{\"default_policy\": \"../x\"}", "file: "},
                {"{\"socket\": \"\"}", "file: socket: must be a path"},
                {"{\"socket\": \"a\\u0000b\"}", "file: socket: must be a string without NUL"},
                {"{\"allow_missing\": \"memory\"}", "file: allow_missing: must be an array"},
                {"{\"allow_missing\": [\"user\"]}", "file: allow_missing: "},
                {"{\"pool\": {\"memory\": \"lots\"}}", "file: pool.memory: \"lots\" is not a size"},
        };

        for (size_t i = 0; i < ELEMENTS(cases); i++) {
                _cleanup_(config_freep) Config *config = NULL;
                _cleanup_strv_ char **problems = NULL;
                _cleanup_error_ Error e = ERROR_NULL;
                assert_ok(config_new(&config, &e), &e);
                take_text(config, cases[i].text, &problems);
                ck_assert_uint_eq(strv_length(problems), 1);
                ck_assert_msg(strstr(problems[0], cases[i].problem), "%s: %s", cases[i].text, problems[0]);
                ck_assert_uint_eq(config->workers.minimum, 2);
                ck_assert_str_eq(config->default_policy, "python");
        }
        _cleanup_(config_freep) Config *config = NULL;
        _cleanup_strv_ char **problems = NULL;
        _cleanup_error_ Error e = ERROR_NULL;
        assert_ok(config_new(&config, &e), &e);
        take_text(config, "{\"drain\": 5, \"nothing\": 1, \"workers\": {\"minimum\": 3, \"maximum\": 0}}", &problems);
        ck_assert_uint_eq(strv_length(problems), 3);
        ck_assert_uint_eq(config->workers.minimum, 3);
}
END_TEST

START_TEST(test_what_may_change_is_taken_and_the_rest_is_named)
{
        _cleanup_(config_freep) Config *config = NULL, *fresh = NULL;
        _cleanup_strv_ char **problems = NULL, **later = NULL;
        _cleanup_error_ Error e = ERROR_NULL;

        assert_ok(config_new(&config, &e), &e);
        assert_ok(config_new(&fresh, &e), &e);
        take_text(fresh, "{\"default_policy\": \"strict\", \"socket\": \"/other\", \"queue\": {\"jobs\": 7},"
                         " \"state_directory\": \"/var/lib/skep\"}",
                  &problems);
        /* What "auto" has come to stays. */
        config->workers.start = START_UNITS;
        ck_assert_int_eq(config_replace(config, fresh, &later), 0);
        ck_assert_int_eq(config->workers.start, START_UNITS);
        ck_assert_str_eq(config->default_policy, "strict");
        ck_assert_uint_eq(config->queue.jobs, 7);
        ck_assert_str_eq(config->socket, "/run/skep/engine.sock");
        ck_assert_uint_eq(strv_length(later), 1);
        ck_assert_str_eq(later[0], "socket");
}
END_TEST

/* Unless somebody has said so. */
START_TEST(test_no_tenant_and_no_user_may_have_all_of_it)
{
        _cleanup_(config_freep) Config *config = NULL;
        _cleanup_error_ Error e = ERROR_NULL;

        assert_ok(config_new(&config, &e), &e);
        ck_assert_uint_ge(tenant_rules_built_in.limits.queued, 100000);
        ck_assert_uint_ge(config->queue.jobs, 2 * tenant_rules_built_in.limits.queued);
        ck_assert_uint_ge(config->clients.connections, 16 * config->clients.connections_per_user);
}
END_TEST

Suite *config_suite(void)
{
        Suite *suite = suite_create("config");
        TCase *tests = tcase_create("config");

        tcase_add_test(tests, test_a_value_knows_where_it_is_from);
        tcase_add_test(tests, test_a_bad_value_is_named_and_the_others_are_taken);
        tcase_add_test(tests, test_what_may_change_is_taken_and_the_rest_is_named);
        tcase_add_test(tests, test_no_tenant_and_no_user_may_have_all_of_it);
        suite_add_tcase(suite, tests);
        return suite;
}
