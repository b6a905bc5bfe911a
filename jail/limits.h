/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "jail/jail.h"

/* The limits of a policy: each value a scalar, which is the default, or {"default": …, "max": …} with the ceiling of
 * what a job may ask for. What is read replaces what was there, null by nothing. */
int limits_read_policy(json_object *object, const char *path, JailLimits *defaults, JailLimits *ceilings, Error *e);

/* Makes defaults and ceilings fit: what has a ceiling and no default is limited by it. Error: -EINVAL for a default above
 * its ceiling, naming the key. */
int limits_settle(JailLimits *defaults, const JailLimits *ceilings, Error *e);

/* The same as JSON, in the form that limits_read_policy() takes. NULL when out of memory. */
json_object *limits_to_json(const JailLimits *defaults, const JailLimits *ceilings);

/* The limits one by one, for who shows them. The name, such as "io.read": owned by the caller, NULL when out of memory. */
#define LIMITS_COUNT 10
char *limits_name(size_t index);
uint64_t limits_amount(const JailLimits *limits, size_t index);
/* As people write it: "512M", "1min", "1.5"; "unlimited". Owned by the caller; NULL when out of memory. */
char *limits_format(size_t index, uint64_t amount);

/* Finds the first limit of `asked` above its ceiling. Errors: -EPERM with a sentence. */
int limits_check(const JailLimits *asked, const JailLimits *ceilings, const char *policy, Error *e);
