/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "engine/base/fd.h"
#include "engine/base/json.h"
#include "engine/base/remove_tree.h"
#include "engine/base/sink.h"
#include "engine/base/strv.h"
#include "jail/cgroup.h"
#include "jail/client.h"
#include "jail/enforce.h"
#include "jail/host_mounts.h"
#include "jail/ids.h"
#include "jail/kept_ids.h"
#include "jail/namespaces.h"
#include "jail/networks.h"
#include "jail/plan.h"
#include "jail/policy.h"
#include "tests/unit/unit.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

START_TEST(test_a_plan_comes_back_as_it_was)
{
        char *command[] = {(char *)"sh", (char *)"-c", (char *)"", NULL}, *none[] = {NULL};
        _cleanup_packer_ Packer p = {0};
        Plan back;

        plan_pack(&p, &(Plan){.limits = {.memory_bytes = 5, .files = 7},
                              .controllers = CONTROLLER_PIDS,
                              .command = command,
                              .environment = none,
                              .working_directory = "/work",
                              .filter = "abcdefgh",
                              .filter_size = 8,
                              .listen = true,
                              .refusals = "refusals",
                              .refusals_size = 8,
                              .landlock_abi = 4,
                              .proc_pid = true,
                              .message_queues = true,
                              .sockets = true,
                              .ipc_objects = true,
                              .binds_writable = 5});
        ck_assert_int_eq(plan_unpack(p.data, p.size, &back), 0);
        ck_assert_str_eq(back.command[1], "-c");
        ck_assert_str_eq(back.command[2], "");
        ck_assert_uint_eq(back.limits.files, 7);
        ck_assert_uint_eq(back.controllers, CONTROLLER_PIDS);
        ck_assert_mem_eq(back.filter, "abcdefgh", 8);
        ck_assert(back.listen);
        ck_assert_uint_eq(back.refusals_size, 8);
        ck_assert_mem_eq(back.refusals, "refusals", 8);
        ck_assert_uint_eq(back.binds_writable, 5);
        ck_assert(back.proc_pid);
        ck_assert(back.message_queues);
        ck_assert(back.sockets);
        ck_assert(back.ipc_objects);
        ck_assert(!back.writable_root);
        plan_done(&back);
        for (size_t n = 0; n < p.size; n++)
                ck_assert_int_lt(plan_unpack(p.data, n, &back), 0);
}
END_TEST

START_TEST(test_ranges_of_ids_are_exclusive_and_come_back)
{
        _cleanup_error_ Error e = ERROR_NULL;
        Ids ids[20], again;
        uint32_t hint;

        for (int i = 0; i < 20; i++) {
                hint = 0;
                assert_ok(ids_take(IDS_RANGE, &hint, &ids[i], &e), &e);
                ck_assert_uint_ge(ids[i].uid, IDS_FIRST);
                ck_assert_uint_eq(ids[i].uid % IDS_PER_JAIL, 0);
                ck_assert_uint_eq(ids[i].gid, ids[i].uid);
                for (int k = 0; k < i; k++)
                        ck_assert_uint_ne(ids[i].uid, ids[k].uid);
        }
        close(ids[5].fd);
        hint = (ids[5].uid - IDS_FIRST) / IDS_PER_JAIL;
        assert_ok(ids_take(IDS_RANGE, &hint, &again, &e), &e);
        ck_assert_uint_eq(again.uid, ids[5].uid);
        ids[5] = again;
        for (int i = 0; i < 20; i++)
                close(ids[i].fd);
}
END_TEST

/* A jail's first process that fails does not wait for what the launcher sends it meanwhile. */
START_TEST(test_last_words_are_heard_of_who_has_not_listened)
{
        char word[8];
        int sockets[2];

        ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets), 0);
        ck_assert_int_eq(send_message(sockets[0], "unread", 6, NULL, 0), 0);
        ck_assert_int_eq(send_message(sockets[1], "why", 3, NULL, 0), 0);
        close(sockets[1]);
        ck_assert_int_eq(receive_message(sockets[0], word, sizeof word, NULL, NULL), 3);
        ck_assert_int_eq(receive_message(sockets[0], word, sizeof word, NULL, NULL), 0);
        close(sockets[0]);
}
END_TEST

