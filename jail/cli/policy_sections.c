/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "jail/cli/policy_sections.h"

#include "engine/base/strv.h"
#include "jail/filter_reading.h"

#include <string.h>
#include <sys/capability.h>
#include <sys/syscall.h>

/* What every jail has; jail/root.c. Of another root than the host's all may be read, and executed where a policy says
 * "/usr"; jail/landlock.c. */
static const char *const read_of_host[] = {"/usr", "/etc(a few files)", NULL};
static const char *const all_of_root[] = {"/(all of its root)", NULL};
static const char *const always_read[] = {"/proc(its own processes)", "/input", NULL};
static const char *const rest_of_proc[] = {"/proc(the host's figures)", NULL};
static const char *const changed_and_forgotten[] = {"/(until the job ends)", NULL};
static const char *const always_written[] = {"/work", "/tmp", "/output", "/dev/shm", NULL};
static const char *const always_devices[] = {"/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom", NULL};

static int add(PolicySection *section, const char *const *always, char *const *list)
{
        int r = always ? strv_add_new(&section->words, (char *const *)always) : 0;

        return r < 0 ? r : strv_add_new(&section->words, list);
}

static int add_capabilities(PolicySection *section, uint64_t set)
{
        int r = 0;

        for (cap_value_t c = 0; r >= 0 && c < 64; c++)
                if (set & (UINT64_C(1) << c)) {
                        char *name = cap_to_name(c);
                        r = name ? strv_add(&section->words, name) : -ENOMEM;
                        cap_free(name);
                }
        return r;
}

static int add_layers(PolicySection *section, JailLayers set)
{
        int r = 0;

        for (JailLayer layer = 0; r >= 0 && layer < JAIL_LAYER_MAX; layer++)
                if (set & (1U << layer))
                        r = strv_add(&section->words, jail_layer_name(layer));
        return r;
}

static int add_root(PolicySections *sections, const JailPolicy *p, const ExplainedRoot *root)
{
        const char *name = root->name ? root->name : "host";
        PolicySection *s = sections->list;
        int r;

        /* One that may be written is also the root that it is. */
        if ((r = strv_add(&s[SECTION_ROOT].words, name)) < 0 ||
            (r = root->writable ? strv_addf(&s[SECTION_ROOT].words, "%s(writable)", name) : 0) < 0 ||
            (r = add(&s[SECTION_READ], root->name ? all_of_root : read_of_host, NULL)) < 0 ||
            (r = add(&s[SECTION_WRITE], root->writable ? changed_and_forgotten : NULL, NULL)) < 0)
                return r;
        return root->name && strv_contains(p->execute, "/usr") ? add(&s[SECTION_EXECUTE], all_of_root, NULL) : 0;
}

/* Where no socket can be made, the loopback is down; jail/networks.c. */
static int add_network(PolicySection *section, const JailPolicy *p)
{
        static const unsigned calls[] = {SYS_socket, SYS_socketpair};
        bool sockets = false;
        uint32_t refusal;
        int r = 0;

        for (size_t i = 0; r >= 0 && i < ELEMENTS(calls); i++) {
                FilterFate fate;
                r = filter_fate(p, calls[i], &fate, &refusal);
                sockets |= r >= 0 && fate != FILTER_REFUSES;
        }
        if (r >= 0 && sockets)
                r = strv_add(&section->words, "loopback");
        if (r >= 0 && p->network == JAIL_NETWORK_BROKER)
                r = strv_add(&section->words, "broker");
        return r;
}

int policy_sections_make(const JailPolicy *p, const ExplainedRoot *root, PolicySections *ret, Error *e)
{
        _cleanup_strv_ char **writable = NULL, **execute = NULL;
        PolicySection *s = ret->list;
        int r;

        *ret = (PolicySections){{
                [SECTION_HIDDEN] = {.takes_away = true},
                [SECTION_REQUIRE] = {.takes_away = true},
        }};
        if (strv_copy(p->writable, &writable) < 0 || strv_copy(p->execute, &execute) < 0)
                return error_oom(e);
        strv_remove(writable, "/");
        if (root->name)
                strv_remove(execute, "/usr");
        if ((r = add_root(ret, p, root)) < 0 || (r = add(&s[SECTION_READ], always_read, NULL)) < 0 ||
            (r = add(&s[SECTION_READ], p->proc_pid ? NULL : rest_of_proc, p->read_only)) < 0 ||
            (r = add(&s[SECTION_WRITE], always_written, p->tmpfs)) < 0 ||
            (r = add(&s[SECTION_WRITE_HOST], NULL, writable)) < 0 ||
            (r = add(&s[SECTION_EXECUTE], NULL, execute)) < 0 || (r = add(&s[SECTION_HIDDEN], NULL, p->hidden)) < 0 ||
            (r = add(&s[SECTION_DEVICES], always_devices, p->devices)) < 0 ||
            (r = add_network(&s[SECTION_NETWORK], p)) < 0 ||
            (r = add_capabilities(&s[SECTION_CAPABILITIES], p->capabilities)) < 0 ||
            (r = add_layers(&s[SECTION_REQUIRE], p->require)) < 0)
                return error_oom(e);
        return 0;
}

void policy_sections_done(PolicySections *sections)
{
        for (size_t i = 0; i < SECTION_MAX; i++)
                strv_free(sections->list[i].words);
        *sections = (PolicySections){0};
}
