/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "engine/base/error.h"

/* Makes the directory if it is not there, and locks it: one supervisor for each. What is in it will be removed and
 * replaced ("jobs", "blobs"), so that it must be our own, writable by nobody else, and these must not be somebody's.
 * Returns a descriptor that holds the lock. Errors: -EBUSY another supervisor has it; -EPERM; -EEXIST. */
int state_directory_lock(const char *directory, Error *e);

/* Whether that would work, without making or locking anything. */
int state_directory_check(const char *directory, Error *e);

/* Whether there has been a store in it: the mark says so, or something is in "jobs" or "blobs", which only comes with one.
 * 1, 0 or a negative errno. */
int state_directory_had_store(const char *directory);

/* There is one now. From here on, one that is not there was lost. */
void state_directory_note_store(const char *directory);
