/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "jail/cli/learning.h"

#include "engine/base/clock.h"
#include "engine/base/name.h"
#include "engine/base/strv.h"
#include "jail/syscall_groups.h"

#include <string.h>

#define ROUNDS_MAX 8   /* of recording */
#define ATTEMPTS_MAX 5 /* at a proof */

void learning_done(Learning *l)
{
        jail_policy_unref(l->base);
        json_object_put(l->groups);
        draft_done(&l->draft);
        findings_done(&l->findings);
        free(l->text);
}

/* ---- the runs ---- */

/* What the command itself said of it, and the sentence. */
static int failed(const Learning *l, const Trial *t, const char *when, Error *e)
{
        fwrite(t->tail, 1, t->tail_size, stderr);
        if (t->report.message)
                return error_set(e, -ECANCELED, "%s, the command did not run: %s", when, t->report.message);
        if (!t->behaviour.ended)
                return error_set(e, -ECANCELED, "%s, the command was ended: %s", when,
                                 jail_reason_name(t->report.reason));
        return error_set(e, -ECANCELED,
                         "%s, the command ended with %d and not with %d; if that is as it should be, say --expect %d",
                         when, t->behaviour.status, l->expected_status, t->behaviour.status);
}

static bool as_expected(const Learning *l, const Trial *t)
{
        return t->behaviour.ended && t->behaviour.status == l->expected_status;
}

static void use_most(uint64_t *most, uint64_t amount)
{
        if (amount != JAIL_UNKNOWN && (*most == JAIL_UNKNOWN || amount > *most))
                *most = amount;
}

static void take_usage(Learning *l, const JailReport *report)
{
        use_most(&l->used.memory_peak_bytes, report->memory_peak_bytes);
        use_most(&l->used.pids_peak, report->pids_peak);
        use_most(&l->used.wall_usec, report->wall_usec);
        use_most(&l->used.stdout_bytes, report->stdout_bytes + report->stderr_bytes);
}

/* One recording. `*ret_again`: it has found something that may lead further. */
static int record_once(Learning *l, Trial *t, bool *ret_again, Error *e)
{
        const char *program = l->options->command[0];
        int r = draft_policy(&l->draft, NULL, 0, &t->policy, e);

        if (r >= 0)
                r = trials_run(&l->trials, t, 1, e);
        if (r < 0)
                return r;
        if (t->report.reason == JAIL_EXEC_FAILED && program[0] == '/')
                findings_add_missed(&l->findings, program, true, true);
        return findings_use(&l->findings, &l->draft, ret_again) < 0 ? error_oom(e) : 0;
}

static int record(Learning *l, Error *e)
{
        bool again = true;

        for (int round = 0; again; round++) {
                _cleanup_(trial_done) Trial t = {.watch = JAIL_WATCH_RECORD, .findings = &l->findings};
                int r = record_once(l, &t, &again, e);
                if (r < 0)
                        return r;
                if (again && round + 1 == ROUNDS_MAX)
                        return error_set(e, -ELOOP, "after %d recordings the command still looks for new paths",
                                         ROUNDS_MAX);
                if (!again && !as_expected(l, &t))
                        return failed(l, &t, "while it was recorded", e);
        }
        return 0;
}

/* How it behaves when nobody looks at its calls, and which part of that is worth comparing. */
static int observe(Learning *l, Error *e)
{
        Trial runs[2] = {{.watch = JAIL_WATCH_COUNT}, {.watch = JAIL_WATCH_COUNT}};
        const Behaviour *a = &runs[0].behaviour, *b = &runs[1].behaviour;
        int r = draft_policy(&l->draft, NULL, 0, &runs[0].policy, e);

        if (r < 0)
                return r;
        runs[1].policy = jail_policy_ref(runs[0].policy);
        r = trials_run(&l->trials, runs, 2, e);
        for (int i = 0; r >= 0 && i < 2; i++) {
                take_usage(l, &runs[i].report);
                if (!as_expected(l, &runs[i]))
                        r = failed(l, &runs[i], "with what was recorded", e);
        }
        l->expected = *a;
        l->comparison = (Comparison){
                .output = strcmp(a->output, b->output) == 0,
                .errors = strcmp(a->errors, b->errors) == 0,
                .files = strcmp(a->files, b->files) == 0,
        };
        /* What is refused a call may wait for ever. */
        l->trials.wall_usec = l->used.wall_usec * 10 + 2 * USEC_PER_SECOND;
        trial_done(&runs[0]);
        trial_done(&runs[1]);
        return r;
}

/* ---- the policy ---- */

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

