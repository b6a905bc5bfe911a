/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "engine/base/error.h"

#include <stdbool.h>

/* The directory of the store; for the files that make it. */

/* Opens it for reading; with `make`, makes it. Errors: -ENOENT it is not there; -EPERM it belongs to somebody else, or
 * others may write there. */
int image_store_open(bool make, Error *e);

/* Locks it for changes of names, until the descriptor is closed. Not for long: others wait. */
int image_store_lock(int store, Error *e);

/* Whether the name is that of the open directory. */
bool image_store_has(int store, const char *name, int directory);

/* A new name that is no image's; owned by the caller. */
char *image_store_hidden_name(void);

/* Removes what has a hidden name and nobody's lock. Under the lock. */
void image_store_tidy(int store);
