/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What a jail costs, beside what other sandboxes cost: `make bench-jail`.
 *
 *   bench-jail RUNS STALLS PAYLOAD
 *
 * Whole processes (skep-jail, bubblewrap, crun, and a plain spawn as zero), then the library in a running process
 * beside the floor (floor.c), each RUNS times: in every round each of them once, in an order of its own, so that what
 * else the machine does meets them all alike. Then two at a time, what waiting costs, and STALLS times under load:
 * whether a jail ever waits for a clock. And where its time goes, step by step. */

#include "engine/base/clock.h"
#include "engine/base/fd.h"
#include "engine/base/places.h"
#include "engine/base/size.h"
#include "jail/client.h"
#include "tests/bench/command.h"
#include "tests/bench/floor_process.h"
#include "tests/bench/library.h"
#include "tests/bench/peers.h"
#include "tests/bench/samples.h"
#include "tests/bench/stalls.h"
#include "tests/bench/steps.h"
#include "tests/bench/waiting.h"

#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/utsname.h>

#define WARM_UP 5
#define RATE_BLOCKS 10

enum { SKEP_JAIL, BUBBLEWRAP, BUBBLEWRAP_NEAR, CRUN, SPAWN, COMMANDS };

static const char *const names[COMMANDS] = {
        "skep-jail --policy strict",
        "bubblewrap",
        "bubblewrap, nearest isolation",
        "crun",
        "spawn and wait, nothing else",
};

typedef struct Bench {
        char *payload, *sleeper, *missing, *folder; /* owned; the first is what runs in each, with "true" */
        int filter_fd;
        FloorProcess floor;
        Library library;
        Command commands[COMMANDS];
        bool absent[COMMANDS];
        Samples samples[COMMANDS], library_samples, floor_samples;
        double library_rate, rates[COMMANDS];
        Waiting waiting[COMMANDS];
        Steps steps;
} Bench;

/* ---- one run ---- */

static int run_command(Bench *b, size_t which, Error *e)
{
        uint64_t usec, cpu_usec;
        int r = command_run(&b->commands[which], &usec, &cpu_usec, e);

        if (r >= 0)
                samples_add(&b->samples[which], usec, cpu_usec);
        return r;
}

static void keep_run(const LibraryRun *run, void *userdata)
{
        Bench *b = userdata;

        samples_add(&b->library_samples, run->told_usec - run->asked_usec, 0);
        steps_add(&b->steps, run);
}

static int run_library(Bench *b, Error *e)
{
        uint64_t cpu_usec = library_cpu_usec(&b->library);
        int r = library_run(&b->library, 1, 1, keep_run, b, e);

        b->library_samples.cpu_usec += library_cpu_usec(&b->library) - cpu_usec;
        return r;
}

static int run_floor(Bench *b, Error *e)
{
        FloorRun run;
        int r = floor_process_run(&b->floor, &run, e);

        if (r >= 0)
                samples_add(&b->floor_samples, run.usec, run.cpu_usec);
        return r;
}

static int run_one_of_process(Bench *b, size_t which, Error *e)
{
        return which == 0 ? run_library(b, e) : run_floor(b, e);
}

/* ---- series ---- */

/* `runs` rounds of the numbers below `n`, each round in another order. */
static int interleave(Bench *b, size_t n, size_t runs, int (*run)(Bench *, size_t, Error *), Error *e)
{
        size_t order[COMMANDS];

        for (size_t i = 0; i < n; i++)
                order[i] = i;
        for (size_t round = 0; round < runs; round++) {
                for (size_t i = n - 1; i > 0; i--) {
                        size_t k = (size_t)random() % (i + 1), kept = order[i];
                        order[i] = order[k];
                        order[k] = kept;
                }
                for (size_t i = 0; i < n; i++) {
                        bool left_out = run == run_command && b->absent[order[i]];
                        int r = left_out ? 0 : run(b, order[i], e);
                        if (r < 0)
                                return r;
                }
        }
        return 0;
}

static void forget(Bench *b)
{
        for (size_t i = 0; i < COMMANDS; i++)
                samples_done(&b->samples[i]);
        samples_done(&b->library_samples);
        samples_done(&b->floor_samples);
        steps_done(&b->steps);
}

/* Others may not be here, or not work here; what is ours has to. */
static int try_all(Bench *b, Error *e)
{
        for (size_t i = 0; i < COMMANDS; i++) {
                int r = run_command(b, i, e);
                if (r < 0 && (i == SKEP_JAIL || i == SPAWN))
                        return r;
                if (r < 0) {
                        printf("%s is left out: %s\n", names[i], error_text(e));
                        b->absent[i] = true;
                        error_clear(e);
                }
        }
        return run_floor(b, e);
}

