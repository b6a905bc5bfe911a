/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "engine/supervisor/load_store.h"

#include <string.h>

#define DAY_SEC 86400
#define FINE_DAYS 2
#define MINUTE_DAYS 14
#define COARSE_SEC 600
#define KEPT_DAYS 56
#define POLICY_DAYS 15

/* What the thread gets. */
typedef struct Rows {
        size_t n;
        LoadStep steps[];
} Rows;

typedef struct PolicyRow {
        char policy[256];
        int64_t time_sec;
        uint64_t arrivals, at_once;
} PolicyRow;

typedef struct PolicyRows {
        size_t n;
        PolicyRow rows[];
} PolicyRows;

typedef struct Learnt {
        char name[64];
        size_t size;
        char data[];
} Learnt;

/* ---- in the store's thread ---- */

static int run(sqlite3 *db, const char *sql, const int64_t *values, size_t n)
{
        sqlite3_stmt *statement = NULL;
        int code = sqlite3_prepare_v2(db, sql, -1, &statement, NULL);

        for (size_t i = 0; code == SQLITE_OK && i < n; i++)
                code = sqlite3_bind_int64(statement, (int)i + 1, values[i]);
        if (code == SQLITE_OK)
                code = sqlite3_step(statement) == SQLITE_DONE ? SQLITE_OK : sqlite3_errcode(db);
        sqlite3_finalize(statement);
        return code;
}

/* One more at the end of a row of idle steps; SQLITE_NOTFOUND when there is none that ends there. */
static int prolong(sqlite3 *db, const LoadStep *step)
{
        const int64_t values[] = {load_step_sec[step->grain], step->time_sec};
        int code = run(db,
                       "UPDATE load SET steps = steps + 1 WHERE step_sec = ?1 AND time_sec = (SELECT max(time_sec) "
                       "FROM load WHERE"
                       " step_sec = ?1) AND idle AND time_sec + steps * ?1 = ?2",
                       values, 2);

        return code == SQLITE_OK && sqlite3_changes(db) == 0 ? SQLITE_NOTFOUND : code;
}

static int write_step(sqlite3 *db, const LoadStep *step)
{
        const LoadCounts *c = &step->counts;
        bool idle = load_is_idle(c);
        const int64_t values[] = {load_step_sec[step->grain], step->time_sec,          idle,
                                  (int64_t)c->arrivals,       (int64_t)c->ended,       (int64_t)c->service_usec,
                                  (int64_t)c->waited_usec,    (int64_t)c->queued_usec, (int64_t)c->running_usec};
        int code = idle ? prolong(db, step) : SQLITE_NOTFOUND;

        return code != SQLITE_NOTFOUND
                       ? code
                       : run(db, "INSERT OR REPLACE INTO load VALUES (?1, ?2, 1, ?3, ?4, ?5, ?6, ?7, ?8, ?9)", values,
                             9);
}

/* Minutes become steps of ten; what is too old goes. Rows of idle steps go as a whole. */
static int thin(sqlite3 *db, int64_t now_sec)
{
        const int64_t coarse[] = {COARSE_SEC, (now_sec - MINUTE_DAYS * DAY_SEC) / COARSE_SEC * COARSE_SEC},
                      fine[] = {load_step_sec[LOAD_FINE], now_sec - FINE_DAYS * DAY_SEC},
                      old[] = {now_sec - KEPT_DAYS * DAY_SEC}, policies[] = {now_sec - POLICY_DAYS * DAY_SEC};
        int code = run(db,
                       "INSERT OR REPLACE INTO load SELECT ?1, time_sec / ?1 * ?1, 1, 0, sum(arrivals), sum(ended),"
                       " sum(service_usec), sum(waited_usec), sum(queued_usec), sum(running_usec) FROM load"
                       " WHERE step_sec = 60 AND NOT idle AND time_sec < ?2 GROUP BY time_sec / ?1",
                       coarse, 2);

        if (code == SQLITE_OK)
                code = run(db, "DELETE FROM load WHERE step_sec = 60 AND time_sec + steps * 60 <= ?2 AND ?1 > 0",
                           coarse, 2);
        if (code == SQLITE_OK)
                code = run(db, "DELETE FROM load WHERE step_sec = ?1 AND time_sec + steps * ?1 <= ?2", fine, 2);
        if (code == SQLITE_OK)
                code = run(db, "DELETE FROM load WHERE time_sec < ?1", old, 1);
        return code == SQLITE_OK ? run(db, "DELETE FROM policy_load WHERE time_sec < ?1", policies, 1) : code;
}

