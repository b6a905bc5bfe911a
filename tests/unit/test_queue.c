/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The queue by itself, with a pool and a clock of the test's own. */

#include "engine/base/clock.h"
#include "engine/supervisor/job.h"
#include "engine/supervisor/tenants.h"
#include "tests/unit/unit.h"

#include <stdlib.h>
#include <string.h>

#define RUNNING_MAX 64

typedef struct World {
        Queue queue;
        Tenants *tenants;
        uint64_t now;
        Job *running[RUNNING_MAX];
        uint64_t until[RUNNING_MAX];
        size_t n_running;
        unsigned n_made;
} World;

static World world;

static void make_world(void)
{
        world = (World){.now = 1000 * USEC_PER_SECOND};
        world.queue.resources.total = (Demand){16 << 20, 16000};
        ck_assert_int_eq(tenants_new(&world.tenants), 0);
}

static void end_world(void)
{
        for (size_t i = 0; i < world.n_running; i++)
                job_free(world.running[i]);
        for (size_t i = 0; i < tenants_count(world.tenants); i++)
                for (int priority = 0; priority <= PRIORITY_MAX; priority++) {
                        JobLine *lines = tenants_at(world.tenants, i)->share.jobs;
                        while (lines && lines[priority].first) {
                                Job *job = lines[priority].first;
                                queue_remove(&world.queue, job);
                                job_free(job);
                        }
                }
        queue_done(&world.queue);
        tenants_free(world.tenants);
}

static Tenant *tenant(const char *name, uint64_t weight)
{
        Tenant *t;

        ck_assert_int_eq(tenants_get(world.tenants, name, &t), 0);
        t->rules.weight = weight;
        tenant_unref(t);
        return t;
}

/* Ids ascend. */
static Job *make(Tenant *t, uint64_t priority)
{
        Job *job = calloc(1, sizeof *job);

        snprintf(job->id.text, sizeof job->id.text, "%026u", world.n_made++);
        job->tenant = tenant_ref(t);
        job->spec.priority = priority;
        return job;
}

static Job *add(Tenant *t, uint64_t priority, uint64_t memory_bytes)
{
        Job *job = make(t, priority);

        job->demand = (Demand){memory_bytes, 1000};
        ck_assert_int_eq(queue_add(&world.queue, job), 0);
        return job;
}

/* As the supervisor does it. */
static Job *start(uint64_t length_usec)
{
        Job *job = queue_next(&world.queue, world.now);

        if (!job)
                return NULL;
        queue_remove(&world.queue, job);
        queue_started(&world.queue, job, world.now);
        ck_assert_uint_lt(world.n_running, RUNNING_MAX);
        world.until[world.n_running] = world.now + length_usec;
        world.running[world.n_running++] = job;
        return job;
}

/* Lets the first of those that run end. */
static void end_one(uint64_t cpu_usec)
{
        size_t first = 0;

        for (size_t i = 1; i < world.n_running; i++)
                if (world.until[i] < world.until[first])
                        first = i;
        Job *job = world.running[first];
        world.now = world.until[first];
        world.n_running--;
        world.running[first] = world.running[world.n_running];
        world.until[first] = world.until[world.n_running];
        job->charge.cpu_usec = cpu_usec;
        queue_ended(&world.queue, job, world.now);
        job_free(job);
}

/* Starts so many jobs, with as many at a time as there is room for. */
static void run(size_t starts, uint64_t length_usec, uint64_t cpu_usec, size_t (*count)(Tenant *))
{
        while (starts > 0) {
                Job *job = start(length_usec);
                if (job) {
                        starts--;
                        count(job->tenant);
                } else {
                        end_one(cpu_usec);
                }
        }
}

static struct {
        Tenant *tenant;
        size_t n;
} counts[16];

static size_t count(Tenant *t)
{
        for (size_t i = 0;; i++)
                if (!counts[i].tenant || counts[i].tenant == t) {
                        counts[i].tenant = t;
                        return counts[i].n++;
                }
}

static double share_of(const Tenant *t)
{
        size_t own = 0, all = 0;

        for (size_t i = 0; i < ELEMENTS(counts); i++) {
                all += counts[i].n;
                own += counts[i].tenant == t ? counts[i].n : 0;
        }
        return (double)own / (double)all;
}

