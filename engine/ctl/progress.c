/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "engine/ctl/progress.h"

#include "engine/base/cleanup.h"
#include "engine/base/clock.h"
#include "engine/ctl/amount.h"

#define WAIT_USEC (UINT64_C(500) * USEC_PER_MSEC) /* what is done by then needs no line */
#define REDRAW_USEC (UINT64_C(100) * USEC_PER_MSEC)
#define BAR 30

Progress progress_begin(const char *what)
{
        return (Progress){.what = what, .enabled = isatty(2), .begun_usec = monotonic_usec()};
}

void progress_show(Progress *p, size_t done, size_t all)
{
        uint64_t now = p->enabled ? monotonic_usec() : 0;

        if (!p->enabled || all < 2 || now - p->begun_usec < WAIT_USEC || now - p->drawn_usec < REDRAW_USEC)
                return;
        size_t full = (size_t)((double)done / (double)all * BAR);
        char bar[BAR + 1];
        for (size_t i = 0; i < BAR; i++)
                bar[i] = i < full ? '#' : '.';
        bar[BAR] = '\0';
        uint64_t spent = now - p->begun_usec;
        fprintf(stderr, "\r%s [%s] %zu of %zu, %s", p->what, bar, done, all, amount_duration(spent).text);
        if (done > 0 && done < all)
                fprintf(stderr, ", some %s to go",
                        amount_duration((uint64_t)((double)spent / (double)done * (double)(all - done))).text);
        fputs("\033[K", stderr);
        fflush(stderr);
        p->drawn_usec = now;
        p->shown = true;
}

void progress_clear(Progress *p)
{
        if (p->shown)
                fputs("\r\033[K", stderr);
        p->shown = false;
}
