/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "engine/base/json.h"
#include "engine/base/strv.h"
#include "engine/supervisor/job.h"
#include "engine/worker/protocol.h"
#include "tests/unit/unit.h"

#include <string.h>

START_TEST(test_a_job_is_read_whole)
{
        _cleanup_error_ Error e = ERROR_NULL;
        JobSpec spec;

        assert_ok(spec_parse("{\"name\": \"nightly\", \"command\": [\"/usr/bin/python3\", \"/input/r.py\"], // comment\n"
                             " \"policy\": \"python\", \"environment\": {\"LANG\": \"C.UTF-8\"},"
                             " \"working_directory\": \"/work\", \"stdin\": \"text\","
                             " \"limits\": {\"memory\": \"512M\", \"cpu\": 1.5, \"pids\": 64, \"wall\": \"60s\","
                             "   \"cpu_time\": \"30s\", \"disk\": \"256M\", \"files\": 10000, \"output\": \"8M\","
                             "   \"io\": {\"read\": \"50M\", \"write\": \"20M\"}},"
                             " \"priority\": 70, \"tenant\": \"acme\", \"labels\": [\"confidential\"],"
                             " \"meta\": {\"ticket\": \"4711\"}}",
                             &spec, &e),
                  &e);
        ck_assert_str_eq(spec.name, "nightly");
        ck_assert_str_eq(spec.environment[0], "LANG=C.UTF-8");
        ck_assert_uint_eq(spec.limits.cpu_milli, 1500);
        ck_assert_uint_eq(spec.limits.io_write_bytes_per_sec, 20 << 20);
        ck_assert_uint_eq(spec.priority, 70);
        spec_done(&spec);
}
END_TEST

START_TEST(test_a_job_of_too_many_values_is_refused_before_they_are_read)
{
        _cleanup_error_ Error e = ERROR_NULL;
        char *text = malloc(400000), *to;
        JobSpec spec;

        to = stpcpy(text, "{\"command\": [\"true\"], \"meta\": {\"a\": [{}");
        for (int i = 0; i < 100000; i++)
                to = stpcpy(to, ",{}");
        strcpy(to, "]}}");
        assert_refused(spec_parse(text, &spec, &e), &e, "a job may have 100000 values");
        ck_assert_uint_eq(json_count_values("{\"a,[\\\",{\": [1, {}]}"), 5);
        free(text);
}
END_TEST

START_TEST(test_a_bad_job_is_refused_with_its_key)
{
        static const struct {
                const char *text, *part;
        } cases[] = {
                {"", "not JSON"},
                {"[]", "must be an object"},
                {"{}", "the key \"command\" is missing"},
                {"{\"command\": \"ls\"}", "command: must be an array"},
                {"{\"command\": []}", "command: must name a program"},
                {"{\"command\": [\"\"]}", "command: must name a program"},
                {"{\"command\": [\"a\\u0000b\"]}", "command[0]"},
                {"{\"command\": [\"a\"], \"comand\": 1}", "comand: unknown key"},
                {"{\"command\": [\"a\"], \"limits\": {\"memory\": \"99999999999T\"}}", "limits.memory"},
                {"{\"command\": [\"a\"], \"limits\": {\"memory\": -5}}", "limits.memory"},
                {"{\"command\": [\"a\"], \"limits\": {\"memory\": {\"default\": 1}}}", "limits.memory"},
                {"{\"command\": [\"a\"], \"limits\": {\"pids\": 0}}", "limits.pids"},
                {"{\"command\": [\"a\"], \"limits\": {\"wall\": 5}}", "limits.wall: a number needs a unit"},
                {"{\"command\": [\"a\"], \"environment\": {\"A=B\": \"x\"}}", "environment"},
                {"{\"command\": [\"a\"], \"environment\": {\"A\": 5}}", "environment.A"},
                {"{\"command\": [\"a\"], \"priority\": 101}", "priority: must be from 0 to 100"},
                {"{\"command\": [\"a\"], \"priority\": -1}", "priority"},
                {"{\"command\": [\"a\"], \"name\": \"a\\nb\"}", "name"},
                {"{\"command\": [\"a\"], \"name\": \"../x\"}", "name"},
                {"{\"command\": [\"a\"], \"policy\": \"../../etc/passwd\"}", "policy"},
                {"{\"command\": [\"a\"], \"working_directory\": \"work\"}", "working_directory"},
                {"{\"command\": [\"a\"], \"retry\": {\"on\": [\"a\\u001b[2J\"]}}", "retry.on: \"a\\x1b[2J\" is no reason"},
                {"{\"command\": [\"a\"], \"retry\": {\"attempts\": 0}}", "retry.attempts: must be from 1 to 100"},
                {"{\"command\": [\"a\"], \"retry\": {\"attempts\": 101}}", "retry.attempts: must be from 1 to 100"},
                {"{\"command\": [\"a\"], \"array\": {\"count\": 0}}", "array.count: must be from 1 to 10000"},
                {"{\"command\": [\"a\"], \"array\": {\"count\": 10001}}", "array.count: must be from 1 to 10000"},
                {"{\"command\": [\"a\"], \"secrets\": []}", "secrets: not built yet"},
                {"{\"command\": [\"a\"], \"network\": \"none\"}", "network: not built yet"},
        };
        _cleanup_error_ Error e = ERROR_NULL;

        for (size_t i = 0; i < ELEMENTS(cases); i++) {
                JobSpec spec;
                assert_refused(spec_parse(cases[i].text, &spec, &e), &e, cases[i].part);
        }
}
END_TEST