static int run_two_at_a_time(Command *c, size_t runs, Error *e)
{
        size_t running = 0, started = 0;
        uint64_t cpu_usec;
        pid_t pid;

        while (started < runs || running > 0) {
                for (; running < 2 && started < runs; running++, started++) {
                        int r = command_start(c, &pid);
                        if (r < 0)
                                return error_errno(e, r, "%s", c->argv[0]);
                }
                int r = command_wait(-1, &pid, &cpu_usec, e);
                if (r < 0)
                        return r;
                running--;
        }
        return 0;
}

/* Runs per second, in blocks that take turns. */
static int measure_rates(Bench *b, size_t runs, Error *e)
{
        static const size_t compared[] = {SKEP_JAIL, BUBBLEWRAP};
        size_t block = runs / RATE_BLOCKS + 1;
        uint64_t library_usec = 0, usec[COMMANDS] = {0};

        for (size_t i = 0; i < RATE_BLOCKS; i++) {
                uint64_t start = monotonic_usec();
                int r = library_run(&b->library, block, 2, NULL, NULL, e);
                library_usec += monotonic_usec() - start;
                for (size_t k = 0; k < ELEMENTS(compared) && r >= 0; k++) {
                        if (b->absent[compared[k]])
                                continue;
                        start = monotonic_usec();
                        r = run_two_at_a_time(&b->commands[compared[k]], block, e);
                        usec[compared[k]] += monotonic_usec() - start;
                }
                if (r < 0)
                        return r;
        }
        const double total = (double)(block * RATE_BLOCKS) * (double)USEC_PER_SECOND;
        b->library_rate = total / (double)library_usec;
        for (size_t k = 0; k < ELEMENTS(compared); k++)
                if (usec[compared[k]] > 0)
                        b->rates[compared[k]] = total / (double)usec[compared[k]];
        return 0;
}

/* ---- what is printed ---- */

static void print_host(const Bench *b)
{
        struct utsname host;
        struct stat st = {0};
        double load = 0;

        uname(&host);
        stat(b->payload, &st);
        getloadavg(&load, 1);
        printf("kernel %s, %ld processors, load %.2f before; a program of %jd KiB; the policy \"strict\"%s%s\n",
               host.release, sysconf(_SC_NPROCESSORS_ONLN), load, (intmax_t)st.st_size >> 10,
               *b->missing ? ", without what this host does not enforce: " : ", every layer on", b->missing);
}

static void print_target(const char *name, double value, double bound, bool at_most)
{
        bool reached = at_most ? value <= bound : value >= bound;

        printf("%-56s %6.2f   %s %.2f   %s\n", name, value, at_most ? "at most " : "at least", bound,
               reached ? "reached" : "missed");
}

static void print_ratio(const char *name, Samples *ours, Samples *theirs, double bound)
{
        double base = samples_msec(theirs, 500);

        if (base > 0)
                print_target(name, samples_msec(ours, 500) / base, bound, true);
}

static void print_tables(Bench *b)
{
        samples_print_head("whole processes, ms");
        for (size_t i = 0; i < COMMANDS; i++)
                if (!b->absent[i])
                        samples_print(names[i], &b->samples[i]);
        samples_print_head("in a running process, ms");
        samples_print("the library, one jail after another", &b->library_samples);
        samples_print("the floor", &b->floor_samples);
        steps_print(&b->steps);

        printf("\ntwo at a time, runs per second: the library %.0f, skep-jail %.0f, bubblewrap %.0f\n", b->library_rate,
               b->rates[SKEP_JAIL], b->rates[BUBBLEWRAP]);

        waiting_print_head();
        waiting_print(names[SKEP_JAIL], &b->waiting[SKEP_JAIL]);
        if (!b->absent[BUBBLEWRAP])
                waiting_print(names[BUBBLEWRAP], &b->waiting[BUBBLEWRAP]);
}

