/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* First what no recording has seen used goes, all at once, with what programs call and can do without as a rule; if the
 * command needs some of it after all, halves of it, and halves of those.
 *
 * Of what is left, most is needed, so that halves would only fail: each item is tried alone. These trials do not depend
 * on each other, and some run at the same time. One that could be spared goes at once; several are taken out together,
 * by halves where that is too much.
 *
 * An item that has failed alone has done so with the others that were in then. A program that is refused one call may
 * go another way, on which it needs no second one: so whenever something has gone, those that failed before are tried
 * again. It ends when each item that is left has failed alone with just the others that are left, which is the proof.
 * To begin with what is most likely to go keeps that rare. */

#include "jail/cli/minimise.h"

#include <errno.h>
#include <string.h>

#define BATCH ((size_t)16) /* trials that are prepared together */

/* These lists say in which order to try, and nothing else. They come from learning what coreutils, shells, interpreters
 * and compilers need. What nine of ten called and could do without: libc calls it when it starts, and tells nobody if
 * that fails. */
static const char *const seldom_needed[] = {
        "/etc/locale.alias",
        "brk",        "clock_gettime", "close_range", "copy_file_range", "fadvise64",   "fchown",
        "fchownat",   "flistxattr",    "fstatfs",     "getgroups",       "getpid",      "getppid",
        "getrandom",  "getrusage",     "gettid",      "ioctl",           "llistxattr",  "madvise",
        "munmap",     "prlimit64",     "readlink",    "rseq",            "rt_sigaction", "sched_getaffinity",
        "set_robust_list", "set_tid_address", "sigaltstack", "statfs",   "uname",
};

/* What most could do without. */
static const char *const rarely_needed[] = {
        "access", "connect", "getegid", "geteuid", "getgid", "getuid", "lseek", "rt_sigprocmask", "socket", "sysinfo",
};

/* And these were needed by nearly all. The first are the least certain. */
static const char *const mostly_needed[] = {
        "newfstatat", "fstat", "getdents64", "dup2", "wait4", "vfork",      "futex",  "pread64",    "read",
        "close",      "write", "openat",     "mmap", "mprotect", "arch_prctl", "execve", "exit_group",
};

typedef enum Odds {
        UNUSED, /* no recording has seen it */
        SELDOM_NEEDED,
        RARELY_NEEDED,
        UNKNOWN,
        MOSTLY_NEEDED, /* and, with what is added to it, its place in that list */
} Odds;

static bool contains(const char *const *list, size_t n, const char *name)
{
        for (size_t i = 0; i < n; i++)
                if (strcmp(list[i], name) == 0)
                        return true;
        return false;
}

static size_t odds(const DraftItem *item)
{
        if (!item->used)
                return UNUSED;
        if (contains(seldom_needed, ELEMENTS(seldom_needed), item->name))
                return SELDOM_NEEDED;
        if (contains(rarely_needed, ELEMENTS(rarely_needed), item->name))
                return RARELY_NEEDED;
        for (size_t i = 0; i < ELEMENTS(mostly_needed); i++)
                if (strcmp(mostly_needed[i], item->name) == 0)
                        return MOSTLY_NEEDED + i;
        return UNKNOWN;
}

/* Where it stands. */
typedef struct Progress {
        Minimiser *m;
        size_t dropped;   /* items: how often the policy has become another */
        size_t *failed;   /* by item: with how many dropped it has failed alone, and one more; 0: it has not */
} Progress;

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

static void take_out(Progress *p, const size_t *items, size_t n)
{
        for (size_t i = 0; i < n; i++)
                p->m->draft->items[items[i]].in = false;
        p->dropped += n;
}

static bool is_settled(const Progress *p, size_t item)
{
        return p->failed[item] == p->dropped + 1;
}

/* Whether the command can do without all of these. What fails may do so by waiting for its limit: the first is the last then. */
static int try_without(Minimiser *m, const size_t *items, size_t n, bool *ret_spared, Error *e)
{
        size_t at_once = m->trials->at_once < BATCH ? m->trials->at_once : BATCH;
        Trial list[BATCH];
        int r = 0;

        *ret_spared = true;
        for (size_t done = 0; r >= 0 && *ret_spared && done < m->runs; done += at_once) {
                size_t now = m->runs - done < at_once ? m->runs - done : at_once;
                memset(list, 0, sizeof list);
                make_policy(m, &list[0], items, n);
                for (size_t i = 1; list[0].policy && i < now; i++)
                        list[i].policy = jail_policy_ref(list[0].policy);
                r = trials_run(m->trials, list, now, e);
                for (size_t i = 0; i < now; i++)
                        *ret_spared &= r >= 0 && passed(m, &list[i]);
                trials_done(list, now);
        }
        return r;
}

