/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What of a profile holds here: on this architecture and kernel, with this libseccomp, for a policy with these
 * capabilities, and above the floor of every jail. */

#include "jail/oci_seccomp.h"

#include "engine/base/json.h"
#include "engine/base/name.h"
#include "engine/base/strv.h"
#include "jail/floor.h"
#include "jail/syscall_names.h"

#include <errno.h>
#include <string.h>
#include <sys/capability.h>
#include <sys/utsname.h>

#define CALLS_MAX 4096 /* of all rules together; Docker's profile has about 450 */

/* The names of an architecture: in profiles, and in their conditions. */
static const struct {
        uint32_t token;
        const char *name, *short_name;
} architectures[] = {
        {SCMP_ARCH_X86_64, "SCMP_ARCH_X86_64", "amd64"},
        {SCMP_ARCH_AARCH64, "SCMP_ARCH_AARCH64", "arm64"},
        {SCMP_ARCH_PPC64LE, "SCMP_ARCH_PPC64LE", "ppc64le"},
        {SCMP_ARCH_RISCV64, "SCMP_ARCH_RISCV64", "riscv64"},
        {SCMP_ARCH_S390X, "SCMP_ARCH_S390X", "s390x"},
};

typedef struct Here {
        const char *architecture, *short_architecture;
        unsigned kernel; /* as in OciCondition */
        uint64_t capabilities;
        char **unknown, **forbidden; /* calls that cannot be allowed */
} Here;

static void here_done(Here *here)
{
        strv_free(here->unknown);
        strv_free(here->forbidden);
}

static Here here_for(uint64_t capabilities)
{
        Here here = {.architecture = "", .short_architecture = "", .capabilities = capabilities};
        struct utsname names;
        unsigned major = 0, minor = 0;

        for (size_t i = 0; i < ELEMENTS(architectures); i++)
                if (architectures[i].token == seccomp_arch_native()) {
                        here.architecture = architectures[i].name;
                        here.short_architecture = architectures[i].short_name;
                }
        if (uname(&names) == 0 && sscanf(names.release, "%5u.%5u", &major, &minor) == 2)
                here.kernel = major << 16 | minor;
        return here;
}

/* One that libcap does not know, nobody has. */
static bool has_capability(const Here *here, const char *name)
{
        cap_value_t number;

        return cap_from_name(name, &number) == 0 && (here->capabilities & (UINT64_C(1) << number));
}

static bool holds(const OciRule *rule, const Here *here)
{
        const OciCondition *with = &rule->includes, *without = &rule->excludes;

        if (strv_length(with->arches) > 0 && !strv_contains(with->arches, here->short_architecture))
                return false;
        for (size_t i = 0; with->capabilities && with->capabilities[i]; i++)
                if (!has_capability(here, with->capabilities[i]))
                        return false;
        if (with->kernel > here->kernel)
                return false;
        if (strv_contains(without->arches, here->short_architecture))
                return false;
        for (size_t i = 0; without->capabilities && without->capabilities[i]; i++)
                if (has_capability(here, without->capabilities[i]))
                        return false;
        return !without->kernel || here->kernel < without->kernel;
}

/* For a sentence: it can be any text. */
static int add_unknown(Here *here, const char *name)
{
        _cleanup_free_ char *escaped = name_escape(name);

        if (!escaped)
                return -ENOMEM;
        return strv_contains(here->unknown, escaped) ? 0 : strv_add(&here->unknown, escaped);
}

static int settle_names(const OciSeccomp *s, OciRule *rule, Here *here, Error *e)
{
        _cleanup_strv_ char **kept = NULL;

        for (size_t i = 0; rule->names[i]; i++) {
                const char *name = rule->names[i];
                int number = syscall_number(name), r = 0;
                bool passes = oci_lets_pass(rule->action);
                if (number == __NR_SCMP_ERROR && !passes) {
                        _cleanup_free_ char *escaped = name_escape(name), *path = json_path_key(s->path, "syscalls"),
                                            *at = path ? json_path_index(path, rule->index) : NULL;
                        return json_error(at ? at : s->path, e,
                                          "\"%s\" is not a system call that libseccomp knows, so that it cannot be "
                                          "denied",
                                          escaped ? escaped : "");
                }
                if (number == __NR_SCMP_ERROR)
                        r = add_unknown(here, name);
                else if (number < 0)
                        continue; /* other architectures have it */
                else if (passes && floor_forbids(name))
                        r = strv_contains(here->forbidden, name) ? 0 : strv_add(&here->forbidden, name);
                else if (!strv_contains(kept, name))
                        r = strv_add(&kept, name);
                if (r < 0)
                        return error_oom(e);
        }
        strv_free(rule->names);
        rule->names = take(kept);
        return 0;
}

/* As runc and crun have it: conditions on different arguments must all be true, and where a rule has several on the same
 * argument, any one of its conditions is enough. */
static bool are_alternatives(const OciRule *rule)
{
        unsigned seen = 0;

        for (size_t i = 0; i < rule->n_checks; i++) {
                unsigned bit = 1U << rule->checks[i].argument;
                if (seen & bit)
                        return true;
                seen |= bit;
        }
        return false;
}