static int write_rows(sqlite3 *db, const void *data)
{
        const Rows *rows = data;
        int code = SQLITE_OK;

        for (size_t i = 0; i < rows->n && code == SQLITE_OK; i++) {
                code = write_step(db, &rows->steps[i]);
                if (code == SQLITE_OK && rows->steps[i].grain == LOAD_MINUTE && rows->steps[i].time_sec % 3600 == 0)
                        code = thin(db, rows->steps[i].time_sec);
        }
        return code;
}

static int write_policies(sqlite3 *db, const void *data)
{
        const PolicyRows *all = data;
        sqlite3_stmt *statement = NULL;
        int code = sqlite3_prepare_v2(db, "INSERT OR REPLACE INTO policy_load VALUES (?1, ?2, ?3, ?4)", -1, &statement,
                                      NULL);

        for (size_t i = 0; i < all->n && code == SQLITE_OK; i++) {
                const PolicyRow *row = &all->rows[i];
                if ((code = sqlite3_bind_int64(statement, 1, row->time_sec)) == SQLITE_OK &&
                    (code = sqlite3_bind_text(statement, 2, row->policy, -1, SQLITE_STATIC)) == SQLITE_OK &&
                    (code = sqlite3_bind_int64(statement, 3, (int64_t)row->arrivals)) == SQLITE_OK &&
                    (code = sqlite3_bind_int64(statement, 4, (int64_t)row->at_once)) == SQLITE_OK)
                        code = sqlite3_step(statement) == SQLITE_DONE ? SQLITE_OK : sqlite3_errcode(db);
                sqlite3_reset(statement);
        }
        sqlite3_finalize(statement);
        return code;
}

static int write_learnt(sqlite3 *db, const void *data)
{
        const Learnt *learnt = data;
        sqlite3_stmt *statement = NULL;
        int code = sqlite3_prepare_v2(db, "INSERT OR REPLACE INTO learnt VALUES (?1, ?2)", -1, &statement, NULL);

        if (code == SQLITE_OK)
                code = sqlite3_bind_text(statement, 1, learnt->name, -1, SQLITE_STATIC);
        if (code == SQLITE_OK)
                code = sqlite3_bind_blob64(statement, 2, learnt->data, learnt->size, SQLITE_STATIC);
        if (code == SQLITE_OK)
                code = sqlite3_step(statement) == SQLITE_DONE ? SQLITE_OK : sqlite3_errcode(db);
        sqlite3_finalize(statement);
        return code;
}

/* ---- in the event loop ---- */

void load_store_keep(Store *store, const LoadStep *steps, size_t n)
{
        Rows *rows = n > 0 ? malloc(sizeof *rows + n * sizeof *steps) : NULL;

        if (!rows)
                return; /* a gap, rather than the end of a supervisor */
        rows->n = n;
        memcpy(rows->steps, steps, n * sizeof *steps);
        store_write(store, write_rows, rows);
}

void load_store_keep_policies(Store *store, const PolicyMinute *minutes, size_t n)
{
        PolicyRows *all = n > 0 ? malloc(sizeof *all + n * sizeof *all->rows) : NULL;

        if (!all)
                return;
        all->n = n;
        for (size_t i = 0; i < n; i++) {
                PolicyRow *row = &all->rows[i];
                *row = (PolicyRow){.time_sec = minutes[i].time_sec, .arrivals = minutes[i].arrivals, .at_once = minutes[i].at_once};
                snprintf(row->policy, sizeof row->policy, "%s", minutes[i].policy);
        }
        store_write(store, write_policies, all);
}

void load_store_keep_learnt(Store *store, const char *name, const void *data, size_t size)
{
        Learnt *learnt = malloc(sizeof *learnt + size);

        if (!learnt)
                return;
        learnt->size = size;
        snprintf(learnt->name, sizeof learnt->name, "%s", name);
        memcpy(learnt->data, data, size);
        store_write(store, write_learnt, learnt);
}

