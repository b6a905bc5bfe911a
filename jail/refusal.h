/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <linux/seccomp.h>
#include <seccomp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* With which error a call is refused. The filter only says that it is, so that it can be counted; the reaper, who
 * counts, answers. Both sides of a plan are of one machine: the list is handed over as it lies in memory. */

#define ARGUMENTS_MAX 6

/* One condition on one argument, as libseccomp has it: `value` and `value_two` of SCMP_CMP_MASKED_EQ are the mask and
 * what must remain. */
typedef struct ArgumentCheck {
        uint32_t argument;
        uint32_t op; /* enum scmp_compare */
        uint64_t value, value_two;
} ArgumentCheck;

#define REFUSAL_ANY_CALL (-1)

typedef struct Refusal {
        int32_t number; /* of the call, or REFUSAL_ANY_CALL */
        int32_t error;  /* the errno, positive */
        uint64_t n_checks; /* that must all be true */
        ArgumentCheck checks[ARGUMENTS_MAX];
} Refusal;

/* The error of the first one of a list (of `size` bytes, however aligned) that fits; EPERM where none does. */
int refusal_errno(const void *list, size_t size, const struct seccomp_data *call);