/* {"command": ["a"], "KEY": [ITEM, ITEM, ...]}, or an object, whose item gets a number. */
static char *long_job(const char *key, const char *brackets, const char *item, int n)
{
        char *text = NULL;
        size_t size;
        FILE *f = open_memstream(&text, &size);

        ck_assert_ptr_nonnull(f);
        fprintf(f, "{%s\"%s\": %c", strcmp(key, "command") == 0 ? "" : "\"command\": [\"a\"], ", key, brackets[0]);
        for (int i = 0; i < n; i++) {
                if (i > 0)
                        putc(',', f);
                if (brackets[0] == '{')
                        fprintf(f, "\"%s%d\": \"\"", item, i);
                else
                        fputs(item, f);
        }
        fprintf(f, "%c}", brackets[1]);
        fclose(f);
        return text;
}

/* That they are too long is said before anything in them is looked at. */
START_TEST(test_lists_of_a_job_have_an_end)
{
        static const struct {
                const char *key, *brackets, *item, *wrong;
                int max;
                const char *sentence;
        } cases[] = {
                {"command", "[]", "\"a\"", "5", 65536, "command: must have at most 65536 elements"},
                {"environment", "{}", "A", "A=", 1000, "environment: must have at most 1000 variables"},
                {"labels", "[]", "\"a\"", "5", 64, "labels: must have at most 64 elements"},
        };
        _cleanup_error_ Error e = ERROR_NULL;
        JobSpec spec;

        for (size_t i = 0; i < ELEMENTS(cases); i++) {
                _cleanup_free_ char *most = long_job(cases[i].key, cases[i].brackets, cases[i].item, cases[i].max);
                _cleanup_free_ char *more = long_job(cases[i].key, cases[i].brackets, cases[i].wrong, cases[i].max + 1);
                assert_ok(spec_parse(most, &spec, &e), &e);
                ck_assert_uint_eq(strv_length(i == 0 ? spec.command : i == 1 ? spec.environment : spec.labels),
                                  (size_t)cases[i].max);
                spec_done(&spec);
                assert_refused(spec_parse(more, &spec, &e), &e, cases[i].sentence);
        }
}
END_TEST

START_TEST(test_a_final_state_never_changes)
{
        for (JobState from = 0; from < JOB_STATE_MAX; from++)
                for (JobState to = 0; to < JOB_STATE_MAX; to++)
                        if (job_state_is_final(from))
                                ck_assert(!job_state_may_become(from, to));
        ck_assert(job_state_may_become(JOB_QUEUED, JOB_STARTING));
        ck_assert(!job_state_may_become(JOB_QUEUED, JOB_RUNNING));
        ck_assert(!job_state_may_become(JOB_WAITING, JOB_SUCCEEDED));
        ck_assert(job_state_may_become(JOB_RUNNING, JOB_QUEUED));
}
END_TEST

