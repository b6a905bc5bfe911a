/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What the engine costs, beside what its parts cost alone, and beside its peers: `make bench-engine`.
 *
 *   bench-engine PERCENT PROGRAM FOLDER [PART]...
 *
 * PROGRAM is what the jobs run: static, and below the host's /usr, so that each jail has it. FOLDER is on the disk whose
 * commits are measured. Of those who are compared, each has its turn in every round, so that what else the machine does
 * meets them all alike. PARTs are the names of the table below; without one, all. */

#include "tests/bench-engine/bench.h"

#include "engine/base/clock.h"
#include "engine/base/size.h"
#include "tests/bench/peers.h"

#include <string.h>
#include <sys/utsname.h>

typedef struct Part {
        const char *name;
        int (*measure)(Bench *b, Error *e);
} Part;

static const Part parts[] = {
        {"rates", rates_measure}, {"latency", latency_measure}, {"submissions", submissions_measure},
        {"depth", depth_measure}, {"idle", idle_measure},
};

size_t bench_scale(const Bench *b, size_t full, size_t least)
{
        size_t n = full * b->percent / 100;

        return n > least ? n : least;
}

static int try_bubblewrap(Bench *b, const char *program, Error *e)
{
        _cleanup_error_ Error why = ERROR_NULL;
        char *arguments[] = {NULL};
        uint64_t usec, cpu_usec;
        int r = peer_bubblewrap(program, arguments, &b->bubblewrap, e);

        if (r >= 0 && command_run(&b->bubblewrap, &usec, &cpu_usec, &why) < 0) {
                printf("bubblewrap is left out: %s\n", error_text(&why));
                b->no_bubblewrap = true;
        }
        return r;
}

static int open_bench(Bench *b, const char *program, Error *e)
{
        _cleanup_error_ Error why = ERROR_NULL;
        char *arguments[] = {NULL};
        int r;

        if (asprintf(&b->spec, "{\"command\": [\"%s\"], \"policy\": \"strict\"}", program) < 0)
                return error_oom(e);
        if ((r = echo_start(&b->echo, e)) < 0 || (r = library_open(&b->library, program, e)) < 0)
                return r;
        if (!(b->missing = library_missing(&b->library)))
                return error_oom(e);
        if ((r = try_bubblewrap(b, program, e)) < 0 || (r = peer_nothing(program, arguments, &b->spawn, e)) < 0 ||
            (r = rows_open(&b->rows, b->folder, e)) < 0)
                return r;
        if (beanstalk_start(&b->beanstalk, b->folder, &why) < 0) {
                printf("beanstalkd is left out: %s\n", error_text(&why));
                b->no_beanstalk = true;
        }
        return 0;
}

static void close_bench(Bench *b)
{
        library_close(&b->library);
        beanstalk_stop(&b->beanstalk);
        echo_stop(&b->echo);
        rows_close(&b->rows);
        command_done(&b->bubblewrap);
        command_done(&b->spawn);
        free(b->spec);
        free(b->missing);
}

static void print_host(const Bench *b)
{
        struct utsname host;
        double load = 0;

        uname(&host);
        getloadavg(&load, 1);
        printf("kernel %s, %ld processors, load %.2f before; jobs of the policy \"strict\"%s%s\n", host.release,
               sysconf(_SC_NPROCESSORS_ONLN), load, *b->missing ? ", without what this host does not enforce: " : "",
               b->missing);
}

static bool is_wanted(const Part *part, char *const *names, size_t n)
{
        for (size_t i = 0; i < n; i++)
                if (strcmp(names[i], part->name) == 0)
                        return true;
        return n == 0;
}

int main(int argc, char **argv)
{
        _cleanup_error_ Error e = ERROR_NULL;
        Bench b = {.library = {.payload = {.fd = -1}}, .bubblewrap = COMMAND_NULL, .spawn = COMMAND_NULL};
        uint64_t percent = 0;

        if (argc < 4) {
                fprintf(stderr, "usage: bench-engine PERCENT PROGRAM FOLDER [PART]..., by tests/bench-engine/run.sh\n");
                return 2;
        }
        b.folder = argv[3];
        setvbuf(stdout, NULL, _IOLBF, 0);
        srand48((long)monotonic_usec());
        int r = count_parse(argv[1], 1, 1000, &percent, &e);
        b.percent = (unsigned)percent;
        if (r >= 0)
                r = open_bench(&b, argv[2], &e);
        if (r >= 0)
                print_host(&b);
        for (size_t i = 0; r >= 0 && i < ELEMENTS(parts); i++)
                if (is_wanted(&parts[i], &argv[4], (size_t)argc - 4) && (r = parts[i].measure(&b, &e)) < 0)
                        error_prefix(&e, "%s", parts[i].name);
        if (r < 0)
                fprintf(stderr, "bench-engine: %s\n", error_text(&e));
        else
                results_print(&b.results);
        close_bench(&b);
        return r < 0 ? 1 : 0;
}
