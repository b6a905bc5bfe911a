/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* skep-jail doctor: what this host can enforce, for whom calls it, and what mends the rest. */

#include "engine/base/json.h"
#include "engine/base/options.h"
#include "engine/base/places.h"
#include "engine/base/strv.h"
#include "jail/cli/commands.h"
#include "jail/cli/layout.h"
#include "jail/launcher.h"

#include <string.h>

#define STATUS_PARTLY 1
#define BY_COLUMN 26

typedef struct DoctorOptions {
        const char *cgroup;
        bool json, help;
} DoctorOptions;

static const Option options_table[] = {
        {"cgroup", "PATH", "the cgroup below which jails get theirs, as for a job", option_set_string,
         offsetof(DoctorOptions, cgroup)},
        {"json", NULL, "one object, for programs", option_set_flag, offsetof(DoctorOptions, json)},
        {"help", NULL, "this text", option_set_flag, offsetof(DoctorOptions, help)},
};

static void print_help(void)
{
        puts("Usage: skep-jail doctor [--cgroup PATH] [--json]\n"
             "Find out what this host can enforce for you, by making jails, and what mends the rest.\n");
        options_help(options_table, ELEMENTS(options_table));
        puts("\nExit status: 0 everything can be enforced; 1 jails can be made, something is missing; 125 no jails.");
}

/* A broker is none of the host's things, and safe to be without. */
static bool is_problem(const JailFinding *f)
{
        return f->held != JAIL_HELD_FULLY && strcmp(f->name, jail_layer_name(JAIL_BROKER)) != 0;
}

static void print_kind(const JailProbe *probe, JailFindingKind kind, const char *title)
{
        static const char *const words[] = {[JAIL_HELD_NOT] = "no", [JAIL_HELD_PARTLY] = "partly", [JAIL_HELD_FULLY] = "yes"};

        puts(title);
        for (size_t i = 0; i < probe->n_findings; i++) {
                const JailFinding *f = &probe->findings[i];
                char label[BY_COLUMN];
                if (f->kind != kind)
                        continue;
                snprintf(label, sizeof label, "%-14s %-6s", f->name, words[f->held]);
                layout_text(2, BY_COLUMN, label, f->by ? f->by : "");
        }
}

static bool same_remedy(const JailFinding *a, const JailFinding *b)
{
        size_t n = strv_length(a->remedy);

        if (n != strv_length(b->remedy) || !a->why || !b->why || strcmp(a->why, b->why) != 0)
                return false;
        for (size_t i = 0; i < n; i++)
                if (strcmp(a->remedy[i], b->remedy[i]) != 0)
                        return false;
        return true;
}

/* What has one reason is one problem. */
static int print_problem(const JailProbe *probe, size_t index)
{
        const JailFinding *f = &probe->findings[index];
        _cleanup_strv_ char **names = NULL;

        for (size_t i = 0; i < index; i++)
                if (is_problem(&probe->findings[i]) && same_remedy(&probe->findings[i], f))
                        return 0;
        for (size_t i = index; i < probe->n_findings; i++)
                if (is_problem(&probe->findings[i]) && (i == index || same_remedy(&probe->findings[i], f)) &&
                    strv_add(&names, probe->findings[i].name) < 0)
                        return -ENOMEM;
        _cleanup_free_ char *list = strv_join(names, ", "), *text = NULL;
        if (!list || asprintf(&text, "%s: %s", list, f->why ? f->why : "not held") < 0)
                return -ENOMEM;
        layout_text(0, 2, "", text);
        /* Never broken: a command is there to be copied. */
        for (size_t i = 0; f->remedy && f->remedy[i]; i++)
                printf("      %s\n", f->remedy[i]);
        return 0;
}

static void print_verdict(const JailProbe *probe)
{
        _cleanup_strv_ char **missing = NULL, **other = NULL;
        const char *why = "";

        for (size_t i = 0; i < probe->n_findings; i++) {
                const JailFinding *f = &probe->findings[i];
                if (strcmp(f->name, "jail") == 0 && f->why)
                        why = f->why;
                if (!is_problem(f))
                        continue;
                bool allowed = false;
                for (JailLayer layer = 0; layer < JAIL_LAYER_MAX; layer++)
                        allowed |= (probe->missing & (1U << layer)) && strcmp(jail_layer_name(layer), f->name) == 0;
                strv_add(allowed ? &missing : &other, f->name);
        }
        _cleanup_free_ char *layers = strv_join(missing, ", "), *list = strv_join(missing, ","), *rest = strv_join(other, ", ");
        puts("");
        if (!probe->possible)
                printf("No jails can be made here: %s\n", why);
        else if (missing)
                printf("Jails can be made here; not enforced: %s (allow by --allow-missing=%s)%s%s\n", layers ? layers : "",
                       list ? list : "", other ? "; see also: " : "", other && rest ? rest : "");
        else if (other)
                printf("Jails can be made here, with every limit; not everything is there: %s\n", rest ? rest : "");
        else
                puts("Jails can be made here, and everything is enforced.");
}

static int print_table(const JailProbe *probe)
{
        bool titled = false;
        int r = 0;

        print_kind(probe, JAIL_FINDING_HOST, "This host");
        print_kind(probe, JAIL_FINDING_LAYER, "Layers");
        print_kind(probe, JAIL_FINDING_FEATURE, "Also");
        for (size_t i = 0; r >= 0 && i < probe->n_findings; i++) {
                if (!is_problem(&probe->findings[i]))
                        continue;
                if (!titled)
                        puts("\nProblems");
                titled = true;
                r = print_problem(probe, i);
        }
        print_verdict(probe);
        return r;
}

static int exit_status(const JailProbe *probe)
{
        if (!probe->possible)
                return STATUS_NO_JAIL;
        for (size_t i = 0; i < probe->n_findings; i++)
                if (is_problem(&probe->findings[i]))
                        return STATUS_PARTLY;
        return 0;
}

static int examine(const DoctorOptions *options, Error *e)
{
        _cleanup_strv_ char **directories = place_policies(e);
        _cleanup_probe_ JailProbe probe;
        const JailLauncherOptions launcher = {.here = &launcher_here, .cgroup = options->cgroup};
        int r = directories ? jail_probe_host(directories, &launcher, &probe, e) : -ENOMEM;

        if (!directories)
                probe = (JailProbe){.n_findings = 0};
        if (r >= 0 && options->json) {
                _cleanup_json_ json_object *object = jail_probe_to_json(&probe);
                puts(json_object_to_json_string_ext(object, JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_SPACED |
                                                                    JSON_C_TO_STRING_NOSLASHESCAPE));
        } else if (r >= 0) {
                r = print_table(&probe);
        }
        return r < 0 ? r : exit_status(&probe);
}

int command_doctor(int argc, char **argv, Error *e)
{
        DoctorOptions options = {.json = false};
        int first = options_read(options_table, ELEMENTS(options_table), argc, argv, false, &options, e);

        if (first < 0)
                return first;
        if (options.help) {
                print_help();
                return 0;
        }
        if (first < argc)
                return error_set(e, -EINVAL, "doctor takes no words: %s", argv[first]);
        return examine(&options, e);
}
