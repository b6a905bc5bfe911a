/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "jail/filter_reading.h"
#include "tests/unit/unit.h"

#include <fcntl.h>
#include <linux/filter.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>

static JailPolicy *shipped(const char *name)
{
        char *folders[] = {(char *)"policies", NULL};
        _cleanup_error_ Error e = ERROR_NULL;
        JailPolicy *policy;

        assert_ok(jail_policy_load(name, folders, &policy, &e), &e);
        assert_ok(policy_compile(policy, &e), &e);
        return policy;
}

static struct seccomp_data call(long number, uint64_t a, uint64_t b, uint64_t c, uint64_t d)
{
        return (struct seccomp_data){.nr = (int)number, .arch = seccomp_arch_native(), .args = {a, b, c, d}};
}

static bool allows(const JailPolicy *policy, struct seccomp_data data)
{
        return filter_allows(policy, &data);
}

static FilterFate fate(const JailPolicy *policy, long number)
{
        FilterFate found;
        uint32_t refusal;

        ck_assert_int_eq(filter_fate(policy, (unsigned)number, &found, &refusal), 0);
        return found;
}

START_TEST(test_a_filter_is_read_as_the_kernel_reads_it)
{
        _cleanup_policy_ JailPolicy *p = shipped("python");
        const uint64_t junk = UINT64_C(0xdead) << 32;

        ck_assert(allows(p, call(SYS_read, 0, 0, 0, 0)));
        ck_assert(!allows(p, call(SYS_mount, 0, 0, 0, 0)));
        ck_assert(allows(p, call(SYS_clone, SIGCHLD, 0, 0, 0)));
        ck_assert(!allows(p, call(SYS_clone, SIGCHLD | CLONE_NEWUSER, 0, 0, 0)));
        ck_assert(allows(p, call(SYS_socket, AF_INET | junk, SOCK_STREAM, 0, 0)));
        ck_assert(!allows(p, call(SYS_socket, AF_VSOCK | junk, SOCK_STREAM, 0, 0)));
        ck_assert(allows(p, call(SYS_openat, 0, 0, O_RDONLY, S_ISUID)));
        ck_assert(!allows(p, call(SYS_openat, 0, 0, O_CREAT, S_ISUID)));
        struct seccomp_data other = call(SYS_read, 0, 0, 0, 0);
        other.arch = SCMP_ARCH_X86;
        ck_assert(!allows(p, other));
}
END_TEST

START_TEST(test_a_call_is_allowed_narrowed_or_refused)
{
        _cleanup_policy_ JailPolicy *p = shipped("strict");

        ck_assert_int_eq(fate(p, SYS_read), FILTER_ALLOWS);
        ck_assert_int_eq(fate(p, SYS_ioctl), FILTER_NARROWS);
        ck_assert_int_eq(fate(p, SYS_openat), FILTER_NARROWS);
        ck_assert_int_eq(fate(p, SYS_ptrace), FILTER_REFUSES);
        ck_assert_int_eq(fate(p, SYS_socket), FILTER_REFUSES);
}
END_TEST

START_TEST(test_a_call_that_takes_several_bits_to_be_allowed_is_not_refused)
{
        const struct sock_filter argument = BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args) + 2 * 8);
        const struct sock_filter program[] = {
                argument,
                BPF_STMT(BPF_ALU | BPF_AND | BPF_K, 01000),
                BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0, 7, 0),
                argument,
                BPF_STMT(BPF_ALU | BPF_AND | BPF_K, 02000),
                BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0, 4, 0),
                argument,
                BPF_STMT(BPF_ALU | BPF_AND | BPF_K, 4),
                BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 4, 1, 0),
                BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
                BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | 1),
        };
        const JailPolicy p = {.filter = (void *)program, .filter_size = sizeof program};

        ck_assert(allows(&p, call(SYS_shmget, 0, 0, 03600, 0)));
        ck_assert_int_eq(fate(&p, SYS_shmget), FILTER_NARROWS);
}
END_TEST

/* Both halves of argument 0, compared with a number: what libseccomp makes of SCMP_CMP_GT and the like. */
static JailPolicy greater_than(uint64_t limit, bool or_equal)
{
        const struct sock_filter program[] = {
                BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args) + 4),
                BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, (uint32_t)(limit >> 32), 3, 0),
                BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)(limit >> 32), 0, 3),
                BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args)),
                BPF_JUMP(BPF_JMP | (or_equal ? BPF_JGE : BPF_JGT) | BPF_K, (uint32_t)limit, 0, 1),
                BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
                BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | 1),
        };
        JailPolicy p = {.filter_size = sizeof program};

        p.filter = malloc(sizeof program);
        memcpy(p.filter, program, sizeof program);
        return p;
}

