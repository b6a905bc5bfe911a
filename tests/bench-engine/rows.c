/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/bench-engine/rows.h"

#include "engine/base/cleanup.h"

#include <inttypes.h>
#include <sqlite3.h>
#include <stdbool.h>

static int failed(const Rows *rows, Error *e)
{
        return error_set(e, -EIO, "SQLite: %s", rows->db ? sqlite3_errmsg(rows->db) : "out of memory");
}

int rows_open(Rows *rows, const char *folder, Error *e)
{
        _cleanup_free_ char *path = NULL;

        if (asprintf(&path, "%s/rows.db", folder) < 0)
                return error_oom(e);
        if (sqlite3_open(path, &rows->db) != SQLITE_OK ||
            sqlite3_exec(rows->db,
                         "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;"
                         "CREATE TABLE rows (id TEXT PRIMARY KEY, text TEXT NOT NULL) WITHOUT ROWID",
                         NULL, NULL, NULL) != SQLITE_OK ||
            sqlite3_prepare_v2(rows->db, "INSERT INTO rows VALUES (?1, ?2)", -1, &rows->insert, NULL) != SQLITE_OK)
                return failed(rows, e);
        return 0;
}

void rows_close(Rows *rows)
{
        sqlite3_finalize(rows->insert);
        sqlite3_close(rows->db);
}

static bool write_row(Rows *rows, const char *text)
{
        char id[32];

        snprintf(id, sizeof id, "01jzzzzzzz%016ju", (uintmax_t)rows->n++);
        sqlite3_bind_text(rows->insert, 1, id, -1, SQLITE_STATIC);
        sqlite3_bind_text(rows->insert, 2, text, -1, SQLITE_STATIC);
        int code = sqlite3_step(rows->insert);
        sqlite3_reset(rows->insert);
        return code == SQLITE_DONE;
}

int rows_write(Rows *rows, const char *text, size_t total, size_t in_a_commit, Error *e)
{
        for (size_t done = 0; done < total;) {
                bool ok = sqlite3_exec(rows->db, "BEGIN IMMEDIATE", NULL, NULL, NULL) == SQLITE_OK;
                for (size_t i = 0; ok && i < in_a_commit && done < total; i++, done++)
                        ok = write_row(rows, text);
                if (!ok || sqlite3_exec(rows->db, "COMMIT", NULL, NULL, NULL) != SQLITE_OK)
                        return failed(rows, e);
        }
        return 0;
}