START_TEST(test_jobs_are_found_by_id)
{
        JobTable table = {0};
        IdMaker maker = {0};
        Id ids[500];

        for (size_t i = 0; i < ELEMENTS(ids); i++) {
                Job *job = calloc(1, sizeof *job);
                id_make(&maker, 1700000000000000 + i, &ids[i]);
                job->id = ids[i];
                ck_assert_int_eq(job_table_add(&table, job), 0);
        }
        for (size_t i = 0; i < ELEMENTS(ids); i++) {
                ck_assert_str_eq(job_table_get(&table, ids[i].text)->id.text, ids[i].text);
                ck_assert_uint_eq(job_table_after(&table, ids[i].text), i + 1);
        }
        ck_assert_ptr_null(job_table_get(&table, "01"));
        ck_assert_uint_eq(job_table_after(&table, ""), 0);
        static const size_t out[] = {499, 7, 8, 0, 250};
        Job *removed[ELEMENTS(out)];
        for (size_t i = 0; i < ELEMENTS(out); i++)
                removed[i] = table.jobs[out[i]];
        job_table_remove(&table, removed, ELEMENTS(out));
        ck_assert_uint_eq(table.n, ELEMENTS(ids) - ELEMENTS(out));
        for (size_t i = 0; i < ELEMENTS(out); i++) {
                ck_assert_ptr_null(job_table_get(&table, ids[out[i]].text));
                job_free(removed[i]);
        }
        for (size_t i = 1; i < 499; i++)
                if (i != 7 && i != 8 && i != 250)
                        ck_assert_str_eq(job_table_get(&table, ids[i].text)->id.text, ids[i].text);
        job_table_done(&table);
}
END_TEST

START_TEST(test_members_of_an_array_have_ids_in_their_order)
{
        static const char array[] = "01kaaaaaaaaaaaaaaaaaaaaaaa";
        static const char *const order[] = {"", "01ka", "01kaaaaaaaaaaaaaaaaaaaaaaa", "01kaaaaaaaaaaaaaaaaaaaaaaa_0",
                                            "01kaaaaaaaaaaaaaaaaaaaaaaa_2", "01kaaaaaaaaaaaaaaaaaaaaaaa_10",
                                            "01kaaaaaaaaaaaaaaaaaaaaaaa_9999", "01kaaaaaaaaaaaaaaaaaaaaaab"};
        static const char *const wrong[] = {"01kaaaaaaaaaaaaaaaaaaaaaaa_", "01kaaaaaaaaaaaaaaaaaaaaaaa_01",
                                            "01kaaaaaaaaaaaaaaaaaaaaaaa_1x", "01kaaaaaaaaaaaaaaaaaaaaaaa_-1",
                                            "01kaaaaaaaaaaaaaaaaaaaaaaa_100000", "01kaaaaaaaaaaaaaaaaaaaaaaaa", "_1",
                                            "01kaaaaaaaaaaaaaaaaaaaaaaa/1"};
        Id id, member, back;
        size_t index;

        for (size_t i = 0; i < ELEMENTS(order); i++)
                for (size_t k = 0; k < ELEMENTS(order); k++)
                        ck_assert_int_eq(id_compare(order[i], order[k]) < 0, i < k);
        for (size_t i = 0; i < ELEMENTS(wrong); i++)
                ck_assert(!id_is_valid(wrong[i]));
        strcpy(id.text, array);
        ck_assert(id_is_valid(id.text) && !id_split(id.text, &back, &index));
        id_of_member(&id, 9999, &member);
        ck_assert_str_eq(member.text, order[6]);
        ck_assert(id_is_valid(member.text) && id_split(member.text, &back, &index));
        ck_assert_str_eq(back.text, array);
        ck_assert_uint_eq(index, 9999);
        /* The next id comes after the array of a member. */
        IdMaker maker = {0};
        id_continue(&maker, member.text);
        ck_assert_int_eq(id_make(&maker, 0, &back), 0);
        ck_assert_int_gt(id_compare(back.text, member.text), 0);
}
END_TEST

