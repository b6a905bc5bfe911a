/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "engine/base/error.h"

#include <stdint.h>

/* What stands below a directory takes of the disk. */
typedef struct TreeUse {
        uint64_t bytes; /* of blocks; a file of several names counts once, if all of them are in there */
        uint64_t names;
} TreeUse;

/* Looks at it while somebody changes it, who may be an attacker: what goes meanwhile does not count. Stops when there are
 * more than `max_names`. Errors: -EDQUOT something in there cannot be looked into; others of opening the directory. */
int tree_use(int directory, uint64_t max_names, TreeUse *ret, Error *e);
