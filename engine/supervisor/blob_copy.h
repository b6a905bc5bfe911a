/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "engine/base/error.h"
#include "engine/base/pack.h"
#include "engine/supervisor/copies.h"
#include "jail/jail.h"

#include <stdint.h>

/* How strangers' files become blobs: what a porter does (porter.h). */

/* Copies them, each under a name of its own, and counts what is written in one of the counts, which says how much may be; packs an error's number and sentence, or 0 and the names that they are to have. What
 * the files answer, or do not answer, holds up the caller. */
void blob_copy_all(int directory, const JailInput *inputs, size_t n, const Copy *copies, Copy *own, uint64_t serial, Packer *ret);

/* The name of a copy. The supervisor gives it its lasting one, since it alone knows which of those are in use at that moment. Owned by
 * the caller; NULL when out of memory. */
char *blob_temporary_name(uint64_t serial, size_t index);

/* For what is not the file's fault, but the state directory's. */
int blob_store_error(const char *what, int r, Error *e);
