/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* First what no recording has seen used goes, all at once; if the command needs some of it after all, halves of it, and
 * halves of those.
 *
 * Of what is left, most is needed, so that halves would only fail: each item is tried alone. These trials do not depend
 * on each other, and some run at the same time. What could be spared alone is then taken out together, by halves where
 * that is too much. A round in which nothing could be spared ends it, and is the proof: it has tried each item that is
 * left. More than one round is needed since a program that is refused one call may go another way, on which it needs
 * no second one. */

#include "jail/cli/minimise.h"

#include <errno.h>
#include <string.h>

#define BATCH ((size_t)16) /* trials that are prepared together */

static void show(const Minimiser *m, const char *what, size_t done, size_t n)
{
        if (m->progress)
                fprintf(stderr, "\r\033[Kskep-jail learn: %s: %zu of %zu, %llu runs", what, done, n,
                        (unsigned long long)m->trials->runs);
}

static void trials_done(Trial *list, size_t n)
{
        for (size_t i = 0; i < n; i++)
                trial_done(&list[i]);
}

/* A set that is no policy (without execve, say) is one under which the command fails. */
static void make_policy(const Minimiser *m, Trial *t, const size_t *without, size_t n)
{
        _cleanup_error_ Error e = ERROR_NULL;

        if (draft_policy(m->draft, without, n, &t->policy, &e) < 0)
                t->policy = NULL;
}

static bool passed(Minimiser *m, const Trial *t)
{
        if (!t->policy || !behaviour_equals(&t->behaviour, m->expected, &m->comparison))
                return false;
        trial_add_refused(t, m->spared);
        return true;
}

/* Takes the items out where the command can do without all of them, else each half of them. `*dropped` counts. */
static int drop(Minimiser *m, const size_t *items, size_t n, size_t *dropped, Error *e)
{
        Trial trial = {.watch = JAIL_WATCH_COUNT};

        if (n == 0)
                return 0;
        make_policy(m, &trial, items, n);
        int r = trials_run(m->trials, &trial, 1, e);
        bool spared = r >= 0 && passed(m, &trial);
        trial_done(&trial);
        if (r < 0)
                return r;
        if (spared) {
                for (size_t i = 0; i < n; i++)
                        m->draft->items[items[i]].in = false;
                *dropped += n;
                return 0;
        }
        if (n == 1)
                return 0;
        show(m, "taking out what was not used", 0, n);
        if ((r = drop(m, items, n / 2, dropped, e)) < 0)
                return r;
        return drop(m, items + n / 2, n - n / 2, dropped, e);
}

static size_t list_items(const Draft *d, bool unused_only, size_t *ret)
{
        size_t n = 0;

        for (size_t i = 0; i < d->n_items; i++)
                if (d->items[i].in && !(unused_only && d->items[i].used))
                        ret[n++] = i;
        return n;
}

/* Tries each item alone; those that can be spared come to the front of the list. */
static int try_each(Minimiser *m, size_t *items, size_t n, size_t *ret_spared, Error *e)
{
        _cleanup_free_ Trial *list = calloc(BATCH, sizeof *list);
        size_t spared = 0;

        if (!list)
                return error_oom(e);
        for (size_t at = 0; at < n; at += BATCH) {
                size_t count = n - at < BATCH ? n - at : BATCH;
                memset(list, 0, count * sizeof *list);
                for (size_t i = 0; i < count; i++)
                        make_policy(m, &list[i], &items[at + i], 1);
                show(m, "trying each line", at, n);
                int r = trials_run(m->trials, list, count, e);
                for (size_t i = 0; r >= 0 && i < count; i++)
                        if (passed(m, &list[i])) {
                                size_t item = items[at + i];
                                items[at + i] = items[spared];
                                items[spared++] = item;
                        }
                trials_done(list, count);
                if (r < 0)
                        return r;
        }
        *ret_spared = spared;
        return 0;
}

int minimise(Minimiser *m, Error *e)
{
        size_t total = m->draft->n_items, dropped = 0, spared;
        _cleanup_free_ size_t *items = calloc(total + 1, sizeof *items);

        if (!items)
                return error_oom(e);
        int r = drop(m, items, list_items(m->draft, true, items), &dropped, e);
        do {
                size_t n = list_items(m->draft, false, items);
                dropped = spared = 0;
                if (r >= 0)
                        r = try_each(m, items, n, &spared, e);
                if (r >= 0)
                        r = drop(m, items, spared, &dropped, e);
        } while (r >= 0 && dropped > 0);
        m->settled = r >= 0 && spared == 0;
        if (m->progress)
                fputs("\r\033[K", stderr);
        return r;
}
