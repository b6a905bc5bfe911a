/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "jail/policy.h"

#include <linux/seccomp.h>

/* What a policy's filter does, read from the compiled program itself: so it is what the kernel will do, whatever it was
 * compiled from. The policy must have been compiled. */

bool filter_allows(const JailPolicy *policy, const struct seccomp_data *call);
/* For a call that nothing narrows: asked with zeros as its arguments. */
bool filter_allows_number(const JailPolicy *policy, unsigned number);

#define FILTER_ARGUMENTS 6

/* Values of the arguments by which the answer to a call can be told apart: those that the program compares with, and
 * their neighbours. An argument that is not looked at has none. */
typedef struct FilterValues {
        uint64_t *values[FILTER_ARGUMENTS]; /* owned; sorted, each once */
        size_t n[FILTER_ARGUMENTS];
        uint64_t *masks[FILTER_ARGUMENTS]; /* owned: under which only a part of the argument is compared */
        size_t n_masks[FILTER_ARGUMENTS];
} FilterValues;

/* Finds them for the call of that number; they are added to what `values` has, so that two policies can be asked the
 * same. Error: -ENOMEM. */
int filter_find_values(const JailPolicy *policy, unsigned number, FilterValues *values);
void filter_values_done(FilterValues *values);

typedef enum FilterFate {
        FILTER_ALLOWS,
        FILTER_NARROWS, /* allows with some arguments */
        FILTER_REFUSES,
} FilterFate;

/* What becomes of a call; `*ret_refusal` is the answer where it is not allowed. What is said to be allowed or refused
 * always is; what is said to be narrowed may be either, by a contradiction that was not seen. Error: -ENOMEM. */
int filter_fate(const JailPolicy *policy, unsigned number, FilterFate *ret, uint32_t *ret_refusal);

/* Whether each policy allows something of the call that the other does not. More arguments than can be tried through count
 * as a difference. Error: -ENOMEM. */
int filter_compare(const JailPolicy *a, const JailPolicy *b, unsigned number, bool *ret_only_a, bool *ret_only_b);
