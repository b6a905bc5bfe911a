/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* From a profile to a filter. libseccomp gives no promise which of two rules counts that both fit a call: so it gets
 * what denies and what allows apart, and the two are asked in that order, after the floor. A denial wins, then; and a
 * profile can only take away from the floor, never add to it. */

#include "jail/oci_seccomp.h"

#include "engine/base/strv.h"
#include "jail/floor.h"
#include "jail/syscall_names.h"

#include <errno.h>
#include <string.h>

/* Refused calls go to the jail's listener, which counts them and answers with the error. */
static uint32_t filter_action(uint32_t action)
{
        return oci_gives_errno(action) ? SCMP_ACT_NOTIFY : action;
}

/* Rules without conditions are libseccomp's. Several rules of a call that compare the same argument it merges into one tree,
 * and then (2.5.4) takes some of them for others, if it comes to an end: those with conditions are compiled one by one. */
static int add_rule(scmp_filter_ctx context, BpfProgram *conditional, const OciRule *rule, uint32_t action)
{
        int r = 0;

        for (size_t i = 0; r >= 0 && rule->names[i]; i++) {
                int number = syscall_number(rule->names[i]);
                if (rule->n_checks == 0)
                        r = seccomp_rule_add(context, action, number, 0);
                else if (number >= 0)
                        r = bpf_add_rule(conditional, (unsigned)number, rule->checks, rule->n_checks, action);
        }
        return r;
}

/* The rules that let calls pass, or those that do not, with what happens to calls that none of them names. */
static int compile_rules(const OciSeccomp *s, bool passing, uint32_t others, BpfProgram *ret)
{
        scmp_filter_ctx context = bpf_begin(others);
        _cleanup_bpf_ BpfProgram conditional = {0}, rest = {0};
        size_t added = 0;
        int r = context ? 0 : -ENOMEM;

        for (size_t i = 0; r >= 0 && i < s->n_rules; i++) {
                uint32_t action = filter_action(s->rules[i].action);
                if (oci_lets_pass(action) != passing || action == others)
                        continue;
                r = add_rule(context, &conditional, &s->rules[i], action);
                added += s->rules[i].n_checks == 0;
        }
        /* As a tree, where there is something to order: without a rule it would forget the default (libseccomp#370). */
        if (r >= 0 && added > 0)
                r = seccomp_attr_set(context, SCMP_FLTATR_CTL_OPTIMIZE, 2);
        if (r >= 0)
                r = bpf_export(context, &rest);
        if (context)
                seccomp_release(context);
        if (r < 0 || (r = bpf_append(&conditional, &rest)) < 0)
                return r;
        *ret = conditional;
        conditional = (BpfProgram){0};
        return 0;
}

/* ---- the errors ---- */

static size_t count_refusals(const OciSeccomp *s)
{
        size_t n = 1;

        for (size_t i = 0; i < s->n_rules; i++)
                n += strv_length(s->rules[i].names);
        for (size_t i = 0; floor_call(i); i++)
                n++;
        return n;
}

static bool lets_some_pass(const OciSeccomp *s, const char *call)
{
        for (size_t i = 0; i < s->n_rules; i++)
                if (oci_lets_pass(s->rules[i].action) && strv_contains(s->rules[i].names, call))
                        return true;
        return false;
}

/* As the profile says; for what only the floor has taken, EPERM; and the profile's default for the rest. */
static int list_refusals(const OciSeccomp *s, Refusal **ret, size_t *ret_n)
{
        Refusal *list = calloc(count_refusals(s), sizeof *list);
        size_t n = 0;

        if (!list)
                return -ENOMEM;
        for (size_t i = 0; i < s->n_rules; i++) {
                const OciRule *rule = &s->rules[i];
                if (!oci_gives_errno(rule->action))
                        continue;
                for (size_t k = 0; rule->names[k]; k++) {
                        Refusal *one = &list[n++];
                        one->number = syscall_number(rule->names[k]);
                        one->error = (int32_t)oci_errno(rule->action);
                        one->n_checks = rule->n_checks;
                        if (rule->n_checks > 0)
                                memcpy(one->checks, rule->checks, rule->n_checks * sizeof *one->checks);
                }
        }
        if (oci_gives_errno(s->default_action) && oci_errno(s->default_action) != EPERM) {
                for (size_t i = 0; floor_call(i); i++) {
                        const char *call = floor_call(i);
                        int number = syscall_number(call);
                        if (number >= 0 && (floor_forbids(call) || lets_some_pass(s, call)))
                                list[n++] = (Refusal){.number = number, .error = EPERM};
                }
                list[n++] = (Refusal){.number = REFUSAL_ANY_CALL, .error = (int32_t)oci_errno(s->default_action)};
        }
        *ret = list;
        *ret_n = n;
        return 0;
}

int oci_seccomp_compile(const OciSeccomp *s, BpfProgram *ret, Refusal **ret_refusals, size_t *ret_n_refusals)
{
        enum { UNKNOWN, FLOOR, DENIED, ALLOWED, N_PARTS };
        BpfProgram parts[N_PARTS] = {0};
        int r;

        if ((r = bpf_unknown_calls(&parts[UNKNOWN])) >= 0 && (r = floor_compile(SCMP_ACT_NOTIFY, &parts[FLOOR])) >= 0 &&
            (r = compile_rules(s, false, SCMP_ACT_ALLOW, &parts[DENIED])) >= 0 &&
            (r = compile_rules(s, true, filter_action(s->default_action), &parts[ALLOWED])) >= 0 &&
            (r = bpf_chain(parts, N_PARTS, ret)) >= 0 && (r = list_refusals(s, ret_refusals, ret_n_refusals)) < 0)
                bpf_program_done(ret);
        for (size_t i = 0; i < N_PARTS; i++)
                bpf_program_done(&parts[i]);
        return r;
}
