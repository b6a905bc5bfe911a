/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/bench-engine/bench.h"

#include <time.h>
#include <unistd.h>

#define JOBS 200
#define REST_SEC 4 /* until what the jobs have left to do is done */
#define WATCH_SEC 10

/* At the end of each minute its load is stored, and the scaler decides: what is watched are the seconds between. */
static void await_room_in_minute(size_t seconds)
{
        size_t second = (size_t)time(NULL) % 60;

        if (second < 2)
                sleep((unsigned)(2 - second));
        else if (second + seconds > 58)
                sleep((unsigned)(62 - second));
}

static const char *const programs[] = {NULL, "skep-worker", "skep-launcher", "skep-nursery"};

int idle_measure(Bench *b, Error *e)
{
        Usage before[ELEMENTS(programs)], after[ELEMENTS(programs)];
        Engine engine = {0};
        uint64_t usec, wakeups = 0;
        int r = engine_new(&engine, b->folder, "idle", b->missing, e);

        if (r >= 0)
                r = load_batch(&engine, b->spec, bench_scale(b, JOBS, 10), &usec, e);
        if (r < 0) {
                engine_done(&engine);
                return r;
        }
        sleep((unsigned)bench_scale(b, REST_SEC, 1));
        await_room_in_minute(bench_scale(b, WATCH_SEC, 1));
        for (size_t i = 0; i < ELEMENTS(programs); i++)
                engine_usage(&engine, programs[i], &before[i]);
        sleep((unsigned)bench_scale(b, WATCH_SEC, 1));
        printf("\nidle for %zu s:\n", bench_scale(b, WATCH_SEC, 1));
        for (size_t i = 0; i < ELEMENTS(programs); i++) {
                engine_usage(&engine, programs[i], &after[i]);
                wakeups += after[i].wakeups - before[i].wakeups;
                printf("  %zu %-14s %3ju wake-ups, %6ju KiB resident each\n", after[i].processes,
                       programs[i] ? programs[i] : "skepd", (uintmax_t)(after[i].wakeups - before[i].wakeups),
                       (uintmax_t)(after[i].processes ? after[i].rss_bytes / after[i].processes >> 10 : 0));
        }
        engine_done(&engine);
        results_add(&b->results, (Result){"idle: wake-ups of all processes", "", (double)wakeups, 0, false, 0, true});
        results_add(&b->results,
                    (Result){"idle: the supervisor", "MB", (double)after[0].rss_bytes / 1e6, 0, false, 15, true});
        results_add(&b->results, (Result){"idle: a worker with its launcher, without jails", "MB",
                                          (double)(after[1].rss_bytes + after[2].rss_bytes) / 1e6 /
                                                  (double)(after[1].processes ? after[1].processes : 1),
                                          0, false, 15, true});
        return 0;
}
