/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "engine/base/error.h"

#include <stdbool.h>
#include <stdint.h>

typedef struct Salvaged {
        uint64_t jobs, reports;
        bool whole; /* nothing was found damaged */
} Salvaged;

/* Makes a new store at `path` of what can be read of the damaged one, `from`, which is only read. What is known of the
 * load is left: it is learnt again. -EEXIST there is a file already, -EUCLEAN nothing can be read, -EPROTO a newer
 * version has written it. */
int salvage(const char *from, const char *path, Salvaged *ret, Error *e);
