/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "engine/base/error.h"
#include "jail/ids.h"

#include <stdbool.h>

/* Clones of mounts of the host, to put into a jail: made as root in the launcher, as a user in the jail's first
 * process. */

/* A directory comes with what is mounted below it; but not, as root, a writable one, which is id-mapped from the owner
 * of `source` to the job. As a user, only what is the caller's own can be writable. Returns a descriptor or a negative
 * errno. */
int root_clone_bind(int source, bool writable, const Ids *ids, Error *e);
/* The same for a directory that becomes a root: where it is to be written, its owner's files become the job's. */
int root_clone_root(int source, bool writable, const Ids *ids, Error *e);
/* Maps the owner of a detached mount to the job. For root only. */
int root_give_to_job(int mount, const Ids *ids, Error *e);
/* The host's /usr, and what else belongs to it where /usr is not merged (-1: it is), as roots that are to be
 * written. */
#define ROOT_SYSTEM_PARTS 7
extern const char *const root_system_parts[ROOT_SYSTEM_PARTS];
int root_clone_system(const Ids *ids, int fds[static ROOT_SYSTEM_PARTS], Error *e);
/* The same for an input file; -1 and no error where it has to be copied instead. */
int root_clone_input(const Ids *ids, int source);
/* Opens a file that is to be standard input again, at the same offset, by such a clone. Returns -1 for what is no file,
 * or has no mount of the host's: it goes in as it is. */
int root_reopen_stdin(const Ids *ids, int source);
