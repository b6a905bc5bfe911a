/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "engine/base/error.h"

#include <stddef.h>
#include <stdint.h>

/* SQLite alone, with the journal and the care that a store of jobs needs (WAL, synchronous=FULL): rows as long as a
 * job's, in a file of their own. */
typedef struct Rows {
        struct sqlite3 *db;
        struct sqlite3_stmt *insert;
        uint64_t n;
} Rows;

int rows_open(Rows *rows, const char *folder, Error *e);
void rows_close(Rows *rows);

/* Writes `total` rows, so many in each commit. */
int rows_write(Rows *rows, const char *text, size_t total, size_t in_a_commit, Error *e);
