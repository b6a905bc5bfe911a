/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/bench/stalls.h"

#include "engine/base/clock.h"
#include "tests/bench/samples.h"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#define HOGS_MAX 64
#define LONG_USEC (50 * USEC_PER_MSEC)
#define SHOWN_MAX 10

typedef struct LongRun {
        size_t number;
        uint64_t usec, setup_usec, wall_usec;
} LongRun;

typedef struct Stalls {
        Samples library, floor;
        LongRun longest[SHOWN_MAX]; /* the longest first */
        size_t n_longest, n_long;
} Stalls;

/* ---- load ---- */

static size_t start_hogs(pid_t hogs[static HOGS_MAX])
{
        size_t wanted = (size_t)sysconf(_SC_NPROCESSORS_ONLN), n = 0;

        while (n < wanted && n < HOGS_MAX) {
                pid_t pid = fork();
                if (pid < 0)
                        break;
                if (pid == 0) {
                        prctl(PR_SET_PDEATHSIG, SIGKILL);
                        for (volatile unsigned turns = 0;; turns++)
                                ;
                }
                hogs[n++] = pid;
        }
        return n;
}

static void end_hogs(const pid_t *hogs, size_t n)
{
        for (size_t i = 0; i < n; i++) {
                kill(hogs[i], SIGKILL);
                waitpid(hogs[i], NULL, 0);
        }
}

/* ---- runs ---- */

static void on_run(const LibraryRun *ended, void *userdata)
{
        Stalls *s = userdata;
        LongRun run = {s->library.n, ended->told_usec - ended->asked_usec, ended->report->setup_usec,
                       ended->report->wall_usec};

        samples_add(&s->library, run.usec, 0);
        if (run.usec < LONG_USEC)
                return;
        s->n_long++;
        for (size_t i = 0; i < SHOWN_MAX; i++) {
                if (i < s->n_longest && s->longest[i].usec >= run.usec)
                        continue;
                LongRun moved = s->longest[i];
                s->longest[i] = run;
                if (i == s->n_longest) {
                        s->n_longest++;
                        return;
                }
                run = moved;
        }
}

static int run_all(Stalls *s, Library *library, const FloorProcess *floor, size_t runs, Error *e)
{
        for (size_t i = 0; i < runs; i++) {
                FloorRun run;
                int r = library_run(library, 1, 1, on_run, s, e);
                if (r >= 0)
                        r = floor_process_run(floor, &run, e);
                if (r < 0)
                        return r;
                samples_add(&s->floor, run.usec, run.cpu_usec);
        }
        return 0;
}

static void print(Stalls *s)
{
        size_t floor_long = 0;

        for (size_t i = 0; i < s->floor.n; i++)
                floor_long += s->floor.usec[i] >= LONG_USEC;
        printf("\nunder load, %zu runs, by time\n%-10s", s->library.n, "below");
        samples_print_histogram_head();
        samples_print_histogram("library", &s->library);
        samples_print_histogram("floor", &s->floor);
        printf("50 ms or longer: the library %zu, the floor %zu; the longest %.1f ms, %.1f ms\n", s->n_long, floor_long,
               samples_msec(&s->library, 1000), samples_msec(&s->floor, 1000));
        for (size_t i = 0; i < s->n_longest; i++) {
                const LongRun *run = &s->longest[i];
                printf("  run %zu: %.1f ms: setup %.1f, the job %.1f, before and after %.1f\n", run->number,
                       (double)run->usec / USEC_PER_MSEC, (double)run->setup_usec / USEC_PER_MSEC,
                       (double)run->wall_usec / USEC_PER_MSEC,
                       (double)(run->usec - run->setup_usec - run->wall_usec) / USEC_PER_MSEC);
        }
        /* A clock that is waited for makes a step in the times that the load alone does not make. */
        double bound = 2 * samples_msec(&s->floor, 1000), most = samples_msec(&s->library, 1000);
        printf("no run longer than twice the floor's longest, or than 50 ms: %s\n",
               most < 50 || most <= bound ? "reached" : "missed");
}

int stalls_measure(Library *library, const FloorProcess *floor, size_t runs, Error *e)
{
        Stalls s = {.n_long = 0};
        pid_t hogs[HOGS_MAX];
        size_t n_hogs = start_hogs(hogs);
        int r = run_all(&s, library, floor, runs, e);

        end_hogs(hogs, n_hogs);
        if (r >= 0)
                print(&s);
        samples_done(&s.library);
        samples_done(&s.floor);
        return r;
}
