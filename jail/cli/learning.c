/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "jail/cli/learning.h"

#include "engine/base/clock.h"
#include "jail/root_source.h"
#include "jail/syscall_groups.h"

#include <string.h>

/* What a command leaves behind would end with it, at another point each time: what that needs would be a matter of luck. */
#define LINGER_USEC (300 * USEC_PER_MSEC)
#define ROUNDS_MAX 8   /* of recording */
#define ATTEMPTS_MAX 5 /* at a proof */
#define GUESSES_MAX 3  /* so often what was put back without need is looked for */
#define PROOFS_MIN 3
#define PROOFS_MAX 10
#define PROOFS_VARIED 40 /* where not all runs are the same */
#define PROOF_USEC (USEC_PER_SECOND / 2)
#define PROOF_VARIED_USEC (10 * USEC_PER_SECOND)

void learning_done(Learning *l)
{
        jail_policy_unref(l->base);
        jail_policy_unref(l->full);
        json_object_put(l->groups);
        draft_done(&l->draft);
        findings_done(&l->findings);
        free(l->text);
}

/* What the command itself said of it, and the sentence. */
static int failed(const Learning *l, const Trial *t, const char *when, Error *e)
{
        fwrite(t->tail, 1, t->tail_size, stderr);
        if (t->report.message)
                return error_set(e, -ECANCELED, "%s, the command did not run: %s", when, t->report.message);
        if (!t->behaviour.ended)
                return error_set(e, -ECANCELED, "%s, the command was ended: %s", when,
                                 jail_reason_name(t->report.reason));
        if (t->behaviour.status == l->expected_status)
                return error_set(e, -ECANCELED, "%s, the command did not write what it wrote before", when);
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
        l->leaves |= report->left_running;
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
        if (t->report.reason == JAIL_EXEC_FAILED && program && program[0] == '/')
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

static Likeness less(Likeness a, Likeness b)
{
        return a > b ? a : b;
}

/* Compares what has been the same so far. */
static Comparison narrower(const Comparison *c, const Behaviour *a, const Behaviour *b)
{
        return (Comparison){
                .output = less(c->output, written_likeness(&a->output, &b->output)),
                .errors = less(c->errors, written_likeness(&a->errors, &b->errors)),
                .files = c->files && strcmp(a->files, b->files) == 0,
        };
}

/* Some programs do something else once in many runs: so as many as there is time for. */
static size_t runs_that_fit(const Learning *l, uint64_t usec, size_t min, size_t max)
{
        size_t fitting = (size_t)(usec * l->trials.at_once / (l->used.wall_usec + 1));

        return fitting < min ? min : fitting > max ? max : fitting;
}

/* Runs it `n` times with all that was recorded. What is not the same as in `l->expected` is compared no more. */
static int observe_runs(Learning *l, size_t n, const char *when, Error *e)
{
        _cleanup_free_ Trial *runs = calloc(n, sizeof *runs);
        int r = 0;

        if (!runs)
                return error_oom(e);
        for (size_t i = 0; i < n; i++)
                runs[i].policy = jail_policy_ref(l->full);
        r = trials_run(&l->trials, runs, n, e);
        for (size_t i = 0; i < n; i++) {
                if (r >= 0 && !as_expected(l, &runs[i]))
                        r = failed(l, &runs[i], when, e);
                take_usage(l, &runs[i].report);
                l->comparison = narrower(&l->comparison, &l->expected, &runs[i].behaviour);
                trial_done(&runs[i]);
        }
        return r;
}

/* How it behaves when nobody looks at its calls, and which part of that is worth comparing: what is the same each time. */
static int observe(Learning *l, Error *e)
{
        const char *when = "with what was recorded";
        _cleanup_(trial_done) Trial first = {.policy = NULL};
        int r = draft_policy(&l->draft, NULL, 0, &l->full, e);

        if (r < 0)
                return r;
        first.policy = jail_policy_ref(l->full);
        if ((r = trials_run(&l->trials, &first, 1, e)) < 0)
                return r;
        if (!as_expected(l, &first))
                return failed(l, &first, when, e);
        take_usage(l, &first.report);
        l->expected = first.behaviour;
        l->comparison = (Comparison){LIKE_EXACTLY, LIKE_EXACTLY, true};
        l->proofs = runs_that_fit(l, PROOF_USEC, PROOFS_MIN, PROOFS_MAX);
        if ((r = observe_runs(l, l->proofs, when, e)) < 0)
                return r;
        /* What leaves nothing has to do without, or it might not be noticed that it does not wait for what it needs. */
        if (!l->leaves)
                l->trials.linger_usec = 0;
        /* What is refused a call may wait for ever. */
        l->trials.wall_usec = l->used.wall_usec * 10 + 2 * USEC_PER_SECOND;
        return 0;
}

/* Does it still do what it did? A clock may have gone on, or what it runs at the same time come in another order. */
static int observe_again(Learning *l, bool *ret_differs, Error *e)
{
        const Comparison before = l->comparison;
        int r = observe_runs(l, l->proofs, "at another time, with what was recorded", e);

        *ret_differs = before.output != l->comparison.output || before.errors != l->comparison.errors ||
                       before.files != l->comparison.files;
        return r;
}

/* ---- the proof ---- */

static void add_common(Learning *l, const JailReport *report, bool first)
{
        for (int i = 0; i < JAIL_SYSCALL_MAX; i++)
                l->common[i] = report->denied[i] > 0 && (first || l->common[i]);
}

/* Some of them have called what others have not: what threads and processes do depends on who comes first. */
static bool runs_varied(const Learning *l)
{
        return memcmp(l->refused, l->common, sizeof l->refused) != 0;
}

/* Runs under the text as it stands, and as anybody would who has it. `*ret_bad`: one that did something else, if any;
 * the caller's, to be freed by trial_done(). */
static int prove_once(Learning *l, Trial *ret_bad, Error *e)
{
        _cleanup_free_ Trial *runs = calloc(l->proofs, sizeof *runs);
        int r = runs ? learning_write(l, e) : error_oom(e);

        if (r >= 0)
                r = jail_policy_from_text("learnt", l->text, &runs[0].policy, e);
        for (size_t i = 1; r >= 0 && i < l->proofs; i++)
                runs[i].policy = jail_policy_ref(runs[0].policy);
        if (r >= 0)
                r = trials_run(&l->trials, runs, l->proofs, e);
        memset(l->refused, 0, sizeof l->refused);
        memset(l->common, 0, sizeof l->common);
        for (size_t i = 0, n_passed = 0; runs && i < l->proofs; i++) {
                bool passed = behaviour_equals(&runs[i].behaviour, &l->expected, &l->comparison);
                trial_add_refused(&runs[i], l->refused);
                if (passed) {
                        trial_add_refused(&runs[i], l->spared);
                        add_common(l, &runs[i].report, n_passed++ == 0);
                }
                if (r < 0 || passed || ret_bad->policy)
                        trial_done(&runs[i]);
                else
                        *ret_bad = runs[i];
        }
        return r;
}

/* A run has failed that passed before: of what it was refused, something is needed, only not every time. That is what
 * no run that passed was refused; or else what not all of them were; or else it could be any of it. False when there is
 * nothing to put back. */
static bool put_back(Learning *l, const JailReport *report, const bool *but)
{
        bool any = false;

        for (int i = 0; i < JAIL_SYSCALL_MAX; i++) {
                bool suspect = report->denied[i] && !(but && but[i]);
                _cleanup_free_ char *name = suspect ? jail_syscall_name(i) : NULL;
                DraftItem *item = name ? draft_find(&l->draft, DRAFT_CALL, name) : NULL;
                if (item && !item->in) {
                        any = item->in = true;
                        item->guessed = but != l->spared;
                }
        }
        return any;
}

/* What is refused by Landlock, or is not there, nobody counts: so all of it that a recording has seen. */
static bool put_back_paths(Learning *l)
{
        bool any = false;

        for (size_t i = 0; i < l->draft.n_items; i++) {
                DraftItem *item = &l->draft.items[i];
                if (item->kind != DRAFT_CALL && item->used && !item->in)
                        any = item->in = item->guessed = true;
        }
        return any;
}

static Minimiser minimiser(Learning *l, size_t runs)
{
        return (Minimiser){
                .draft = &l->draft,
                .trials = &l->trials,
                .expected = &l->expected,
                .comparison = l->comparison,
                .runs = runs,
                .progress = l->progress,
        };
}

/* Of what was put back for want of knowing what of it is needed, takes out again what all runs of a trial can do without: that
 * takes many, since one is needed only sometimes. `*ret_any`: whether anything was put back so. */
static int drop_guesses(Learning *l, bool *ret_any, Error *e)
{
        _cleanup_free_ size_t *items = calloc(l->draft.n_items + 1, sizeof *items);
        Minimiser m = minimiser(l, runs_that_fit(l, PROOF_VARIED_USEC, PROOFS_MIN, PROOFS_VARIED));
        size_t n = 0;

        if (!items)
                return error_oom(e);
        for (size_t i = 0; i < l->draft.n_items; i++) {
                if (l->draft.items[i].guessed)
                        items[n++] = i;
                l->draft.items[i].guessed = false;
        }
        *ret_any = n > 0;
        return minimise_items(&m, items, n, e);
}

/* `*ret_differs`: nothing is proven, since the command does not even under the first policy what it did. */
static int prove(Learning *l, bool *ret_differs, Error *e)
{
        bool guessed;

        for (int attempt = 0, looks = 0; attempt < ATTEMPTS_MAX; attempt++) {
                _cleanup_(trial_done) Trial bad = {.policy = NULL};
                int r = prove_once(l, &bad, e);
                size_t more = runs_that_fit(l, PROOF_VARIED_USEC, PROOFS_MIN, PROOFS_VARIED);
                if (r >= 0 && !bad.policy && runs_varied(l) && l->proofs < more) {
                        l->proofs = more;
                        r = prove_once(l, &bad, e);
                }
                if (r < 0)
                        return r;
                if (!bad.policy) {
                        if (looks++ == GUESSES_MAX || (r = drop_guesses(l, &guessed, e)) < 0 || !guessed)
                                return r;
                        attempt = -1;
                        continue;
                }
                r = observe_again(l, ret_differs, e);
                if (r < 0 || *ret_differs)
                        return r;
                l->sometimes = true;
                if (!put_back(l, &bad.report, l->spared) && !put_back(l, &bad.report, l->common) &&
                    !put_back(l, &bad.report, NULL) && !put_back_paths(l))
                        return failed(l, &bad, "under the policy that was learnt", e);
        }
        return error_set(e, -ECANCELED,
                         "the command needs something else in each run: no policy was found that it always "
                         "passes under");
}

/* ---- all of it ---- */

/* It is a part of the policy, since what is learnt holds in that root alone. */
static int settle_root(Learning *l, Error *e)
{
        const char *root = job_options_root(l->options, l->base);
        /* A policy says of a path that it has only whether it could be one. */
        _cleanup_root_source_ RootSource source = ROOT_SOURCE_NULL;
        int r = root_source_open(root, &source, e);

        if (r >= 0)
                r = job_options_check_command(l->options, l->base, e);
        if (r < 0)
                return r;
        l->findings.other_root = strcmp(root, "host") != 0;
        return draft_set_root(&l->draft, root) < 0 ? error_oom(e) : 0;
}

static int prepare(Learning *l, char *const *directories, Error *e)
{
        int r = jail_policy_load(l->options->policy, directories, &l->base, e);

        jail_report_init(&l->used);
        if (r >= 0)
                r = syscall_groups_load(directories, &l->groups, e);
        if (r >= 0)
                r = draft_from_policy(l->base, &l->draft, e);
        if (r >= 0)
                r = settle_root(l, e);
        /* Two runs at the same time would find each other's files. */
        bool shared = r >= 0 && draft_count(&l->draft, DRAFT_WRITABLE) > 0;
        for (size_t i = 0; i < l->options->n_binds; i++)
                shared |= l->options->binds[i].writable;
        if (shared)
                l->trials.at_once = 1;
        return r;
}

static int narrow(Learning *l, Error *e)
{
        Minimiser m = minimiser(l, 1);
        int r = minimise(&m, e);

        l->sometimes = !m.settled;
        memcpy(l->spared, m.spared, sizeof l->spared);
        return r;
}

int learning_run(Learning *l, char *const *policy_directories, Error *e)
{
        bool differs = true;
        int r = prepare(l, policy_directories, e);

        l->trials.linger_usec = LINGER_USEC;
        if (r < 0 || (r = record(l, e)) < 0 || (r = observe(l, e)) < 0)
                return r;
        /* At most once for each part of a behaviour. */
        while (differs) {
                draft_put_all_in(&l->draft);
                differs = false;
                if ((r = narrow(l, e)) < 0 || (r = prove(l, &differs, e)) < 0)
                        return r;
        }
        return 0;
}