static void assert_within(double value, double expected, double tolerance)
{
        ck_assert_double_le(value, expected * (1 + tolerance));
        ck_assert_double_ge(value, expected * (1 - tolerance));
}

START_TEST(test_shares_are_by_weight)
{
        static const uint64_t lengths[] = {500, 20000, 7000000};
        Tenant *a = tenant("a", 1), *b = tenant("b", 2), *c = tenant("c", 4);

        memset(counts, 0, sizeof counts);
        for (int i = 0; i < 3000; i++) {
                add(a, 50, 0);
                add(b, 50, 0);
                add(c, 50, 0);
        }
        run(1400, lengths[_i], lengths[_i] / 3, count);
        assert_within(share_of(a), 1.0 / 7, 0.05);
        assert_within(share_of(b), 2.0 / 7, 0.05);
        assert_within(share_of(c), 4.0 / 7, 0.05);
}
END_TEST

/* What no worker could start asks for none. */
START_TEST(test_those_that_could_start_are_counted)
{
        Tenant *free_one = tenant("free", 1), *limited = tenant("limited", 1), *full = tenant("full", 1);
        Job *held = add(free_one, 50, 0);

        limited->rules.limits.running = 2;
        full->rules.limits.output_bytes = 100;
        for (int i = 0; i < 5; i++) {
                add(free_one, 50, 0);
                add(limited, 50, 0);
                add(full, 50, 0);
        }
        ck_assert_uint_eq(world.queue.n_startable, 6 + 2 + 5);
        queue_remove(&world.queue, held);
        job_free(held);
        ck_assert_uint_eq(world.queue.n_startable, 5 + 2 + 5);
        full->output_bytes = 100;
        queue_tenant_changed(&world.queue, full, world.now);
        ck_assert_uint_eq(world.queue.n_startable, 5 + 2);
        for (int i = 0; i < 7; i++)
                ck_assert_ptr_nonnull(start(1000));
        ck_assert_uint_eq(world.queue.n_startable, 0);
        ck_assert_ptr_null(start(1000));
        while (world.n_running > 0)
                end_one(0);
        ck_assert_uint_eq(world.queue.n_startable, 2);
        full->output_bytes = 0;
        queue_tenant_changed(&world.queue, full, world.now);
        limited->rules.limits.running = 1;
        queue_tenant_changed(&world.queue, limited, world.now);
        ck_assert_uint_eq(world.queue.n_startable, 5 + 1);
}
END_TEST

/* Room in the pool and processors are what is shared, not starts. */
START_TEST(test_long_and_large_jobs_count_for_what_they_use)
{
        Tenant *small = tenant("small", 1), *large = tenant("large", 1);

        memset(counts, 0, sizeof counts);
        for (int i = 0; i < 4000; i++) {
                add(small, 50, 1 << 20);
                add(large, 50, 4 << 20);
        }
        run(2000, 10000, 1000, count);
        assert_within(share_of(small) / share_of(large), 4, 0.15);
        assert_within((double)small->used_usec / (double)large->used_usec, 1, 0.1);
}
END_TEST

/* Whose jobs are all short, whose are ten times as long, and whose are of any length: what each has had of the pool is by
 * its weight. */
START_TEST(test_shares_are_by_weight_whatever_the_lengths)
{
        enum { TENANTS = 3, MSEC = 1000 };
        Tenant *tenants[TENANTS] = {tenant("short", 1), tenant("long", 2), tenant("mixed", 4)};
        double used[TENANTS] = {0}, all = 0;

        srand48(7);
        for (size_t i = 0; i < TENANTS; i++)
                for (size_t n = 0; n < 40000; n++)
                        add(tenants[i], 0, 1 << 20);
        while (all < 2000.0 * (double)USEC_PER_SECOND) {
                const Job *next = queue_next(&world.queue, world.now);
                if (!next) {
                        end_one(0);
                        continue;
                }
                size_t i = next->tenant == tenants[0] ? 0 : next->tenant == tenants[1] ? 1 : 2;
                uint64_t length = i == 0 ? 20 * MSEC : i == 1 ? 200 * MSEC : MSEC + (uint64_t)(drand48() * 400 * MSEC);
                start(length);
                used[i] += (double)length;
                all += (double)length;
        }
        for (size_t i = 0; i < TENANTS; i++)
                assert_within(used[i] / all, (double)(1 << i) / 7, 0.05);
}
END_TEST

