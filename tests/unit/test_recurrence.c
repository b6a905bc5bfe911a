/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "engine/supervisor/bursts.h"
#include "tests/unit/unit.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#define DAY 1440                                 /* minutes */
#define MONDAY (1698624000 / 60)                 /* 2023-10-30 00:00 UTC: the day after summer time ended in Berlin */
#define NOW (MONDAY + 14 * DAY + 9 * 60)         /* nine o'clock of a Monday */

static Recurrence r;
static RecurrenceClock by;

static void setup(void)
{
        ck_assert_int_eq(recurrence_init(&r), 0);
}

static void teardown(void)
{
        recurrence_done(&r);
}

/* Fourteen days, in which `burst` says what came in each minute. */
static void watch(uint64_t (*burst)(int64_t minute))
{
        for (int64_t minute = NOW - 14 * DAY; minute < NOW; minute++)
                recurrence_add(&r, minute, burst(minute));
}

static uint64_t expect(int64_t from, int64_t to)
{
        return recurrence_expect(&r, from, to, &by);
}

static uint64_t daily(int64_t minute)
{
        return minute % DAY == 9 * 60 + 2 ? 12 : minute % 7 == 0;
}

START_TEST(test_a_daily_burst_is_expected_at_its_time_and_not_before)
{
        watch(daily);
        ck_assert_uint_eq(expect(NOW - 1, NOW), 1);
        ck_assert_uint_eq(expect(NOW - 1, NOW + 2), 12);
        ck_assert_int_eq(by, RECURS_DAILY);
        for (int64_t minute = NOW; minute < NOW + 10; minute++)
                recurrence_add(&r, minute, daily(minute));
        ck_assert_uint_le(expect(NOW + 9, NOW + 12), 1);
}
END_TEST

static uint64_t on_workdays(int64_t minute)
{
        return (minute - MONDAY) / DAY % 7 < 5 && minute % DAY == 9 * 60 + 1 ? 8 : 0;
}

static uint64_t on_mondays(int64_t minute)
{
        return (minute - MONDAY) / DAY % 7 == 0 && minute % DAY == 9 * 60 + 1 ? 5 : 0;
}

START_TEST(test_a_weekend_hides_neither_workdays_nor_mondays)
{
        watch(on_workdays);
        ck_assert_uint_eq(expect(NOW, NOW + 2), 8);
        teardown();
        setup();
        watch(on_mondays);
        ck_assert_uint_eq(expect(NOW, NOW + 2), 5);
        ck_assert_int_eq(by, RECURS_WEEKLY);
        ck_assert_uint_eq(expect(NOW + DAY, NOW + DAY + 2), 0);
}
END_TEST

static uint64_t hourly(int64_t minute)
{
        return minute % 60 == 2 ? 6 : 0;
}

static uint64_t at_odd_times(int64_t minute)
{
        return minute % 37 == (NOW + 2) % 37 ? 7 : minute % 3 == 0;
}

START_TEST(test_hours_and_other_distances)
{
        watch(hourly);
        ck_assert_uint_eq(expect(NOW, NOW + 2), 6);
        ck_assert_uint_eq(expect(NOW + 10, NOW + 20), 0);
        teardown();
        setup();
        watch(at_odd_times);
        ck_assert_uint_eq(expect(NOW - 1, NOW + 2), 7);
        ck_assert_int_eq(by, RECURS_AT_INTERVALS);
}
END_TEST

static uint64_t once(int64_t minute)
{
        return minute == NOW - DAY + 1 ? 20 : 0;
}

START_TEST(test_what_came_once_is_not_expected)
{
        ck_assert_uint_eq(expect(NOW, NOW + 2), 0); /* nothing is known */
        watch(once);
        ck_assert_uint_eq(expect(NOW, NOW + 2), 0);
        ck_assert_int_eq(by, RECURS_NOT);
}
END_TEST

START_TEST(test_a_minute_that_nobody_watched_is_no_occasion)
{
        /* The host was off on all days but two. */
        for (int64_t minute = NOW - 5 * DAY - 10; minute < NOW - 5 * DAY + 10; minute++)
                recurrence_add(&r, minute, minute % DAY == 9 * 60 + 1 ? 9 : 0);
        for (int64_t minute = NOW - 2 * DAY - 10; minute < NOW - 2 * DAY + 10; minute++)
                recurrence_add(&r, minute, minute % DAY == 9 * 60 + 1 ? 9 : 0);
        ck_assert_uint_eq(expect(NOW, NOW + 2), 9);
}
END_TEST

