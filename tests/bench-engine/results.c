/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/bench-engine/results.h"

#include "engine/base/cleanup.h"

void results_add(Results *results, Result result)
{
        if (results->n < ELEMENTS(results->list))
                results->list[results->n++] = result;
}

static void print_number(double number, bool is_there)
{
        if (is_there)
                printf(" %10.*f", number < 10 ? 2 : number < 1000 ? 1 : 0, number);
        else
                printf(" %10s", "-");
}

static void print(const Result *r)
{
        bool judged = !r->ratio || r->theirs > 0;
        double value = r->ratio && judged ? r->ours / r->theirs : r->ours;
        bool reached = r->at_most ? value <= r->bound : value >= r->bound;

        printf("%-66s", r->name);
        print_number(r->ours, true);
        print_number(r->theirs, r->theirs > 0);
        print_number(r->theirs > 0 ? r->ours / r->theirs : 0, r->theirs > 0);
        printf("  %-8s  %s %g%s  %s\n", r->unit, r->at_most ? "at most" : "at least", r->bound, r->ratio ? " times" : "",
               !judged ? "not judged" : reached ? "reached" : "missed");
}

void results_print(const Results *results)
{
        printf("\n%-66s %10s %10s %10s  %-8s  %s\n", "", "measured", "peer", "ratio", "", "target");
        for (size_t i = 0; i < results->n; i++)
                print(&results->list[i]);
}