START_TEST(test_a_newcomer_is_next_and_then_has_its_share)
{
        Tenant *old = tenant("old", 1), *new = tenant("new", 1);

        memset(counts, 0, sizeof counts);
        for (int i = 0; i < 100000; i++)
                add(old, 100, 0);
        run(5000, 10000, 0, count);
        for (int i = 0; i < 2000; i++)
                add(new, 0, 0);
        while (world.n_running == 16)
                end_one(0);
        ck_assert_ptr_eq(start(10000)->tenant, new);
        memset(counts, 0, sizeof counts);
        run(1000, 10000, 0, count);
        assert_within(share_of(new), 0.5, 0.05);
}
END_TEST

START_TEST(test_idle_time_gives_no_credit)
{
        Tenant *old = tenant("old", 1), *back = tenant("back", 1);

        memset(counts, 0, sizeof counts);
        add(back, 50, 0);
        for (int i = 0; i < 5000; i++)
                add(old, 50, 0);
        run(2000, 10000, 0, count);
        for (int i = 0; i < 2000; i++)
                add(back, 50, 0);
        memset(counts, 0, sizeof counts);
        run(400, 10000, 0, count);
        assert_within(share_of(back), 0.5, 0.06);
}
END_TEST

START_TEST(test_many_newcomers_are_served_in_their_order)
{
        Tenant *old = tenant("old", 1);
        char name[16];

        for (int i = 0; i < 2000; i++)
                add(old, 50, 0);
        memset(counts, 0, sizeof counts);
        run(100, 10000, 0, count);
        for (int i = 0; i < 100; i++) {
                snprintf(name, sizeof name, "n%d", i);
                add(tenant(name, 1), 50, 0);
        }
        while (world.n_running > 0)
                end_one(0);
        for (int i = 0; i < 16; i++) {
                snprintf(name, sizeof name, "n%d", i);
                ck_assert_str_eq(start(10000)->tenant->name, name);
        }
}
END_TEST

START_TEST(test_priority_is_strict_within_a_tenant_and_order_within_a_priority)
{
        Tenant *a = tenant("a", 1);
        Job *low = add(a, 0, 0), *middle = add(a, 63, 0), *later = make(a, 63), *middle_too = add(a, 63, 0),
            *above = add(a, 64, 0), *high = add(a, 100, 0);

        ck_assert_int_eq(queue_add(&world.queue, later), 0);
        Job *const order[] = {high, above, middle, later, middle_too, low};
        for (size_t i = 0; i < ELEMENTS(order); i++)
                ck_assert_ptr_eq(start(1), order[i]);
        ck_assert_ptr_null(start(1));
}
END_TEST

START_TEST(test_a_job_comes_back_to_its_place)
{
        enum { N = 500 };
        Tenant *a = tenant("a", 1);
        Job *jobs[N];
        uint64_t random = 88172645463325252;

        for (size_t i = 0; i < N; i++)
                jobs[i] = make(a, 50);
        /* Each comes and goes again, over and over; in the end all of them are there. */
        for (size_t i = 0; i < 20000 + N; i++) {
                random ^= random << 13;
                random ^= random >> 7;
                random ^= random << 17;
                Job *job = jobs[i < 20000 ? random % N : i - 20000];
                if (!job->in_queue)
                        ck_assert_int_eq(queue_add(&world.queue, job), 0);
                else if (i < 20000)
                        queue_remove(&world.queue, job);
        }
        ck_assert_uint_eq(queue_jobs_before(jobs[N - 1], 2 * N), N - 1);
        for (size_t i = 0; i < N; i++) {
                ck_assert_ptr_eq(start(1), jobs[i]);
                end_one(0);
        }
        ck_assert_ptr_null(start(1));
}
END_TEST