START_TEST(test_a_run_order_comes_back_as_it_was)
{
        char *command[] = {(char *)"a", NULL};
        _cleanup_packer_ Packer p = {0};
        RunOrder back;

        run_order_pack(&p, &(RunOrder){.job = "x", .attempt = 3, .policy_digest = "sha256:0", .command = command,
                                       .limits = {.pids = 9}, .allow_missing = 5});
        ck_assert_int_eq(run_order_unpack(p.data, p.size, &back), 0);
        ck_assert_str_eq(back.job, "x");
        ck_assert_uint_eq(back.attempt, 3);
        ck_assert_uint_eq(back.limits.pids, 9);
        ck_assert_uint_eq(back.allow_missing, 5);
        ck_assert_ptr_null(back.working_directory);
        run_order_done(&back);
        for (size_t n = 0; n < p.size; n++)
                ck_assert_int_lt(run_order_unpack(p.data, n, &back), 0);
}
END_TEST

START_TEST(test_messages_are_for_one_side_and_in_turn)
{
        static const struct {
                WorkerMessage message;
                size_t n_fds;
                WorkerSide sender;
                WorkerPhase phase;
                unsigned version;
                bool allowed;
        } cases[] = {
                {{.kind = WORKER_HELLO, .name = "1"}, 0, SIDE_WORKER, PHASE_CONNECTED, 0, true},
                {{.kind = WORKER_HELLO, .name = "1"}, 0, SIDE_SUPERVISOR, PHASE_CONNECTED, 0, false},
                {{.kind = WORKER_HELLO, .name = "1"}, 0, SIDE_WORKER, PHASE_WORK, 2, false},
                {{.kind = WORKER_HELLO}, 0, SIDE_WORKER, PHASE_CONNECTED, 0, false},
                {{.kind = WORKER_WELCOME}, 0, SIDE_SUPERVISOR, PHASE_GREETED, 0, true},
                {{.kind = WORKER_ATTEMPTS}, 0, SIDE_WORKER, PHASE_WELCOME, 2, true},
                {{.kind = WORKER_ATTEMPTS}, 0, SIDE_WORKER, PHASE_WELCOME, 1, false},
                {{.kind = WORKER_ATTEMPTS}, 0, SIDE_WORKER, PHASE_WORK, 2, false},
                {{.kind = WORKER_REPORT, .job = "x", .report = "{}"}, 0, SIDE_WORKER, PHASE_WORK, 2, true},
                {{.kind = WORKER_REPORT, .job = "x", .report = "{}"}, 0, SIDE_WORKER, PHASE_WELCOME, 2, false},
                {{.kind = WORKER_REPORT, .job = "x", .report = "{}"}, 1, SIDE_WORKER, PHASE_WORK, 2, false},
                {{.kind = WORKER_REPORT, .job = "x"}, 0, SIDE_WORKER, PHASE_WORK, 2, false},
                {{.kind = WORKER_RUN}, RUN_INPUTS, SIDE_SUPERVISOR, PHASE_WORK, 2, true},
                {{.kind = WORKER_RUN}, RUN_FDS_MAX + 1, SIDE_SUPERVISOR, PHASE_WORK, 2, false},
                {{.kind = WORKER_RUN}, RUN_INPUTS, SIDE_WORKER, PHASE_WORK, 2, false},
                {{.kind = WORKER_POLICY, .name = "x"}, 0, SIDE_SUPERVISOR, PHASE_WORK, 2, false},
                {{.kind = WORKER_ACKNOWLEDGE}, 0, SIDE_SUPERVISOR, PHASE_WORK, 1, false},
                {{.kind = WORKER_CONDITION, .warm = 5}, 0, SIDE_WORKER, PHASE_WORK, 3, true},
                {{.kind = WORKER_CONDITION, .warm = 5}, 0, SIDE_WORKER, PHASE_WORK, 2, false},
                {{.kind = WORKER_CONDITION, .warm = 5}, 0, SIDE_WORKER, PHASE_WELCOME, 3, false},
                {{.kind = WORKER_UNKEPT, .unkept = 5}, 0, SIDE_WORKER, PHASE_WORK, 4, true},
                {{.kind = WORKER_UNKEPT, .unkept = 5}, 0, SIDE_WORKER, PHASE_WORK, 3, false},
        };
        _cleanup_error_ Error e = ERROR_NULL;

        for (size_t i = 0; i < ELEMENTS(cases); i++) {
                _cleanup_packer_ Packer p = {0};
                WorkerMessage back;
                worker_message_pack(&p, &cases[i].message);
                int r = worker_message_read(p.data, p.size, cases[i].n_fds, cases[i].sender, cases[i].phase,
                                            cases[i].version, &back, &e);
                if (cases[i].allowed)
                        assert_ok(r, &e);
                else
                        ck_assert_msg(r == -EPROTO, "case %zu was taken", i);
                free(back.attempts);
        }
        for (uint64_t kind = 0; kind < 100; kind += 1 + 50 * (kind == WORKER_MESSAGE_KIND_MAX)) {
                WorkerMessage back;
                if (kind == 0 || kind >= WORKER_MESSAGE_KIND_MAX)
                        ck_assert_int_eq(worker_message_read(&kind, sizeof kind, 0, SIDE_WORKER, PHASE_WORK, 2, &back, &e),
                                         -EPROTO);
        }
}
END_TEST

