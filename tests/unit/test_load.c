/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "engine/base/clock.h"
#include "engine/base/remove_tree.h"
#include "engine/supervisor/load_store.h"
#include "tests/unit/unit.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define START 1699999200 /* the beginning of an hour */
#define DAY 86400
#define SEC USEC_PER_SECOND

static uint64_t usec(int64_t time_sec)
{
        return (uint64_t)time_sec * SEC;
}

/* ---- counting ---- */

START_TEST(test_steps_end_in_order_and_fine_ones_first)
{
        Load load;
        LoadStep step;

        load_init(&load, usec(START), 0);
        load_arrived(&load, 3);
        load_set(&load, 2, 1, 0);
        load_started(&load, 500);
        ck_assert(!load_next(&load, usec(START + 9), usec(9), &step));
        for (int64_t fine = START; fine < START + 60; fine += 10) {
                load_ended(&load, 7 * SEC);
                ck_assert(load_next(&load, usec(fine + 10), usec(fine + 10 - START), &step));
                ck_assert_int_eq(step.grain, LOAD_FINE);
                ck_assert_int_eq(step.time_sec, fine);
                ck_assert_uint_eq(step.counts.arrivals, fine == START ? 3 : 0);
                ck_assert_uint_eq(step.counts.ended, 1);
                ck_assert_uint_eq(step.counts.running_usec, 10 * SEC);
                ck_assert_uint_eq(step.counts.queued_usec, 20 * SEC);
        }
        ck_assert(load_next(&load, usec(START + 60), usec(60), &step));
        ck_assert_int_eq(step.grain, LOAD_MINUTE);
        ck_assert_uint_eq(step.counts.arrivals, 3);
        ck_assert_uint_eq(step.counts.ended, 6);
        ck_assert_uint_eq(step.counts.service_usec, 42 * SEC);
        ck_assert_uint_eq(step.counts.waited_usec, 500);
        ck_assert_uint_eq(step.counts.running_usec, 60 * SEC);
        ck_assert(!load_next(&load, usec(START + 60), usec(60), &step));
}
END_TEST

START_TEST(test_what_lies_between_a_clock_that_jumps_is_a_gap)
{
        static const int64_t jumps[] = {365 * DAY, -365 * DAY, 2 * 3600, -30};
        Load load;
        LoadStep step;

        for (size_t i = 0; i < ELEMENTS(jumps); i++) {
                int64_t there = START + jumps[i];
                load_init(&load, usec(START), 0);
                load_arrived(&load, 1);
                ck_assert(!load_next(&load, usec(there), usec(5), &step));
                ck_assert(!load_next(&load, usec(there + 9 - there % 10), usec(9), &step));
                ck_assert(load_next(&load, usec(there + 10), usec(15), &step));
                ck_assert_int_eq(step.time_sec, there - there % 10);
                ck_assert_uint_eq(step.counts.arrivals, 0);
        }
}
END_TEST

/* ---- keeping ---- */

static char directory[64];
static sd_event *event;
static Store *store;
static Troubles troubles;

static void open_store(void)
{
        _cleanup_error_ Error e = ERROR_NULL;

        assert_ok(store_open(event, directory, &troubles, &store, &e), &e);
}

/* What was given to it is written. */
static void reopen_store(void)
{
        store = store_close(store);
        open_store();
}

static void setup(void)
{
        char path[80];

        strcpy(directory, "/tmp/skep-load-XXXXXX");
        ck_assert_ptr_nonnull(mkdtemp(directory));
        snprintf(path, sizeof path, "%s/blobs", directory);
        ck_assert_int_eq(mkdir(path, 0700), 0);
        snprintf(path, sizeof path, "%s/jobs", directory);
        ck_assert_int_eq(mkdir(path, 0700), 0);
        ck_assert_int_ge(sd_event_new(&event), 0);
        open_store();
}

static void teardown(void)
{
        store = store_close(store);
        sd_event_unref(event);
        remove_tree_at(AT_FDCWD, directory);
}

static LoadStep minute(int64_t time_sec, uint64_t arrivals)
{
        return (LoadStep){LOAD_MINUTE, time_sec, {.arrivals = arrivals, .service_usec = arrivals * SEC, .ended = arrivals}};
}

typedef struct Seen {
        int64_t first, last;
        uint64_t steps, arrivals;
} Seen;

static void see(const LoadStep *step, void *userdata)
{
        Seen *seen = userdata;

        if (seen->steps++ == 0)
                seen->first = step->time_sec;
        ck_assert_int_gt(step->time_sec, seen->last);
        seen->last = step->time_sec;
        seen->arrivals += step->counts.arrivals;
}

static Seen look(int64_t from_sec)
{
        Seen seen = {0};

        ck_assert_int_eq(load_store_each(store, LOAD_MINUTE, from_sec, see, &seen), 0);
        return seen;
}

static int64_t number(const char *sql)
{
        sqlite3_stmt *statement = NULL;

        ck_assert_int_eq(sqlite3_prepare_v2(store_reading(store), sql, -1, &statement, NULL), SQLITE_OK);
        ck_assert_int_eq(sqlite3_step(statement), SQLITE_ROW);
        int64_t value = sqlite3_column_int64(statement, 0);
        sqlite3_finalize(statement);
        return value;
}