START_TEST(test_ranges_of_ids_wrap_around)
{
        _cleanup_error_ Error e = ERROR_NULL;
        uint32_t hint = IDS_RANGES - 1;
        Ids a, b;

        assert_ok(ids_take(IDS_RANGE, &hint, &a, &e), &e);
        hint = IDS_RANGES - 1;
        assert_ok(ids_take(IDS_RANGE, &hint, &b, &e), &e);
        ck_assert_uint_ne(a.uid, b.uid);
        ck_assert_uint_lt((uint64_t)b.uid + IDS_PER_JAIL, UINT64_C(0x80000000) + 1);
        close(a.fd);
        close(b.fd);
}
END_TEST

static int decide(unsigned controllers, JailLimits *limits, JailLayers missing, JailLayers require, JailReport *report,
                  Error *e)
{
        const JailHost host = {.landlock_abi = 4, .cgroup = true, .controllers = controllers};

        jail_report_init(report);
        return enforce_decide(&host, limits, JAIL_NETWORK_NONE, 0, missing, require, report, e);
}

/* Groups are directories, as far as this goes. */
START_TEST(test_only_what_launchers_have_left_is_swept)
{
        static const char *const ours[] = {"skep-12", "skep-12-3"};
        static const char *const others[] = {"skep-", "skep-mine", "skep-12x", "skep-12-", "skep-12-3-4", "skep-1-x", "xskep-12"};
        char base[] = "/tmp/skep-sweep-XXXXXX";

        ck_assert(mkdtemp(base));
        _cleanup_close_ int fd = open(base, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        for (size_t i = 0; i < ELEMENTS(ours); i++)
                ck_assert_int_eq(mkdirat(fd, ours[i], 0755), 0);
        for (size_t i = 0; i < ELEMENTS(others); i++)
                ck_assert_int_eq(mkdirat(fd, others[i], 0755), 0);
        ck_assert_uint_eq(cgroup_sweep(base), 0);
        for (size_t i = 0; i < ELEMENTS(ours); i++)
                ck_assert_int_lt(faccessat(fd, ours[i], F_OK, 0), 0);
        for (size_t i = 0; i < ELEMENTS(others); i++)
                ck_assert_int_eq(unlinkat(fd, others[i], AT_REMOVEDIR), 0);
        ck_assert_int_eq(rmdir(base), 0);
}
END_TEST

START_TEST(test_a_limit_that_nothing_holds_is_refused_by_name)
{
        _cleanup_error_ Error e = ERROR_NULL;
        JailReport report;
        JailLimits limits = jail_limits_none;

        limits.memory_bytes = 1;
        assert_refused(decide(0, &limits, 0, 0, &report, &e), &e, "cannot enforce \"memory\"");
        ck_assert(strstr(error_text(&e), "--allow-missing=memory"));
        limits.memory_bytes = 1;
        assert_ok(decide(0, &limits, 1U << JAIL_MEMORY, 0, &report, &e), &e);
        ck_assert_uint_eq(report.not_enforced, 1U << JAIL_MEMORY);
        ck_assert_str_eq(report.enforced[JAIL_MEMORY], "");
        limits.memory_bytes = 1;
        assert_refused(decide(0, &limits, 1U << JAIL_MEMORY, 1U << JAIL_MEMORY, &report, &e), &e,
                       "which the policy requires");
        limits.memory_bytes = 1;
        assert_ok(decide(CONTROLLER_MEMORY, &limits, 0, 1U << JAIL_MEMORY, &report, &e), &e);
        ck_assert_str_eq(report.enforced[JAIL_MEMORY], "cgroup");
        limits.memory_bytes = JAIL_UNLIMITED;
        assert_refused(decide(CONTROLLER_MEMORY, &limits, 0, 1U << JAIL_MEMORY, &report, &e), &e,
                       "cannot enforce \"memory\", which the policy requires: neither it nor the job sets one");
}
END_TEST

START_TEST(test_all_that_nothing_holds_is_refused_at_once)
{
        const JailHost bare = {.no_cgroup = "there is none"};
        _cleanup_error_ Error e = ERROR_NULL;
        JailReport report;
        JailLimits limits = jail_limits_none, wanted = jail_limits_none;

        wanted.memory_bytes = wanted.cpu_milli = wanted.io_write_bytes_per_sec = 1;
        limits = wanted;
        assert_refused(decide(0, &limits, 0, 0, &report, &e), &e,
                       "cannot enforce \"memory\", \"cpu\", \"io\": the cgroup v2 tree of this host has no controller for "
                       "that; the operator may go without by --allow-missing=memory,cpu,io");
        /* What is allowed already is no news, but belongs to the list: the last such option counts. */
        limits = wanted;
        assert_refused(decide(0, &limits, 1U << JAIL_CPU | 1U << JAIL_LANDLOCK, 0, &report, &e), &e,
                       "cannot enforce \"memory\", \"io\": ");
        ck_assert(strstr(error_text(&e), "--allow-missing=memory,cpu,io"));
        limits = wanted;
        assert_refused(decide(0, &limits, 0, 1U << JAIL_CPU | 1U << JAIL_PIDS, &report, &e), &e,
                       "cannot enforce \"memory\", \"io\": ");
        ck_assert(strstr(error_text(&e), "\"cpu\", which the policy requires: the cgroup"));
        ck_assert(strstr(error_text(&e), "\"pids\", which the policy requires: neither"));
        ck_assert(strstr(error_text(&e), "what is not required by --allow-missing=memory,io"));

        /* The list is what it takes. */
        limits = wanted;
        limits.cpu_time_usec = 5;
        jail_report_init(&report);
        assert_refused(enforce_decide(&bare, &limits, JAIL_NETWORK_BROKER, 0, 0, 0, &report, &e), &e,
                       "cannot enforce \"cgroup\", \"memory\", \"cpu\", \"io\", \"cpu_time\": there is none; \"landlock\": ");
        const char *list = strstr(error_text(&e), "--allow-missing=");
        JailLayers all;
        ck_assert_str_eq(list, "--allow-missing=cgroup,landlock,memory,cpu,io,cpu_time");
        assert_ok(jail_layers_parse_missing(list + strlen("--allow-missing="), &all, &e), &e);
        limits = wanted;
        limits.cpu_time_usec = 5;
        jail_report_init(&report);
        assert_ok(enforce_decide(&bare, &limits, JAIL_NETWORK_BROKER, 0, all, 0, &report, &e), &e);
        ck_assert_uint_eq(report.not_enforced, all | 1U << JAIL_BROKER);
}
END_TEST

START_TEST(test_processes_and_cpu_time_are_held_without_controllers)
{
        _cleanup_error_ Error e = ERROR_NULL;
        JailReport report;
        JailLimits limits = jail_limits_none;

        limits.pids = 5;
        limits.cpu_time_usec = 5;
        assert_ok(decide(0, &limits, 0, 0, &report, &e), &e);
        ck_assert_str_eq(report.enforced[JAIL_PIDS], "rlimit");
        ck_assert_str_eq(report.enforced[JAIL_CPU_TIME], "cpu.stat");
        assert_ok(decide(CONTROLLER_PIDS, &limits, 0, 0, &report, &e), &e);
        ck_assert_str_eq(report.enforced[JAIL_PIDS], "cgroup");
}
END_TEST

START_TEST(test_no_count_by_user_holds_who_may_be_several)
{
        JailHost host = {.landlock_abi = 4, .cgroup = true};
        const uint64_t may = UINT64_C(1) << CAP_SETUID;
        _cleanup_error_ Error e = ERROR_NULL;
        JailReport report;
        JailLimits limits = jail_limits_none;

        limits.pids = 5;
        jail_report_init(&report);
        assert_refused(enforce_decide(&host, &limits, JAIL_NETWORK_NONE, may, 0, 0, &report, &e), &e,
                       "cannot enforce \"pids\": without the controller");
        limits.pids = 5;
        assert_ok(enforce_decide(&host, &limits, JAIL_NETWORK_NONE, may, 1U << JAIL_PIDS, 0, &report, &e), &e);
        ck_assert_str_eq(report.enforced[JAIL_PIDS], "");
        limits.pids = 5;
        assert_ok(enforce_decide(&host, &limits, JAIL_NETWORK_NONE, ~may, 0, 0, &report, &e), &e);
        ck_assert_str_eq(report.enforced[JAIL_PIDS], "rlimit");
        host.controllers = CONTROLLER_PIDS;
        assert_ok(enforce_decide(&host, &limits, JAIL_NETWORK_NONE, may, 0, 0, &report, &e), &e);
        ck_assert_str_eq(report.enforced[JAIL_PIDS], "cgroup");
}
END_TEST

START_TEST(test_names_of_layers_that_may_be_missing)
{
        _cleanup_error_ Error e = ERROR_NULL;
        JailLayers set;

        assert_ok(jail_layers_parse_missing("memory,cpu", &set, &e), &e);
        ck_assert_uint_eq(set, 1U << JAIL_MEMORY | 1U << JAIL_CPU);
        assert_ok(jail_layers_parse_missing("", &set, &e), &e);
        ck_assert_uint_eq(set, 0);
        assert_refused(jail_layers_parse_missing("memory,everything", &set, &e), &e, "\"everything\" is not a layer");
        assert_refused(jail_layers_parse_missing("a\x1b[2J", &set, &e), &e, "\"a\\x1b[2J\" is not a layer");
        assert_refused(jail_layers_parse_missing("seccomp", &set, &e), &e, "never made without \"seccomp\"");
        assert_refused(jail_layers_parse_missing("user", &set, &e), &e, "never made without");
}
END_TEST

START_TEST(test_exit_status_of_a_report)
{
        static const struct {
                JailReason reason;
                int code, signal, status;
        } cases[] = {
                {JAIL_EXITED, 0, 0, 0},       {JAIL_EXITED, 137, 0, 137},    {JAIL_SIGNALLED, -1, 11, 139},
                {JAIL_OOM, -1, 9, 137},       {JAIL_WALL_LIMIT, -1, 9, 124}, {JAIL_CPU_LIMIT, -1, 9, 124},
                {JAIL_CANCELLED, -1, 9, 130}, {JAIL_SETUP_FAILED, -1, 0, 125}, {JAIL_EXEC_FAILED, 127, 0, 127},
                {JAIL_EXEC_FAILED, 126, 0, 126}, {JAIL_LOST, -1, 0, 125},
        };

        for (size_t i = 0; i < ELEMENTS(cases); i++) {
                const JailReport report = {
                        .reason = cases[i].reason, .exit_code = cases[i].code, .signal = cases[i].signal};
                ck_assert_int_eq(jail_report_exit_status(&report), cases[i].status);
        }
}
END_TEST

START_TEST(test_what_was_not_measured_is_null_in_the_report)
{
        JailReport report;

        jail_report_init(&report);
        report.wall_usec = 5;
        report.denied[0] = 3; /* read, on this architecture and others */
        _cleanup_json_ json_object *o = jail_report_to_json(&report);
        json_object *value;
        ck_assert(json_object_object_get_ex(o, "memory_peak_bytes", &value));
        ck_assert_ptr_null(value);
        ck_assert(json_object_object_get_ex(o, "exit_code", &value));
        ck_assert_ptr_null(value);
        ck_assert(json_object_object_get_ex(o, "wall_usec", &value));
        ck_assert_int_eq(json_object_get_int(value), 5);
        ck_assert(json_object_object_get_ex(o, "denied_syscalls", &value));
        ck_assert_int_eq(json_object_object_length(value), 1);
}
END_TEST

static void expect_text(int dir, const char *file, const char *wanted)
{
        _cleanup_free_ char *text = NULL;

        ck_assert_int_eq(read_file_at(dir, file, 100, &text, NULL), 0);
        ck_assert_str_eq(text, wanted);
}

/* In a directory like any other. */
START_TEST(test_limits_are_said_so_that_the_kernel_takes_them)
{
        static const struct {
                uint64_t cpu_milli, pids;
                const char *cpu, *processes;
        } cases[] = {
                {1, 1, "1000 1000000", "2"},
                {9, 4194303, "9000 1000000", "4194304"},
                {10, 4194304, "1000 100000", "4194304"},
                {1500, UINT64_C(1) << 40, "150000 100000", "4194304"},
        };
        char directory[] = "/tmp/skep-limits-XXXXXX";
        _cleanup_error_ Error e = ERROR_NULL;

        ck_assert_ptr_nonnull(mkdtemp(directory));
        int dir = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        for (size_t i = 0; i < ELEMENTS(cases); i++) {
                Plan plan = {.limits = jail_limits_none, .controllers = CONTROLLER_CPU | CONTROLLER_PIDS};
                plan.limits.cpu_milli = cases[i].cpu_milli;
                plan.limits.pids = cases[i].pids;
                close(openat(dir, "cpu.max", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
                close(openat(dir, "pids.max", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
                assert_ok(cgroup_limit(dir, &plan, &e), &e);
                expect_text(dir, "cpu.max", cases[i].cpu);
                expect_text(dir, "pids.max", cases[i].processes);
        }
        close(dir);
        remove_tree_at(AT_FDCWD, directory);
}
END_TEST

START_TEST(test_a_reader_that_is_always_behind_does_not_make_a_sink_grow)
{
        enum { BLOCK = 4096, BLOCKS = 1000 };
        char block[BLOCK] = {0};
        size_t put = 0, got = 0;
        int fds[2];
        Sink sink;

        ck_assert_int_eq(pipe2(fds, O_CLOEXEC), 0);
        sink_init(&sink, fds[1]);
        for (int i = 0; i < 40; i++) /* more than the pipe holds: from here on there is always something left */
                ck_assert_int_eq(sink_add(&sink, block, BLOCK), 0);
        for (int i = 0; i < BLOCKS; i++) {
                for (size_t k = 0; k < BLOCK; k++)
                        block[k] = (char)(put++ % 251);
                ck_assert_int_eq(sink_add(&sink, block, BLOCK), 0);
                ck_assert_uint_gt(sink_waiting(&sink), 0);
                ck_assert_int_eq(read(fds[0], block, BLOCK), BLOCK);
                for (size_t k = 0; i >= 40 && k < BLOCK; k++)
                        if (block[k] != (char)(got++ % 251))
                                ck_abort_msg("byte %zu is another", got - 1);
        }
        ck_assert_uint_lt(sink.room, 64 * BLOCK * 4);
        sink_done(&sink);
        close(fds[0]);
        close(fds[1]);
}
END_TEST

START_TEST(test_a_report_is_json_whatever_is_in_its_sentence)
{
        _cleanup_error_ Error e = ERROR_NULL;
        _cleanup_json_ json_object *read = NULL;
        JailReport report;
        char message[] = "\"a\xff\x1b\": \xc3\xa9 \xc3";

        jail_report_init(&report);
        report.message = message;
        _cleanup_json_ json_object *o = jail_report_to_json(&report);
        json_object *value;
        const char *text = json_object_to_json_string(o);
        assert_ok(json_parse_text(text, strlen(text), &read, &e), &e);
        ck_assert(json_object_object_get_ex(read, "message", &value));
        ck_assert_str_eq(json_object_get_string(value), "\"a\\xff\\x1b\": \xc3\xa9 \\xc3");
}
END_TEST

START_TEST(test_a_stuck_reader_does_not_block_a_sink)
{
        int fds[2];
        char block[65536] = {0};
        Sink sink;

        ck_assert_int_eq(pipe2(fds, O_CLOEXEC), 0);
        sink_init(&sink, fds[1]);
        for (int i = 0; i < 10; i++) /* ten times what a pipe holds */
                ck_assert_int_eq(sink_add(&sink, block, sizeof block), 0);
        ck_assert_uint_gt(sink_waiting(&sink), 0);
        size_t got = 0;
        while (got < 10 * sizeof block) {
                ssize_t n = read(fds[0], block, sizeof block);
                ck_assert_int_gt(n, 0);
                got += (size_t)n;
                sink_flush(&sink);
        }
        ck_assert_uint_eq(sink_waiting(&sink), 0);
        signal(SIGPIPE, SIG_IGN);
        close(fds[0]);
        sink_add(&sink, "x", 1);
        ck_assert(sink.broken);
        sink_done(&sink);
        close(fds[1]);
}
END_TEST

START_TEST(test_a_terminal_that_nobody_reads_does_not_block_a_sink)
{
        enum { BLOCK = 65536, BLOCKS = 10 };
        char block[BLOCK];
        int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
        size_t got = 0;
        Sink sink;

        memset(block, 'x', sizeof block);
        ck_assert_int_ge(master, 0);
        ck_assert(grantpt(master) == 0 && unlockpt(master) == 0);
        int slave = open(ptsname(master), O_RDWR | O_NOCTTY | O_CLOEXEC);
        ck_assert_int_ge(slave, 0);
        sink_init(&sink, slave);
        for (int i = 0; i < BLOCKS; i++)
                ck_assert_int_eq(sink_add(&sink, block, sizeof block), 0);
        ck_assert_uint_gt(sink_waiting(&sink), 0);
        ck_assert(!(fcntl(slave, F_GETFL) & O_NONBLOCK)); /* others have it, too */
        while (got < sizeof block * BLOCKS) {
                ssize_t n = read(master, block, sizeof block);
                ck_assert_int_gt(n, 0);
                got += (size_t)n;
                sink_flush(&sink);
        }
        ck_assert_uint_eq(sink_waiting(&sink), 0);
        sink_done(&sink);

        /* A master is a terminal, too, and not to be opened by its name. */
        sink_init(&sink, master);
        ck_assert_int_eq(sink_add(&sink, "typed\n", 6), 0);
        ck_assert_int_eq(read(slave, block, sizeof block), 6);
        sink_done(&sink);
        close(slave);
        close(master);
}
END_TEST

START_TEST(test_mounts_of_the_host_are_found)
{
        host_mounts_look();
        ck_assert(!host_mounts_on_root("/proc"));
        ck_assert(!host_mounts_on_root("/proc/self"));
        ck_assert(!host_mounts_on_root("/proc/self/fd"));
        ck_assert(host_mounts_on_root("/nonesuch"));
        ck_assert_msg(host_mounts_on_root("/process"), "a name that only begins like that of a mount");
        ck_assert(host_mounts_on_root("/p"));
        ck_assert(!host_mounts_below("/nonesuch"));
        ck_assert(!host_mounts_below("/p"));
}
END_TEST

/* Of strict, with one call more. */
static Plan plan_with(const char *call)
{
        char *folders[] = {(char *)"policies", NULL};
        const JailLauncher launcher = {0};
        _cleanup_policy_ JailPolicy *policy = NULL;
        _cleanup_error_ Error e = ERROR_NULL;
        Plan plan;

        assert_ok(jail_policy_load("strict", folders, &policy, &e), &e);
        ck_assert_int_ge(strv_add(&policy->syscalls, call), 0);
        assert_ok(plan_of_policy(&launcher, policy, &plan, &e), &e);
        return (Plan){.sockets = plan.sockets, .ipc_objects = plan.ipc_objects};
}

START_TEST(test_a_plan_knows_what_a_job_can_leave_in_a_namespace)
{
        static const char *const sockets[] = {"socket", "socketpair", "io_uring_setup"},
                                *const ipc_objects[] = {"shmget", "semget", "msgget", "mq_open"};

        ck_assert(!plan_with("read").sockets);
        ck_assert(!plan_with("read").ipc_objects);
        for (size_t i = 0; i < ELEMENTS(sockets); i++)
                ck_assert_msg(plan_with(sockets[i]).sockets && !plan_with(sockets[i]).ipc_objects, "%s", sockets[i]);
        for (size_t i = 0; i < ELEMENTS(ipc_objects); i++)
                ck_assert_msg(plan_with(ipc_objects[i]).ipc_objects && !plan_with(ipc_objects[i]).sockets, "%s", ipc_objects[i]);
}
END_TEST

static int network(Networks *networks, bool sockets, ino_t *ret)
{
        _cleanup_error_ Error e = ERROR_NULL;
        struct stat st;
        int fd = networks_take(networks, sockets, &e);

        ck_assert_msg(fd >= 0, "%s", error_text(&e));
        ck_assert_int_eq(fstat(fd, &st), 0);
        *ret = st.st_ino;
        return fd;
}

static void kept_range(KeptIds *kept, Ids *ret)
{
        _cleanup_error_ Error e = ERROR_NULL;
        uint32_t hint = 4000;

        assert_ok(kept_ids_take(kept, IDS_RANGE, &hint, ret, &e), &e);
}

START_TEST(test_ids_are_kept_with_their_user_namespace)
{
        _cleanup_error_ Error e = ERROR_NULL;
        KeptIds kept = {0};
        Ids a, b, again;

        if (geteuid() != 0)
                return;
        kept_range(&kept, &a);
        kept_range(&kept, &b);
        ck_assert_uint_ne(a.uid, b.uid);
        a.user = namespace_of_user(&a, &e);
        ck_assert_msg(a.user >= 0, "%s", error_text(&e));
        const int user = a.user;
        const uint32_t uid = a.uid;
        kept_ids_give_back(&kept, &a);
        ck_assert(a.fd < 0 && a.user < 0);
        /* Without one there is nothing to keep. */
        kept_ids_give_back(&kept, &b);
        ck_assert_uint_eq(kept.n, 1);
        kept_range(&kept, &again);
        ck_assert(again.uid == uid && again.user == user && kept.n == 0);
        /* Which nobody else has taken meanwhile, nor can. */
        kept_range(&kept, &b);
        ck_assert_uint_ne(b.uid, uid);
        ids_done(&b);
        kept_ids_give_back(&kept, &again);
        kept_ids_done(&kept);
        ck_assert_int_lt(fcntl(user, F_GETFD), 0);
        kept_range(&kept, &b);
        ck_assert_uint_eq(b.uid, uid);
        ids_done(&b);
        for (size_t i = 0; i < KEPT_IDS_MAX + 1; i++) {
                kept_range(&(KeptIds){0}, &a);
                ck_assert_int_ge(a.user = dup(0), 0);
                kept_ids_give_back(&kept, &a);
        }
        ck_assert_uint_eq(kept.n, KEPT_IDS_MAX);
        kept_ids_done(&kept);
        /* Not for ever. */
        kept_range(&kept, &a);
        ck_assert_int_ge(a.user = dup(0), 0);
        for (size_t i = 1; i < KEPT_IDS_JAILS; i++) {
                kept_ids_give_back(&kept, &a);
                ck_assert_uint_eq(kept.n, 1);
                kept_range(&kept, &a);
        }
        kept_ids_give_back(&kept, &a);
        ck_assert_uint_eq(kept.n, 0);
}
END_TEST

START_TEST(test_a_network_in_which_nothing_could_be_made_is_used_again)
{
        Networks networks = {0};
        int fds[NETWORKS_KEPT + 2];
        ino_t first, second, third, own;
        struct stat st;

        if (geteuid() != 0)
                return;
        ck_assert_int_eq(stat("/proc/self/ns/net", &st), 0);
        own = st.st_ino;
        fds[0] = network(&networks, false, &first);
        fds[1] = network(&networks, false, &second);
        ck_assert(first != second && first != own && second != own);
        networks_give_back(&networks, fds[0]);
        fds[0] = network(&networks, true, &third);
        ck_assert_msg(third != first, "sockets were let into a network that was used");
        close(fds[0]);
        fds[0] = network(&networks, false, &third);
        ck_assert_uint_eq(third, first);
        /* The process that makes them is still where it was. */
        ck_assert_int_eq(stat("/proc/self/ns/net", &st), 0);
        ck_assert_uint_eq(st.st_ino, own);
        networks_give_back(&networks, fds[0]);
        networks_give_back(&networks, fds[1]);
        networks_give_back(&networks, -1);
        ck_assert_uint_eq(networks.n, 2);
        networks_done(&networks);
        for (size_t i = 0; i < ELEMENTS(fds); i++) {
                ck_assert_int_ge(fds[i] = dup(0), 0);
                networks_give_back(&networks, fds[i]);
        }
        ck_assert_uint_eq(networks.n, NETWORKS_KEPT);
        ck_assert_int_lt(fcntl(fds[NETWORKS_KEPT], F_GETFD), 0);
        networks_done(&networks);
        ck_assert_int_lt(fcntl(fds[0], F_GETFD), 0);
}
END_TEST

Suite *jail_suite(void)
{
        Suite *suite = suite_create("jail");
        TCase *tests = tcase_create("jail");

        tcase_add_test(tests, test_a_plan_comes_back_as_it_was);
        tcase_add_test(tests, test_ranges_of_ids_are_exclusive_and_come_back);
        tcase_add_test(tests, test_ranges_of_ids_wrap_around);
        tcase_add_test(tests, test_a_plan_knows_what_a_job_can_leave_in_a_namespace);
        tcase_add_test(tests, test_mounts_of_the_host_are_found);
        tcase_add_test(tests, test_ids_are_kept_with_their_user_namespace);
        tcase_add_test(tests, test_a_network_in_which_nothing_could_be_made_is_used_again);
        tcase_add_test(tests, test_last_words_are_heard_of_who_has_not_listened);
        tcase_add_test(tests, test_only_what_launchers_have_left_is_swept);
        tcase_add_test(tests, test_a_limit_that_nothing_holds_is_refused_by_name);
        tcase_add_test(tests, test_all_that_nothing_holds_is_refused_at_once);
        tcase_add_test(tests, test_processes_and_cpu_time_are_held_without_controllers);
        tcase_add_test(tests, test_no_count_by_user_holds_who_may_be_several);
        tcase_add_test(tests, test_names_of_layers_that_may_be_missing);
        tcase_add_test(tests, test_exit_status_of_a_report);
        tcase_add_test(tests, test_what_was_not_measured_is_null_in_the_report);
        tcase_add_test(tests, test_a_report_is_json_whatever_is_in_its_sentence);
        tcase_add_test(tests, test_a_reader_that_is_always_behind_does_not_make_a_sink_grow);
        tcase_add_test(tests, test_limits_are_said_so_that_the_kernel_takes_them);
        tcase_add_test(tests, test_a_stuck_reader_does_not_block_a_sink);
        tcase_add_test(tests, test_a_terminal_that_nobody_reads_does_not_block_a_sink);
        suite_add_tcase(suite, tests);
        return suite;
}
