/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What can be saved of a damaged store. Whoever walks through one of its tables comes as far as the first page that
 * cannot be read, and from its end, as far as the last; but what lies between is found by its key. And the keys stand
 * in the file, and in the log beside it, as they are: so these are searched for whatever looks like the id of a job,
 * and each is asked for by itself. What cannot be reached then costs no other row; and nothing comes back that was
 * removed, since it is the tables that are asked.
 *
 * What is written is a store that a supervisor starts with: reports belong to jobs, and arrays have all of their
 * members. */

#include "engine/supervisor/salvage.h"

#include "engine/base/fd.h"
#include "engine/supervisor/database.h"
#include "engine/supervisor/job.h"

#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>

#define CHUNK ((size_t)64 << 10)
#define SECTOR 4096
#define INDEX_DIGITS (ID_MEMBER_LENGTH - ID_LENGTH - 1)

/* From one table of the damaged store to the same of the new one. */
typedef struct Table {
        sqlite3_stmt *rows; /* all, or those of a key */
        sqlite3_stmt *insert;
} Table;

static void table_done(Table *t)
{
        sqlite3_finalize(t->rows);
        sqlite3_finalize(t->insert);
}

/* ---- rows ---- */

/* The names of a table's columns, and a mark for each: "id, state" and "?, ?". A later version may have more. -ENOENT:
 * it is not there. */
static int list_columns(sqlite3 *db, const char *table, char **ret_names, char **ret_marks)
{
        sqlite3_stmt *row = NULL;
        int code = sqlite3_prepare_v2(
                db, "SELECT group_concat(name, ', '), group_concat('?', ', ') FROM pragma_table_info(?1)", -1, &row,
                NULL);

        if (code == SQLITE_OK)
                code = sqlite3_bind_text(row, 1, table, -1, SQLITE_STATIC);
        if (code == SQLITE_OK)
                code = sqlite3_step(row);
        const char *names = code == SQLITE_ROW ? (const char *)sqlite3_column_text(row, 0) : NULL;
        if (names) {
                *ret_names = strdup(names);
                *ret_marks = strdup((const char *)sqlite3_column_text(row, 1));
        }
        sqlite3_finalize(row);
        return names ? *ret_names && *ret_marks ? 0 : -ENOMEM : -ENOENT;
}

/* A table that is gone, or cannot be read at all, has no rows. A row that the new store does not take was none of ours.
 */
static int table_open(Table *t, sqlite3 *from, sqlite3 *to, const char *path, const char *table, const char *which,
                      Error *e)
{
        _cleanup_free_ char *names = NULL, *marks = NULL, *select = NULL, *insert = NULL;
        int r = list_columns(from, table, &names, &marks);

        if (r == -ENOENT)
                return 0;
        if (r < 0)
                return error_oom(e);
        if (asprintf(&select, "SELECT %s FROM %s %s", names, table, which) < 0)
                return select = NULL, error_oom(e);
        if (asprintf(&insert, "INSERT OR IGNORE INTO %s (%s) VALUES (%s)", table, names, marks) < 0)
                return insert = NULL, error_oom(e);
        r = database_prepare(path, to, insert, &t->insert, e);
        if (r >= 0 && sqlite3_prepare_v2(from, select, -1, &t->rows, NULL) != SQLITE_OK)
                t->rows = NULL;
        return r;
}

/* `whole` becomes false where some cannot be read. */
static int table_save(Table *t, const char *key, const char *path, bool *whole, Error *e)
{
        int code = SQLITE_DONE, r = 0;

        if (!t->rows)
                return *whole = false, 0;
        if (key)
                sqlite3_bind_text(t->rows, 1, key, -1, SQLITE_STATIC);
        while (r >= 0 && (code = sqlite3_step(t->rows)) == SQLITE_ROW) {
                for (int i = 0; i < sqlite3_column_count(t->rows); i++)
                        sqlite3_bind_value(t->insert, i + 1, sqlite3_column_value(t->rows, i));
                sqlite3_step(t->insert);
                int failed = sqlite3_reset(t->insert);
                if (failed != SQLITE_OK)
                        r = database_error(path, sqlite3_db_handle(t->insert), failed, e);
        }
        *whole &= code == SQLITE_DONE;
        sqlite3_reset(t->rows);
        return r;
}

/* ---- ids ---- */

static int note_id(sqlite3_stmt *note, const char *id, size_t size)
{
        sqlite3_bind_text(note, 1, id, (int)size, SQLITE_TRANSIENT);
        sqlite3_step(note);
        return sqlite3_reset(note);
}