START_TEST(test_idle_steps_are_one_row_and_gaps_are_none)
{
        LoadStep steps[] = {minute(START + 60, 4),  minute(START + 120, 0), minute(START + 180, 0), minute(START + 240, 0),
                            minute(START + 300, 2), minute(START + 900, 0), minute(START + 960, 0)};

        load_store_keep(store, steps, 3);
        load_store_keep(store, steps + 3, 4);
        reopen_store();
        ck_assert_int_eq(number("SELECT count(*) FROM load"), 4);
        Seen seen = look(0);
        ck_assert_uint_eq(seen.steps, 7);
        ck_assert_uint_eq(seen.arrivals, 6);
        ck_assert_int_eq(seen.first, START + 60);
        ck_assert_int_eq(seen.last, START + 960);
        /* In the middle of such a row. */
        seen = look(START + 180);
        ck_assert_int_eq(seen.first, START + 180);
        ck_assert_uint_eq(seen.steps, 5);
}
END_TEST

START_TEST(test_what_is_old_is_kept_coarser_and_what_is_older_not_at_all)
{
        const int64_t now = START + 60 * DAY;
        LoadStep steps[] = {minute(now - 57 * DAY, 1),       minute(now - 20 * DAY, 1),      minute(now - 20 * DAY + 60, 2),
                            minute(now - 20 * DAY + 600, 3), minute(now - 13 * DAY, 5),      {LOAD_FINE, now - 3 * DAY, {.arrivals = 1}},
                            {LOAD_FINE, now - DAY, {.arrivals = 1}}, minute(now, 7)};

        load_store_keep(store, steps, ELEMENTS(steps));
        reopen_store();
        Seen seen = look(0);
        ck_assert_uint_eq(seen.steps, 2);
        ck_assert_int_eq(seen.first, now - 13 * DAY);
        ck_assert_int_eq(number("SELECT count(*) FROM load WHERE step_sec = 600"), 2);
        ck_assert_int_eq(number("SELECT arrivals FROM load WHERE step_sec = 600 ORDER BY time_sec LIMIT 1"), 3);
        ck_assert_int_eq(number("SELECT service_usec FROM load WHERE step_sec = 600 ORDER BY time_sec LIMIT 1"), 3 * (int64_t)SEC);
        ck_assert_int_eq(number("SELECT count(*) FROM load WHERE step_sec = 10"), 1);
        ck_assert_int_eq(number("SELECT sum(arrivals) FROM load WHERE step_sec >= 60"), 18);
}
END_TEST

static void see_policy(const PolicyMinute *m, void *userdata)
{
        char *text = userdata;

        snprintf(text + strlen(text), 200 - strlen(text), "%s %lld %llu %llu;", m->policy, (long long)m->time_sec - START,
                 (unsigned long long)m->arrivals, (unsigned long long)m->at_once);
}

START_TEST(test_policies_are_kept_by_minutes)
{
        const PolicyMinute first[] = {{"python", START, 9, 3}, {"strict", START, 1, 1}}, second[] = {{"python", START + 60, 4, 2}};
        char all[200] = "", firsts[200] = "";

        load_store_keep_policies(store, first, 2);
        load_store_keep_policies(store, second, 1);
        reopen_store();
        ck_assert_int_eq(load_store_each_policy(store, false, START, see_policy, all), 0);
        ck_assert_str_eq(all, "python 0 9 3;strict 0 1 1;python 60 4 2;");
        ck_assert_int_eq(load_store_each_policy(store, true, START, see_policy, firsts), 0);
        ck_assert_str_eq(firsts, "strict 0 0 0;python 0 0 0;"); /* the one used last comes last */
        /* Fifteen days later. */
        const LoadStep later = minute(START + 15 * DAY + 3600, 1);
        load_store_keep(store, &later, 1);
        reopen_store();
        ck_assert_int_eq(number("SELECT count(*) FROM policy_load"), 0);
}
END_TEST

START_TEST(test_what_was_learnt_is_found_by_its_name)
{
        _cleanup_free_ void *data = NULL;
        size_t size;

        load_store_keep_learnt(store, "pool", "abc", 3);
        load_store_keep_learnt(store, "pool", "abcd", 4);
        reopen_store();
        ck_assert_int_eq(load_store_learnt(store, "pool", &data, &size), 0);
        ck_assert_uint_eq(size, 4);
        ck_assert_int_eq(memcmp(data, "abcd", 4), 0);
        ck_assert_int_eq(load_store_learnt(store, "other", &data, &size), -ENOENT);
}
END_TEST

Suite *load_suite(void)
{
        Suite *suite = suite_create("load");
        TCase *counting = tcase_create("counting"), *keeping = tcase_create("keeping");

        tcase_add_test(counting, test_steps_end_in_order_and_fine_ones_first);
        tcase_add_test(counting, test_what_lies_between_a_clock_that_jumps_is_a_gap);
        suite_add_tcase(suite, counting);
        tcase_add_checked_fixture(keeping, setup, teardown);
        tcase_add_test(keeping, test_idle_steps_are_one_row_and_gaps_are_none);
        tcase_add_test(keeping, test_what_is_old_is_kept_coarser_and_what_is_older_not_at_all);
        tcase_add_test(keeping, test_policies_are_kept_by_minutes);
        tcase_add_test(keeping, test_what_was_learnt_is_found_by_its_name);
        suite_add_tcase(suite, keeping);
        return suite;
}