static int read_report(const char *text, size_t length, Error *e)
{
        _cleanup_free_ char *report = strndup(text, length);
        _cleanup_packer_ Packer p = {0};
        WorkerMessage back;

        worker_message_pack(&p, &(WorkerMessage){.kind = WORKER_REPORT, .job = "x", .report = report});
        return worker_message_read(p.data, p.size, 0, SIDE_WORKER, PHASE_WORK, 2, &back, e);
}

START_TEST(test_a_report_has_a_size)
{
        _cleanup_free_ char *text = malloc(WORKER_MESSAGE_MAX);
        _cleanup_error_ Error e = ERROR_NULL;

        memset(text, 'x', WORKER_MESSAGE_MAX);
        assert_ok(read_report(text, WORKER_MESSAGE_MAX - 100, &e), &e);
        assert_refused(read_report(text, WORKER_MESSAGE_MAX, &e), &e, "REPORT is too long");
}
END_TEST

START_TEST(test_attempts_come_back_as_they_were)
{
        WorkerAttempt attempts[WORKER_ATTEMPTS_MAX];
        _cleanup_error_ Error e = ERROR_NULL;
        _cleanup_packer_ Packer p = {0};
        WorkerMessage back;

        for (size_t i = 0; i < ELEMENTS(attempts); i++)
                attempts[i] = (WorkerAttempt){"01kfz0000000000000000000aa", i, i * 3, i % 2};
        worker_message_pack(&p, &(WorkerMessage){.kind = WORKER_ATTEMPTS, .attempts = attempts,
                                                 .n_attempts = ELEMENTS(attempts)});
        assert_ok(worker_message_read(p.data, p.size, 0, SIDE_WORKER, PHASE_WELCOME, 2, &back, &e), &e);
        ck_assert_uint_eq(back.n_attempts, ELEMENTS(attempts));
        ck_assert_str_eq(back.attempts[511].job, attempts[511].job);
        ck_assert_uint_eq(back.attempts[511].attempt, 511);
        ck_assert_uint_eq(back.attempts[511].started_usec, 511 * 3);
        ck_assert_uint_eq(back.attempts[511].ended, 1);
        free(back.attempts);
        for (size_t n = 0; n < p.size; n += 7)
                ck_assert_int_eq(worker_message_read(p.data, n, 0, SIDE_WORKER, PHASE_WELCOME, 2, &back, &e), -EPROTO);
}
END_TEST

Suite *engine_suite(void)
{
        Suite *suite = suite_create("engine");
        TCase *tests = tcase_create("engine");

        tcase_add_test(tests, test_a_job_is_read_whole);
        tcase_add_test(tests, test_a_job_of_too_many_values_is_refused_before_they_are_read);
        tcase_add_test(tests, test_a_bad_job_is_refused_with_its_key);
        tcase_add_test(tests, test_lists_of_a_job_have_an_end);
        tcase_add_test(tests, test_a_final_state_never_changes);
        tcase_add_test(tests, test_jobs_are_found_by_id);
        tcase_add_test(tests, test_members_of_an_array_have_ids_in_their_order);
        tcase_add_test(tests, test_a_run_order_comes_back_as_it_was);
        tcase_add_test(tests, test_messages_are_for_one_side_and_in_turn);
        tcase_add_test(tests, test_a_report_has_a_size);
        tcase_add_test(tests, test_attempts_come_back_as_they_were);
        suite_add_tcase(suite, tests);
        return suite;
}
