/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "engine/base/error.h"

#include <sqlite3.h>
#include <stdbool.h>

/* The file of the store: how it is opened, what its tables are, and how those of an earlier version become them. `path`
 * is for sentences, and has a directory. Errors: -EUCLEAN it is damaged, -EPROTO a newer skepd has written it, -EBUSY another program writes
 * to it, -EIO; each says what to do. */

int database_open(const char *path, int flags, sqlite3 **ret, Error *e);

/* Makes the tables of a new file; brings those of an older one to our version; refuses one that we cannot have written.
 * All or nothing. */
int database_migrate(const char *path, sqlite3 *db, Error *e);

/* Refuses a file that a newer version has written: what is in it, nobody here knows all of. */
int database_refuse_newer(const char *path, sqlite3 *db, Error *e);

/* Whether it has no tables at all. */
int database_is_empty(const char *path, sqlite3 *db, bool *ret, Error *e);

int database_prepare(const char *path, sqlite3 *db, const char *sql, sqlite3_stmt **ret, Error *e);
int database_run(const char *path, sqlite3 *db, const char *sql, Error *e);

/* Whether it can be written, when there is nothing to be: it gets the name of its format again. A code of SQLite. */
int database_write_nothing(sqlite3 *db);

/* Sets the sentence that belongs to a code of SQLite. */
int database_error(const char *path, sqlite3 *db, int code, Error *e);

/* Set the sentence for a store that is damaged, or that is gone. Return -EUCLEAN. */
int database_damaged(const char *path, const char *why, Error *e);
int database_lost(const char *path, Error *e);