/* Takes the items out where the command can do without all of them, else each half of them. */
static int drop(Progress *p, const size_t *items, size_t n, Error *e)
{
        bool spared;

        if (n == 0)
                return 0;
        int r = try_without(p->m, items, n, &spared, e);
        if (r < 0)
                return r;
        if (spared) {
                take_out(p, items, n);
                return 0;
        }
        if (n == 1) {
                p->failed[*items] = p->dropped + 1;
                return 0;
        }
        show(p->m, "taking out what is not needed", 0, n);
        if ((r = drop(p, items, n / 2, e)) < 0)
                return r;
        return drop(p, items + n / 2, n - n / 2, e);
}

/* Tries each item alone, and takes out what can be spared. */
static int try_each(Progress *p, const size_t *items, size_t n, Error *e)
{
        Trial list[BATCH];
        size_t spared[BATCH], n_spared = 0;

        memset(list, 0, n * sizeof *list);
        for (size_t i = 0; i < n; i++)
                make_policy(p->m, &list[i], &items[i], 1);
        int r = trials_run(p->m->trials, list, n, e);
        for (size_t i = 0; r >= 0 && i < n; i++) {
                if (passed(p->m, &list[i]))
                        spared[n_spared++] = items[i];
                else
                        p->failed[items[i]] = p->dropped + 1;
        }
        trials_done(list, n);
        if (r < 0)
                return r;
        /* One alone has just been tried. Of several it cannot be that none goes: then it is a matter of luck. */
        if (n_spared == 1) {
                take_out(p, spared, 1);
                return 0;
        }
        size_t before = p->dropped;
        r = drop(p, spared, n_spared, e);
        p->m->settled &= n_spared == 0 || p->dropped > before;
        return r;
}

/* Those that are in and have not failed with just the others: first what has never failed, and of that the likeliest to
 * go. */
static size_t list_unsettled(const Progress *p, size_t *ret)
{
        const Draft *d = p->m->draft;
        size_t n = 0;

        for (int again = 0; again <= 1; again++)
                for (size_t rank = 0; rank < MOSTLY_NEEDED + ELEMENTS(mostly_needed); rank++)
                        for (size_t i = 0; i < d->n_items; i++)
                                if (d->items[i].in && !is_settled(p, i) && (p->failed[i] > 0) == again &&
                                    odds(&d->items[i]) == rank)
                                        ret[n++] = i;
        return n;
}

/* Takes out what is doubtful: all of it in one run, where that passes, else first what is more doubtful than the
 * rest. */
static int drop_doubtful(Progress *p, size_t *items, Odds odds_max, Error *e)
{
        const Draft *d = p->m->draft;
        size_t n = 0;
        bool spared;

        for (size_t i = 0; i < d->n_items; i++)
                if (d->items[i].in && odds(&d->items[i]) <= odds_max)
                        items[n++] = i;
        if (odds_max == UNUSED)
                return drop(p, items, n, e);
        int r = try_without(p->m, items, n, &spared, e);
        if (r < 0)
                return r;
        if (spared) {
                take_out(p, items, n);
                return 0;
        }
        if ((r = drop_doubtful(p, items, odds_max - 1, e)) < 0)
                return r;
        n = 0;
        for (size_t i = 0; i < d->n_items; i++)
                if (d->items[i].in && odds(&d->items[i]) == odds_max)
                        items[n++] = i;
        return drop(p, items, n, e);
}

static void end_line(const Minimiser *m)
{
        if (m->progress)
                fputs("\r\033[K", stderr);
}

int minimise_items(Minimiser *m, const size_t *items, size_t n, Error *e)
{
        _cleanup_free_ size_t *failed = calloc(m->draft->n_items + 1, sizeof *failed);
        int r = failed ? drop(&(Progress){.m = m, .failed = failed}, items, n, e) : error_oom(e);

        end_line(m);
        return r;
}

int minimise(Minimiser *m, Error *e)
{
        size_t total = m->draft->n_items, n = 0;
        _cleanup_free_ size_t *items = calloc(total + 1, sizeof *items), *failed = calloc(total + 1, sizeof *failed);
        Progress p = {.m = m, .failed = failed};

        if (!items || !failed)
                return error_oom(e);
        m->settled = true;
        int r = drop_doubtful(&p, items, RARELY_NEEDED, e);
        while (r >= 0 && (n = list_unsettled(&p, items)) > 0) {
                show(m, "trying each line", total - p.dropped - n, total - p.dropped);
                /* What may well go is tried by few at a time, so that the next are tried without it. */
                size_t at_once = m->trials->at_once < BATCH ? m->trials->at_once : BATCH;
                bool may_go = odds(&m->draft->items[items[0]]) < MOSTLY_NEEDED && p.failed[items[0]] == 0;
                size_t count = may_go ? at_once : BATCH;
                r = try_each(&p, items, n < count ? n : count, e);
        }
        m->settled &= r >= 0;
        end_line(m);
        return r;
}
