/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "engine/scaler/cli/replay.h"
#include "tests/unit/unit.h"

#include <math.h>
#include <string.h>
#include <time.h>

#define MINUTES_A_DAY 1440
#define SUNDAY 1698537600 /* 2023-10-29 00:00 UTC: in Berlin, the day on which summer time ends */

/* ---- loads ---- */

/* Noise that is the same each time: splitmix64. */
static double noise(uint64_t *state)
{
        uint64_t z = (*state += 0x9e3779b97f4a7c15);

        z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
        z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
        return (double)((z ^ (z >> 31)) >> 11) / (double)(UINT64_C(1) << 53);
}

typedef double (*Load)(size_t minute, uint64_t *state);

static double load_flat(size_t minute _unused_, uint64_t *state)
{
        return floor(100 + 20 * (noise(state) - 0.5));
}

/* A day's curve, with a burst every three hours. */
static double load_bursts(size_t minute, uint64_t *state)
{
        double day = 1 + 0.6 * sin((double)minute / MINUTES_A_DAY * 2 * M_PI);

        return floor(60 * day * (minute % 180 < 12 ? 3 : 1) * (0.9 + 0.2 * noise(state)));
}

static double load_wild(size_t minute, uint64_t *state)
{
        return minute % 97 == 0 ? 1e9 : noise(state) < 0.5 ? 0 : floor(pow(10, 4 * noise(state)));
}

static Trace trace_of(Load load, size_t minutes)
{
        Trace trace = {.rows = calloc(minutes, sizeof(TraceRow)), .n = minutes, .step_sec = 60};
        uint64_t state = 1;

        ck_assert_ptr_nonnull(trace.rows);
        for (size_t i = 0; i < minutes; i++)
                trace.rows[i] = (TraceRow){SUNDAY + (int64_t)i * 60, load(i, &state)};
        return trace;
}

static ScalerSettings settings_of(const Trace *trace, double capacity, ScalerMode mode)
{
        ScalerSettings settings = scaler_defaults();

        settings.mode = mode;
        settings.job_sec = 180;
        settings.start_delay_sec = 300;
        settings.target_wait_sec = 0;
        replay_fit(&settings, trace, capacity);
        return settings;
}

/* Forecasting and reacting, by one forecaster. */
static void both_of(const Trace *trace, double capacity, ReplayScore *ret_own, ReplayScore *ret_reactive,
                    char **ret_sentence)
{
        const ScalerSettings settings[] = {settings_of(trace, capacity, SCALER_PREDICTIVE),
                                           settings_of(trace, capacity, SCALER_REACTIVE)};
        Replay replays[2] = {0};
        _cleanup_error_ Error e = ERROR_NULL;

        assert_ok(replay_run(trace, settings, 2, capacity, replays, &e), &e);
        *ret_own = replay_score(&replays[0], &settings[0], 0.6);
        *ret_reactive = replay_score(&replays[1], &settings[1], 0.6);
        *ret_sentence = take(replays[0].sentence);
        replay_done(&replays[0]);
        replay_done(&replays[1]);
}

static Replay replay_of(const Trace *trace, const ScalerSettings *settings, double capacity)
{
        _cleanup_error_ Error e = ERROR_NULL;
        Replay replay = {0};

        assert_ok(replay_run(trace, settings, 1, capacity, &replay, &e), &e);
        return replay;
}

/* ---- what the scaler promises ---- */

START_TEST(test_nothing_is_known_before_it_came)
{
        _cleanup_trace_ Trace trace = trace_of(load_bursts, MINUTES_A_DAY + 100);
        ScalerSettings settings = settings_of(&trace, 20, SCALER_PREDICTIVE);
        _cleanup_replay_ Replay whole = replay_of(&trace, &settings, 20);
        const size_t ends[] = {2, 61, 700, 1441};

        for (size_t i = 0; i < ELEMENTS(ends); i++) {
                Trace part = {trace.rows, ends[i], trace.step_sec};
                _cleanup_replay_ Replay replay = replay_of(&part, &settings, 20);
                ck_assert_uint_eq(replay.n, ends[i] - 1);
                for (size_t row = 0; row < replay.n; row++) {
                        ck_assert_int_eq(replay.rows[row].target, whole.rows[row].target);
                        ck_assert_int_eq(replay.rows[row].ready, whole.rows[row].ready);
                        ck_assert_double_eq(replay.rows[row].band.p90, whole.rows[row].band.p90);
                }
        }
}
END_TEST