static JailPolicy masked(uint32_t mask, uint32_t value)
{
        const struct sock_filter program[] = {
                BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args)),
                BPF_STMT(BPF_ALU | BPF_AND | BPF_K, mask),
                BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, 0, 1),
                BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
                BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | 1),
        };
        JailPolicy p = {.filter_size = sizeof program};

        p.filter = malloc(sizeof program);
        memcpy(p.filter, program, sizeof program);
        return p;
}

static void assert_compared(JailPolicy a, JailPolicy b, bool only_a, bool only_b)
{
        bool found_a, found_b;

        ck_assert_int_eq(filter_compare(&a, &b, SYS_kill, &found_a, &found_b), 0);
        ck_assert_int_eq(found_a, only_a);
        ck_assert_int_eq(found_b, only_b);
        free(a.filter);
        free(b.filter);
}

START_TEST(test_filters_are_compared_by_what_they_allow)
{
        const uint64_t limit = UINT64_C(0x500000007);

        assert_compared(greater_than(limit, false), greater_than(limit, false), false, false);
        assert_compared(greater_than(limit, true), greater_than(limit, false), true, false);
        assert_compared(greater_than(limit, false), greater_than(limit + 1, true), false, false);
        assert_compared(greater_than(limit, false), greater_than(limit + (UINT64_C(1) << 32), false), true, false);
        assert_compared(masked(0x0f, 0), masked(0xff, 0), true, false);
        assert_compared(masked(0x0f, 1), masked(0x0f, 2), true, true);
        assert_compared(masked(0x0c, 0), masked(0x04, 0), false, true);
        assert_compared(masked(UINT32_MAX, 3), greater_than(2, false), false, true);
}
END_TEST

/* 5 in the last four bits, each part by a comparison of its own; or nothing. */
static JailPolicy several_masks(bool none)
{
        const struct sock_filter program[] = {
                BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args)),
                BPF_STMT(BPF_ALU | BPF_AND | BPF_K, 3),
                BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 1, 0, 7),
                BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args)),
                BPF_STMT(BPF_ALU | BPF_AND | BPF_K, 4),
                BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0, 4, 0),
                BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args)),
                BPF_STMT(BPF_ALU | BPF_AND | BPF_K, 8),
                BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 8, 1, 0),
                BPF_STMT(BPF_RET | BPF_K, none ? SECCOMP_RET_ERRNO | 1 : SECCOMP_RET_ALLOW),
                BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | 1),
        };
        JailPolicy p = {.filter_size = sizeof program};

        p.filter = malloc(sizeof program);
        memcpy(p.filter, program, sizeof program);
        return p;
}

START_TEST(test_a_value_that_fits_several_masks_is_a_difference)
{
        assert_compared(several_masks(false), several_masks(true), true, false);
        assert_compared(several_masks(false), several_masks(false), false, false);
        assert_compared(several_masks(false), masked(0x0f, 5), false, false);
        assert_compared(several_masks(true), masked(0x0f, 5), false, true);
}
END_TEST

START_TEST(test_a_filter_that_is_not_understood_allows_nothing)
{
        const struct sock_filter program[] = {
                BPF_STMT(BPF_LDX | BPF_W | BPF_IMM, 0),
                BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
        };
        const JailPolicy p = {.filter = (void *)program, .filter_size = sizeof program},
                         endless = {.filter = (void *)program, .filter_size = 0};

        ck_assert(!allows(&p, call(SYS_read, 0, 0, 0, 0)));
        ck_assert(!allows(&endless, call(SYS_read, 0, 0, 0, 0)));
}
END_TEST

Suite *filter_reading_suite(void)
{
        Suite *suite = suite_create("filter reading");
        TCase *reading = tcase_create("reading");

        tcase_add_test(reading, test_a_filter_is_read_as_the_kernel_reads_it);
        tcase_add_test(reading, test_a_call_is_allowed_narrowed_or_refused);
        tcase_add_test(reading, test_a_call_that_takes_several_bits_to_be_allowed_is_not_refused);
        tcase_add_test(reading, test_filters_are_compared_by_what_they_allow);
        tcase_add_test(reading, test_a_value_that_fits_several_masks_is_a_difference);
        tcase_add_test(reading, test_a_filter_that_is_not_understood_allows_nothing);
        suite_add_tcase(suite, reading);
        return suite;
}
