/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "jail/cli/explain_root.h"

/* What a policy permits, as lists of words: explained one by one, and compared with those of another. */

typedef enum PolicySectionKind {
        SECTION_ROOT,
        SECTION_READ,
        SECTION_WRITE,
        SECTION_WRITE_HOST,
        SECTION_EXECUTE,
        SECTION_HIDDEN,
        SECTION_DEVICES,
        SECTION_NETWORK,
        SECTION_CAPABILITIES,
        SECTION_REQUIRE,
        SECTION_MAX,
} PolicySectionKind;

typedef struct PolicySection {
        bool takes_away; /* more words permit less */
        char **words;    /* owned */
} PolicySection;

typedef struct PolicySections {
        PolicySection list[SECTION_MAX];
} PolicySections;

/* The policy is compiled. */
int policy_sections_make(const JailPolicy *policy, const ExplainedRoot *root, PolicySections *ret, Error *e);
void policy_sections_done(PolicySections *sections);
#define _cleanup_sections_ _cleanup_(policy_sections_done)