START_TEST(test_the_pool_keeps_to_its_bounds_and_its_pace)
{
        _cleanup_trace_ Trace trace = trace_of(load_wild, MINUTES_A_DAY);

        for (ScalerMode mode = SCALER_REACTIVE; mode <= SCALER_PREDICTIVE; mode++) {
                ScalerSettings settings = settings_of(&trace, 20, mode);
                settings.minimum = 3;
                settings.maximum = 40;
                _cleanup_replay_ Replay replay = replay_of(&trace, &settings, 20);
                int before = settings.minimum;
                for (size_t i = 0; i < replay.n; i++) {
                        int target = replay.rows[i].target;
                        ck_assert_int_ge(target, 3);
                        ck_assert_int_le(target, 40);
                        ck_assert_double_le(target, fmax(before + 1, ceil(before * 1.5)));
                        ck_assert_double_ge(target, fmin(before - 1, floor(before * 0.75)));
                        before = target;
                }
        }
}
END_TEST

START_TEST(test_noise_does_not_make_the_pool_flap)
{
        _cleanup_trace_ Trace trace = trace_of(load_flat, 2 * MINUTES_A_DAY);
        _cleanup_free_ char *sentence = NULL;
        ReplayScore own, theirs;

        both_of(&trace, 10, &own, &theirs, &sentence);
        /* At most one in twenty cycles; and it costs no more than to react. */
        ck_assert_double_le(own.turns, own.cycles / 20);
        ck_assert_double_le(own.turns, fmax(theirs.turns, 1));
        ck_assert_double_le(own.mean_ready, theirs.mean_ready * 1.05);
        ck_assert_double_le(own.under, theirs.under + 0.001);
}
END_TEST

/* Each hundred minutes, which is no part of a day. */
static double load_of_a_timer(size_t minute, uint64_t *state)
{
        return floor(60 * (minute % 100 < 12 ? 3 : 1) * (0.9 + 0.2 * noise(state)));
}

START_TEST(test_a_period_that_is_no_part_of_a_day_is_found)
{
        _cleanup_trace_ Trace trace = trace_of(load_of_a_timer, 2 * MINUTES_A_DAY);
        _cleanup_free_ char *sentence = NULL;
        ReplayScore own, theirs;

        both_of(&trace, 20, &own, &theirs, &sentence);
        ck_assert_double_gt(theirs.under, 0.02);
        ck_assert_double_lt(own.under, theirs.under / 4);
        ck_assert_double_le(own.mean_ready, theirs.mean_ready * 1.05);
}
END_TEST

/* Nothing for half an hour, then all at once, and little for a host that has room for much more. */
static double load_that_begins(size_t minute, uint64_t *state)
{
        return minute < 30 ? 0 : floor(2000 + 80 * (noise(state) - 0.5));
}

START_TEST(test_without_a_history_no_more_is_wanted_than_reacting_would_have)
{
        _cleanup_trace_ Trace trace = trace_of(load_that_begins, 120);
        ScalerSettings settings = settings_of(&trace, 100, SCALER_PREDICTIVE);

        settings.maximum = 400;
        settings.job_sec = 5;
        replay_fit(&settings, &trace, 100);
        _cleanup_replay_ Replay replay = replay_of(&trace, &settings, 100);
        int most = 0;
        for (size_t i = 0; i < replay.n; i++)
                most = replay.rows[i].target > most ? replay.rows[i].target : most;
        ck_assert_int_ge(most, 21);
        ck_assert_int_le(most, 30); /* 20.4 at 0.7, and the jobs' wait */
}
END_TEST

/* Hardly ever anything. */
static double load_of_one_minute(size_t minute, uint64_t *state)
{
        return minute % MINUTES_A_DAY == 540 ? 12 : noise(state) < 0.2;
}

START_TEST(test_forecasts_stay_near_what_was_seen)
{
        _cleanup_trace_ Trace trace = trace_of(load_of_one_minute, 5 * MINUTES_A_DAY);
        ScalerSettings settings = settings_of(&trace, 1, SCALER_PREDICTIVE);
        _cleanup_replay_ Replay replay = replay_of(&trace, &settings, 1);

        for (size_t i = 0; i < replay.n; i++)
                ck_assert_double_le(replay.rows[i].band.p99, 30);
}
END_TEST

