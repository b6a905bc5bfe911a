/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "jail/cli/explain.h"

#include "engine/base/strv.h"
#include "jail/cli/layout.h"
#include "jail/limits.h"

#include <string.h>

#define COLUMN 16

static void row(const char *label, const char *text)
{
        layout_text(2, COLUMN, label, text ? text : "");
}

static void row_list(const char *label, char *const *words)
{
        layout_list(2, COLUMN, label, words);
}

static void print_origin(const Explained *x)
{
        const char *description = jail_policy_description(x->policy);
        _cleanup_free_ char *files = strv_join(x->files, " extends "), *title = NULL;

        if (asprintf(&title, "%s%s%s", jail_policy_name(x->policy), *description ? ": " : "", description) < 0)
                title = NULL;
        layout_text(0, strlen("Policy "), "Policy", title ? title : "");
        row("from", files);
        row("digest", jail_policy_digest(x->policy));
        for (char *const *note = jail_policy_notes(x->policy); note && *note; note++)
                row("note", *note);
}

static void print_files(const Explained *x)
{
        const PolicySection *s = x->sections.list;
        _cleanup_free_ char *size = limits_format(5, x->policy->limits.disk_bytes), *text = NULL,
                            *files = limits_format(6, x->policy->limits.files);

        _cleanup_free_ char *root = explained_root_words(&x->root), *job = explained_root_job_words(&x->root);

        puts("\nFiles");
        row("root", root);
        if (job)
                row("its jobs", job);
        row_list("read", s[SECTION_READ].words);
        row_list("written", s[SECTION_WRITE].words);
        if (size && files && asprintf(&text, "one tmpfs of %s and %s files, which counts as memory", size, files) >= 0)
                row("", text);
        if (s[SECTION_WRITE_HOST].words)
                row_list("of the host", s[SECTION_WRITE_HOST].words);
        row_list("executed", s[SECTION_EXECUTE].words);
        if (s[SECTION_HIDDEN].words)
                row_list("hidden", s[SECTION_HIDDEN].words);
        row_list("devices", s[SECTION_DEVICES].words);
        row("also", "what --bind and --bind-rw of a command line name");
}

static void print_rights(const Explained *x)
{
        const PolicySection *s = x->sections.list;
        char *const *network = s[SECTION_NETWORK].words;

        puts("\nRights");
        row("network", !strv_contains(network, "loopback") ? "none: no socket can be made"
                       : strv_contains(network, "broker")  ? "an own loopback, and the broker; without one, the loopback alone"
                                                           : "an own loopback, and nothing else");
        if (s[SECTION_CAPABILITIES].words)
                row_list("capabilities", s[SECTION_CAPABILITIES].words);
        else
                row("capabilities", "none");
        if (s[SECTION_REQUIRE].words)
                row_list("required", s[SECTION_REQUIRE].words);
        else
                row("required", "no layer beyond those of every jail");
}

static void print_limits(const Explained *x)
{
        puts("\nLimits          by default      a job may ask for");
        for (size_t i = 0; i < LIMITS_COUNT; i++) {
                uint64_t amount = limits_amount(&x->policy->limits, i), most = limits_amount(&x->policy->ceilings, i);
                _cleanup_free_ char *name = limits_name(i), *usual = limits_format(i, amount),
                                    *ceiling = limits_format(i, most);
                if (name && usual && ceiling)
                        printf("  %-14s%-16s%s%s\n", name, usual, most == JAIL_UNLIMITED ? "any" : "at most ",
                               most == JAIL_UNLIMITED ? "" : ceiling);
        }
}

/* "44 of 45, without: time"; the shorter of the two lists. */
static void print_group(const CallGroup *group)
{
        size_t in = strv_length(group->in), out = strv_length(group->out);
        _cleanup_free_ char *with = strv_join(group->in, " "), *without = strv_join(group->out, " "), *text = NULL;

        if (in == 0 || !with || !without)
                return;
        if (out == 0 ? asprintf(&text, "all %zu", in) < 0
                     : asprintf(&text, "%zu of %zu%s %s", in, in + out, in < out ? ":" : ", without",
                                in < out ? with : without) < 0)
                text = NULL;
        row(group->name, text);
}

