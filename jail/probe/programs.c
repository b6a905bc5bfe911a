/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "jail/probe/probe.h"

#include "engine/base/places.h"
#include "engine/base/strv.h"
#include "jail/policy.h"

#include <string.h>

#define GROUPS_FILE "syscall-groups.json"

static void probe_launcher(Probe *probe)
{
        _cleanup_free_ char *beside = place_program("skep-launcher", NULL);
        const char *program = probe->launcher->program ? probe->launcher->program : beside ? beside : "skep-launcher";
        bool here = probe->launcher->here, there = here || access(program, X_OK) == 0;
        int error = errno;
        JailFinding *f = finding_add(probe, JAIL_FINDING_HOST, "launcher", there ? JAIL_HELD_FULLY : JAIL_HELD_NOT);

        finding_by(probe, f, "%s", here ? "within this program" : program);
        if (there)
                return;
        finding_why(probe, f, "%s: %s", program, strerror(error));
        finding_remedy(probe, f, "# install Skep anew, or build it: make");
}

/* The policies of a directory, tried by name: so the operator's come before the shipped ones. */
static void try_policies(Probe *probe, char *const *directories, const char *directory, char ***names, char ***wrong)
{
        _cleanup_closedir_ DIR *dir = opendir(directory);

        for (struct dirent *d; dir && (d = readdir(dir));) {
                size_t n = strlen(d->d_name);
                if (n <= 5 || strcmp(d->d_name + n - 5, ".json") != 0 || strcmp(d->d_name, GROUPS_FILE) == 0)
                        continue;
                _cleanup_free_ char *name = strndup(d->d_name, n - 5);
                _cleanup_policy_ JailPolicy *policy = NULL;
                _cleanup_error_ Error e = ERROR_NULL;
                if (!name) {
                        probe->failed = true;
                        return;
                }
                if (strv_contains(*names, name))
                        continue;
                int r = strv_add(names, name);
                if (r >= 0 && jail_policy_load(name, directories, &policy, &e) >= 0)
                        policy_compile(policy, &e);
                if (e.code < 0)
                        r = strv_add(wrong, error_text(&e));
                if (r < 0)
                        probe->failed = true;
        }
}

static void probe_policies(Probe *probe, char *const *directories)
{
        _cleanup_strv_ char **names = NULL, **wrong = NULL;

        for (size_t i = 0; directories && directories[i]; i++)
                try_policies(probe, directories, directories[i], &names, &wrong);
        JailFinding *f = finding_add(probe, JAIL_FINDING_HOST, "policies",
                                     !names ? JAIL_HELD_NOT : wrong ? JAIL_HELD_PARTLY : JAIL_HELD_FULLY);
        _cleanup_free_ char *where = strv_join(directories, ", "), *sentences = strv_join(wrong, "; ");
        finding_by(probe, f, "%zu in %s", strv_length(names) - strv_length(wrong), where ? where : "");
        if (!names) {
                finding_why(probe, f, "there is no policy in %s", where ? where : "");
                finding_remedy(probe, f, "# install Skep anew");
        } else if (wrong) {
                finding_why(probe, f, "%s", sentences ? sentences : "");
                finding_remedy(probe, f, "# mend the files, or remove them");
        }
}

void probe_programs(Probe *probe, char *const *policies)
{
        probe_launcher(probe);
        probe_policies(probe, policies);
}
