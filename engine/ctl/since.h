/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "engine/base/error.h"

#include <stdint.h>

/* "--since": how long ago ("10min"), or a day or time of the local clock ("2026-01-31 13:00"). -EINVAL. */
int since_parse(const char *text, uint64_t *ret_realtime_usec, Error *e);

/* The cursor behind which the jobs submitted since then come: ids begin with the time. "" for 0. Owned by the caller.
 */
char *since_cursor(uint64_t realtime_usec);