/* If there is one at the beginning of the text; that of a member with as many digits as it may have, since others may
 * follow. */
static int note_ids(sqlite3_stmt *note, const char *text, size_t size)
{
        char id[ID_LENGTH + 1 + INDEX_DIGITS + 1] = {0};
        size_t most = size < sizeof id - 1 ? size : sizeof id - 1;

        if (size < ID_LENGTH || text[0] < '0' || text[0] > '7')
                return SQLITE_OK;
        memcpy(id, text, ID_LENGTH);
        if (!id_is_valid(id))
                return SQLITE_OK;
        int code = note_id(note, id, ID_LENGTH);
        for (size_t n = ID_LENGTH + 2; code == SQLITE_OK && n <= most; n++) {
                memcpy(id, text, n);
                if (!id_is_valid(id))
                        break;
                code = note_id(note, id, n);
        }
        return code;
}

/* A part of a file that the disk does not give is passed over. */
static int search_file(sqlite3_stmt *note, int fd, uint64_t size)
{
        const size_t overlap = ID_LENGTH + 1 + INDEX_DIGITS;
        char *chunk = malloc(CHUNK);
        int code = chunk ? SQLITE_OK : SQLITE_NOMEM;

        for (uint64_t at = 0; code == SQLITE_OK && at < size;) {
                ssize_t n = pread(fd, chunk, CHUNK, (off_t)at);
                if (n <= 0) {
                        at += SECTOR;
                        continue;
                }
                for (size_t i = 0; code == SQLITE_OK && i < (size_t)n; i++)
                        code = note_ids(note, chunk + i, (size_t)n - i);
                at += (size_t)n > overlap ? (size_t)n - overlap : (size_t)n;
        }
        free(chunk);
        return code;
}

static int find_ids(const char *from, const char *suffix, const char *path, sqlite3 *to, Error *e)
{
        _cleanup_free_ char *name = NULL;
        sqlite3_stmt *note = NULL;
        struct stat st;

        if (asprintf(&name, "%s%s", from, suffix) < 0)
                return name = NULL, error_oom(e);
        _cleanup_close_ int fd = open(name, O_RDONLY | O_CLOEXEC);
        if (fd < 0 || fstat(fd, &st) < 0)
                return errno == ENOENT && *suffix ? 0 : error_errno(e, -errno, "%s", name);
        int r = database_prepare(path, to, "INSERT OR IGNORE INTO ids VALUES (?1)", &note, e);
        int code = r >= 0 ? search_file(note, fd, (uint64_t)st.st_size) : SQLITE_OK;
        sqlite3_finalize(note);
        return code == SQLITE_OK ? r : database_error(path, to, code, e);
}

/* All rows of a table that are met on the way from its beginning, and from its end. */
static int save_on_the_way(sqlite3 *from, sqlite3 *to, const char *path, const char *table, bool *whole, Error *e)
{
        static const char *const orders[] = {"ORDER BY 1", "ORDER BY 1 DESC"};
        bool all = false;
        int r = 0;

        for (size_t i = 0; r >= 0 && !all && i < ELEMENTS(orders); i++) {
                Table rows = {0};
                all = true;
                r = table_open(&rows, from, to, path, table, orders[i], e);
                if (r >= 0)
                        r = table_save(&rows, NULL, path, &all, e);
                table_done(&rows);
                *whole &= all;
        }
        return r;
}

static int save_by_ids(sqlite3 *from, sqlite3 *to, const char *path, bool *whole, Error *e)
{
        Table jobs = {0}, attempts = {0};
        sqlite3_stmt *ids = NULL;
        int r = table_open(&jobs, from, to, path, "jobs", "WHERE id = ?1", e);

        if (r >= 0)
                r = table_open(&attempts, from, to, path, "attempts", "WHERE job = ?1", e);
        if (r >= 0)
                r = database_prepare(path, to, "SELECT id FROM ids", &ids, e);
        while (r >= 0 && sqlite3_step(ids) == SQLITE_ROW) {
                const char *id = (const char *)sqlite3_column_text(ids, 0);
                r = table_save(&jobs, id, path, whole, e);
                if (r >= 0)
                        r = table_save(&attempts, id, path, whole, e);
        }
        sqlite3_finalize(ids);
        table_done(&jobs);
        table_done(&attempts);
        return r;
}

static int save_rows(sqlite3 *from, sqlite3 *to, const char *path, bool *whole, Error *e)
{
        static const char *const tables[] = {"jobs", "attempts", "settings"};
        int r = 0;

        for (size_t i = 0; r >= 0 && i < ELEMENTS(tables); i++)
                r = save_on_the_way(from, to, path, tables[i], whole, e);
        return r < 0 || *whole ? r : save_by_ids(from, to, path, whole, e);
}

