/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What a jail costs, beside what other sandboxes cost: `make bench-jail`.
 *
 *   bench-jail RUNS STALLS PAYLOAD FOLDER
 *
 * Whole processes (skep-jail, bubblewrap, crun, and a plain spawn as zero), then the library in a running process
 * beside the floor (floor.c), each RUNS times, with the time of each step. Then two at a time, what waiting costs, and
 * STALLS times under load: whether a jail ever waits for a clock. FOLDER is for what is needed on the way. */

#include "tests/bench/bench.h"

#include "engine/base/fd.h"
#include "engine/base/places.h"
#include "engine/base/size.h"
#include "jail/client.h"
#include "tests/bench/peers.h"
#include "tests/bench/stalls.h"

#include <sys/mman.h>

static int write_filter(Bench *b, Error *e)
{
        JailPolicy *policy = b->library.policy;
        int r = policy_compile(policy, e);

        if (r < 0)
                return r;
        b->filter_fd = memfd_create("filter", MFD_CLOEXEC);
        r = b->filter_fd < 0 ? -errno : write_full(b->filter_fd, policy->filter, policy->filter_size);
        return r < 0 ? error_errno(e, r, "writing the filter") : 0;
}

static int open_bench(Bench *b, const char *payload, Error *e)
{
        char *arguments[] = {(char *)"true", NULL};
        int r;

        b->payload = realpath(payload, NULL);
        if (!b->payload)
                return error_errno(e, -errno, "%s", payload);
        if (!(b->sleeper = place_program("payload", e)))
                return -ENOMEM;
        if ((r = library_open(&b->library, b->payload, e)) < 0)
                return r;
        if (!(b->missing = library_missing(&b->library)))
                return error_oom(e);
        if (!b->library.launcher->cgroup)
                return error_set(e, -ENOENT, "%s", b->library.launcher->no_cgroup);
        if ((r = write_filter(b, e)) < 0 ||
            (r = floor_process_start(b->payload, b->library.launcher->cgroup, &b->floor, e)) < 0 ||
            (r = peer_skep_jail(b->payload, b->missing, arguments, &b->commands[SKEP_JAIL], e)) < 0 ||
            (r = peer_bubblewrap(b->payload, arguments, &b->commands[BUBBLEWRAP], e)) < 0 ||
            (r = peer_bubblewrap_near(b->payload, b->filter_fd, &b->commands[BUBBLEWRAP_NEAR], e)) < 0 ||
            (r = peer_crun(b->payload, b->folder, b->library.policy, b->library.launcher->host.controllers,
                           &b->commands[CRUN], e)) < 0)
                return r;
        if ((r = peer_skep_jail_version(&b->commands[VERSION], e)) < 0)
                return r;
        return peer_nothing(b->payload, arguments, &b->commands[SPAWN], e);
}

static void close_bench(Bench *b)
{
        floor_process_end(&b->floor);
        library_close(&b->library);
        for (size_t i = 0; i < WHOLES; i++)
                command_done(&b->commands[i]);
        bench_forget(b);
        close_fd(b->filter_fd);
        free(b->payload);
        free(b->sleeper);
        free(b->missing);
}

static int bench(Bench *b, size_t runs, size_t stalls, Error *e)
{
        bench_print_host(b);
        int r = bench_measure(b, runs, e);
        if (r < 0)
                return r;
        bench_print_tables(b);
        if (stalls > 0 && (r = stalls_measure(&b->library, &b->floor, stalls, e)) < 0)
                return r;
        bench_print_targets(b);
        return 0;
}

int main(int argc, char **argv)
{
        _cleanup_error_ Error e = ERROR_NULL;
        Bench b = {.filter_fd = -1, .floor = FLOOR_PROCESS_NULL, .library = {.payload = {.fd = -1}}};
        uint64_t runs = 0, stalls = 0;

        for (size_t i = 0; i < WHOLES; i++)
                b.commands[i] = COMMAND_NULL;
        if (argc != 5) {
                fprintf(stderr, "usage: bench-jail RUNS STALLS PAYLOAD FOLDER, by tests/bench/run.sh\n");
                return 2;
        }
        b.folder = argv[4];
        setvbuf(stdout, NULL, _IOLBF, 0);
        int r = count_parse(argv[1], 1, 1000000, &runs, &e);
        if (r >= 0)
                r = count_parse(argv[2], 0, 1000000, &stalls, &e);
        if (r >= 0)
                r = open_bench(&b, argv[3], &e);
        if (r >= 0)
                r = bench(&b, (size_t)runs, (size_t)stalls, &e);
        if (r < 0)
                fprintf(stderr, "bench-jail: %s\n", error_text(&e));
        close_bench(&b);
        return r < 0 ? 1 : 0;
}
