/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/bench/samples.h"

#include "engine/base/clock.h"

#define BUCKETS 12 /* below 1 ms, 2 ms, … 1 s, and the rest */

void samples_done(Samples *s)
{
        free(s->usec);
        *s = (Samples){0};
}

void samples_add(Samples *s, uint64_t usec, uint64_t cpu_usec)
{
        if (s->n == s->room) {
                s->room = s->room ? s->room * 2 : 256;
                s->usec = realloc(s->usec, s->room * sizeof *s->usec);
                if (!s->usec) {
                        fprintf(stderr, "bench: out of memory\n");
                        exit(1);
                }
        }
        s->usec[s->n++] = usec;
        s->cpu_usec += cpu_usec;
}

static int compare(const void *a, const void *b)
{
        uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

        return (x > y) - (x < y);
}

double samples_msec(Samples *s, unsigned permille)
{
        if (s->n == 0)
                return 0;
        qsort(s->usec, s->n, sizeof *s->usec, compare);
        size_t at = s->n * permille / 1000;
        return (double)s->usec[at < s->n ? at : s->n - 1] / USEC_PER_MSEC;
}

double samples_cpu_msec(const Samples *s)
{
        return s->n ? (double)s->cpu_usec / (double)s->n / USEC_PER_MSEC : 0;
}

void samples_print_head(const char *title)
{
        printf("\n%-44s %6s %8s %8s %8s %8s %8s %9s\n", title, "runs", "5 %", "median", "95 %", "99 %", "max",
               "CPU time");
}

void samples_print(const char *name, Samples *s)
{
        printf("%-44s %6zu %8.2f %8.2f %8.2f %8.2f %8.2f %9.2f\n", name, s->n, samples_msec(s, 50),
               samples_msec(s, 500), samples_msec(s, 950), samples_msec(s, 990), samples_msec(s, 1000),
               samples_cpu_msec(s));
}

void samples_print_histogram_head(void)
{
        for (size_t i = 0; i < BUCKETS - 1; i++)
                printf(" %4d ms", 1 << i);
        printf("  longer\n");
}

void samples_print_histogram(const char *name, const Samples *s)
{
        size_t counts[BUCKETS] = {0};

        for (size_t i = 0; i < s->n; i++) {
                size_t bucket = 0;
                while (bucket < BUCKETS - 1 && s->usec[i] >= USEC_PER_MSEC << bucket)
                        bucket++;
                counts[bucket]++;
        }
        printf("%-10s", name);
        for (size_t i = 0; i < BUCKETS; i++)
                printf(" %7zu", counts[i]);
        printf("\n");
}
