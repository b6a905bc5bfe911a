/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "jail/bpf.h"

#include <stdbool.h>

/* What no policy can allow, written down in skep-policy(5): a policy that names such a call in its own words is
 * refused, and of a profile that was written for containers, what lies below this is taken away. */

bool floor_forbids(const char *call);

/* Calls that libc does without when they seem not to exist; EPERM would be an error to it. They never do in a jail:
 * what they are asked for is behind a pointer, where no filter sees it. */
bool floor_hides(const char *call);
int floor_hide_calls(scmp_filter_ctx context);

/* Calls that a filter of the floor may refuse, as a whole or for some arguments; NULL after the last. */
const char *floor_call(size_t index);

/* Allows everything but that, for which `refusal` is the answer. For filters that do not narrow these calls by
 * themselves. */
int floor_compile(uint32_t refusal, BpfProgram *ret);
