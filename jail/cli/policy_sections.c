/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "jail/cli/policy_sections.h"

#include "engine/base/strv.h"

#include <string.h>
#include <sys/capability.h>

/* What every jail has; jail/root.c. */
static const char *const always_read[] = {"/usr", "/etc(a few files)", "/proc(its own)", "/input", NULL};
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

int policy_sections_make(const JailPolicy *p, PolicySections *ret, Error *e)
{
        PolicySection *s = ret->list;
        int r;

        *ret = (PolicySections){{
                [SECTION_READ] = {"read", false, NULL},
                [SECTION_WRITE] = {"written", false, NULL},
                [SECTION_WRITE_HOST] = {"of the host", false, NULL},
                [SECTION_EXECUTE] = {"executed", false, NULL},
                [SECTION_HIDDEN] = {"hidden", true, NULL},
                [SECTION_DEVICES] = {"devices", false, NULL},
                [SECTION_NETWORK] = {"network", false, NULL},
                [SECTION_CAPABILITIES] = {"capabilities", false, NULL},
                [SECTION_REQUIRE] = {"required", true, NULL},
        }};
        if ((r = add(&s[SECTION_READ], always_read, p->read_only)) < 0 ||
            (r = add(&s[SECTION_WRITE], always_written, p->tmpfs)) < 0 ||
            (r = add(&s[SECTION_WRITE_HOST], NULL, p->writable)) < 0 ||
            (r = add(&s[SECTION_EXECUTE], NULL, p->execute)) < 0 || (r = add(&s[SECTION_HIDDEN], NULL, p->hidden)) < 0 ||
            (r = add(&s[SECTION_DEVICES], always_devices, p->devices)) < 0 ||
            (r = strv_add(&s[SECTION_NETWORK].words, "loopback")) < 0 ||
            (r = p->network == JAIL_NETWORK_BROKER ? strv_add(&s[SECTION_NETWORK].words, "broker") : 0) < 0 ||
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
