/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* skep-jail explain: what a policy permits, in plain words, and how two of them differ. */

#include "jail/cli/explain.h"

#include "engine/base/json.h"
#include "engine/base/options.h"
#include "engine/base/places.h"
#include "engine/base/strv.h"
#include "jail/cli/commands.h"
#include "jail/cli/job_options.h"
#include "jail/ids.h"
#include "jail/launcher.h"

#include <string.h>

#define DEFAULT_POLICY "python"

typedef struct ExplainOptions {
        const char *policy;
        char *root; /* owned */
        bool diff, json, help;
} ExplainOptions;

static const Option options_table[] = {
        {"policy", "NAME|FILE", "the policy (default: " DEFAULT_POLICY ")", option_set_string,
         offsetof(ExplainOptions, policy)},
        {"root", "host|PATH|IMAGE", "instead of the policy's root, as for a job", option_set_root,
         offsetof(ExplainOptions, root)},
        {"diff", NULL, "what each of two policies permits and the other does not", option_set_flag,
         offsetof(ExplainOptions, diff)},
        {"json", NULL, "one object, for programs", option_set_flag, offsetof(ExplainOptions, json)},
        {"help", NULL, "this text", option_set_flag, offsetof(ExplainOptions, help)},
};

static void options_done(ExplainOptions *options)
{
        free(options->root);
}

static void print_help(void)
{
        puts("Usage: skep-jail explain [NAME|FILE] [--root ROOT] [--json]\n"
             "       skep-jail explain --diff A B [--root ROOT] [--json]\n"
             "Say in plain words what a policy permits, and what of it this host enforces.\n");
        options_help(options_table, ELEMENTS(options_table));
        puts("\nExit status: 0; with --diff 1 when they differ; 125 when that cannot be said.");
}

/* ---- gathering ---- */

/* The answer that most calls get which are not allowed. */
static uint32_t find_usual_refusal(const Calls *calls)
{
        uint32_t usual = 0;
        size_t most = 0;

        for (size_t i = 0; i < calls->n; i++) {
                size_t n = 0;
                for (size_t k = 0; k < calls->n; k++)
                        n += calls->list[k].fate == FILTER_REFUSES && calls->list[k].refusal == calls->list[i].refusal;
                if (calls->list[i].fate == FILTER_REFUSES && n > most) {
                        most = n;
                        usual = calls->list[i].refusal;
                }
        }
        return usual;
}

/* Its own file first. What the policy keeps are all the places where a file was looked for; the groups of system calls
 * are no part of the chain. */
static int find_files(const char *name, const JailPolicy *policy, char ***ret)
{
        _cleanup_free_ char *own = strchr(name, '/') ? realpath(name, NULL) : NULL;
        int r = own ? strv_add(ret, own) : 0;

        for (char **source = policy->sources; r >= 0 && source && *source; source++) {
                const char *base = strrchr(*source, '/');
                if (base && strcmp(base, "/syscall-groups.json") != 0 && access(*source, F_OK) == 0 &&
                    !strv_contains(*ret, *source))
                        r = strv_add(ret, *source);
        }
        return r;
}

int explained_make(const char *name, const char *root, char *const *directories, Explained *ret, Error *e)
{
        int r;

        *ret = (Explained){.name = name, .root.source = ROOT_SOURCE_NULL};
        jail_report_init(&ret->report);
        if ((r = jail_policy_load(name, directories, &ret->policy, e)) < 0 || (r = policy_compile(ret->policy, e)) < 0)
                return r;
        explained_root_find(ret->policy, root, &ret->root);
        if ((r = policy_sections_make(ret->policy, &ret->root, &ret->sections, e)) < 0 ||
            (r = calls_read(ret->policy, &ret->calls, e)) < 0)
                return r;
        if (find_files(name, ret->policy, &ret->files) < 0)
                return error_oom(e);
        for (size_t i = 0; i < ret->calls.n; i++)
                if (ret->calls.list[i].fate != FILTER_REFUSES && strv_add(&ret->allowed, ret->calls.list[i].name) < 0)
                        return error_oom(e);
        ret->usual_refusal = find_usual_refusal(&ret->calls);
        return call_groups_make(directories, &ret->calls, ret->allowed, &ret->groups, e);
}

void explained_on_host(Explained *explained)
{
        if (explained->root.error.code < 0) {
                error_set(&explained->refused, explained->root.error.code, "%s", error_text(&explained->root.error));
                return;
        }
        /* jail_start() */
        if (ids_kind() != IDS_RANGE && explained->policy->capabilities) {
                error_set(&explained->refused, -EPERM, "only root can give a job capabilities");
                return;
        }
        jail_policy_on_host(explained->policy, &(JailLauncherOptions){.here = &launcher_here}, &explained->report,
                            &explained->refused);
}

void explained_done(Explained *explained)
{
        explained_root_done(&explained->root);
        jail_policy_unref(explained->policy);
        strv_free(explained->files);
        policy_sections_done(&explained->sections);
        calls_done(&explained->calls);
        strv_free(explained->allowed);
        call_groups_done(&explained->groups);
        jail_report_done(&explained->report);
        error_clear(&explained->refused);
}

char *refusal_words(uint32_t answer)
{
        const char *name = strerrorname_np((int)(answer & SECCOMP_RET_DATA));
        char *text = NULL;

        switch (answer & SECCOMP_RET_ACTION_FULL) {
        case SECCOMP_RET_USER_NOTIF:
                return asprintf(&text, "fail with %s, and are counted", name ? name : "an error") < 0 ? NULL : text;
        case SECCOMP_RET_ERRNO:
                return asprintf(&text, "fail with %s", name ? name : "an error") < 0 ? NULL : text;
        case SECCOMP_RET_KILL_PROCESS:
                return strdup("kill the process");
        case SECCOMP_RET_KILL_THREAD:
                return strdup("kill the thread");
        case SECCOMP_RET_TRAP:
                return strdup("raise SIGSYS");
        default:
                return strdup("are refused");
        }
}

/* ---- the command ---- */

static int explain(const char *name, const char *root, char *const *directories, bool json, Error *e)
{
        _cleanup_explained_ Explained explained;
        int r = explained_make(name, root, directories, &explained, e);

        if (r < 0)
                return r;
        explained_on_host(&explained);
        if (!json) {
                explain_text(&explained);
                return 0;
        }
        _cleanup_json_ json_object *object = explain_json(&explained);
        puts(json_object_to_json_string_ext(object, JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_SPACED |
                                                            JSON_C_TO_STRING_NOSLASHESCAPE));
        return 0;
}

int command_explain(int argc, char **argv, Error *e)
{
        _cleanup_(options_done) ExplainOptions options = {.policy = NULL};
        int first = options_read(options_table, ELEMENTS(options_table), argc, argv, false, &options, e);

        if (first < 0)
                return first;
        if (options.help) {
                print_help();
                return 0;
        }
        int n = argc - first;
        _cleanup_strv_ char **directories = place_policies(e);
        if (!directories)
                return -ENOMEM;
        if (options.diff && (n != 2 || options.policy))
                return error_set(e, -EINVAL, "--diff: takes two policies, as in: skep-jail explain --diff strict python");
        if (options.diff)
                return explain_diff(directories, argv[first], argv[first + 1], options.root, options.json, e);
        if (n > 1 || (n == 1 && options.policy))
                return error_set(e, -EINVAL, "one policy at a time; two with --diff");
        return explain(n == 1 ? argv[first] : options.policy ? options.policy : DEFAULT_POLICY, options.root, directories,
                       options.json, e);
}