static void print_targets(Bench *b)
{
        const Waiting *ours = &b->waiting[SKEP_JAIL], *theirs = &b->waiting[BUBBLEWRAP];

        printf("\n");
        print_ratio("median, the library / the floor", &b->library_samples, &b->floor_samples, 1.3);
        print_ratio("median, skep-jail / crun", &b->samples[SKEP_JAIL], &b->samples[CRUN], 0.25);
        if (b->absent[BUBBLEWRAP])
                return;
        print_ratio("median, skep-jail / bubblewrap", &b->samples[SKEP_JAIL], &b->samples[BUBBLEWRAP], 0.55);
        print_target("two at a time, the library / bubblewrap", b->library_rate / b->rates[BUBBLEWRAP], 1.5, false);
        print_target("waiting, RSS, skep-jail / bubblewrap", (double)ours->rss_bytes / (double)theirs->rss_bytes, 1,
                     true);
        print_target("waiting, PSS, skep-jail / bubblewrap", (double)ours->pss_bytes / (double)theirs->pss_bytes, 1,
                     true);
        print_target("waiting, CPU time in us, above bubblewrap's",
                     ((double)ours->cpu_nsec - (double)theirs->cpu_nsec) / 1000, 0, true);
}

/* ---- while a job sleeps ---- */

static int measure_waiting(Bench *b, Error *e)
{
        char seconds[8], *arguments[] = {(char *)"sleep", seconds, NULL};
        _cleanup_command_ Command ours = COMMAND_NULL, theirs = COMMAND_NULL;
        int r;

        snprintf(seconds, sizeof seconds, "%d", WAITING_SECONDS);
        if ((r = peer_skep_jail(b->sleeper, b->missing, arguments, &ours, e)) < 0 ||
            (r = waiting_measure(&ours, "payload", &b->waiting[SKEP_JAIL], e)) < 0 || b->absent[BUBBLEWRAP])
                return r;
        if ((r = peer_bubblewrap(b->sleeper, arguments, &theirs, e)) < 0)
                return r;
        return waiting_measure(&theirs, "payload", &b->waiting[BUBBLEWRAP], e);
}

/* ---- the start ---- */

static int write_filter(Bench *b, Error *e)
{
        const JailPolicy *policy = b->library.policy;

        b->filter_fd = memfd_create("filter", MFD_CLOEXEC);
        int r = b->filter_fd < 0 ? -errno : write_full(b->filter_fd, policy->filter, policy->filter_size);
        return r < 0 ? error_errno(e, r, "writing the filter") : 0;
}

static int open_bench(Bench *b, const char *payload, Error *e)
{
        char *arguments[] = {(char *)"true", NULL};
        int r;

        b->payload = realpath(payload, NULL);
        if (!b->payload)
                return error_errno(e, -errno, "%s", payload);
        b->sleeper = place_program("payload", e);
        if (!b->sleeper || asprintf(&b->folder, "/run/skep-bench-%d", getpid()) < 0)
                return error_oom(e);
        if (mkdir(b->folder, 0755) < 0)
                return error_errno(e, -errno, "%s", b->folder);
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
        return peer_nothing(b->payload, arguments, &b->commands[SPAWN], e);
}

static void close_bench(Bench *b)
{
        floor_process_end(&b->floor);
        library_close(&b->library);
        for (size_t i = 0; i < COMMANDS; i++)
                command_done(&b->commands[i]);
        forget(b);
        close_fd(b->filter_fd);
        if (b->folder)
                remove_tree_at(AT_FDCWD, b->folder);
        free(b->folder);
        free(b->payload);
        free(b->sleeper);
        free(b->missing);
}

static int bench(Bench *b, size_t runs, size_t stalls, Error *e)
{
        int r;

        print_host(b);
        if ((r = try_all(b, e)) < 0 || (r = interleave(b, COMMANDS, WARM_UP, run_command, e)) < 0 ||
            (r = interleave(b, 2, WARM_UP, run_one_of_process, e)) < 0)
                return r;
        forget(b);
        if ((r = interleave(b, COMMANDS, runs, run_command, e)) < 0 ||
            (r = interleave(b, 2, runs, run_one_of_process, e)) < 0 || (r = measure_rates(b, runs, e)) < 0 ||
            (r = measure_waiting(b, e)) < 0)
                return r;
        print_tables(b);
        if (stalls > 0 && (r = stalls_measure(&b->library, &b->floor, stalls, e)) < 0)
                return r;
        print_targets(b);
        return 0;
}

int main(int argc, char **argv)
{
        _cleanup_error_ Error e = ERROR_NULL;
        Bench b = {.filter_fd = -1, .floor = FLOOR_PROCESS_NULL, .library = {.payload = {.fd = -1}}};
        uint64_t runs = 0, stalls = 0;

        for (size_t i = 0; i < COMMANDS; i++)
                b.commands[i] = COMMAND_NULL;
        if (argc != 4) {
                fprintf(stderr, "usage: bench-jail RUNS STALLS PAYLOAD\n");
                return 2;
        }
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