START_TEST(test_bursts_that_come_again_are_foreseen)
{
        _cleanup_trace_ Trace trace = trace_of(load_bursts, 3 * MINUTES_A_DAY);
        _cleanup_free_ char *sentence = NULL;
        ReplayScore own, theirs;

        both_of(&trace, 20, &own, &theirs, &sentence);
        ck_assert_double_gt(theirs.under, 0.02);
        ck_assert_double_lt(own.under, theirs.under / 4);
        ck_assert_double_le(own.mean_ready, theirs.mean_ready * 1.05);
        ck_assert_double_gt(own.below90, 0.84);
        ck_assert_double_lt(own.below90, 0.96);
        ck_assert_ptr_nonnull(strstr(sentence, "are wanted: "));
}
END_TEST

START_TEST(test_a_gap_is_no_load_of_zero)
{
        _cleanup_trace_ Trace trace = trace_of(load_flat, MINUTES_A_DAY);
        ScalerSettings settings = settings_of(&trace, 10, SCALER_PREDICTIVE);
        Trace holed = {trace.rows, 0, 60};

        /* Three hours that nobody counted. */
        for (size_t i = 0; i < trace.n; i++)
                if (i < 900 || i >= 1080)
                        holed.rows[holed.n++] = trace.rows[i];
        _cleanup_replay_ Replay replay = replay_of(&holed, &settings, 10);
        const ReplayRow *after = &replay.rows[900];
        ck_assert_double_gt(after->band.p50, 8);
        ck_assert_double_lt(after->band.p50, 12);
        ck_assert_int_ge(after->target, 9);
}
END_TEST

START_TEST(test_clocks_may_jump)
{
        _cleanup_error_ Error e = ERROR_NULL;
        _cleanup_scaler_ Scaler *scaler = NULL;
        ScalerSettings settings = scaler_defaults();
        const int64_t year = 365 * 86400;
        const ScalerHost host = {.workers = 5, .jobs = NAN, .allowed = -1};

        setenv("TZ", "Europe/Berlin", 1);
        tzset();
        assert_ok(scaler_new(&scaler, &settings, &e), &e);
        /* Over the night in which an hour comes twice, and one in which one is left out. */
        for (int64_t t = SUNDAY - 7200; t < SUNDAY + 7200; t += 60)
                ck_assert_int_eq(scaler_observe(scaler, t, 5), 0);
        ck_assert_int_eq(scaler_observe(scaler, SUNDAY + 7140, 5), -ESTALE);
        for (int i = 0; i < 3; i++) { /* a year ahead, two back, one ahead */
                int64_t from = SUNDAY + 86400 + (i == 0 ? year : i == 1 ? -year : 0);
                for (int64_t t = from; t < from + 3600; t += 60)
                        ck_assert_int_eq(scaler_observe(scaler, t, 5), 0);
                _cleanup_scaler_decision_ ScalerDecision d = {0};
                scaler_decide(scaler, &host, &d);
                ck_assert_int_ge(d.target, settings.minimum);
                ck_assert_int_le(d.target, settings.maximum);
                ck_assert(isfinite(d.wanted) && isfinite(d.band.p99));
        }
        ck_assert_int_eq(scaler_observe(scaler, -1, 5), -EINVAL);
        ck_assert_int_eq(scaler_observe(scaler, SUNDAY + 2 * 86400, -1), -EINVAL);
        ck_assert_int_eq(scaler_observe(scaler, SUNDAY + 2 * 86400, 1e13), -EINVAL);
        unsetenv("TZ");
        tzset();
}
END_TEST

START_TEST(test_jobs_that_take_no_time_need_the_minimum)
{
        _cleanup_error_ Error e = ERROR_NULL;
        _cleanup_scaler_ Scaler *scaler = NULL;
        ScalerSettings settings = scaler_defaults();
        const ScalerHost host = {.workers = 2, .jobs = 0, .allowed = -1};
        _cleanup_scaler_decision_ ScalerDecision d = {0};

        settings.job_sec = 0;
        settings.slots = 1000;
        assert_ok(scaler_new(&scaler, &settings, &e), &e);
        for (int64_t t = SUNDAY; t < SUNDAY + 7200; t += 60)
                ck_assert_int_eq(scaler_observe(scaler, t, 10), 0);
        scaler_decide(scaler, &host, &d);
        ck_assert_int_eq(d.target, settings.minimum);
}
END_TEST

