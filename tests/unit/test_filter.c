/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Filters are asked here what they would answer, by an interpreter of their instructions (classic BPF, as
 * Documentation/networking/filter.rst has it): so every call can be tried, also those that would end this program. */

#include "engine/base/json.h"
#include "engine/base/strv.h"
#include "jail/bpf.h"
#include "jail/floor.h"
#include "jail/policy.h"
#include "jail/syscall_names.h"
#include "tests/unit/unit.h"

#include <fcntl.h>
#include <linux/audit.h>
#include <linux/fs.h>
#include <linux/netlink.h>
#include <linux/seccomp.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/resource.h>
#include <sys/shm.h>
#include <sys/socket.h>

#define JUNK UINT64_C(0xdeadbeef00000000) /* above the 32 bits that the kernel looks at */

static char *folders[] = {(char *)"policies", NULL};
static const char *const shipped[] = {"strict", "python", "agent", "build", "service"};

static uint32_t interpret(const struct sock_filter *code, size_t length, const struct seccomp_data *data)
{
        uint32_t a = 0;

        for (size_t pc = 0; pc < length; pc++) {
                const struct sock_filter *i = &code[pc];
                bool jump;
                switch (i->code) {
                case BPF_LD | BPF_W | BPF_ABS:
                        if (i->k + sizeof a > sizeof *data)
                                ck_abort_msg("instruction %zu: reads beyond the data", pc);
                        memcpy(&a, (const char *)data + i->k, sizeof a);
                        continue;
                case BPF_ALU | BPF_AND | BPF_K:
                        a &= i->k;
                        continue;
                case BPF_RET | BPF_K:
                        return i->k;
                case BPF_JMP | BPF_JA:
                        pc += i->k;
                        continue;
                case BPF_JMP | BPF_JEQ | BPF_K:
                        jump = a == i->k;
                        break;
                case BPF_JMP | BPF_JGT | BPF_K:
                        jump = a > i->k;
                        break;
                case BPF_JMP | BPF_JGE | BPF_K:
                        jump = a >= i->k;
                        break;
                case BPF_JMP | BPF_JSET | BPF_K:
                        jump = a & i->k;
                        break;
                default:
                        ck_abort_msg("instruction %zu: unknown code %#x", pc, i->code);
                }
                pc += jump ? i->jt : i->jf;
        }
        ck_abort_msg("the program has run out of its end");
}

static uint32_t answer_to(const JailPolicy *policy, const struct seccomp_data *data)
{
        return interpret(policy->filter, policy->filter_size / sizeof(struct sock_filter), data);
}

/* What a policy's filter answers to a call, by its number. */
static uint32_t asked_number(const JailPolicy *policy, int number, const uint64_t args[static 6])
{
        struct seccomp_data data = {.nr = number, .arch = seccomp_arch_native()};

        memcpy(data.args, args, sizeof data.args);
        return answer_to(policy, &data);
}

#define ask(policy, name, ...) \
        asked_number(policy, syscall_number(name), (const uint64_t[6]){__VA_ARGS__})