/* Moves a rule to the end of the list; alternatives as a rule each. */
static int append(OciRule *rules, size_t *n, OciRule *rule)
{
        if (!are_alternatives(rule)) {
                rules[(*n)++] = *rule;
                *rule = (OciRule){0};
                return 0;
        }
        for (size_t i = 0; i < rule->n_checks; i++) {
                OciRule *one = &rules[(*n)++];
                *one = (OciRule){.index = rule->index, .action = rule->action, .n_checks = 1};
                one->checks = malloc(sizeof *one->checks);
                if (!one->checks || strv_copy(rule->names, &one->names) < 0)
                        return -ENOMEM;
                *one->checks = rule->checks[i];
        }
        return 0;
}

static int settle_rules(OciSeccomp *s, Here *here, Error *e)
{
        _cleanup_oci_seccomp_ OciSeccomp *settled = calloc(1, sizeof *settled);
        size_t room = s->n_rules, calls = 0;

        for (size_t i = 0; i < s->n_rules; i++)
                room += s->rules[i].n_checks;
        if (!settled || !(settled->rules = calloc(room + 1, sizeof *settled->rules)))
                return error_oom(e);
        for (size_t i = 0; i < s->n_rules; i++) {
                OciRule *rule = &s->rules[i];
                if (!holds(rule, here))
                        continue;
                int r = settle_names(s, rule, here, e);
                if (r < 0)
                        return r;
                calls += strv_length(rule->names) * (are_alternatives(rule) ? rule->n_checks : 1);
                if (calls > CALLS_MAX)
                        return json_error(s->path, e, "has more than %d rules, counted by calls", CALLS_MAX);
                if (strv_length(rule->names) > 0 && append(settled->rules, &settled->n_rules, rule) < 0)
                        return error_oom(e);
        }
        /* What was not kept goes with the old list. */
        OciRule *rules = s->rules;
        size_t n_rules = s->n_rules;
        s->rules = settled->rules;
        s->n_rules = settled->n_rules;
        settled->rules = rules;
        settled->n_rules = n_rules;
        return 0;
}

static bool is_allowed(const OciSeccomp *s, const char *call)
{
        bool allowed = oci_lets_pass(s->default_action);

        for (size_t i = 0; i < s->n_rules; i++) {
                const OciRule *rule = &s->rules[i];
                if (!strv_contains(rule->names, call))
                        continue;
                if (oci_lets_pass(rule->action))
                        allowed = true;
                else if (rule->n_checks == 0)
                        return false;
        }
        return allowed;
}

static int settle_architectures(const OciSeccomp *s, const Here *here, Error *e)
{
        _cleanup_free_ char *path = json_path_key(s->path, "architectures");

        if (strv_length(s->architectures) == 0 || strv_contains(s->architectures, here->architecture) ||
            strv_contains(s->architectures, "SCMP_ARCH_NATIVE"))
                return 0;
        return json_error(path ? path : s->path, e, "the profile is not for this machine, which is %s",
                          here->architecture);
}

/* Flags of seccomp(2): two change nothing for a single process that its own reaper listens to, the others are not given
 * to a jail. */
static int settle_flags(const OciSeccomp *s, char ***notes, Error *e)
{
        static const struct {
                const char *name, *why; /* why not; NULL: it makes no difference */
        } known[] = {
                {"SECCOMP_FILTER_FLAG_TSYNC", NULL},
                {"SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV", NULL},
                {"SECCOMP_FILTER_FLAG_LOG", "what is refused is in the report, and not in the kernel's log"},
                {"SECCOMP_FILTER_FLAG_SPEC_ALLOW", "protections against speculation stay as they are"},
        };
        _cleanup_free_ char *path = json_path_key(s->path, "flags");

        for (size_t i = 0; path && s->flags && s->flags[i]; i++) {
                size_t k = 0;
                while (k < ELEMENTS(known) && strcmp(known[k].name, s->flags[i]) != 0)
                        k++;
                if (k == ELEMENTS(known)) {
                        _cleanup_free_ char *escaped = name_escape(s->flags[i]);
                        return json_error(path, e, "\"%s\" is not a flag of seccomp", escaped ? escaped : "");
                }
                if (known[k].why && strv_addf(notes, "%s: %s has no effect: %s", path, known[k].name, known[k].why) < 0)
                        return error_oom(e);
        }
        return path ? 0 : error_oom(e);
}

static int note_calls(const OciSeccomp *s, char *const *calls, const char *why, char ***notes)
{
        _cleanup_free_ char *list = strv_join(calls, ", ");

        if (strv_length(calls) == 0)
                return 0;
        return list ? strv_addf(notes, "%s%s%s: %s", s->path, *s->path ? ": " : "", why, list) : -ENOMEM;
}

int oci_seccomp_settle(OciSeccomp *s, uint64_t capabilities, char ***notes, Error *e)
{
        _cleanup_(here_done) Here here = here_for(capabilities);
        int r;

        if ((r = settle_architectures(s, &here, e)) < 0 || (r = settle_flags(s, notes, e)) < 0 ||
            (r = settle_rules(s, &here, e)) < 0)
                return r;
        if (!is_allowed(s, "execve") || !is_allowed(s, "exit_group"))
                return json_error(s->path, e, "without execve and exit_group nothing starts, and nothing ends");
        if (note_calls(s, here.unknown, "not known to this libseccomp, and so not allowed", notes) < 0 ||
            note_calls(s, here.forbidden, "no policy allows", notes) < 0)
                return error_oom(e);
        return 0;
}
