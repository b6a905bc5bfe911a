/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "engine/base/size.h"
#include "tests/unit/unit.h"

#include <string.h>

START_TEST(test_sizes_are_of_base_1024)
{
        static const struct {
                const char *text;
                uint64_t bytes;
        } cases[] = {{"0", 0},
                     {"512", 512},
                     {"1K", 1024},
                     {"1KiB", 1024},
                     {"512M", 512UL << 20},
                     {"1.5G", 3UL << 29},
                     {"2TiB", 2UL << 40},
                     {"9223372036854775807", INT64_MAX}};
        _cleanup_error_ Error e = ERROR_NULL;
        uint64_t bytes;

        for (size_t i = 0; i < ELEMENTS(cases); i++) {
                assert_ok(size_parse(cases[i].text, &bytes, &e), &e);
                ck_assert_uint_eq(bytes, cases[i].bytes);
        }
}
END_TEST

START_TEST(test_what_a_stranger_wrote_is_shown_shortly_and_harmlessly)
{
        _cleanup_error_ Error e = ERROR_NULL;
        char text[5000];
        uint64_t n;

        memset(text, 'x', sizeof text);
        text[0] = '\x1b';
        text[sizeof text - 1] = '\0';
        int (*const readers[])(const char *, uint64_t *, Error *) = {size_parse, duration_parse, cpus_parse};
        for (size_t i = 0; i <= ELEMENTS(readers); i++) {
                assert_refused(i < ELEMENTS(readers) ? readers[i](text, &n, &e) : count_parse(text, 1, 2, &n, &e), &e, "\\x1bxxx");
                ck_assert_uint_lt(strlen(error_text(&e)), 300);
        }
}
END_TEST

START_TEST(test_what_is_no_size_is_refused_with_a_hint)
{
        static const char *const bad[] = {"",    "M",     "-1",    "1 M",  "1.5",  "1MB",  "1m",  "0x10", "1e6",
                                          "1.M", "1..5M", "+5M",   "5MM",  " 5M",  "5M ",  "NaN", "1,5M"};
        _cleanup_error_ Error e = ERROR_NULL;
        uint64_t bytes;

        for (size_t i = 0; i < ELEMENTS(bad); i++)
                assert_refused(size_parse(bad[i], &bytes, &e), &e, "is not a size: write bytes, or a number with K, M");
}
END_TEST

START_TEST(test_sizes_that_overflow_are_refused)
{
        static const char *const bad[] = {"8388608T", "9223372036854775808", "99999999999999999999", "18446744073709551615K",
                                          "1.00000000000000000000000001K"};
        _cleanup_error_ Error e = ERROR_NULL;
        uint64_t bytes;

        for (size_t i = 0; i < ELEMENTS(bad); i++)
                assert_refused(size_parse(bad[i], &bytes, &e), &e, "too large");
}
END_TEST

START_TEST(test_durations_add_up)
{
        static const struct {
                const char *text;
                uint64_t usec;
        } cases[] = {{"1us", 1},           {"300ms", 300000},  {"60s", 60000000},      {"1min 30s", 90000000},
                     {"1min30s", 90000000}, {"1.5h", 5400000000}, {"1d 1us", 86400000001}, {"0s", 0}};
        _cleanup_error_ Error e = ERROR_NULL;
        uint64_t usec;

        for (size_t i = 0; i < ELEMENTS(cases); i++) {
                assert_ok(duration_parse(cases[i].text, &usec, &e), &e);
                ck_assert_uint_eq(usec, cases[i].usec);
        }
}
END_TEST

START_TEST(test_what_is_no_duration_is_refused)
{
        static const char *const bad[] = {"", "5", "s", "5 s", "5sec", "-5s", "5s ", " 5s", "1min 30", "5S"};
        _cleanup_error_ Error e = ERROR_NULL;
        uint64_t usec;

        for (size_t i = 0; i < ELEMENTS(bad); i++)
                assert_refused(duration_parse(bad[i], &usec, &e), &e, "is not a duration");
        assert_refused(duration_parse("999999999d", &usec, &e), &e, "too long");
        assert_refused(duration_parse("36600d 36600d", &usec, &e), &e, "too long");
}
END_TEST

START_TEST(test_counts_and_processors)
{
        _cleanup_error_ Error e = ERROR_NULL;
        uint64_t n;

        assert_ok(count_parse("64", 1, 100, &n, &e), &e);
        ck_assert_uint_eq(n, 64);
        assert_refused(count_parse("0", 1, 100, &n, &e), &e, "from 1 to 100");
        assert_refused(count_parse("101", 1, 100, &n, &e), &e, "from 1 to 100");
        assert_refused(count_parse("1.5", 1, 100, &n, &e), &e, "whole number");
        assert_refused(count_parse("-1", 1, 100, &n, &e), &e, "whole number");
        assert_ok(cpus_parse("1.5", &n, &e), &e);
        ck_assert_uint_eq(n, 1500);
        assert_refused(cpus_parse("0", &n, &e), &e, "number of processors");
        assert_refused(cpus_parse("0.0001", &n, &e), &e, "number of processors");
        assert_refused(cpus_parse("-1", &n, &e), &e, "number of processors");
        assert_refused(cpus_parse("70000", &n, &e), &e, "number of processors");
}
END_TEST

START_TEST(test_amounts_are_written_as_they_are_read)
{
        static const uint64_t amounts[] = {0, 1, 1023, 1024, 512UL << 20, (512UL << 20) + 1, 3UL << 40};
        _cleanup_error_ Error e = ERROR_NULL;
        uint64_t back;

        for (size_t i = 0; i < ELEMENTS(amounts); i++) {
                _cleanup_free_ char *size = size_format(amounts[i]), *duration = duration_format(amounts[i]);
                assert_ok(size_parse(size, &back, &e), &e);
                ck_assert_uint_eq(back, amounts[i]);
                assert_ok(duration_parse(duration, &back, &e), &e);
                ck_assert_uint_eq(back, amounts[i]);
        }
}
END_TEST

Suite *size_suite(void)
{
        Suite *suite = suite_create("size");
        TCase *tests = tcase_create("size");

        tcase_add_test(tests, test_sizes_are_of_base_1024);
        tcase_add_test(tests, test_what_a_stranger_wrote_is_shown_shortly_and_harmlessly);
        tcase_add_test(tests, test_what_is_no_size_is_refused_with_a_hint);
        tcase_add_test(tests, test_sizes_that_overflow_are_refused);
        tcase_add_test(tests, test_durations_add_up);
        tcase_add_test(tests, test_what_is_no_duration_is_refused);
        tcase_add_test(tests, test_counts_and_processors);
        tcase_add_test(tests, test_amounts_are_written_as_they_are_read);
        suite_add_tcase(suite, tests);
        return suite;
}
