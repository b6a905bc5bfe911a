/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "engine/supervisor/database.h"

#include <inttypes.h>
#include <stdint.h>
#include <string.h>

#define APPLICATION_ID 0x536b6570 /* "Skep" */
#define BUSY_MSEC 5000

/* With what belongs to it: beside a new store, all that jobs have left would be nobody's. */
#define SET_ASIDE                                                                                                      \
        "\"cd %.*s && mkdir -m 700 damaged && mv jobs* blobs skep-state damaged\" sets it aside with all that jobs have " \
        "left, and a new one is made, or a backup unpacked"
#define DIRECTORY_OF(path) (int)(strrchr(path, '/') - (path)), path

/* What makes each version of the one before it; the first one of nothing. What has been released is never changed. */
static const char *const steps[] = {
        "CREATE TABLE jobs (id TEXT PRIMARY KEY, tenant TEXT NOT NULL, policy TEXT NOT NULL, spec TEXT NOT NULL,"
        " inputs TEXT NOT NULL, state TEXT NOT NULL, attempt INTEGER NOT NULL, failures INTEGER NOT NULL,"
        " submitted_usec INTEGER NOT NULL, started_usec INTEGER NOT NULL, finished_usec INTEGER NOT NULL,"
        " due_usec INTEGER NOT NULL, held INTEGER NOT NULL) WITHOUT ROWID;"
        "CREATE TABLE attempts (job TEXT NOT NULL REFERENCES jobs ON DELETE CASCADE, attempt INTEGER NOT NULL,"
        " report TEXT NOT NULL, PRIMARY KEY (job, attempt)) WITHOUT ROWID;",

        /* What a job has left, for its tenant's account; by what the result cache knows it, and the job whose result it
           has. */
        "ALTER TABLE jobs ADD COLUMN output_bytes INTEGER NOT NULL DEFAULT 0;"
        "ALTER TABLE jobs ADD COLUMN digest TEXT;"
        "ALTER TABLE jobs ADD COLUMN origin TEXT;"
        "CREATE TABLE settings (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;",

        /* The load (load_store.c), and what scalers have learnt of it. */
        "CREATE TABLE load (step_sec INTEGER NOT NULL, time_sec INTEGER NOT NULL, steps INTEGER NOT NULL, idle INTEGER NOT NULL,"
        " arrivals INTEGER NOT NULL, ended INTEGER NOT NULL, service_usec INTEGER NOT NULL, waited_usec INTEGER NOT NULL,"
        " queued_usec INTEGER NOT NULL, running_usec INTEGER NOT NULL, PRIMARY KEY (step_sec, time_sec)) WITHOUT ROWID;"
        "CREATE TABLE learnt (name TEXT PRIMARY KEY, data BLOB NOT NULL);",

        /* Of that, what belongs to each policy: minutes in which there was something. */
        ("CREATE TABLE policy_load (time_sec INTEGER NOT NULL, policy TEXT NOT NULL, arrivals INTEGER NOT NULL,"
         " at_once INTEGER NOT NULL, PRIMARY KEY (time_sec, policy)) WITHOUT ROWID;"),
};

#define SCHEMA ((int64_t)ELEMENTS(steps))

int database_damaged(const char *path, const char *why, Error *e)
{
        return error_set(e, -EUCLEAN, "%s is damaged (%s): \"skepd --recover %s NEW\" makes a new one of what can be saved of it; " SET_ASIDE,
                         path, why, path, DIRECTORY_OF(path));
}

int database_lost(const char *path, Error *e)
{
        return error_set(e, -EUCLEAN, "%s is not there or empty, though there was a store: put it back; or " SET_ASIDE,
                         path, DIRECTORY_OF(path));
}

int database_error(const char *path, sqlite3 *db, int code, Error *e)
{
        switch (code & 0xff) {
        case SQLITE_CORRUPT:
        case SQLITE_NOTADB:
                return database_damaged(path, sqlite3_errstr(code), e);
        /* What we ask for is always the same: so a table or a column is missing. */
        case SQLITE_ERROR:
                return database_damaged(path, db ? sqlite3_errmsg(db) : sqlite3_errstr(code), e);
        case SQLITE_BUSY:
        case SQLITE_LOCKED:
                return error_set(e, -EBUSY, "%s is in use by another program", path);
        default:
                return error_set(e, -EIO, "%s: %s", path, db ? sqlite3_errmsg(db) : sqlite3_errstr(code));
        }
}

