/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A filter is a program of classic BPF that jumps forward only (Documentation/networking/filter.rst), over the fields
 * of struct seccomp_data. It is run here as in the kernel; and it is walked with a known call and unknown arguments,
 * along both ways of every comparison, to find what it compares them with. */

#include "jail/filter_reading.h"

#include "engine/base/cleanup.h"

#include <errno.h>
#include <linux/filter.h>
#include <seccomp.h>
#include <stddef.h>
#include <string.h>

#define POINTS_MAX (UINT64_C(1) << 20)
#define COMBINED_MAX 1024 /* values of an argument, put together of parts */
#define WORD_MAX UINT64_C(0xffffffff)
/* A word of 32 bits among the fields; the arguments are six times two, the lower half first on the machines that we
 * build for. */
#define WORDS (sizeof(struct seccomp_data) / sizeof(uint32_t))
#define FIRST_ARGUMENT_WORD (offsetof(struct seccomp_data, args) / sizeof(uint32_t))

static const struct sock_filter *program_of(const JailPolicy *policy, size_t *ret_length)
{
        *ret_length = policy->filter_size / sizeof(struct sock_filter);
        return policy->filter;
}

/* All that filters are made of, by libseccomp and by us: anything else is not understood. */
static bool is_known(const struct sock_filter *i)
{
        switch (BPF_CLASS(i->code)) {
        case BPF_LD:
                return i->code == (BPF_LD | BPF_W | BPF_ABS) && i->k / sizeof(uint32_t) < WORDS;
        case BPF_ALU:
                return i->code == (BPF_ALU | BPF_AND | BPF_K);
        case BPF_JMP:
                return BPF_SRC(i->code) == BPF_K;
        default:
                return i->code == (BPF_RET | BPF_K);
        }
}

static bool compare(uint16_t code, uint32_t a, uint32_t k)
{
        switch (BPF_OP(code)) {
        case BPF_JEQ:
                return a == k;
        case BPF_JGT:
                return a > k;
        case BPF_JGE:
                return a >= k;
        default: /* BPF_JSET */
                return a & k;
        }
}

/* The answer to one call: SECCOMP_RET_…. A program that is not understood answers SECCOMP_RET_KILL_PROCESS. */
static uint32_t filter_answer(const JailPolicy *policy, const struct seccomp_data *call)
{
        uint32_t words[WORDS], a = 0;
        size_t length;
        const struct sock_filter *program = program_of(policy, &length);

        memcpy(words, call, sizeof words);
        for (size_t at = 0; at < length; at++) {
                const struct sock_filter *i = &program[at];
                if (!is_known(i))
                        break;
                switch (BPF_CLASS(i->code)) {
                case BPF_LD:
                        a = words[i->k / sizeof(uint32_t)];
                        break;
                case BPF_ALU:
                        a &= i->k;
                        break;
                case BPF_JMP:
                        at += BPF_OP(i->code) == BPF_JA ? i->k : compare(i->code, a, i->k) ? i->jt : i->jf;
                        break;
                default:
                        return i->k;
                }
        }
        return SECCOMP_RET_KILL_PROCESS;
}

static bool is_allowing(uint32_t answer)
{
        uint32_t action = answer & SECCOMP_RET_ACTION_FULL;

        return action == SECCOMP_RET_ALLOW || action == SECCOMP_RET_LOG;
}

bool filter_allows(const JailPolicy *policy, const struct seccomp_data *call)
{
        return is_allowing(filter_answer(policy, call));
}

bool filter_allows_number(const JailPolicy *policy, unsigned number)
{
        return filter_allows(policy, &(struct seccomp_data){.nr = (int)number, .arch = seccomp_arch_native()});
}

/* ---- what the arguments are compared with ---- */

/* The accumulator on the walk: a value that is known, or a word of an argument under a mask. */
typedef struct Known {
        bool is_known;
        uint32_t value; /* or the mask */
        unsigned word;
} Known;

typedef struct Walk {
        const struct sock_filter *program;
        size_t length;
        uint32_t number;
        Known *seen; /* by instruction: what the accumulator was when it was last walked from there */
        bool *visited;
        uint64_t *words[FILTER_ARGUMENTS * 2]; /* owned: the values that each was compared with */
        size_t n[FILTER_ARGUMENTS * 2];
        uint64_t *masks[FILTER_ARGUMENTS * 2]; /* owned: those of them that leave something out */
        size_t n_masks[FILTER_ARGUMENTS * 2];
        bool allows, refuses; /* an answer of that kind was reached, or what is not understood, which may be either */
        uint32_t refusal;     /* the first that was reached */
} Walk;

static void reach(Walk *w, const struct sock_filter *i)
{
        bool understood = i && BPF_CLASS(i->code) == BPF_RET && is_known(i), allowing = understood && is_allowing(i->k);

        w->allows |= !understood || allowing;
        if ((!understood || !allowing) && !w->refuses) {
                w->refuses = true;
                w->refusal = understood ? i->k : SECCOMP_RET_KILL_PROCESS;
        }
}

