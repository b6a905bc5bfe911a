/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "engine/base/fd.h"
#include "engine/base/strv.h"
#include "engine/ctl/amount.h"
#include "engine/ctl/attempt_output.h"
#include "engine/ctl/job_texts.h"
#include "engine/ctl/since.h"
#include "engine/ctl/table.h"
#include "engine/ctl/terminal_filter.h"
#include "engine/ctl/width.h"
#include "tests/unit/unit.h"

#include <string.h>
#include <sys/mman.h>

START_TEST(test_amounts_for_people)
{
        static const struct {
                uint64_t usec;
                const char *text;
        } durations[] = {
                {0, "0 µs"},
                {640, "640 µs"},
                {1000, "1.0 ms"},
                {18211, "18 ms"},
                {999999, "1000 ms"},
                {1234567, "1.2 s"},
                {59999999, "59.9 s"},
                {60000000, "1 min"},
                {123000000, "2 min 3 s"},
                {3600000000, "1 h"},
                {11520000000, "3 h 12 min"},
                {352800000000, "4 d 2 h"},
        };
        static const struct {
                uint64_t bytes;
                const char *text;
        } sizes[] = {{0, "0 B"},
                     {1023, "1023 B"},
                     {1024, "1.0 KiB"},
                     {1048575, "1.0 MiB"},
                     {13212057, "12.6 MiB"},
                     {1 << 30, "1.0 GiB"},
                     {UINT64_MAX, "16.0 EiB"},
                     {200 << 20, "200 MiB"}};

        for (size_t i = 0; i < ELEMENTS(durations); i++)
                ck_assert_str_eq(amount_duration(durations[i].usec).text, durations[i].text);
        for (size_t i = 0; i < ELEMENTS(sizes); i++)
                ck_assert_str_eq(amount_size(sizes[i].bytes).text, sizes[i].text);
        ck_assert_str_eq(amount_time(0, true).text, "-");
        ck_assert_str_eq(amount_time(1700000000000000, true).text, "2023-11-14 22:13:20Z");
        ck_assert_str_eq(amount_stamp(1700000000000042, true).text, "2023-11-14T22:13:20.000042Z");
}
END_TEST

static char *filtered(const char *data, size_t size, size_t step)
{
        TerminalFilter filter = {0};
        char *out = malloc(TERMINAL_FILTER_ROOM(size) * 2), *end = out;

        for (size_t i = 0; i < size; i += step)
                end += terminal_filter_pass(&filter, data + i, size - i < step ? size - i : step, end);
        end += terminal_filter_end(&filter, end);
        *end = '\0';
        return out;
}

START_TEST(test_what_a_terminal_would_obey_is_shown)
{
        static const struct {
                const char *in, *out;
        } cases[] = {
                {"plain\ttext\r\n", "plain\ttext\r\n"},
                {"Grüße ☃ 日本", "Grüße ☃ 日本"},
                {"\033[31mred\033[0m \033[K", "\033[31mred\033[0m \033[K\033[0m"},
                {"\033]0;title\a", "\\x1b]0;title\\x07"},
                {"\033[2Jx", "\\x1b[2Jx"},
                {"\033[6n", "\\x1b[6n"},
                {"\033P$q\"p\033\\", "\\x1bP$q\"p\\x1b\\"},
                {"\xc2\x9b"
                 "31m",
                 "\\xc2\\x9b31m"},
                {"\x9b", "\\x9b"},
                {"\xe2\x98", "\\xe2\\x98"},
                {"\xe2(", "\\xe2("},
                {"\xff\xfe", "\\xff\\xfe"},
                {"a\bb\x7f", "a\\x08b\\x7f"},
                {"\033[1111111111111111111111111111111111m", "\\x1b[1111111111111111111111111111111111m"},
                {"\033\033[1mx", "\\x1b\033[1mx\033[0m"},
                {"end\033", "end\\x1b"},
        };

        for (size_t i = 0; i < ELEMENTS(cases); i++)
                for (size_t step = 1; step < 5; step++) {
                        _cleanup_free_ char *out = filtered(cases[i].in, strlen(cases[i].in), step);
                        ck_assert_str_eq(out, cases[i].out);
                }
        _cleanup_free_ char *nul = filtered("a\0b", 3, 3);
        ck_assert_str_eq(nul, "a\\x00b");
}
END_TEST

