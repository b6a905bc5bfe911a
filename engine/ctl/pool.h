/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "engine/ctl/table.h"

#include <json-c/json.h>

/* The workers as a table, a row each. NULL when out of memory. */
Table *pool_table(json_object *workers, bool colour);