#define assert_answer(policy, expected, name, ...)                                                             \
        do {                                                                                                   \
                uint32_t _a = ask(policy, name, __VA_ARGS__);                                                  \
                ck_assert_msg(_a == (expected), "%s(%s): answer %#x, not %#x", name, #__VA_ARGS__, _a, (expected)); \
        } while (0)

enum {
        ALLOWED = SECCOMP_RET_ALLOW,
        REFUSED = SECCOMP_RET_USER_NOTIF,
        ABSENT = SECCOMP_RET_ERRNO | ENOSYS,
};

static JailPolicy *load(const char *name)
{
        _cleanup_error_ Error e = ERROR_NULL;
        JailPolicy *policy = NULL;

        assert_ok(jail_policy_load(name, folders, &policy, &e), &e);
        assert_ok(policy_compile(policy, &e), &e);
        return policy;
}

static JailPolicy *from_text(const char *text)
{
        _cleanup_error_ Error e = ERROR_NULL;
        JailPolicy *policy = NULL;

        assert_ok(jail_policy_from_text("test", text, &policy, &e), &e);
        assert_ok(policy_compile(policy, &e), &e);
        return policy;
}

/* A policy with a profile of these members beside those that it needs. */
static JailPolicy *profile(const char *default_action, const char *rules)
{
        _cleanup_free_ char *text = NULL;

        ck_assert_int_gt(asprintf(&text,
                                  "{\"seccomp\": {\"defaultAction\": \"%s\", \"syscalls\": ["
                                  "{\"names\": [\"execve\", \"exit_group\"], \"action\": \"SCMP_ACT_%s\"}%s%s]}}",
                                  default_action, strcmp(default_action, "SCMP_ACT_ALLOW") == 0 ? "LOG" : "ALLOW",
                                  *rules ? ", " : "", rules),
                         0);
        return from_text(text);
}

/* ---- our own policies ---- */

START_TEST(test_calls_that_nobody_knows_do_not_exist)
{
        static const uint64_t none[6] = {0};
        int last = 0;

        for (int i = 0; i < JAIL_SYSCALL_MAX; i++) {
                _cleanup_free_ char *name = syscall_name(i);
                if (name)
                        last = i;
        }
        for (size_t i = 0; i < ELEMENTS(shipped) + 2; i++) {
                _cleanup_policy_ JailPolicy *policy =
                        i < ELEMENTS(shipped) ? load(shipped[i])
                        : i == ELEMENTS(shipped)
                                ? from_text("{\"syscalls\": {\"allow\": [\"execve\", \"exit_group\"], \"action\": \"kill\"}}")
                                : profile("SCMP_ACT_ALLOW", "");
                const int unknown[] = {last + 1, last + 2, 511, 512, 1000, 0x40000000, 0x40000000 + 39, INT32_MAX, -1};
                for (size_t k = 0; k < ELEMENTS(unknown); k++)
                        ck_assert_uint_eq(asked_number(policy, unknown[k], none), ABSENT);
                for (int n = 0; n < last; n++) {
                        _cleanup_free_ char *name = syscall_name(n);
                        if (!name)
                                ck_assert_uint_eq(asked_number(policy, n, none), ABSENT);
                }
                assert_answer(policy, ABSENT, "clone3");
                assert_answer(policy, ABSENT, "openat2");
        }
}
END_TEST

/* Whether this libseccomp knows them or not. */
START_TEST(test_the_newest_calls_are_allowed_by_name_and_do_not_exist_otherwise)
{
        static const uint64_t none[6] = {0};
        _cleanup_policy_ JailPolicy *strict = load("strict"), *python = load("python");
        _cleanup_policy_ JailPolicy *kill = from_text(
                "{\"syscalls\": {\"allow\": [\"execve\", \"exit_group\", \"mseal\"], \"action\": \"kill\"}}");
        size_t n = 0;

        for (const char *name; (name = syscall_newest(n)); n++) {
                int number = syscall_number(name);
                _cleanup_free_ char *back = syscall_name(number);
                ck_assert_int_gt(number, 424);
                ck_assert_str_eq(back, name);
                ck_assert_uint_eq(asked_number(python, number, none), ALLOWED);
                ck_assert_uint_eq(asked_number(kill, number, none), strcmp(name, "mseal") == 0 ? ALLOWED : ABSENT);
                ck_assert_uint_eq(asked_number(strict, number, none), strcmp(name, "fchmodat2") == 0 ? ALLOWED : ABSENT);
        }
        ck_assert_uint_gt(n, 5);
        ck_assert_int_eq(syscall_number("mseal"), 462);
        ck_assert_int_lt(syscall_number("call_of_tomorrow"), 0);
        ck_assert_ptr_null(syscall_name(511));
        /* What may be done by the old call may be by the new one, and no more. */
        assert_answer(strict, ALLOWED, "fchmodat2", 0, 0, 0755);
        assert_answer(strict, REFUSED, "fchmodat2", 0, 0, 04755);
        assert_answer(python, REFUSED, "fchmodat2", 0, 0, 02755);
}
END_TEST

START_TEST(test_calls_of_other_architectures_do_not_exist)
{
        static const uint32_t others[] = {AUDIT_ARCH_I386, AUDIT_ARCH_ARM, 0, UINT32_MAX};

        for (size_t i = 0; i < ELEMENTS(shipped); i++) {
                _cleanup_policy_ JailPolicy *policy = load(shipped[i]);
                for (size_t k = 0; k < ELEMENTS(others); k++)
                        for (int n = 0; n < JAIL_SYSCALL_MAX; n++)
                                ck_assert_uint_eq(
                                        answer_to(policy, &(struct seccomp_data){.nr = n, .arch = others[k]}), ABSENT);
        }
}
END_TEST

START_TEST(test_known_calls_are_allowed_or_refused_as_the_policy_says)
{
        _cleanup_policy_ JailPolicy *strict = load("strict"), *python = load("python");
        _cleanup_policy_ JailPolicy *kill = from_text(
                "{\"syscalls\": {\"allow\": [\"execve\", \"exit_group\", \"read\"], \"action\": \"kill\"}}");

        assert_answer(strict, ALLOWED, "read");
        assert_answer(strict, REFUSED, "socket", AF_UNIX);
        assert_answer(strict, REFUSED, "mount");
        assert_answer(python, ALLOWED, "socket", AF_UNIX);
        assert_answer(kill, ALLOWED, "read");
        assert_answer(kill, SECCOMP_RET_KILL_PROCESS, "write");
        assert_answer(kill, SECCOMP_RET_KILL_PROCESS, "mount");
}
END_TEST

START_TEST(test_arguments_are_seen_through_junk_in_their_high_half)
{
        _cleanup_policy_ JailPolicy *build = load("build");

        for (uint64_t junk = 0; junk <= JUNK; junk += JUNK) {
                assert_answer(build, ALLOWED, "ioctl", 0, TCGETS | junk);
                assert_answer(build, REFUSED, "ioctl", 0, TIOCSTI | junk);
                assert_answer(build, REFUSED, "ioctl", 0, TIOCLINUX | junk);
                assert_answer(build, REFUSED, "ioctl", 0, TIOCSETD | junk);
                assert_answer(build, ALLOWED, "socket", AF_UNIX | junk, SOCK_STREAM, 0);
                assert_answer(build, ALLOWED, "socket", AF_INET6 | junk, SOCK_STREAM, 0);
                assert_answer(build, ALLOWED, "socket", AF_INET | junk, SOCK_DGRAM | SOCK_CLOEXEC | junk, IPPROTO_UDP | junk);
                assert_answer(build, REFUSED, "socket", AF_INET | junk, SOCK_STREAM | junk, IPPROTO_SCTP | junk);
                assert_answer(build, REFUSED, "socket", AF_INET6 | junk, SOCK_RAW | junk, IPPROTO_TCP);
                assert_answer(build, REFUSED, "socket", AF_INET | junk, 6 /* SOCK_DCCP */ | junk, 0);
                assert_answer(build, ALLOWED, "fcntl", 0, F_SETLKW | junk);
                assert_answer(build, ALLOWED, "fcntl", 0, F_DUPFD_CLOEXEC | junk);
                assert_answer(build, ALLOWED, "fcntl", 0, F_GETPIPE_SZ | junk);
                assert_answer(build, ALLOWED, "fcntl", 0, F_ADD_SEALS | junk);
                assert_answer(build, REFUSED, "fcntl", 0, F_SETLEASE | junk);
                assert_answer(build, REFUSED, "fcntl", 0, F_NOTIFY | junk);
                assert_answer(build, ALLOWED, "mmap", 0, 4096, 3, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE | junk);
                assert_answer(build, REFUSED, "mmap", 0, 4096, 3, MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB | junk);
                assert_answer(build, ALLOWED, "memfd_create", 0, MFD_CLOEXEC | MFD_ALLOW_SEALING | junk);
                assert_answer(build, REFUSED, "memfd_create", 0, MFD_CLOEXEC | MFD_HUGETLB | junk);
                assert_answer(build, ALLOWED, "shmget", 0, 4096, IPC_CREAT | 0600 | junk);
                assert_answer(build, REFUSED, "shmget", 0, 4096, IPC_CREAT | 0600 | SHM_HUGETLB | junk);
                for (uint64_t advice = 0; advice < 26; advice++)
                        assert_answer(build, advice == MADV_MERGEABLE ? REFUSED : ALLOWED, "madvise", 0, 0, advice | junk);
                for (uint64_t advice = 0; advice < 6; advice++)
                        assert_answer(build, advice == POSIX_FADV_DONTNEED ? REFUSED : ALLOWED, "fadvise64", 0, 0, 0,
                                      advice | junk);
                for (uint64_t option = 0; option < 80; option++)
                        assert_answer(build, option == 62 /* PR_SCHED_CORE */ ? REFUSED : ALLOWED, "prctl", option | junk);
                for (uint64_t limit = 0; limit < RLIM_NLIMITS; limit++) {
                        uint32_t answer = limit == RLIMIT_CORE ? REFUSED : ALLOWED;
                        assert_answer(build, answer, "setrlimit", limit | junk, 1);
                        assert_answer(build, answer, "prlimit64", 0, limit | junk, 1);
                        assert_answer(build, ALLOWED, "prlimit64", 0, limit | junk, 0);
                }
                assert_answer(build, ALLOWED, "socket", AF_NETLINK | junk, SOCK_RAW, NETLINK_ROUTE);
                assert_answer(build, REFUSED, "socket", AF_NETLINK | junk, SOCK_RAW, NETLINK_KOBJECT_UEVENT | junk);
                assert_answer(build, REFUSED, "socket", AF_VSOCK | junk, SOCK_STREAM, 0);
                assert_answer(build, REFUSED, "socket", AF_PACKET | junk, SOCK_RAW, 0);
                assert_answer(build, REFUSED, "socket", AF_ALG | junk, SOCK_SEQPACKET, 0);
                assert_answer(build, ALLOWED, "personality", PER_LINUX | junk);
                assert_answer(build, ALLOWED, "personality", UINT64_C(0xffffffff));
                assert_answer(build, REFUSED, "personality", ADDR_NO_RANDOMIZE | junk);
                assert_answer(build, ALLOWED, "chmod", 0, 0755 | junk);
                assert_answer(build, REFUSED, "chmod", 0, 04755 | junk);
                assert_answer(build, REFUSED, "fchmodat", 0, 0, 02755 | junk);
                assert_answer(build, REFUSED, "openat", 0, 0, O_CREAT | O_WRONLY | junk, 04755 | junk);
                assert_answer(build, REFUSED, "open", 0, O_TMPFILE | O_WRONLY, 02755 | junk);
                assert_answer(build, ALLOWED, "openat", 0, 0, O_CREAT | O_WRONLY | junk, 0644 | junk);
                /* without O_CREAT there is no mode, and anything may be where it would be */
                assert_answer(build, ALLOWED, "openat", 0, 0, O_RDONLY | junk, 07777 | junk);
        }
        assert_answer(build, ALLOWED, "clone", CLONE_VM | CLONE_THREAD | CLONE_SIGHAND | JUNK);
        for (unsigned bit = 25; bit < 31; bit++) /* CLONE_NEWCGROUP to CLONE_NEWNET */
                assert_answer(build, REFUSED, "clone", UINT64_C(1) << bit | SIGCHLD);
        assert_answer(build, REFUSED, "clone", CLONE_NEWNS | SIGCHLD);
}
END_TEST

/* Values that the floor's rules turn on, and their neighbours. */
static uint64_t interesting(unsigned *seed)
{
        static const uint64_t values[] = {
                0, 1, 2, 3, 10, 16, 17, 31, 32, 40, 46, 64, 128, 0644, 02000, 04000, 06755, O_CREAT, O_TMPFILE,
                O_CREAT | O_WRONLY, TCGETS, TIOCSTI, TIOCLINUX, TIOCCONS, TIOCSETD, FIONREAD, SIGCHLD,
                CLONE_NEWNS, CLONE_NEWUSER, CLONE_NEWPID, CLONE_NEWNET, CLONE_NEWIPC, CLONE_NEWUTS, CLONE_NEWCGROUP,
                CLONE_VM | CLONE_VFORK, 0xffffffff, 0x80000000,
                F_SETLEASE, F_NOTIFY, F_DUPFD_CLOEXEC, RLIMIT_CORE, MAP_HUGETLB, MFD_HUGETLB, SHM_HUGETLB,
                MADV_MERGEABLE, POSIX_FADV_DONTNEED, 62 /* PR_SCHED_CORE */, SECCOMP_FILTER_FLAG_NEW_LISTENER,
        };
        uint64_t value = values[(unsigned)rand_r(seed) % ELEMENTS(values)];

        if (rand_r(seed) % 4 == 0)
                value |= values[(unsigned)rand_r(seed) % ELEMENTS(values)];
        return rand_r(seed) % 4 == 0 ? value | JUNK : value;
}

/* The floor itself must be right for this to mean something: see the next test. */
static void assert_not_below_the_floor(const JailPolicy *policy)
{
        _cleanup_bpf_ BpfProgram floor = {0};
        unsigned seed = 1;

        ck_assert_int_ge(floor_compile(SCMP_ACT_NOTIFY, &floor), 0);
        for (size_t i = 0; floor_call(i); i++) {
                struct seccomp_data data = {.nr = syscall_number(floor_call(i)),
                                            .arch = seccomp_arch_native()};
                for (unsigned n = 0; data.nr >= 0 && n < 3000; n++) {
                        for (unsigned k = 0; k < 6; k++)
                                data.args[k] = interesting(&seed);
                        /* A passing assertion writes to a file: too slow here. */
                        if (interpret(floor.code, floor.length, &data) != ALLOWED && answer_to(policy, &data) == ALLOWED)
                                ck_abort_msg("%s: %s(%#jx, %#jx, %#jx, %#jx) is allowed", jail_policy_name(policy),
                                             floor_call(i), (uintmax_t)data.args[0], (uintmax_t)data.args[1],
                                             (uintmax_t)data.args[2], (uintmax_t)data.args[3]);
                }
        }
}

START_TEST(test_no_policy_goes_below_the_floor)
{
        /* everything, in our own words */
        _cleanup_free_ char *all = strdup("{\"syscalls\": {\"allow\": [\"read\"");
        for (int i = 1; i < JAIL_SYSCALL_MAX; i++) {
                _cleanup_free_ char *name = seccomp_syscall_resolve_num_arch(SCMP_ARCH_NATIVE, i), *before = all;
                all = NULL;
                bool skip = !name || floor_forbids(name);
                ck_assert_int_gt(asprintf(&all, "%s%s%s%s", before, skip ? "" : ", \"", skip ? "" : name, skip ? "" : "\""), 0);
        }
        _cleanup_free_ char *with_device = NULL, *without = NULL;
        ck_assert_int_gt(asprintf(&without, "%s]}}", all), 0);
        ck_assert_int_gt(asprintf(&with_device, "%s]}, \"devices\": [\"/dev/kvm\"]}", all), 0);
        _cleanup_policy_ JailPolicy *own = from_text(without), *device = from_text(with_device),
                                    *everything = profile("SCMP_ACT_ALLOW", ""), *logged = profile("SCMP_ACT_LOG", "");

        assert_not_below_the_floor(own);
        assert_not_below_the_floor(device);
        assert_not_below_the_floor(everything);
        assert_not_below_the_floor(logged);
        for (size_t i = 0; i < ELEMENTS(shipped); i++) {
                _cleanup_policy_ JailPolicy *policy = load(shipped[i]);
                assert_not_below_the_floor(policy);
        }
        /* A device has requests of its own; those of terminals stay what they are. */
        assert_answer(own, REFUSED, "ioctl", 0, 0xae00 /* KVM_GET_API_VERSION */);
        assert_answer(device, ALLOWED, "ioctl", 0, 0xae00);
}
END_TEST

START_TEST(test_the_floor_is_where_it_is_written_to_be)
{
        _cleanup_policy_ JailPolicy *p = profile("SCMP_ACT_ALLOW", "");

        for (uint64_t junk = 0; junk <= JUNK; junk += JUNK) {
                for (uint64_t family = 0; family < 70; family++)
                        assert_answer(p,
                                      family == AF_UNIX || family == AF_INET || family == AF_INET6 || family == AF_NETLINK
                                              ? ALLOWED
                                              : REFUSED,
                                      "socket", family | junk, SOCK_STREAM, 0);
                for (uint64_t protocol = 0; protocol < 32; protocol++)
                        assert_answer(p, protocol == NETLINK_ROUTE ? ALLOWED : REFUSED, "socket", AF_NETLINK | junk,
                                      SOCK_RAW, protocol | junk);
                assert_answer(p, ALLOWED, "socket", AF_INET | junk, SOCK_STREAM, 6);
                assert_answer(p, REFUSED, "socketpair", AF_VSOCK | junk, SOCK_STREAM, 0);
                assert_answer(p, ALLOWED, "ioctl", 0, TCSETS | junk);
                assert_answer(p, REFUSED, "ioctl", 0, TIOCSTI | junk);
                assert_answer(p, ALLOWED, "fchmod", 0, 01777 | junk);
                assert_answer(p, REFUSED, "fchmod", 0, 04000 | junk);
                assert_answer(p, REFUSED, "seccomp", SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER | junk, 1);
                assert_answer(p, ALLOWED, "seccomp", SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC | junk, 1);
                assert_answer(p, REFUSED, "openat", 0, 0, O_CREAT | junk, 02000 | junk);
                assert_answer(p, ALLOWED, "openat", 0, 0, O_DIRECTORY | junk, 06777 | junk);
        }
        assert_answer(p, ALLOWED, "clone", CLONE_VM | CLONE_THREAD | CLONE_SIGHAND);
        for (unsigned bit = 25; bit < 31; bit++)
                assert_answer(p, REFUSED, "clone", UINT64_C(1) << bit | CLONE_VM | SIGCHLD);
        assert_answer(p, REFUSED, "clone", CLONE_NEWNS | SIGCHLD);
        for (const char *const *name = (const char *const[]){"unshare", "setns", "mount", "umount2", "keyctl", "bpf",
                                                             "io_uring_setup", "open_by_handle_at", NULL};
             *name; name++) {
                ck_assert(floor_forbids(*name));
                assert_answer(p, REFUSED, *name);
        }
        assert_answer(p, ALLOWED, "ptrace");
        assert_answer(p, ALLOWED, "read");
}
END_TEST

/* ---- profiles ---- */

START_TEST(test_conditions_compare_as_libseccomp_does)
{
        static const struct {
                const char *op;
                uint64_t value, two, given;
                bool expected;
        } cases[] = {
                {"NE", 5, 0, 5, false},  {"NE", 5, 0, 6, true},   {"NE", 5, 0, 5 | JUNK, true},
                {"EQ", 5, 0, 5, true},   {"EQ", 5, 0, 5 | JUNK, false},
                {"LT", 5, 0, 4, true},   {"LT", 5, 0, 5, false},  {"LT", 5, 0, 4 | JUNK, false},
                {"LE", 5, 0, 5, true},   {"LE", 5, 0, 6, false},  {"LE", 5 | JUNK, 0, 6, true},
                {"GT", 5, 0, 5, false},  {"GT", 5, 0, 6, true},   {"GT", 5, 0, 0 | JUNK, true},
                {"GE", 5, 0, 5, true},   {"GE", 5, 0, 4, false},  {"GE", 5 | JUNK, 0, 6, false},
                {"GT", UINT64_C(0x1ffffffff), 0, UINT64_C(0x200000000), true},
                {"LT", UINT64_C(0x200000000), 0, UINT64_C(0x1ffffffff), true},
                {"EQ", UINT64_MAX, 0, UINT64_MAX, true},
                {"MASKED_EQ", 0xf0, 0x20, 0x2f, true},  {"MASKED_EQ", 0xf0, 0x20, 0x3f, false},
                {"MASKED_EQ", 0xf0, 0x20, 0x2f | JUNK, true},
                {"MASKED_EQ", JUNK, JUNK, 7 | JUNK, true}, {"MASKED_EQ", JUNK, JUNK, 7, false},
        };

        for (size_t i = 0; i < ELEMENTS(cases); i++) {
                _cleanup_free_ char *rule = NULL;
                ck_assert_int_gt(asprintf(&rule,
                                          "{\"names\": [\"lseek\"], \"action\": \"SCMP_ACT_ALLOW\", \"args\": [{\"index\": 2,"
                                          " \"value\": %ju, \"valueTwo\": %ju, \"op\": \"SCMP_CMP_%s\"}]}",
                                          (uintmax_t)cases[i].value, (uintmax_t)cases[i].two, cases[i].op),
                                 0);
                _cleanup_policy_ JailPolicy *policy = profile("SCMP_ACT_ERRNO", rule);
                uint32_t answer = ask(policy, "lseek", 9, 9, cases[i].given);
                ck_assert_msg(answer == (cases[i].expected ? ALLOWED : REFUSED), "case %zu: %s", i, cases[i].op);

                /* The reaper's errors follow the same comparisons. */
                const Refusal refusal = {.number = 8, .error = 7, .n_checks = 1,
                                         .checks = {policy->seccomp->rules[1].checks[0]}};
                const struct seccomp_data call = {.nr = 8, .args = {9, 9, cases[i].given}};
                ck_assert_int_eq(refusal_errno(&refusal, sizeof refusal, &call), cases[i].expected ? 7 : EPERM);
        }
}
END_TEST

START_TEST(test_conditions_on_one_argument_are_alternatives_and_on_several_all_hold)
{
        _cleanup_policy_ JailPolicy *policy = profile(
                "SCMP_ACT_ERRNO",
                "{\"name\": \"lseek\", \"action\": \"SCMP_ACT_ALLOW\", \"args\": ["
                "{\"index\": 0, \"value\": 1, \"op\": \"SCMP_CMP_EQ\"}, {\"index\": 0, \"value\": 2, \"op\": \"SCMP_CMP_EQ\"},"
                "{\"index\": 2, \"value\": 3, \"op\": \"SCMP_CMP_EQ\"}]},"
                "{\"name\": \"fcntl\", \"action\": \"SCMP_ACT_ALLOW\", \"args\": ["
                "{\"index\": 0, \"value\": 1, \"op\": \"SCMP_CMP_EQ\"}, {\"index\": 1, \"value\": 2, \"op\": \"SCMP_CMP_EQ\"}]}");

        assert_answer(policy, ALLOWED, "lseek", 1);
        assert_answer(policy, ALLOWED, "lseek", 2);
        assert_answer(policy, ALLOWED, "lseek", 9, 9, 3);
        assert_answer(policy, REFUSED, "lseek", 3);
        assert_answer(policy, ALLOWED, "fcntl", 1, 2);
        assert_answer(policy, REFUSED, "fcntl", 1, 3);
        assert_answer(policy, REFUSED, "fcntl", 2, 2);
}
END_TEST

START_TEST(test_every_action_does_what_it_says)
{
        _cleanup_policy_ JailPolicy *policy = profile(
                "SCMP_ACT_ERRNO", "{\"names\": [\"read\"], \"action\": \"SCMP_ACT_LOG\"},"
                                  "{\"names\": [\"write\"], \"action\": \"SCMP_ACT_KILL\"},"
                                  "{\"names\": [\"readv\"], \"action\": \"SCMP_ACT_KILL_THREAD\"},"
                                  "{\"names\": [\"writev\"], \"action\": \"SCMP_ACT_KILL_PROCESS\"},"
                                  "{\"names\": [\"poll\"], \"action\": \"SCMP_ACT_TRAP\"},"
                                  "{\"names\": [\"pipe\"], \"action\": \"SCMP_ACT_ERRNO\", \"errnoRet\": 24}");
        _cleanup_policy_ JailPolicy *killing = profile("SCMP_ACT_KILL_PROCESS", ""), *trapping = profile("SCMP_ACT_TRAP", "");

        assert_answer(policy, ALLOWED, "execve");
        assert_answer(policy, SECCOMP_RET_LOG, "read");
        assert_answer(policy, SECCOMP_RET_KILL_THREAD, "write");
        assert_answer(policy, SECCOMP_RET_KILL_THREAD, "readv");
        assert_answer(policy, SECCOMP_RET_KILL_PROCESS, "writev");
        assert_answer(policy, SECCOMP_RET_TRAP, "poll");
        assert_answer(policy, REFUSED, "pipe");
        assert_answer(policy, REFUSED, "dup");
        ck_assert(policy->listen);
        assert_answer(killing, SECCOMP_RET_KILL_PROCESS, "read");
        assert_answer(trapping, SECCOMP_RET_TRAP, "read");
}
END_TEST

START_TEST(test_a_denial_wins_whatever_the_order)
{
        static const char allow[] = "{\"names\": [\"lseek\", \"dup\"], \"action\": \"SCMP_ACT_ALLOW\"}",
                          deny[] = "{\"names\": [\"dup\"], \"action\": \"SCMP_ACT_ERRNO\", \"errnoRet\": 9},"
                                   "{\"names\": [\"lseek\"], \"action\": \"SCMP_ACT_KILL_PROCESS\", \"args\":"
                                   " [{\"index\": 2, \"value\": 4, \"op\": \"SCMP_CMP_GT\"}]}";

        for (int i = 0; i < 2; i++) {
                _cleanup_free_ char *rules = NULL;
                ck_assert_int_gt(asprintf(&rules, "%s, %s", i ? allow : deny, i ? deny : allow), 0);
                _cleanup_policy_ JailPolicy *policy = profile("SCMP_ACT_ERRNO", rules);
                assert_answer(policy, REFUSED, "dup");
                assert_answer(policy, ALLOWED, "lseek", 0, 0, 4);
                assert_answer(policy, SECCOMP_RET_KILL_PROCESS, "lseek", 0, 0, 5);
        }
}
END_TEST

static int error_for(const JailPolicy *policy, const char *name, uint64_t first, uint64_t second)
{
        const struct seccomp_data call = {.nr = syscall_number(name), .args = {first, second}};

        return refusal_errno(policy->refusals, policy->n_refusals * sizeof *policy->refusals, &call);
}

START_TEST(test_refusals_have_the_error_that_the_profile_asks_for)
{
        _cleanup_policy_ JailPolicy *policy =
                from_text("{\"seccomp\": {\"defaultAction\": \"SCMP_ACT_ERRNO\", \"defaultErrnoRet\": 38, \"syscalls\": ["
                          "{\"names\": [\"execve\", \"exit_group\", \"chmod\"], \"action\": \"SCMP_ACT_ALLOW\"},"
                          "{\"names\": [\"sync\"], \"action\": \"SCMP_ACT_ERRNO\", \"errnoRet\": 13},"
                          "{\"names\": [\"mount\"], \"action\": \"SCMP_ACT_ERRNO\", \"errno\": \"EROFS\"},"
                          "{\"names\": [\"dup2\"], \"action\": \"SCMP_ACT_ERRNO\", \"errnoRet\": 22, \"args\":"
                          " [{\"index\": 1, \"value\": 2, \"op\": \"SCMP_CMP_LE\"}]}]}}");
        _cleanup_policy_ JailPolicy *plain = profile("SCMP_ACT_ERRNO", "");

        ck_assert_int_eq(error_for(policy, "read", 0, 0), ENOSYS);
        ck_assert_int_eq(error_for(policy, "sync", 0, 0), EACCES);
        ck_assert_int_eq(error_for(policy, "mount", 0, 0), EROFS);
        ck_assert_int_eq(error_for(policy, "dup2", 0, 2), EINVAL);
        ck_assert_int_eq(error_for(policy, "dup2", 0, 3), ENOSYS);
        ck_assert_int_eq(error_for(policy, "chmod", 0, 04755), EPERM);
        ck_assert_int_eq(error_for(policy, "fchmod", 0, 04755), ENOSYS); /* the profile has it not */
        ck_assert_int_eq(error_for(policy, "unshare", 0, 0), EPERM);
        ck_assert_int_eq(error_for(plain, "read", 0, 0), EPERM);
}
END_TEST

START_TEST(test_a_filter_that_no_kernel_takes_is_refused_in_a_sentence)
{
        _cleanup_error_ Error e = ERROR_NULL;
        _cleanup_policy_ JailPolicy *policy = NULL;
        _cleanup_free_ char *text = NULL;
        size_t size = 0;
        FILE *f = open_memstream(&text, &size);

        /* 170 rules, each with six conditions of two words */
        fprintf(f, "{\"seccomp\": {\"defaultAction\": \"SCMP_ACT_ALLOW\", \"syscalls\": [");
        for (int i = 0; i < 170; i++) {
                _cleanup_free_ char *name = seccomp_syscall_resolve_num_arch(SCMP_ARCH_NATIVE, i % 30);
                fprintf(f, "%s{\"name\": \"%s\", \"action\": \"SCMP_ACT_ERRNO\", \"args\": [", i ? ", " : "", name);
                for (int k = 0; k < 6; k++)
                        fprintf(f, "%s{\"index\": %d, \"value\": %ju, \"op\": \"SCMP_CMP_EQ\"}", k ? ", " : "", k,
                                (uintmax_t)(i * 6 + k + 1) << 31);
                fprintf(f, "]}");
        }
        fprintf(f, "]}}");
        fclose(f);
        assert_ok(jail_policy_from_text("long", text, &policy, &e), &e);
        assert_refused(policy_compile(policy, &e), &e, "\"long\" is longer than the kernel takes");
}
END_TEST

Suite *filter_suite(void)
{
        Suite *suite = suite_create("filter");
        TCase *tests = tcase_create("filter");

        tcase_set_timeout(tests, 120);
        tcase_add_test(tests, test_calls_that_nobody_knows_do_not_exist);
        tcase_add_test(tests, test_the_newest_calls_are_allowed_by_name_and_do_not_exist_otherwise);
        tcase_add_test(tests, test_calls_of_other_architectures_do_not_exist);
        tcase_add_test(tests, test_known_calls_are_allowed_or_refused_as_the_policy_says);
        tcase_add_test(tests, test_arguments_are_seen_through_junk_in_their_high_half);
        tcase_add_test(tests, test_no_policy_goes_below_the_floor);
        tcase_add_test(tests, test_the_floor_is_where_it_is_written_to_be);
        tcase_add_test(tests, test_conditions_compare_as_libseccomp_does);
        tcase_add_test(tests, test_conditions_on_one_argument_are_alternatives_and_on_several_all_hold);
        tcase_add_test(tests, test_every_action_does_what_it_says);
        tcase_add_test(tests, test_a_denial_wins_whatever_the_order);
        tcase_add_test(tests, test_refusals_have_the_error_that_the_profile_asks_for);
        tcase_add_test(tests, test_a_filter_that_no_kernel_takes_is_refused_in_a_sentence);
        suite_add_tcase(suite, tests);
        return suite;
}