static void print_calls(const Explained *x)
{
        _cleanup_free_ char *refusal = refusal_words(x->usual_refusal);
        _cleanup_strv_ char **none = NULL;

        printf("\nSystem calls: %zu of %zu are allowed; the others %s\n", strv_length(x->allowed), x->calls.n,
               refusal ? refusal : "");
        for (size_t i = 0; i < x->groups.n; i++) {
                print_group(&x->groups.list[i]);
                if (!x->groups.list[i].in)
                        strv_add(&none, x->groups.list[i].name);
        }
        if (x->groups.ungrouped)
                row_list("in no group", x->groups.ungrouped);
        if (none)
                row_list("none of", none);
}

/* Calls of the same words on one line. */
static void print_narrowed(const Explained *x)
{
        _cleanup_strv_ char **words = NULL;
        const Calls *calls = &x->calls;

        for (size_t i = 0; i < calls->n; i++) {
                char *said = calls->list[i].fate == FILTER_NARROWS ? call_words(x->policy, &calls->list[i]) : NULL;
                if (strv_add(&words, said ? said : "") < 0) {
                        free(said);
                        return;
                }
                free(said);
        }
        puts("\nNarrowed by their arguments");
        for (size_t i = 0; i < calls->n; i++) {
                _cleanup_strv_ char **names = NULL;
                bool done = !*words[i];
                for (size_t k = 0; k < calls->n; k++)
                        if (strcmp(words[i], words[k]) == 0) {
                                done |= k < i;
                                strv_add(&names, calls->list[k].name);
                        }
                _cleanup_free_ char *list = strv_join(names, " ");
                if (!done)
                        row(list ? list : "", words[i]);
        }
}

/* What is not refused as the others are. */
static void print_other_refusals(const Explained *x)
{
        const Calls *calls = &x->calls;

        for (size_t i = 0; i < calls->n; i++) {
                uint32_t answer = calls->list[i].refusal;
                _cleanup_strv_ char **names = NULL;
                bool done = calls->list[i].fate != FILTER_REFUSES || answer == x->usual_refusal;
                for (size_t k = 0; k < calls->n && !done; k++)
                        if (calls->list[k].fate == FILTER_REFUSES && calls->list[k].refusal == answer) {
                                done |= k < i;
                                strv_add(&names, calls->list[k].name);
                        }
                _cleanup_free_ char *list = strv_join(names, " "), *words = refusal_words(answer), *text = NULL;
                if (!done && list && words && asprintf(&text, "%s %s", list, words) < 0)
                        text = NULL;
                if (text)
                        row("others", text);
        }
}

static void print_refused(const Explained *x)
{
        _cleanup_strv_ char **closed = NULL, **open = NULL;

        call_doors(&x->calls, &closed, &open);
        _cleanup_free_ char *shut = strv_join(closed, ", "), *ajar = strv_join(open, ", ");
        puts("\nRefused");
        row("never", shut);
        if (open)
                row("but open", ajar);
        print_other_refusals(x);
}

static void print_host(const Explained *x)
{
        _cleanup_strv_ char **missing = NULL, **held = NULL;

        puts("\nOn this host");
        if (x->refused.code < 0) {
                row("cannot run", error_text(&x->refused));
                return;
        }
        for (JailLayer layer = 0; layer < JAIL_LAYER_MAX; layer++) {
                if (x->report.not_enforced & (1U << layer))
                        strv_add(&missing, jail_layer_name(layer));
                else if (x->report.enforced[layer][0])
                        strv_add(&held, jail_layer_name(layer));
        }
        row_list("enforced", held);
        row_list("not enforced", missing);
        if (missing)
                row("", "skep-jail doctor says why, and what mends it");
}

void explain_text(const Explained *x)
{
        print_origin(x);
        print_files(x);
        print_rights(x);
        print_limits(x);
        print_calls(x);
        print_narrowed(x);
        print_refused(x);
        print_host(x);
}
