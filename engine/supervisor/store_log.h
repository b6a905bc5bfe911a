/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "engine/base/error.h"

/* SQLite's log beside the store, which has what was committed last, until it is put into the store, at the latest when
 * a supervisor ends in order. SQLite takes a log that is not there, or that does not begin like one, for none at all, and
 * one that was cut short as it is; here that is found. */

/* Before the store is opened. 1: the log should be there, and is not. -EUCLEAN: it cannot be read, or lacks
 * its end. */
int store_log_check(const char *store, Error *e);

/* Something has been committed: from here on there is a log, until the end. */
void store_log_begun(const char *store);
void store_log_ended(const char *store);
