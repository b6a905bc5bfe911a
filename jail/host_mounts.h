/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>

/* What is mounted on the host, as this process and those that it forks see it. */

/* Looks, if anything was mounted or unmounted since it last looked (poll(2) of mountinfo, proc(5)): one call, as a rule. */
void host_mounts_look(void);

/* Whether, when it last looked, something was mounted below a directory. True when that is not known. `path`: absolute,
 * without links. */
bool host_mounts_below(const char *path);

/* Whether a directory, with all below it, was on the mount of the root. False when that is not known. */
bool host_mounts_on_root(const char *path);
