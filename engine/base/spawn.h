/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stddef.h>
#include <sys/types.h>

#define SPAWN_FDS_MAX 4

/* Starts a program without forking what may be large, with these descriptors from 3 on and no others: /dev/null to read and
 * write, the caller's stderr, nothing in its environment. The descriptors stay the caller's. Returns 0 or a negative errno,
 * also where the program cannot be executed. */
int spawn_with_fds(const char *program, char *const *argv, const int *fds, size_t n, pid_t *ret);