START_TEST(test_what_was_learnt_survives_a_restart)
{
        _cleanup_trace_ Trace trace = trace_of(load_bursts, MINUTES_A_DAY);
        ScalerSettings settings = settings_of(&trace, 20, SCALER_PREDICTIVE);
        _cleanup_scaler_ Scaler *scaler = NULL, *next = NULL;
        const ScalerHost host = {.workers = 6, .jobs = NAN, .allowed = -1};
        _cleanup_error_ Error e = ERROR_NULL;
        _cleanup_packer_ Packer saved = {0};

        assert_ok(scaler_new(&scaler, &settings, &e), &e);
        assert_ok(scaler_new(&next, &settings, &e), &e);
        for (size_t i = 0; i < trace.n; i++) {
                scaler_observe(scaler, trace.rows[i].time_sec, trace.rows[i].count);
                while (scaler_train(scaler))
                        ;
        }
        scaler_save(scaler, &saved);
        ck_assert(!saved.failed);
        ck_assert_int_eq(scaler_restore(next, saved.data, saved.size), 0);
        _cleanup_scaler_decision_ ScalerDecision a = {0}, b = {0};
        scaler_decide(scaler, &host, &a);
        scaler_decide(next, &host, &b);
        ck_assert_int_eq(a.target, b.target);
        ck_assert_str_eq(a.sentence, b.sentence);

        /* What is cut short, or changed in any place, is refused or harmless. */
        for (size_t i = 0; i < saved.size; i += 1 + saved.size / 50) {
                saved.data[i] = (char)~saved.data[i];
                scaler_restore(next, saved.data, saved.size);
                ck_assert_int_eq(scaler_restore(next, saved.data, i), -EBADMSG);
                saved.data[i] = (char)~saved.data[i];
        }
}
END_TEST

START_TEST(test_modes)
{
        static const struct {
                ScalerMode mode;
                int workers, target;
                const char *part;
        } cases[] = {
                {SCALER_OFF, 7, 7, "off: the pool stays at 7"},
                {SCALER_FIXED, 4, 4, "fixed at 4"},
                {SCALER_REACTIVE, 7, 6, "reacting at 70 % use"},
        };
        _cleanup_error_ Error e = ERROR_NULL;

        for (size_t i = 0; i < ELEMENTS(cases); i++) {
                _cleanup_scaler_ Scaler *scaler = NULL;
                _cleanup_scaler_decision_ ScalerDecision d = {0};
                ScalerSettings settings = scaler_defaults();
                const ScalerHost host = {.workers = cases[i].workers, .jobs = NAN, .allowed = -1};

                settings.mode = cases[i].mode;
                settings.fixed = 4;
                assert_ok(scaler_new(&scaler, &settings, &e), &e);
                for (int64_t t = SUNDAY; t < SUNDAY + 3600; t += 60)
                        scaler_observe(scaler, t, 2);
                scaler_decide(scaler, &host, &d);
                ck_assert_int_eq(d.target, cases[i].target);
                ck_assert_msg(strstr(d.sentence, cases[i].part) != NULL, "%s", d.sentence);
        }
}
END_TEST

START_TEST(test_the_host_has_the_last_word)
{
        _cleanup_error_ Error e = ERROR_NULL;
        _cleanup_scaler_ Scaler *scaler = NULL;
        _cleanup_scaler_decision_ ScalerDecision d = {0};
        ScalerSettings settings = scaler_defaults();
        const ScalerHost host = {.workers = 6, .jobs = 40, .allowed = 6, .allowed_why = "memory"};

        assert_ok(scaler_new(&scaler, &settings, &e), &e);
        for (int64_t t = SUNDAY; t < SUNDAY + 3600; t += 60)
                scaler_observe(scaler, t, 40);
        scaler_decide(scaler, &host, &d);
        ck_assert_int_eq(d.target, 6);
        ck_assert_str_eq(d.bound, "host");
        ck_assert_ptr_nonnull(strstr(d.sentence, "since memory allows 6"));
}
END_TEST

/* ---- traces ---- */

