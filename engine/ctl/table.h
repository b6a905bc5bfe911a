/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "engine/base/cleanup.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A table for people: columns as wide as what is in them. Long ones are printed in pages; a column never becomes
 * narrower again, so that the pages stay aligned as far as that can be. */
typedef struct TableColumn {
        const char *title;
        bool right; /* numbers */
} TableColumn;

typedef struct Table Table;

/* The columns are borrowed. `colour`: cells may have one. NULL when out of memory. */
Table *table_new(const TableColumn *columns, size_t n, bool colour);
Table *table_free(Table *table); /* returns NULL */
DEFINE_CLEANUP(Table, table_free)

/* Adds the next cell; the row ends with its last column. The text is copied with what a terminal would obey escaped;
 * NULL and "" become "-". `colour`: as in "\033[31m", without "\033[" and "m"; NULL for none. */
void table_add(Table *table, const char *text, const char *colour);
void table_add_number(Table *table, uint64_t number);

/* Prints the rows so far on standard output, the first time under their titles, and forgets them. -ENOMEM when a cell
 * had no room. */
int table_flush(Table *table);

/* The rows so far as lines, the titles first; the strv is the caller's. NULL when out of memory. */
char **table_lines(Table *table);