static void assert_split(const char *text, size_t n)
{
        _cleanup_(job_texts_done) JobTexts jobs = {0};
        _cleanup_error_ Error e = ERROR_NULL;

        assert_ok(job_texts_split(text, strlen(text), &jobs, &e), &e);
        ck_assert_uint_eq(jobs.n, n);
}

START_TEST(test_jobs_in_a_text)
{
        static const struct {
                const char *text, *why;
        } wrong[] = {
                {"", "no job"},
                {" // only a comment", "no job"},
                {"[]", "no job"},
                {"[{}", "no end"},
                {"[{},]", "missing here"},
                {"[{} {}]", "comma"},
                {"[{}] {}", "follows the array"},
                {"{}\n{\"a\": }", "job 1, which begins in line 2"},
                {"{\"a\": \"\n", "job 0"},
                {"{}, {}", "missing here"},
                {"{}\n]", "line 2"},
                {"{/* */}", "job 0"},
        };
        _cleanup_error_ Error e = ERROR_NULL;
        JobTexts jobs;

        assert_split("{}", 1);
        assert_split("[{}, {\"a\": [1, {\"b\": \"]}\\\"\"}]} // x\n, {}]\n", 3);
        assert_split("// jobs\n{\"a\": 1}\n\n{\n \"b\": \"// no comment\"}{}\n", 3);
        for (size_t i = 0; i < ELEMENTS(wrong); i++)
                assert_refused(job_texts_split(wrong[i].text, strlen(wrong[i].text), &jobs, &e), &e, wrong[i].why);
        assert_refused(job_texts_split("{}\0{}", 5, &jobs, &e), &e, "NUL");
}
END_TEST

static char *for_batch(const char *text, size_t first, size_t n, Error *e)
{
        char *const ids[] = {(char *)"id0", (char *)"id1", (char *)"id2"};
        const JobText job = {text, strlen(text)};
        char *out = NULL;

        return job_text_for_batch(&job, first, n, first + n + 1, ids, &out, e) < 0 ? NULL : out;
}

START_TEST(test_places_of_a_file_in_batches)
{
        _cleanup_error_ Error e = ERROR_NULL;
        _cleanup_free_ char *same = for_batch("{\"after\": {\"x\": \"abc\"}}", 3, 2, &e);
        _cleanup_free_ char *before = for_batch("{\"after\":{\"x\":\"#1\",\"y\":\"#4\"}}", 3, 2, &e);

        ck_assert_str_eq(same, "{\"after\": {\"x\": \"abc\"}}");
        ck_assert_str_eq(before, "{\"after\":{\"x\":\"id1\",\"y\":\"#1\"}}");
        ck_assert_ptr_null(for_batch("{\"after\":{\"x\":\"#5\"}}", 3, 2, &e));
        ck_assert_ptr_nonnull(strstr(error_text(&e), "later batch"));
        ck_assert_ptr_null(for_batch("{\"after\":{\"x\":\"#6\"}}", 3, 2, &e));
        ck_assert_ptr_nonnull(strstr(error_text(&e), "after.x: there is no job #6: the last is #5"));
}
END_TEST

START_TEST(test_tables_are_aligned_by_columns)
{
        static const TableColumn columns[] = {{"NAME", false}, {"N", true}, {"REST", false}};
        _cleanup_(table_freep) Table *table = table_new(columns, ELEMENTS(columns), false);

        width_init();
        table_add(table, "日本", NULL);
        table_add_number(table, 7);
        table_add(table, "a\033[2J", NULL);
        table_add(table, "long name", NULL);
        table_add_number(table, 12345);
        table_add(table, NULL, NULL);
        _cleanup_strv_ char **lines = table_lines(table);
        ck_assert_str_eq(lines[0], "NAME           N  REST");
        ck_assert_str_eq(lines[1], "日本           7  a\\x1b[2J");
        ck_assert_str_eq(lines[2], "long name  12345  -");
        ck_assert_uint_eq(width_of("日本"), 4);
        ck_assert_uint_eq(width_of("e\u0301"), 1);
        ck_assert_uint_eq(width_of("\033[1mab\033[0m"), 2);
        ck_assert_uint_eq(width_fit("日本", 3), 3);
        ck_assert_uint_eq(width_fit("\033[1mabc", 2), 6);
}
END_TEST

