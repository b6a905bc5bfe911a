/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "engine/base/pack.h"
#include "jail/policy.h"

/* Reads a policy that was kept in `cache` under this name, if the program, the kernel and every file that it came from, or
 * could have come from, are as they were then. Such a policy can be run, and not be shown: it has neither text nor the
 * names of its system calls. Returns -ENOENT where there is none of that kind; nothing else is an error. */
int policy_cache_read(const char *cache, const char *name, JailPolicy **ret);

/* How the files are that a policy came from. False: it is not to be kept yet, since one of them has only just changed. */
bool policy_cache_look(const JailPolicy *policy, Packer *ret);

/* Keeps a compiled policy, unless its files are not as they were `before` it was read. What is not kept is compiled again
 * the next time: so there is no error. */
void policy_cache_write(const char *cache, const char *name, const JailPolicy *policy, const Packer *before);