static int add_value(uint64_t **values, size_t *n, uint64_t value)
{
        for (size_t i = 0; i < *n; i++)
                if ((*values)[i] == value)
                        return 0;
        uint64_t *more = reallocarray(*values, *n + 1, sizeof **values);
        if (!more)
                return -ENOMEM;
        *values = more;
        more[(*n)++] = value;
        return 0;
}

/* Values on both sides of the comparison, with the bits that the mask leaves out unset and set, and with each of those
 * that it looks at turned. */
static int add_comparison(Walk *w, Known a, uint32_t k)
{
        unsigned index = a.word - FIRST_ARGUMENT_WORD;
        uint64_t candidates[5 + 32] = {k, k | ~a.value, (uint32_t)(k + 1), (uint32_t)(k - 1), 0};
        size_t n = 5;
        int r = 0;

        for (unsigned bit = 0; a.value != WORD_MAX && bit < 32; bit++)
                if (a.value & (UINT32_C(1) << bit))
                        candidates[n++] = k ^ (UINT32_C(1) << bit);
        for (size_t i = 0; r >= 0 && i < n; i++)
                r = add_value(&w->words[index], &w->n[index], candidates[i] & WORD_MAX);
        if (r >= 0 && a.value != WORD_MAX)
                r = add_value(&w->masks[index], &w->n_masks[index], a.value);
        return r;
}

static int walk(Walk *w, size_t at, Known a)
{
        for (;; at++) {
                if (at >= w->length) {
                        reach(w, NULL);
                        return 0;
                }
                if (w->visited[at] && w->seen[at].is_known == a.is_known && w->seen[at].value == a.value &&
                    w->seen[at].word == a.word)
                        return 0;
                w->visited[at] = true;
                w->seen[at] = a;
                const struct sock_filter *i = &w->program[at];
                if (!is_known(i)) {
                        reach(w, i);
                        return 0;
                }
                switch (BPF_CLASS(i->code)) {
                case BPF_LD:
                        a = (Known){.word = i->k / sizeof(uint32_t), .value = (uint32_t)WORD_MAX};
                        if (i->k == offsetof(struct seccomp_data, nr)) {
                                a = (Known){.is_known = true, .value = w->number};
                        } else if (i->k == offsetof(struct seccomp_data, arch)) {
                                a = (Known){.is_known = true, .value = seccomp_arch_native()};
                        } else if (a.word < FIRST_ARGUMENT_WORD) {
                                reach(w, NULL);
                                return 0;
                        }
                        break;
                case BPF_ALU:
                        a.value &= i->k;
                        if (a.value == 0)
                                a = (Known){.is_known = true};
                        break;
                case BPF_JMP: {
                        if (BPF_OP(i->code) == BPF_JA) {
                                at += i->k;
                                break;
                        }
                        if (a.is_known) {
                                at += compare(i->code, a.value, i->k) ? i->jt : i->jf;
                                break;
                        }
                        int r = add_comparison(w, a, i->k);
                        if (r >= 0)
                                r = walk(w, at + 1 + i->jt, a);
                        if (r < 0)
                                return r;
                        at += i->jf;
                        break;
                }
                default:
                        reach(w, i);
                        return 0;
                }
        }
}

static int compare_values(const void *a, const void *b)
{
        uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

        return x < y ? -1 : x > y;
}

/* Every lower half with every upper half; a half that is not looked at is 0. */
static int join_halves(const Walk *w, FilterValues *values)
{
        static const uint64_t none[] = {0};
        int r = 0;

        for (unsigned i = 0; i < FILTER_ARGUMENTS; i++) {
                const uint64_t *low = w->n[2 * i] ? w->words[2 * i] : none,
                               *high = w->n[2 * i + 1] ? w->words[2 * i + 1] : none;
                size_t n_low = w->n[2 * i], n_high = w->n[2 * i + 1];
                if (n_low + n_high == 0)
                        continue;
                for (size_t k = 0; k < (n_low ? n_low : 1) && r >= 0; k++)
                        for (size_t m = 0; m < (n_high ? n_high : 1) && r >= 0; m++)
                                r = add_value(&values->values[i], &values->n[i], high[m] << 32 | low[k]);
                qsort(values->values[i], values->n[i], sizeof(uint64_t), compare_values);
        }
        for (unsigned i = 0; i < FILTER_ARGUMENTS * 2; i++)
                for (size_t k = 0; k < w->n_masks[i] && r >= 0; k++)
                        r = add_value(&values->masks[i / 2], &values->n_masks[i / 2], w->masks[i][k] << i % 2 * 32);
        return r;
}

/* Along all ways that the call of that number can take, and perhaps some that it cannot. */
static int walk_call(Walk *w, const JailPolicy *policy, unsigned number)
{
        *w = (Walk){.number = number};
        w->program = program_of(policy, &w->length);
        w->seen = calloc(w->length, sizeof *w->seen);
        w->visited = calloc(w->length, sizeof *w->visited);
        return w->seen && w->visited ? walk(w, 0, (Known){.is_known = true}) : -ENOMEM;
}

