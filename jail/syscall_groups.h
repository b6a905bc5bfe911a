/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "engine/base/error.h"

#include <json-c/json.h>

/* Named groups of system calls ("@file-system"), from the file syscall-groups.json of a policy directory: an object of
 * names, each with an array of system calls and other groups. */

/* Loads the first such file of the directories. The caller owns `*ret`. */
int syscall_groups_load(char *const *directories, json_object **ret, Error *e);

/* Adds what an entry of a policy means to `names`: a group's members, or the call itself. A system call that this
 * architecture does not have is left out; one that no architecture has is an error. `groups` may be NULL. */
int syscall_groups_expand(json_object *groups, const char *entry, const char *path, char ***names, Error *e);
