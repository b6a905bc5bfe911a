/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "engine/supervisor/bursts.h"
#include "engine/supervisor/load.h"
#include "engine/supervisor/store.h"

/* What is kept of the load, for eight weeks: steps of ten seconds for two days, of a minute for two weeks, of ten
 * minutes for the rest; some 2 MB. Steps in which nothing was are kept as one row for all that follow each other; what
 * is in no row is a gap. */

/* Takes so many steps to be written. */
void load_store_keep(Store *store, const LoadStep *steps, size_t n);

/* Calls `each` for every step of that grain that begins at `from_sec` or later and is kept as such, in order. 0, or a
 * negative errno: -EIO. */
int load_store_each(Store *store, LoadGrain grain, int64_t from_sec, void (*each)(const LoadStep *step, void *userdata),
                    void *userdata);

/* The same by policies, for fifteen days: minutes in which jobs of theirs came. */
void load_store_keep_policies(Store *store, const PolicyMinute *minutes, size_t n);

/* Calls `each` for all of them; or (`first`) once for each policy, the one used last coming last: with its first minute, and
 * without counts. */
int load_store_each_policy(Store *store, bool first, int64_t from_sec, void (*each)(const PolicyMinute *m, void *userdata),
                           void *userdata);

/* What a scaler has learnt, by its name. */
void load_store_keep_learnt(Store *store, const char *name, const void *data, size_t size);
/* The caller owns `*ret`. -ENOENT; -EIO. */
int load_store_learnt(Store *store, const char *name, void **ret, size_t *ret_size);