START_TEST(test_days_are_those_of_the_host)
{
        const int64_t sunday = MONDAY - DAY; /* summer time ends */

        setenv("TZ", "Europe/Berlin", 1);
        tzset();
        /* At nine, local time: seven UTC on the days before. */
        for (int64_t minute = sunday - 5 * DAY; minute < sunday + 7 * 60; minute++)
                recurrence_add(&r, minute, minute % DAY == 7 * 60 && minute < sunday ? 4 : 0);
        ck_assert_uint_eq(expect(sunday + 7 * 60, sunday + 7 * 60 + 2), 0);
        ck_assert_uint_eq(expect(sunday + 8 * 60, sunday + 8 * 60 + 2), 4);
        unsetenv("TZ");
        tzset();
}
END_TEST

START_TEST(test_clocks_that_jump_and_numbers_that_are_too_large)
{
        watch(daily);
        recurrence_add(&r, -5, 1);
        recurrence_add(&r, NOW + 365 * DAY, UINT64_MAX);
        ck_assert_int_eq(r.next - r.first, 1);
        recurrence_add(&r, NOW, 3); /* back */
        ck_assert_int_eq(r.next, NOW + 1);
        recurrence_add(&r, INT64_MAX / 60, 3);
        ck_assert_uint_eq(expect(0, 5), 0);
        ck_assert_uint_eq(expect(INT64_MAX / 60 + 1, INT64_MAX / 60 + 4), 0);
}
END_TEST

/* ---- of policies ---- */

START_TEST(test_jobs_of_a_moment_are_at_once)
{
        PolicyMinute minutes[BURSTS_POLICIES];
        Bursts b = {0};
        uint64_t usec = 1000000000;

        for (int i = 0; i < 5; i++)
                bursts_arrived(&b, "python", 1, usec + (uint64_t)i * 1000);
        bursts_arrived(&b, "python", 1, usec + 5000000);
        bursts_arrived(&b, "strict", 100, usec);
        ck_assert_uint_eq(bursts_end_minute(&b, NOW * 60, 50, minutes), 2);
        ck_assert_str_eq(minutes[0].policy, "strict");
        ck_assert_uint_eq(minutes[0].at_once, 50);
        ck_assert_uint_eq(minutes[0].arrivals, 100);
        ck_assert_uint_eq(minutes[1].at_once, 5);
        ck_assert_uint_eq(minutes[1].arrivals, 6);
        ck_assert_uint_eq(bursts_in_hour(b.policies[1]), 6);
        ck_assert_uint_eq(bursts_end_minute(&b, (NOW + 1) * 60, 50, minutes), 0);
        ck_assert_uint_eq(bursts_end_minute(&b, (NOW + 70) * 60, 50, minutes), 0); /* the hour has passed, unwatched */
        ck_assert_uint_eq(bursts_in_hour(b.policies[1]), 0);
        bursts_done(&b);
}
END_TEST

START_TEST(test_the_policies_used_last_are_remembered)
{
        char name[16];
        Bursts b = {0};

        for (int i = 0; i < BURSTS_POLICIES + 5; i++) {
                snprintf(name, sizeof name, "p%d", i);
                bursts_arrived(&b, "often", 1, 1);
                bursts_arrived(&b, name, 1, 1);
        }
        ck_assert_uint_eq(b.n, BURSTS_POLICIES);
        ck_assert_str_eq(b.policies[0]->name, name);
        ck_assert_str_eq(b.policies[1]->name, "often");
        ck_assert_uint_eq(b.policies[1]->arrivals, BURSTS_POLICIES + 5);
        bursts_done(&b);
}
END_TEST

Suite *recurrence_suite(void)
{
        Suite *suite = suite_create("recurrence");
        TCase *recurrence = tcase_create("recurrence"), *policies = tcase_create("policies");

        tcase_add_checked_fixture(recurrence, setup, teardown);
        tcase_add_test(recurrence, test_a_daily_burst_is_expected_at_its_time_and_not_before);
        tcase_add_test(recurrence, test_a_weekend_hides_neither_workdays_nor_mondays);
        tcase_add_test(recurrence, test_hours_and_other_distances);
        tcase_add_test(recurrence, test_what_came_once_is_not_expected);
        tcase_add_test(recurrence, test_a_minute_that_nobody_watched_is_no_occasion);
        tcase_add_test(recurrence, test_days_are_those_of_the_host);
        tcase_add_test(recurrence, test_clocks_that_jump_and_numbers_that_are_too_large);
        suite_add_tcase(suite, recurrence);
        tcase_add_test(policies, test_jobs_of_a_moment_are_at_once);
        tcase_add_test(policies, test_the_policies_used_last_are_remembered);
        suite_add_tcase(suite, policies);
        return suite;
}