START_TEST(test_a_ceiling_of_running_jobs_is_held)
{
        Tenant *a = tenant("a", 1), *b = tenant("b", 1);

        a->rules.limits.running = 3;
        for (int i = 0; i < 100; i++) {
                add(a, 50, 0);
                add(b, 50, 0);
        }
        for (int i = 0; i < 200; i++) {
                if (!start(1000 + (uint64_t)i % 7))
                        end_one(0);
                ck_assert_uint_le(a->share.running, 3);
        }
        while (start(1000))
                ;
        ck_assert_uint_eq(a->share.running, 3);
        ck_assert_uint_eq(b->share.running + a->share.running, world.n_running);
        end_one(0);
        a->rules.limits.running = 8;
        queue_tenant_changed(&world.queue, a, world.now);
        ck_assert_ptr_eq(start(1000)->tenant, a);
}
END_TEST

START_TEST(test_who_has_left_as_much_as_he_may_starts_nothing_and_holds_up_nobody)
{
        Tenant *a = tenant("a", 1), *b = tenant("b", 1);

        a->rules.limits.output_bytes = 100;
        for (int i = 0; i < 4; i++)
                add(a, 50, 0);
        ck_assert_ptr_eq(start(1000)->tenant, a);
        a->output_bytes = 100;
        queue_tenant_changed(&world.queue, a, world.now);
        add(a, 100, 0);
        ck_assert_ptr_null(start(1000));
        Job *first = add(b, 50, 0);
        ck_assert_ptr_eq(start(1000), first);
        end_one(0);
        ck_assert_ptr_null(start(1000));
        a->output_bytes = 99;
        queue_tenant_changed(&world.queue, a, world.now);
        for (int i = 0; i < 4; i++)
                ck_assert_ptr_eq(start(1000)->tenant, a);
}
END_TEST

START_TEST(test_the_pool_is_never_promised_twice)
{
        Tenant *t[4] = {tenant("a", 1), tenant("b", 2), tenant("c", 3), tenant("d", 4)};

        srandom(4711);
        for (int i = 0; i < 4000; i++) {
                const Resources *r = &world.queue.resources;
                if (i < 2000)
                        add(t[random() % 4], (uint64_t)(random() % 101), (uint64_t)(random() % (12 << 20)));
                if (!start(1 + (uint64_t)random() % 1000) && world.n_running > 0)
                        end_one((uint64_t)random() % 1000);
                ck_assert_uint_le(r->used.memory_bytes, r->total.memory_bytes);
                ck_assert_uint_le(r->used.cpu_milli, r->total.cpu_milli);
        }
        while (world.n_running > 0 || start(1))
                if (world.n_running > 0)
                        end_one(0);
        ck_assert_uint_eq(world.queue.resources.used.memory_bytes, 0);
        ck_assert_uint_eq(world.queue.n, 0);
}
END_TEST

/* Small jobs that come all the time, of its own tenant and of another. */
START_TEST(test_a_large_job_is_not_held_up_for_ever)
{
        Tenant *a = tenant("a", 1), *b = tenant("b", 1);
        Job *large = NULL;
        size_t before = 0;

        for (int i = 0; i < 8; i++)
                add(a, 50, 2 << 20);
        for (int i = 0; i < 8; i++)
                start(1000 + (uint64_t)i);
        large = add(a, 50, 15 << 20);
        for (; before < 1000; before++) {
                add(before % 2 ? a : b, 50, 1 << 20);
                Job *job = start(1000 + before % 13);
                if (job == large)
                        break;
                if (!job)
                        end_one(0);
        }
        ck_assert_uint_lt(before, 200);
        ck_assert_ptr_null(world.queue.reserved);
}
END_TEST

/* While it waits for one that runs very long, others go on with what it does not need. */
START_TEST(test_the_rest_of_the_pool_is_used_while_room_is_kept)
{
        Tenant *a = tenant("a", 1);
        size_t started = 0;

        add(a, 50, 3 << 20);
        start(USEC_PER_SECOND * 1000000); /* so to say for ever */
        Job *large = add(a, 50, 14 << 20);
        for (int i = 0; i < 3000; i++) {
                add(a, 50, 1 << 20);
                Job *job = start(1000);
                ck_assert_ptr_ne(job, large);
                started += job != NULL;
                if (!job && world.n_running > 1)
                        end_one(0);
                else if (!job)
                        world.now = world.queue.strict_until_usec;
        }
        ck_assert_ptr_eq(world.queue.reserved, large);
        ck_assert_uint_gt(started, 500);
        /* 14 of 16 are kept. */
        ck_assert_uint_le(world.queue.beside.memory_bytes, 2 << 20);
        queue_remove(&world.queue, large);
        ck_assert_ptr_null(world.queue.reserved);
        job_free(large);
}
END_TEST

