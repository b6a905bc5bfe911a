/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/bench/bench.h"

#include "engine/base/clock.h"

#include <sys/stat.h>
#include <sys/utsname.h>

const char *const whole_names[WHOLES] = {
        [SKEP_JAIL] = "skep-jail --policy strict",
        [BUBBLEWRAP] = "bubblewrap",
        [BUBBLEWRAP_NEAR] = "bubblewrap, nearest isolation",
        [CRUN] = "crun",
        [VERSION] = "skep-jail --version",
        [SPAWN] = "spawn and wait, nothing else",
};

void bench_print_host(const Bench *b)
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

void bench_print_tables(Bench *b)
{
        samples_print_head("whole processes, ms");
        for (size_t i = 0; i < WHOLES; i++)
                if (!b->absent[i])
                        samples_print(whole_names[i], &b->samples[i]);
        samples_print_head("in a running process, ms");
        samples_print("the library, one jail after another", &b->library_samples);
        samples_print("the library, in a jail that was there before", &b->warm_samples);
        samples_print("… from hand-over to reaped", &b->warm_reaped);
        samples_print("the floor", &b->floor_samples);
        samples_print("the policy read and compiled", &b->policy_compiled);
        samples_print("the policy as it was kept", &b->policy_kept);
        steps_print(&b->steps, false);
        steps_print(&b->warm_steps, true);

        printf("\ntwo at a time, runs per second: the library %.0f, skep-jail %.0f, bubblewrap %.0f\n", b->library_rate,
               b->rates[SKEP_JAIL], b->rates[BUBBLEWRAP]);

        waiting_print_head();
        waiting_print(whole_names[SKEP_JAIL], &b->waiting[SKEP_JAIL]);
        if (!b->absent[BUBBLEWRAP])
                waiting_print(whole_names[BUBBLEWRAP], &b->waiting[BUBBLEWRAP]);
}

void bench_print_targets(Bench *b)
{
        const Waiting *ours = &b->waiting[SKEP_JAIL], *theirs = &b->waiting[BUBBLEWRAP];

        printf("\n");
        print_ratio("median, the library / the floor", &b->library_samples, &b->floor_samples, 1.3);
        print_ratio("median, skep-jail / crun", &b->samples[SKEP_JAIL], &b->samples[CRUN], 0.25);
        if (b->absent[BUBBLEWRAP])
                return;
        print_ratio("median, warm, hand-over to reaped / bubblewrap", &b->warm_reaped, &b->samples[BUBBLEWRAP], 0.15);
        print_ratio("median, skep-jail / bubblewrap", &b->samples[SKEP_JAIL], &b->samples[BUBBLEWRAP], 0.55);
        print_target("two at a time, the library / bubblewrap", b->library_rate / b->rates[BUBBLEWRAP], 1.5, false);
        print_target("waiting, RSS, skep-jail / bubblewrap", (double)ours->rss_bytes / (double)theirs->rss_bytes, 1,
                     true);
        print_target("waiting, PSS, skep-jail / bubblewrap", (double)ours->pss_bytes / (double)theirs->pss_bytes, 1,
                     true);
        print_target("waiting, CPU time in us, above bubblewrap's",
                     ((double)ours->cpu_nsec - (double)theirs->cpu_nsec) / 1000, 0, true);
}