/* ---- the new store ---- */

static int count(const char *path, sqlite3 *db, const char *table, uint64_t *ret, Error *e)
{
        _cleanup_free_ char *sql = NULL;
        sqlite3_stmt *row = NULL;

        if (asprintf(&sql, "SELECT count(*) FROM %s", table) < 0)
                return sql = NULL, error_oom(e);
        int r = database_prepare(path, db, sql, &row, e);
        if (r >= 0 && sqlite3_step(row) == SQLITE_ROW)
                *ret = (uint64_t)sqlite3_column_int64(row, 0);
        sqlite3_finalize(row);
        return r;
}

static void is_job(sqlite3_context *context, int n _unused_, sqlite3_value **values)
{
        const char *id = (const char *)sqlite3_value_text(values[0]),
                   *state = (const char *)sqlite3_value_text(values[1]);
        JobState known;

        sqlite3_result_int(context, id && state && id_is_valid(id) && job_state_parse(state, &known));
}

/* What a supervisor would not start with, or could do nothing with. */
static int drop_remains(const char *path, sqlite3 *store, bool *whole, Error *e)
{
        static const char sql[] =
                "DELETE FROM jobs WHERE NOT is_job(id, state);"
                "DELETE FROM jobs WHERE length(id) = 26 AND json_valid(spec) AND coalesce(json_extract(spec, "
                "'$.array.count'), 0)"
                " <> (SELECT count(*) FROM jobs AS members WHERE members.id >= jobs.id || '_' AND members.id < jobs.id "
                "|| '`');"
                "DELETE FROM jobs WHERE length(id) > 26 AND substr(id, 1, 26) NOT IN (SELECT id FROM jobs);"
                "DELETE FROM attempts WHERE job NOT IN (SELECT id FROM jobs);";
        int before = sqlite3_total_changes(store);

        if (sqlite3_create_function(store, "is_job", 2, SQLITE_UTF8, NULL, is_job, NULL, NULL) != SQLITE_OK)
                return error_oom(e);
        int r = database_run(path, store, sql, e);
        *whole &= sqlite3_total_changes(store) == before;
        return r;
}

static int fill(const char *from, sqlite3 *damaged, const char *path, sqlite3 *store, Salvaged *ret, Error *e)
{
        int r = database_migrate(path, store, e);

        /* Reports come beside their jobs, and some without. */
        if (r >= 0)
                r = database_run(
                        path, store,
                        "PRAGMA foreign_keys = OFF; BEGIN; CREATE TEMP TABLE ids (id TEXT PRIMARY KEY) WITHOUT ROWID",
                        e);
        if (r >= 0)
                r = find_ids(from, "", path, store, e);
        if (r >= 0)
                r = find_ids(from, "-wal", path, store, e);
        if (r >= 0)
                r = save_rows(damaged, store, path, &ret->whole, e);
        if (r >= 0)
                r = drop_remains(path, store, &ret->whole, e);
        if (r >= 0)
                r = database_run(path, store, "COMMIT", e);
        if (r >= 0)
                r = count(path, store, "jobs", &ret->jobs, e);
        return r < 0 ? r : count(path, store, "attempts", &ret->reports, e);
}

int salvage(const char *from, const char *path, Salvaged *ret, Error *e)
{
        sqlite3 *damaged = NULL, *store = NULL;
        int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

        if (fd < 0)
                return error_errno(e, -errno, "%s", path);
        close(fd);
        *ret = (Salvaged){.whole = true};
        int r = database_open(from, SQLITE_OPEN_READONLY, &damaged, e);
        /* What a page says of its cells is not believed either. */
        if (r >= 0)
                r = database_run(from, damaged, "PRAGMA cell_size_check = ON; SELECT count(*) FROM sqlite_master", e);
        /* Rows that its tables do not have here would be lost, and nobody would be told. */
        if (r >= 0)
                r = database_refuse_newer(from, damaged, e);
        if (r >= 0)
                r = database_open(path, SQLITE_OPEN_READWRITE, &store, e);
        if (r >= 0)
                r = fill(from, damaged, path, store, ret, e);
        if (r == -EUCLEAN || (r >= 0 && ret->jobs == 0 && !ret->whole)) {
                error_clear(e);
                r = error_set(e, -EUCLEAN, "nothing of %s can be read: put a backup in its place", from);
        }
        sqlite3_close(damaged);
        sqlite3_close(store);
        if (r < 0)
                unlink(path);
        return r;
}