int load_store_each(Store *store, LoadGrain grain, int64_t from_sec, void (*each)(const LoadStep *step, void *userdata),
                    void *userdata)
{
        sqlite3_stmt *statement = NULL;
        int64_t step_sec = load_step_sec[grain];
        int code = sqlite3_prepare_v2(
                store_reading(store),
                "SELECT time_sec, steps, arrivals, ended, service_usec, waited_usec, queued_usec,"
                " running_usec FROM load WHERE step_sec = ?1 AND time_sec + steps * ?1 > ?2 ORDER BY time_sec",
                -1, &statement, NULL);

        if (code == SQLITE_OK && (code = sqlite3_bind_int64(statement, 1, step_sec)) == SQLITE_OK)
                code = sqlite3_bind_int64(statement, 2, from_sec);
        while (code == SQLITE_OK && (code = sqlite3_step(statement)) == SQLITE_ROW) {
                LoadStep step = {.grain = grain, .time_sec = sqlite3_column_int64(statement, 0)};
                int64_t end_sec = step.time_sec + sqlite3_column_int64(statement, 1) * step_sec;
                uint64_t *const counts[] = {&step.counts.arrivals,     &step.counts.ended,
                                            &step.counts.service_usec, &step.counts.waited_usec,
                                            &step.counts.queued_usec,  &step.counts.running_usec};
                for (size_t i = 0; i < ELEMENTS(counts); i++)
                        *counts[i] = (uint64_t)sqlite3_column_int64(statement, (int)i + 2);
                for (; step.time_sec < end_sec; step.time_sec += step_sec)
                        if (step.time_sec >= from_sec)
                                each(&step, userdata);
                code = SQLITE_OK;
        }
        sqlite3_finalize(statement);
        return code == SQLITE_DONE ? 0 : -EIO;
}

int load_store_each_policy(Store *store, bool first, int64_t from_sec, void (*each)(const PolicyMinute *m, void *userdata),
                           void *userdata)
{
        sqlite3_stmt *statement = NULL;
        int code = sqlite3_prepare_v2(
                store_reading(store),
                first ? "SELECT min(time_sec), policy, 0, 0 FROM policy_load WHERE time_sec >= ?1 GROUP BY"
                        " policy ORDER BY max(time_sec)"
                      : "SELECT time_sec, policy, arrivals, at_once FROM policy_load WHERE time_sec >= ?1 ORDER BY time_sec",
                -1, &statement, NULL);

        if (code == SQLITE_OK)
                code = sqlite3_bind_int64(statement, 1, from_sec);
        while (code == SQLITE_OK && (code = sqlite3_step(statement)) == SQLITE_ROW) {
                PolicyMinute m = {.time_sec = sqlite3_column_int64(statement, 0),
                                  .policy = (const char *)sqlite3_column_text(statement, 1),
                                  .arrivals = (uint64_t)sqlite3_column_int64(statement, 2),
                                  .at_once = (uint64_t)sqlite3_column_int64(statement, 3)};
                if (m.policy)
                        each(&m, userdata);
                code = SQLITE_OK;
        }
        sqlite3_finalize(statement);
        return code == SQLITE_DONE ? 0 : -EIO;
}

int load_store_learnt(Store *store, const char *name, void **ret, size_t *ret_size)
{
        sqlite3_stmt *statement = NULL;
        int code = sqlite3_prepare_v2(store_reading(store), "SELECT data FROM learnt WHERE name = ?1", -1, &statement,
                                      NULL);
        int r = -EIO;

        if (code == SQLITE_OK && (code = sqlite3_bind_text(statement, 1, name, -1, SQLITE_STATIC)) == SQLITE_OK)
                code = sqlite3_step(statement);
        if (code == SQLITE_DONE)
                r = -ENOENT;
        if (code == SQLITE_ROW) {
                *ret_size = (size_t)sqlite3_column_bytes(statement, 0);
                *ret = malloc(*ret_size + 1);
                r = *ret ? 0 : -ENOMEM;
                if (*ret && *ret_size > 0)
                        memcpy(*ret, sqlite3_column_blob(statement, 0), *ret_size);
        }
        sqlite3_finalize(statement);
        return r;
}