START_TEST(test_bad_traces_are_refused_by_line)
{
        static const struct {
                const char *text, *part;
        } cases[] = {
                {"", "no line"},
                {"0,1\n", "one line"},
                {"time,count\n0,1\n", "one line"},
                {"0,1\n60,1\n60,2\n", "line 3: the time 60 is there twice"},
                {"0,1\n120,1\n60,2\n", "line 3: the time 60 is before"},
                {"0,1\n60,-1\n", "line 2: the count is negative"},
                {"0,1\n60,1e13\n", "line 2: the count is absurd"},
                {"0,1\n60,nan\n", "line 2: must be"},
                {"0,1\n60,0x10\n", "line 2: must be"},
                {"0,1\n60\n", "line 2: must be"},
                {"0,1\n60,1,1\n", "line 2: must be"},
                {"-60,1\n0,1\n", "line 1: the time must be"},
                {"0,1\n60,1\n1e15,1\n", "line 3: the time must be"},
                {"0,1\n60,1\n120,1\n150,1\n210,1\n", "does not lie on a step of 60 s"},
                {"0,1\n900000,1\n", "a day is the most"},
        };
        _cleanup_error_ Error e = ERROR_NULL;

        for (size_t i = 0; i < ELEMENTS(cases); i++) {
                Trace trace = {0};
                assert_refused(trace_parse(cases[i].text, strlen(cases[i].text), &trace, &e), &e, cases[i].part);
        }
}
END_TEST

START_TEST(test_a_trace_need_not_end_with_a_line)
{
        static const char text[] = "0,1\n60,25";
        _cleanup_trace_ Trace trace = {0};
        _cleanup_error_ Error e = ERROR_NULL;

        /* What lies behind it in memory is not looked at. */
        assert_ok(trace_parse(text, strlen(text) - 1, &trace, &e), &e);
        ck_assert_double_eq(trace.rows[1].count, 2);
}
END_TEST

START_TEST(test_the_step_of_a_trace_is_found)
{
        static const char text[] = "timestamp,count\r\n0,1\r\n300,2\r\n900,3.5\r\n1200,4\r\n";
        static const char fine[] = "0,1\n1,1\n2,1\n9,1\n10,5\n";
        _cleanup_trace_ Trace trace = {0}, merged = {0};
        _cleanup_error_ Error e = ERROR_NULL;

        assert_ok(trace_parse(text, strlen(text), &trace, &e), &e);
        ck_assert_int_eq(trace.step_sec, 300);
        ck_assert_uint_eq(trace.n, 4); /* a hole, and not a zero */
        ck_assert_double_eq(trace.rows[2].count, 3.5);
        assert_ok(trace_parse(fine, strlen(fine), &merged, &e), &e);
        ck_assert_int_eq(merged.step_sec, 10);
        ck_assert_uint_eq(merged.n, 2);
        ck_assert_double_eq(merged.rows[0].count, 4);
}
END_TEST

Suite *scaler_suite(void)
{
        Suite *suite = suite_create("scaler");
        TCase *scaler = tcase_create("scaler"), *traces = tcase_create("traces");

        tcase_set_timeout(scaler, 300);
        tcase_add_test(scaler, test_nothing_is_known_before_it_came);
        tcase_add_test(scaler, test_the_pool_keeps_to_its_bounds_and_its_pace);
        tcase_add_test(scaler, test_noise_does_not_make_the_pool_flap);
        tcase_add_test(scaler, test_bursts_that_come_again_are_foreseen);
        tcase_add_test(scaler, test_a_period_that_is_no_part_of_a_day_is_found);
        tcase_add_test(scaler, test_without_a_history_no_more_is_wanted_than_reacting_would_have);
        tcase_add_test(scaler, test_forecasts_stay_near_what_was_seen);
        tcase_add_test(scaler, test_a_gap_is_no_load_of_zero);
        tcase_add_test(scaler, test_clocks_may_jump);
        tcase_add_test(scaler, test_jobs_that_take_no_time_need_the_minimum);
        tcase_add_test(scaler, test_what_was_learnt_survives_a_restart);
        tcase_add_test(scaler, test_modes);
        tcase_add_test(scaler, test_the_host_has_the_last_word);
        suite_add_tcase(suite, scaler);
        tcase_add_test(traces, test_bad_traces_are_refused_by_line);
        tcase_add_test(traces, test_a_trace_need_not_end_with_a_line);
        tcase_add_test(traces, test_the_step_of_a_trace_is_found);
        suite_add_tcase(suite, traces);
        return suite;
}