static void walk_done(Walk *w)
{
        for (size_t i = 0; i < ELEMENTS(w->words); i++) {
                free(w->words[i]);
                free(w->masks[i]);
        }
        free(w->seen);
        free(w->visited);
}

int filter_find_values(const JailPolicy *policy, unsigned number, FilterValues *values)
{
        _cleanup_(walk_done) Walk w;
        int r = walk_call(&w, policy, number);

        return r < 0 ? r : join_halves(&w, values);
}

void filter_values_done(FilterValues *values)
{
        for (size_t i = 0; i < FILTER_ARGUMENTS; i++) {
                free(values->values[i]);
                free(values->masks[i]);
        }
        *values = (FilterValues){0};
}

/* ---- one call with all arguments that may matter ---- */

/* A call with arguments that are counted through, all combinations of their values. */
typedef struct Points {
        const FilterValues *values;
        size_t index[FILTER_ARGUMENTS];
        struct seccomp_data call;
} Points;

static bool points_start(Points *p, const FilterValues *values, unsigned number)
{
        uint64_t n = 1;

        *p = (Points){.values = values, .call = {.nr = (int)number, .arch = seccomp_arch_native()}};
        for (size_t i = 0; i < FILTER_ARGUMENTS && n <= POINTS_MAX; i++)
                if (values->n[i] > 0) {
                        n *= values->n[i];
                        p->call.args[i] = values->values[i][0];
                }
        return n <= POINTS_MAX;
}

static bool points_next(Points *p)
{
        for (size_t i = 0; i < FILTER_ARGUMENTS; i++) {
                size_t n = p->values->n[i];
                if (n == 0)
                        continue;
                p->index[i] = (p->index[i] + 1) % n;
                p->call.args[i] = p->values->values[i][p->index[i]];
                if (p->index[i] > 0)
                        return true;
        }
        return false;
}

/* By the ways and not by the points: what no point shows may be so all the same, where several comparisons with one
 * argument have to come out together. */
int filter_fate(const JailPolicy *policy, unsigned number, FilterFate *ret, uint32_t *ret_refusal)
{
        _cleanup_(walk_done) Walk w;
        int r = walk_call(&w, policy, number);

        if (r < 0)
                return r;
        *ret = w.allows && w.refuses ? FILTER_NARROWS : w.allows ? FILTER_ALLOWS : FILTER_REFUSES;
        *ret_refusal = w.refusal;
        return 0;
}

/* To each value what every other one is under this mask. */
static int combine_by_mask(FilterValues *values, unsigned argument, uint64_t mask)
{
        _cleanup_free_ uint64_t *parts = NULL;
        size_t n = values->n[argument], n_parts = 0;
        int r = 0;

        for (size_t i = 0; r >= 0 && i < n; i++)
                r = add_value(&parts, &n_parts, values->values[argument][i] & mask);
        for (size_t i = 0; i < n; i++)
                for (size_t k = 0; r >= 0 && k < n_parts && values->n[argument] < COMBINED_MAX; k++)
                        r = add_value(&values->values[argument], &values->n[argument],
                                      (values->values[argument][i] & ~mask) | parts[k]);
        return r;
}

/* Where several comparisons look at a part of an argument each, one value has to fit them all. False in `*ret_all`: there
 * are too many of them. */
static int combine(FilterValues *values, bool *ret_all)
{
        int r = 0;

        *ret_all = true;
        for (unsigned i = 0; i < FILTER_ARGUMENTS; i++) {
                if (values->n_masks[i] < 2)
                        continue;
                for (size_t k = 0; r >= 0 && k < values->n_masks[i]; k++)
                        r = combine_by_mask(values, i, values->masks[i][k]);
                *ret_all &= values->n[i] < COMBINED_MAX;
        }
        return r;
}

static int find_values_of_both(const JailPolicy *a, const JailPolicy *b, unsigned number, FilterValues *values)
{
        int r = filter_find_values(a, number, values);

        return r < 0 ? r : filter_find_values(b, number, values);
}

int filter_compare(const JailPolicy *a, const JailPolicy *b, unsigned number, bool *ret_only_a, bool *ret_only_b)
{
        _cleanup_(filter_values_done) FilterValues values = {0}, combined = {0};
        bool all;
        Points p;
        int r = find_values_of_both(a, b, number, &values);

        if (r >= 0)
                r = find_values_of_both(a, b, number, &combined);
        if (r >= 0)
                r = combine(&combined, &all);
        if (r < 0)
                return r;
        *ret_only_a = *ret_only_b = (!all || !points_start(&p, &combined, number)) && !points_start(&p, &values, number);
        do {
                bool by_a = filter_allows(a, &p.call), by_b = filter_allows(b, &p.call);
                *ret_only_a |= by_a && !by_b;
                *ret_only_b |= by_b && !by_a;
        } while (!(*ret_only_a && *ret_only_b) && points_next(&p));
        return 0;
}