/* Of a tenant whose own job, which needs next to nothing, leaves no room for one that wants all there is. */
START_TEST(test_nobody_is_held_up_by_who_is_in_his_own_way)
{
        Tenant *a = tenant("a", 1), *b = tenant("b", 1);
        uint64_t began = world.now, idle = 0, stopped = 0;

        add(a, 50, 1 << 10);
        start(USEC_PER_SECOND * 1000000); /* so to say for ever */
        for (int i = 0; i < 5; i++)
                add(a, 50, 16 << 20);
        while (world.now < began + 600 * USEC_PER_SECOND) {
                while (b->share.n_jobs < 4)
                        add(b, 50, 4 << 20);
                Job *job = start(USEC_PER_SECOND);
                if (job)
                        continue;
                if (world.n_running > 1) {
                        end_one(0);
                        continue;
                }
                uint64_t again = queue_look_again_usec(&world.queue, world.now);
                ck_assert_uint_gt(again, world.now);
                idle += again - world.now;
                stopped++;
                world.now = again;
        }
        ck_assert_uint_gt(stopped, 0);
        ck_assert_uint_lt(idle, 80 * USEC_PER_SECOND);
}
END_TEST

START_TEST(test_who_is_behind_many_large_jobs_of_another_is_not_held_up)
{
        Tenant *a = tenant("a", 1), *b = tenant("b", 1);

        add(a, 50, 9 << 20);
        start(1000000);
        for (int i = 0; i < 100000; i++)
                add(a, 50, 9 << 20);
        Job *small = add(b, 50, 1 << 20);
        ck_assert_ptr_eq(start(1000), small);
}
END_TEST

START_TEST(test_a_pool_that_became_smaller_still_runs_everything)
{
        Tenant *a = tenant("a", 1);

        for (int i = 0; i < 4; i++)
                add(a, 50, 8 << 20);
        start(1000);
        world.queue.resources.total = (Demand){4 << 20, 500};
        ck_assert_ptr_null(start(1000));
        for (int i = 0; i < 3; i++) {
                end_one(0);
                ck_assert_ptr_nonnull(start(1000));
                ck_assert_ptr_null(start(1000));
        }
}
END_TEST

Suite *queue_suite(void)
{
        Suite *suite = suite_create("queue");
        TCase *tests = tcase_create("queue");

        tcase_add_checked_fixture(tests, make_world, end_world);
        tcase_add_loop_test(tests, test_shares_are_by_weight, 0, 3);
        tcase_add_test(tests, test_those_that_could_start_are_counted);
        tcase_add_test(tests, test_long_and_large_jobs_count_for_what_they_use);
        tcase_add_test(tests, test_shares_are_by_weight_whatever_the_lengths);
        tcase_add_test(tests, test_a_newcomer_is_next_and_then_has_its_share);
        tcase_add_test(tests, test_idle_time_gives_no_credit);
        tcase_add_test(tests, test_many_newcomers_are_served_in_their_order);
        tcase_add_test(tests, test_priority_is_strict_within_a_tenant_and_order_within_a_priority);
        tcase_add_test(tests, test_a_job_comes_back_to_its_place);
        tcase_add_test(tests, test_a_ceiling_of_running_jobs_is_held);
        tcase_add_test(tests, test_who_has_left_as_much_as_he_may_starts_nothing_and_holds_up_nobody);
        tcase_add_test(tests, test_the_pool_is_never_promised_twice);
        tcase_add_test(tests, test_a_large_job_is_not_held_up_for_ever);
        tcase_add_test(tests, test_the_rest_of_the_pool_is_used_while_room_is_kept);
        tcase_add_test(tests, test_nobody_is_held_up_by_who_is_in_his_own_way);
        tcase_add_test(tests, test_who_is_behind_many_large_jobs_of_another_is_not_held_up);
        tcase_add_test(tests, test_a_pool_that_became_smaller_still_runs_everything);
        suite_add_tcase(suite, tests);
        return suite;
}
