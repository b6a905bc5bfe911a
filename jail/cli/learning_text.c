/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The policy as it is written: what was learnt, a description of where from, and limits with room. */

#include "engine/base/clock.h"
#include "engine/base/name.h"
#include "engine/base/strv.h"
#include "jail/cli/learning.h"
#include "jail/policy.h"

static uint64_t round_up(uint64_t amount, uint64_t step)
{
        return (amount + step - 1) / step * step;
}

static void limit_to(uint64_t *limit, uint64_t amount)
{
        if (amount < *limit)
                *limit = amount;
}

/* What the command line says, else what the runs have used and as much again, else what the base has. */
static JailLimits decide_limits(const Learning *l)
{
        JailLimits limits = *jail_policy_limits(l->base), wanted = l->options->limits;
        const JailReport *used = &l->used;
        const uint64_t mib = UINT64_C(1) << 20, wall_min = 10 * USEC_PER_SECOND;

        if (used->memory_peak_bytes != JAIL_UNKNOWN)
                limit_to(&limits.memory_bytes, round_up(2 * used->memory_peak_bytes, 16 * mib));
        if (used->pids_peak != JAIL_UNKNOWN)
                limit_to(&limits.pids, 2 * used->pids_peak + 2);
        if (used->wall_usec != JAIL_UNKNOWN)
                limit_to(&limits.wall_usec, wall_min + round_up(10 * used->wall_usec, USEC_PER_SECOND));
        limit_to(&limits.output_bytes, round_up(2 * used->stdout_bytes + 1, mib));
        jail_limits_default(&wanted, &limits);
        return wanted;
}

/* An image may have one of its own. */
static char *command_words(const Learning *l)
{
        char *text = NULL;

        if (l->options->command[0])
                return strv_join(l->options->command, " ");
        return asprintf(&text, "the command of %s", job_options_root(l->options, l->base)) < 0 ? NULL : text;
}

static char *describe(const Learning *l)
{
        _cleanup_free_ char *words = command_words(l), *command = words ? name_escape(words) : NULL;
        bool same = l->comparison.output <= LIKE_IN_ANY_ORDER;
        char *text = NULL;

        if (!command || asprintf(&text, "learnt from: %s%s%s", command,
                                 same ? "" : "; its output, not the same in each run, was not compared",
                                 l->sometimes ? "; some of the system calls are needed in some runs only" : "") < 0)
                return NULL;
        return text;
}

int learning_write(Learning *l, Error *e)
{
        const JailLimits defaults = decide_limits(l);
        /* Nobody may ask for more than under what this started from. */
        const DraftLimits limits = {&defaults, &l->base->ceilings};
        _cleanup_free_ char *description = describe(l);

        free(l->text);
        l->text = description ? draft_text(&l->draft, l->groups, &limits, description) : NULL;
        return l->text ? 0 : error_oom(e);
}
