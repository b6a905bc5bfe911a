/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "engine/base/json.h"
#include "engine/base/strv.h"
#include "tests/unit/unit.h"

#include <string.h>

static int parse(const char *text, json_object **ret, Error *e)
{
        return json_parse_text(text, strlen(text), ret, e);
}

START_TEST(test_comments_are_spaces)
{
        _cleanup_error_ Error e = ERROR_NULL;
        _cleanup_json_ json_object *o = NULL;
        json_object *value;

        assert_ok(parse("// before\n{\"a\": \"// not \\\" one\", // behind\n \"b\": 1 // last\n}\n// end", &o, &e), &e);
        ck_assert(json_object_object_get_ex(o, "a", &value));
        ck_assert_str_eq(json_object_get_string(value), "// not \" one");
}
END_TEST

START_TEST(test_what_is_no_json_is_refused_with_its_place)
{
        static const char *const bad[] = {"",      "{",      "{\"a\": }", "{'a': 1}", "{\"a\": 1,}", "[1 2]",
                                          "{} {}", "nulll",  "{\"a\": NaN}", "\"\xff\"",  "/* c */ {}", "{\"a\": 01x}"};
        _cleanup_error_ Error e = ERROR_NULL;

        for (size_t i = 0; i < ELEMENTS(bad); i++) {
                json_object *o = NULL;
                assert_refused(parse(bad[i], &o, &e), &e, "not JSON");
        }
        json_object *o = NULL;
        assert_refused(parse("{\n  \"a\": x}", &o, &e), &e, "line 2");
}
END_TEST

START_TEST(test_numbers_are_those_of_json)
{
        static const char *const good[] = {"0", "-0", "10", "-1.5", "0.05", "[1e5,1E+5,1.0e-05]", "{\"a\":1,\"b\":[2,3]}"};
        static const char *const bad[] = {"1.", "-.5", ".5", "+1", "01", "-01", "1.e5", "1e", "1e+", "-", "1.2.3", "1-2", "[1,2.]"};
        _cleanup_error_ Error e = ERROR_NULL;

        for (size_t i = 0; i < ELEMENTS(good); i++) {
                _cleanup_json_ json_object *o = NULL;
                assert_ok(parse(good[i], &o, &e), &e);
        }
        for (size_t i = 0; i < ELEMENTS(bad); i++) {
                json_object *o = NULL;
                assert_refused(parse(bad[i], &o, &e), &e, "not JSON");
        }
}
END_TEST

START_TEST(test_a_number_that_is_too_large_is_refused)
{
        static const char *const large[] = {"18446744073709551616", "[99999999999999999999]", "{\"a\": -123456789012345678901}",
                                            "-9223372036854775809"};
        static const char *const fits[] = {"18446744073709551615", "-9223372036854775808", "[1.00000000000000000000000001, 123456789012345678901.5]",
                                           "123456789012345678901e3", "{\"99999999999999999999\": \"\\\"99999999999999999999\"}",
                                           "1 // 99999999999999999999"};
        _cleanup_error_ Error e = ERROR_NULL;

        for (size_t i = 0; i < ELEMENTS(large); i++) {
                json_object *o = NULL;
                assert_refused(parse(large[i], &o, &e), &e, "a number that is too large at line 1");
        }
        for (size_t i = 0; i < ELEMENTS(fits); i++) {
                _cleanup_json_ json_object *o = NULL;
                assert_ok(parse(fits[i], &o, &e), &e);
        }
}
END_TEST

START_TEST(test_a_key_that_stands_twice_is_refused)
{
        static const struct {
                const char *text, *key;
        } twice[] = {
                {"{\"a\": 1, \"a\": 1}", "\"a\""},
                {"{\"x\": {\"a\": 1}, \"a\": [{\"b\": \"b:\", \"c\": {}, \"b\": null}]}", "\"b\""},
                {"{\"a\\\"\": {}, // a: b\n \"a\\\"\": {}}", "\"a\\\"\""},
                {"{\"a\": 1, \"\\u0061\": 2}", "a key stands twice"}, /* written otherwise */
        };
        static const char *const once[] = {
                "{\"a\": {\"a\": {\"a\": [{\"a\": 1}, {\"a\": \":\"}]}}, \"b\": {\"a\": 1}} // a: b",
                "{\"a\": \"\\\\\", \"b\": \"\\\":\"}", "{}", "\":\"", "{\"a\": null, \"\": {}}",
        };
        _cleanup_error_ Error e = ERROR_NULL;
        json_object *o = NULL;
        char *long_text = NULL;

        for (size_t i = 0; i < ELEMENTS(twice); i++)
                assert_refused(parse(twice[i].text, &o, &e), &e, twice[i].key);
        for (size_t i = 0; i < ELEMENTS(once); i++) {
                _cleanup_json_ json_object *good = NULL;
                assert_ok(parse(once[i], &good, &e), &e);
        }
        ck_assert_int_gt(asprintf(&long_text, "{\"a\": \"%020000d\", \"a\": 1}", 0), 0);
        assert_refused(parse(long_text, &o, &e), &e, "a key stands twice");
        free(long_text);
}
END_TEST