int database_run(const char *path, sqlite3 *db, const char *sql, Error *e)
{
        int code = sqlite3_exec(db, sql, NULL, NULL, NULL);

        return code == SQLITE_OK ? 0 : database_error(path, db, code, e);
}

int database_prepare(const char *path, sqlite3 *db, const char *sql, sqlite3_stmt **ret, Error *e)
{
        int code = sqlite3_prepare_v3(db, sql, -1, SQLITE_PREPARE_PERSISTENT, ret, NULL);

        return code == SQLITE_OK ? 0 : database_error(path, db, code, e);
}

int database_open(const char *path, int flags, sqlite3 **ret, Error *e)
{
        int code = sqlite3_open_v2(path, ret, flags | SQLITE_OPEN_NOMUTEX, NULL);

        if (code != SQLITE_OK)
                return database_error(path, *ret, code, e);
        sqlite3_busy_timeout(*ret, BUSY_MSEC);
        return database_run(path, *ret, "PRAGMA foreign_keys = ON; PRAGMA synchronous = FULL;", e);
}

static int read_number(const char *path, sqlite3 *db, const char *sql, int64_t *ret, Error *e)
{
        sqlite3_stmt *statement = NULL;
        int code = sqlite3_prepare_v2(db, sql, -1, &statement, NULL);

        if (code == SQLITE_OK && (code = sqlite3_step(statement)) == SQLITE_ROW) {
                *ret = sqlite3_column_int64(statement, 0);
                code = SQLITE_OK;
        }
        int r = code == SQLITE_OK ? 0 : database_error(path, db, code, e);
        sqlite3_finalize(statement);
        return r;
}

int database_is_empty(const char *path, sqlite3 *db, bool *ret, Error *e)
{
        int64_t tables = 0;
        int r = read_number(path, db, "SELECT count(*) FROM sqlite_master", &tables, e);

        *ret = tables == 0;
        return r;
}

static int take_steps(const char *path, sqlite3 *db, int64_t version, Error *e)
{
        char sql[128];
        int r = 0;

        for (int64_t step = version; r >= 0 && step < SCHEMA; step++)
                r = database_run(path, db, steps[step], e);
        snprintf(sql, sizeof sql, "PRAGMA application_id = %d; PRAGMA user_version = %" PRIi64 ";", APPLICATION_ID,
                 SCHEMA);
        return r < 0 ? r : database_run(path, db, sql, e);
}

int database_write_nothing(sqlite3 *db)
{
        char sql[64];

        snprintf(sql, sizeof sql, "PRAGMA application_id = %d", APPLICATION_ID);
        return sqlite3_exec(db, sql, NULL, NULL, NULL);
}

static int newer_error(const char *path, int64_t version, Error *e)
{
        return error_set(e, -EPROTO,
                         "%s was written by a newer skepd (schema %" PRIi64 ", this one knows %" PRIi64
                         "): install "
                         "that version again",
                         path, version, SCHEMA);
}

int database_refuse_newer(const char *path, sqlite3 *db, Error *e)
{
        int64_t version = 0, application = 0;
        int r;

        if ((r = read_number(path, db, "PRAGMA user_version", &version, e)) < 0 ||
            (r = read_number(path, db, "PRAGMA application_id", &application, e)) < 0)
                return r;
        return application == APPLICATION_ID && version > SCHEMA ? newer_error(path, version, e) : 0;
}

int database_migrate(const char *path, sqlite3 *db, Error *e)
{
        int64_t version = 0, application = 0, tables = 0;
        int r;

        if ((r = read_number(path, db, "PRAGMA user_version", &version, e)) < 0 ||
            (r = read_number(path, db, "PRAGMA application_id", &application, e)) < 0 ||
            (r = read_number(path, db, "SELECT count(*) FROM sqlite_master", &tables, e)) < 0)
                return r;
        if (tables > 0 && application != APPLICATION_ID)
                return error_set(e, -EUCLEAN, "%s is the database of another program: " SET_ASIDE, path,
                                 DIRECTORY_OF(path));
        if (version > SCHEMA)
                return newer_error(path, version, e);
        if (version < 0 || (tables > 0 && version == 0))
                return error_set(e, -EUCLEAN, "%s has no version: " SET_ASIDE, path, DIRECTORY_OF(path));
        if (version == SCHEMA)
                return 0;
        if ((r = database_run(path, db, "BEGIN IMMEDIATE", e)) < 0)
                return r;
        r = take_steps(path, db, version, e);
        if (r >= 0)
                r = database_run(path, db, "COMMIT", e);
        if (r < 0)
                sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL);
        return r;
}