START_TEST(test_a_cell_is_shown_whole)
{
        static const TableColumn columns[] = {{"KEY", false}, {"VALUE", false}};
        _cleanup_(table_freep) Table *table = table_new(columns, ELEMENTS(columns), false);
        char path[4096];

        memset(path, 'a', sizeof path);
        path[sizeof path - 1] = '\0';
        table_add(table, "state", NULL);
        table_add(table, path, NULL);
        _cleanup_strv_ char **lines = table_lines(table);
        ck_assert_str_eq(lines[1] + strlen("state  "), path);
}
END_TEST

START_TEST(test_times_since)
{
        _cleanup_error_ Error e = ERROR_NULL;
        uint64_t usec, later;

        assert_ok(since_parse("1h", &usec, &e), &e);
        assert_ok(since_parse("10min", &later, &e), &e);
        ck_assert_uint_lt(usec, later);
        assert_ok(since_parse("2026-01-31 13:00", &usec, &e), &e);
        assert_ok(since_parse("2026-01-31T13:00:01", &later, &e), &e);
        ck_assert_uint_eq(later - usec, 1000000);
        assert_refused(since_parse("yesterday", &usec, &e), &e, "is no time");
        _cleanup_free_ char *all = since_cursor(0), *some = since_cursor(1700000000000000);
        ck_assert_str_eq(all, "");
        ck_assert_str_eq(some, "01hf7yat000000000000000000");
}
END_TEST

START_TEST(test_output_is_shown_up_to_where_it_was_when_it_was_asked_for)
{
        AttemptOutput output = ATTEMPT_OUTPUT_NULL;
        _cleanup_close_ int shown = memfd_create("shown", MFD_CLOEXEC);
        char text[16] = "";
        Stream stream, *streams[2] = {&stream, &stream};

        for (int i = 0; i < 2; i++)
                ck_assert_int_ge(output.files[i] = memfd_create("output", MFD_CLOEXEC), 0);
        ck_assert_int_eq(stream_init(&stream, shown, &(StreamOptions){.raw = true}), 0);
        ck_assert_int_eq(write_full(output.files[0], "before", 6), 0);
        attempt_output_end_here(&output);
        ck_assert_int_eq(write_full(output.files[0], "after", 5), 0);
        ck_assert_int_eq(write_full(output.files[1], "error", 5), 0);
        ck_assert(attempt_output_has_more(&output, streams));
        ck_assert_int_ge(attempt_output_pass(&output, streams, true), 0);
        ck_assert(!attempt_output_has_more(&output, streams));
        ck_assert_int_eq(pread(shown, text, sizeof text - 1, 0), 6);
        ck_assert_str_eq(text, "before");
        attempt_output_close(&output);
        stream_done(&stream);
}
END_TEST

Suite *ctl_suite(void)
{
        Suite *suite = suite_create("ctl");
        TCase *tests = tcase_create("ctl");

        tcase_add_test(tests, test_amounts_for_people);
        tcase_add_test(tests, test_what_a_terminal_would_obey_is_shown);
        tcase_add_test(tests, test_jobs_in_a_text);
        tcase_add_test(tests, test_places_of_a_file_in_batches);
        tcase_add_test(tests, test_tables_are_aligned_by_columns);
        tcase_add_test(tests, test_a_cell_is_shown_whole);
        tcase_add_test(tests, test_times_since);
        tcase_add_test(tests, test_output_is_shown_up_to_where_it_was_when_it_was_asked_for);
        suite_add_tcase(suite, tests);
        return suite;
}