START_TEST(test_deep_nesting_is_refused)
{
        _cleanup_error_ Error e = ERROR_NULL;
        char text[201];
        json_object *o = NULL;

        memset(text, '[', 100);
        memset(text + 100, ']', 100);
        text[200] = '\0';
        assert_refused(parse(text, &o, &e), &e, "nesting");
}
END_TEST

typedef struct Thing {
        char *name;
        char **list;
        uint64_t size, time;
} Thing;

static const JsonField fields[] = {
        {"name", json_read_string, offsetof(Thing, name), true},
        {"list", json_read_strings, offsetof(Thing, list), false},
        {"size", json_read_size, offsetof(Thing, size), false},
        {"time", json_read_duration, offsetof(Thing, time), false},
};

static int read_thing(const char *text, Thing *thing, Error *e)
{
        _cleanup_json_ json_object *o = NULL;
        int r = parse(text, &o, e);

        *thing = (Thing){0};
        return r < 0 ? r : json_read_object(o, "top", fields, ELEMENTS(fields), thing, e);
}

static void thing_done(Thing *thing)
{
        free(thing->name);
        strv_free(thing->list);
}

START_TEST(test_an_object_becomes_a_struct)
{
        _cleanup_error_ Error e = ERROR_NULL;
        Thing thing;

        assert_ok(read_thing("{\"name\": \"x\", \"list\": [\"a\", \"b\"], \"size\": 77, \"time\": \"2s\"}",
                             &thing, &e),
                  &e);
        ck_assert_str_eq(thing.name, "x");
        ck_assert_uint_eq(strv_length(thing.list), 2);
        ck_assert_uint_eq(thing.size, 77);
        ck_assert_uint_eq(thing.time, 2000000);
        thing_done(&thing);
}
END_TEST

START_TEST(test_errors_name_the_key_and_what_is_allowed)
{
        static const struct {
                const char *text, *part;
        } cases[] = {
                {"{\"nam\": 1}", "top.nam: unknown key; known here: name, list, size, time"},
                {"{}", "top: the key \"name\" is missing"},
                {"[]", "top: must be an object"},
                {"{\"name\": 1}", "top.name: must be a string"},
                {"{\"name\": \"a\\u0000b\"}", "top.name: must be a string without NUL"},
                {"{\"name\": \"x\", \"list\": [\"a\", 1]}", "top.list[1]: must be a string"},
                {"{\"name\": \"x\", \"size\": \"5 apples\"}", "top.size: \"5 apples\" is not a size"},
                {"{\"name\": \"x\", \"size\": -1}", "top.size"},
                {"{\"name\": \"x\", \"size\": 1e300}", "top.size"},
                {"{\"name\": \"x\", \"size\": 10000000000000000000}", "top.size: the number is too large"},
                {"{\"name\": \"x\", \"time\": 5}", "top.time: a number needs a unit"},
        };
        _cleanup_error_ Error e = ERROR_NULL;

        for (size_t i = 0; i < ELEMENTS(cases); i++) {
                Thing thing;
                assert_refused(read_thing(cases[i].text, &thing, &e), &e, cases[i].part);
                thing_done(&thing);
        }
}
END_TEST

Suite *json_suite(void)
{
        Suite *suite = suite_create("json");
        TCase *tests = tcase_create("json");

        tcase_add_test(tests, test_comments_are_spaces);
        tcase_add_test(tests, test_what_is_no_json_is_refused_with_its_place);
        tcase_add_test(tests, test_numbers_are_those_of_json);
        tcase_add_test(tests, test_a_number_that_is_too_large_is_refused);
        tcase_add_test(tests, test_a_key_that_stands_twice_is_refused);
        tcase_add_test(tests, test_deep_nesting_is_refused);
        tcase_add_test(tests, test_an_object_becomes_a_struct);
        tcase_add_test(tests, test_errors_name_the_key_and_what_is_allowed);
        suite_add_tcase(suite, tests);
        return suite;
}
