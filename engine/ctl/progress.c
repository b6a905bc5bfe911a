/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "engine/ctl/progress.h"

#include "engine/base/cleanup.h"
#include "engine/base/clock.h"
#include "engine/base/name.h"
#include "engine/ctl/amount.h"
#include "engine/ctl/print.h"
#include "engine/ctl/width.h"

#include <sys/ioctl.h>

#define WAIT_USEC (UINT64_C(500) * USEC_PER_MSEC) /* what is done by then needs no line */
#define REDRAW_USEC (UINT64_C(100) * USEC_PER_MSEC)
#define BAR 30
#define COLUMNS_DEFAULT 79
#define SENTENCE_MAX 200

Progress progress_begin(const char *what)
{
        return (Progress){.what = what, .enabled = obeys_sequences(2), .begun_usec = monotonic_usec()};
}

/* In one row: what is longer would not be drawn over the next time. */
static void draw(Progress *p, const char *text)
{
        struct winsize size;
        size_t columns = ioctl(2, TIOCGWINSZ, &size) == 0 && size.ws_col > 1 ? size.ws_col - 1U : COLUMNS_DEFAULT;

        fprintf(stderr, "\r%.*s\033[K", (int)width_fit(text, columns), text);
        fflush(stderr);
        p->shown = true;
}

void progress_show(Progress *p, size_t done, size_t all)
{
        uint64_t now = p->enabled ? monotonic_usec() : 0, spent = now - p->begun_usec;
        _cleanup_free_ char *text = NULL;
        AmountText left = {""};
        char bar[BAR + 1];

        if (!p->enabled || all < 2 || spent < WAIT_USEC || now - p->drawn_usec < REDRAW_USEC)
                return;
        for (size_t i = 0; i < BAR; i++)
                bar[i] = i < (size_t)((double)done / (double)all * BAR) ? '#' : '.';
        bar[BAR] = '\0';
        if (done > 0 && done < all)
                left = amount_duration((uint64_t)((double)spent / (double)done * (double)(all - done)));
        if (asprintf(&text, "%s [%s] %zu of %zu, %s%s%s%s", p->what, bar, done, all, amount_duration(spent).text,
                     *left.text ? ", some " : "", left.text, *left.text ? " to go" : "") < 0) {
                text = NULL;
                return;
        }
        draw(p, text);
        p->drawn_usec = now;
}

void progress_say(Progress *p, const char *sentence)
{
        _cleanup_free_ char *escaped = p->enabled ? text_escape(sentence, SENTENCE_MAX) : NULL, *text = NULL;

        if (!escaped ||
            asprintf(&text, "%s %s: %s", p->what, amount_duration(monotonic_usec() - p->begun_usec).text, escaped) < 0)
                text = NULL;
        else
                draw(p, text);
}

void progress_clear(Progress *p)
{
        if (p->shown)
                fputs("\r\033[K", stderr);
        p->shown = false;
}
