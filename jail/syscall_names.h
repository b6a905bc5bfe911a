/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stddef.h>

/* System calls by name and number: libseccomp's, and the newest that policies of ours name, which it does not know where
 * it is older. So a policy means the same whichever version of it is there. */

/* A negative number: __NR_SCMP_ERROR where nobody knows the name; others are libseccomp's own, for calls that this
 * architecture does not have. */
int syscall_number(const char *name);

/* Owned by the caller; NULL: nobody knows it, or out of memory. */
char *syscall_name(int number);

/* Those newest ones by name; NULL after the last. Who calls one has another way where it does not exist, and none where
 * it is refused: so in a jail that is not to have it, it does not exist. */
const char *syscall_newest(size_t index);