static char *describe(const Learning *l)
{
        _cleanup_free_ char *words = strv_join(l->options->command, " "), *command = words ? name_escape(words) : NULL;
        char *text = NULL;

        if (!command || asprintf(&text, "learnt from: %s%s%s", command,
                                 l->comparison.output ? "" : "; its output, not the same in each run, was not compared",
                                 l->sometimes ? "; some of the system calls are needed in some runs only" : "") < 0)
                return NULL;
        return text;
}

static int write_text(Learning *l, Error *e)
{
        const JailLimits limits = decide_limits(l);
        _cleanup_free_ char *description = describe(l);

        free(l->text);
        l->text = description ? draft_text(&l->draft, l->groups, &limits, description) : NULL;
        return l->text ? 0 : error_oom(e);
}

/* A run has failed that passed before: of what it was refused, something is needed, only not every time. That is what
 * no run that passed was refused; or else it could be any of it. */
static bool put_back(Learning *l, const JailReport *report, const bool *spared)
{
        bool any = false;

        for (int i = 0; i < JAIL_SYSCALL_MAX; i++) {
                _cleanup_free_ char *name = report->denied[i] && !spared[i] ? jail_syscall_name(i) : NULL;
                DraftItem *item = name ? draft_find(&l->draft, DRAFT_CALL, name) : NULL;
                if (item && !item->in)
                        any = item->in = true;
        }
        return any;
}

/* What comes of the proofs. `*ret_again`: not all of them have passed, and the draft has more than before. */
static int judge(Learning *l, const Trial *runs, bool *ret_again, Error *e)
{
        const bool none[JAIL_SYSCALL_MAX] = {false};
        const Trial *bad = NULL;

        *ret_again = false;
        memset(l->refused, 0, sizeof l->refused);
        for (int i = 0; i < LEARNING_PROOFS; i++) {
                bool passed = behaviour_equals(&runs[i].behaviour, &l->expected, &l->comparison);
                trial_add_refused(&runs[i], l->refused);
                if (passed)
                        trial_add_refused(&runs[i], l->spared);
                else
                        bad = &runs[i];
        }
        if (!bad)
                return 0;
        *ret_again = l->sometimes = put_back(l, &bad->report, l->spared) || put_back(l, &bad->report, none);
        return *ret_again ? 0 : failed(l, bad, "under the policy that was learnt", e);
}

/* Runs under the text as it stands, and as anybody would who has it. */
static int prove_once(Learning *l, bool *ret_again, Error *e)
{
        Trial runs[LEARNING_PROOFS] = {{NULL}};
        int r = write_text(l, e);

        if (r >= 0)
                r = jail_policy_from_text("learnt", l->text, &runs[0].policy, e);
        for (int i = 1; r >= 0 && i < LEARNING_PROOFS; i++)
                runs[i].policy = jail_policy_ref(runs[0].policy);
        if (r >= 0)
                r = trials_run(&l->trials, runs, LEARNING_PROOFS, e);
        if (r >= 0)
                r = judge(l, runs, ret_again, e);
        for (int i = 0; i < LEARNING_PROOFS; i++)
                trial_done(&runs[i]);
        return r;
}

static int prove(Learning *l, Error *e)
{
        bool again = true;

        l->trials.wall_usec = JAIL_UNLIMITED;
        for (int attempt = 0; again; attempt++) {
                if (attempt == ATTEMPTS_MAX)
                        return error_set(e, -ECANCELED,
                                         "the command needs other system calls in each run: there is no "
                                         "policy that it always passes under");
                int r = prove_once(l, &again, e);
                if (r < 0)
                        return r;
        }
        return 0;
}

/* ---- all of it ---- */

static int prepare(Learning *l, char *const *directories, Error *e)
{
        int r = jail_policy_load(l->options->policy, directories, &l->base, e);

        jail_report_init(&l->used);
        if (r >= 0)
                r = syscall_groups_load(directories, &l->groups, e);
        return r < 0 ? r : draft_from_policy(l->base, &l->draft, e);
}

static int narrow(Learning *l, Error *e)
{
        Minimiser m = {
                .draft = &l->draft,
                .trials = &l->trials,
                .expected = &l->expected,
                .comparison = l->comparison,
                .progress = l->progress,
        };
        int r = minimise(&m, e);

        l->sometimes = !m.settled;
        memcpy(l->spared, m.spared, sizeof l->spared);
        return r;
}

int learning_run(Learning *l, char *const *policy_directories, Error *e)
{
        int r = prepare(l, policy_directories, e);

        if (r < 0 || (r = record(l, e)) < 0 || (r = observe(l, e)) < 0 || (r = narrow(l, e)) < 0)
                return r;
        return prove(l, e);
}
