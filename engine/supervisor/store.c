/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The event loop's side of the store: what happens becomes a change, which another thread writes (store_writer.c); and what was
 * written is read. */

#include "engine/supervisor/store_writer.h"

#include "engine/supervisor/array.h"

#include "engine/base/json.h"
#include "engine/base/log.h"
#include "engine/base/name.h"
#include "engine/supervisor/database.h"
#include "engine/supervisor/reserve.h"
#include "engine/supervisor/state_directory.h"

#include <inttypes.h>
#include <string.h>

#define FILE_NAME "jobs.db"

struct Store {
        char *path;
        sqlite3 *reading;
        sqlite3_stmt *report;
        StoreWriter *writer;
        sd_event_source *io;
        Troubles *troubles;
};

/* ---- what is written ---- */

/* True when it is over. */
static bool tell_trouble(const Store *s, TroubleKind kind, int code, const char *meaning)
{
        _cleanup_error_ Error e = ERROR_NULL;

        if (code == SQLITE_OK)
                return trouble_end(s->troubles, kind);
        database_error(s->path, NULL, code, &e);
        trouble_begin(s->troubles, kind, "%s: %s", error_text(&e), meaning);
        return false;
}

static int on_done(sd_event_source *source _unused_, int fd _unused_, uint32_t events _unused_, void *userdata)
{
        struct ChangeList done = STAILQ_HEAD_INITIALIZER(done);
        Store *s = userdata;
        int dropping, failed = store_writer_take_done(s->writer, &done, &dropping);

        if (tell_trouble(s, TROUBLE_STORE, failed, "no new jobs are taken until it can be written"))
                reserve_keep(s->path);
        tell_trouble(s, TROUBLE_LOAD, dropping, "the load is not kept for forecasts");
        while (!STAILQ_EMPTY(&done)) {
                Change *c = STAILQ_FIRST(&done);
                STAILQ_REMOVE_HEAD(&done, next);
                if (c->done)
                        c->done(&c->error, c->userdata);
                change_free(c);
        }
        return 0;
}

static void ask(Store *s, Change *c, bool patiently)
{
        struct ChangeList list = STAILQ_HEAD_INITIALIZER(list);

        STAILQ_INSERT_TAIL(&list, c, next);
        store_writer_ask(s->writer, &list, patiently);
}

/* A change that cannot even be remembered: there is nothing better than to end, and start again from what is stored. */
static Change *change_new(ChangeKind kind, const Id *id, StoreDone done, void *userdata)
{
        Change *c = calloc(1, sizeof *c);

        if (!c) {
                log_error("out of memory");
                abort();
        }
        *c = (Change){.kind = kind, .id = *id, .error = ERROR_NULL, .done = done, .userdata = userdata};
        return c;
}

static char *keep(const char *text)
{
        char *copy = text ? strdup(text) : NULL;

        if (text && !copy) {
                log_error("out of memory");
                abort();
        }
        return copy;
}

static void take_values(Change *c, const Job *job, JobState state)
{
        c->state = state;
        c->attempt = job->attempt;
        c->failures = job->failures;
        c->submitted_usec = job->submitted_usec;
        c->started_usec = job->started_usec;
        c->finished_usec = job->finished_usec;
        c->due_usec = job->due_usec;
        c->held = job->held;
        c->output_bytes = job->account.output_bytes;
        c->digest = keep(job->digest);
        c->origin = keep(job->origin);
}

static Change *addition(const Job *job)
{
        Change *c = change_new(CHANGE_ADD, &job->id, NULL, NULL);
        _cleanup_free_ char *inputs = job_inputs_text(job);

        take_values(c, job, job->state);
        c->tenant = keep(job->tenant->name);
        c->policy = keep(job->policy_name);
        c->spec = keep(job->member ? "" : job->spec.text);
        c->inputs = keep(inputs ? inputs : "[]");
        return c;
}

void store_add(Store *s, Job *job, StoreDone done, void *userdata)
{
        store_add_many(s, &job, 1, done, userdata);
}

/* Returns the last one of it. */
static Change *append_addition(struct ChangeList *list, const Job *job)
{
        Change *c = addition(job);

        c->joined = true;
        STAILQ_INSERT_TAIL(list, c, next);
        for (size_t i = 0; array_is_whole(job) && i < job->array->count; i++)
                c = append_addition(list, job->array->members[i]);
        return c;
}

void store_add_many(Store *s, Job *const *jobs, size_t n, StoreDone done, void *userdata)
{
        struct ChangeList list = STAILQ_HEAD_INITIALIZER(list);

        Change *last = NULL;
        for (size_t i = 0; i < n; i++)
                last = append_addition(&list, jobs[i]);
        last->joined = false;
        last->done = done;
        last->userdata = userdata;
        store_writer_ask(s->writer, &list, false);
}

void store_update(Store *s, const Job *job, JobState state, const char *report, StoreDone done, void *userdata)
{
        Change *c = change_new(CHANGE_UPDATE, &job->id, done, userdata);

        take_values(c, job, state);
        c->report = keep(report);
        c->report_attempt = job_state_runs(job->state) ? job->attempt : job->report_attempt;
        ask(s, c, false);
}

void store_note(Store *s, const Job *job, JobState state)
{
        Change *c = change_new(CHANGE_UPDATE, &job->id, NULL, NULL);

        take_values(c, job, state);
        ask(s, c, true);
}

void store_write(Store *s, StoreWrite write, void *data)
{
        Change *c = change_new(CHANGE_WRITE, &(Id){0}, NULL, NULL);

        c->write = write;
        c->data = data;
        ask(s, c, false);
}

sqlite3 *store_reading(Store *s)
{
        return s->reading;
}

void store_sync(Store *s, StoreDone done, void *userdata)
{
        ask(s, change_new(CHANGE_NOTHING, &(Id){0}, done, userdata), false);
}

void store_remove(Store *s, const Id *id)
{
        ask(s, change_new(CHANGE_REMOVE, id, NULL, NULL), false);
}

void store_set(Store *s, const char *setting, const char *value)
{
        Change *c = change_new(CHANGE_SET, &(Id){0}, NULL, NULL);

        c->setting = keep(setting);
        c->value = keep(value);
        ask(s, c, false);
}

int store_get(Store *s, const char *setting, char **ret, Error *e)
{
        sqlite3_stmt *row = NULL;
        int r = database_prepare(s->path, s->reading, "SELECT value FROM settings WHERE name = ?1", &row, e), code;

        *ret = NULL;
        if (r < 0)
                return r;
        sqlite3_bind_text(row, 1, setting, -1, SQLITE_STATIC);
        code = sqlite3_step(row);
        if (code == SQLITE_ROW)
                *ret = keep((const char *)sqlite3_column_text(row, 0));
        else if (code != SQLITE_DONE)
                r = database_error(s->path, s->reading, code, e);
        sqlite3_finalize(row);
        return r;
}

int store_report(Store *s, const Id *id, uint64_t attempt, char **ret, Error *e)
{
        int r = 0;

        *ret = NULL;
        sqlite3_bind_text(s->report, 1, id->text, -1, SQLITE_STATIC);
        sqlite3_bind_int64(s->report, 2, (int64_t)attempt);
        int code = sqlite3_step(s->report);
        if (code == SQLITE_ROW)
                *ret = keep((const char *)sqlite3_column_text(s->report, 0));
        else if (code != SQLITE_DONE)
                r = database_error(s->path, s->reading, code, e);
        sqlite3_reset(s->report);
        return r;
}

/* ---- loading ---- */

enum { ROW_ID, ROW_TENANT, ROW_POLICY, ROW_SPEC, ROW_INPUTS, ROW_STATE, ROW_DIGEST, ROW_ORIGIN, ROW_REPORT, ROW_TEXTS };
#define ROW_TEXT_COLUMNS "id, tenant, policy, spec, inputs, state, digest, origin"
#define ROW_NUMBER_COLUMNS                                                                                             \
        "attempt, failures, submitted_usec, started_usec, finished_usec, due_usec, held, output_bytes"

static int damaged_row(const char *path, const char *id, const char *state, Error *e)
{
        _cleanup_free_ char *shown_id = name_escape(id ? id : ""), *shown_state = name_escape(state ? state : ""), *why = NULL;

        if (asprintf(&why, "job \"%s\" has the state \"%s\"", shown_id ? shown_id : "", shown_state ? shown_state : "") < 0)
                return why = NULL, error_oom(e);
        return database_damaged(path, why, e);
}

static int load_row(const char *path, sqlite3_stmt *row, StoredJob *ret, Error *e)
{
        const char *texts[ROW_TEXTS];
        uint64_t numbers[9];

        for (int i = 0; i < ROW_TEXTS; i++)
                texts[i] = (const char *)sqlite3_column_text(row, i);
        for (int i = 0; i < (int)ELEMENTS(numbers); i++)
                numbers[i] = (uint64_t)sqlite3_column_int64(row, ROW_TEXTS + i);
        *ret = (StoredJob){
                .id = texts[ROW_ID],
                .tenant = texts[ROW_TENANT],
                .policy = texts[ROW_POLICY],
                .spec = texts[ROW_SPEC],
                .inputs = texts[ROW_INPUTS],
                .digest = texts[ROW_DIGEST],
                .origin = texts[ROW_ORIGIN],
                .report = texts[ROW_REPORT],
                .attempt = numbers[0],
                .failures = numbers[1],
                .submitted_usec = numbers[2],
                .started_usec = numbers[3],
                .finished_usec = numbers[4],
                .due_usec = numbers[5],
                .held = numbers[6] != 0,
                .output_bytes = numbers[7],
                .report_attempt = numbers[8],
        };
        if (!ret->id || !id_is_valid(ret->id) || !texts[ROW_STATE] || !job_state_parse(texts[ROW_STATE], &ret->state))
                return damaged_row(path, ret->id, texts[ROW_STATE], e);
        return 0;
}

int store_load(Store *s, int (*each)(const StoredJob *job, void *userdata, Error *e), void *userdata, Error *e)
{
        sqlite3_stmt *row = NULL;
        int code = SQLITE_OK,
            r = database_prepare(s->path, s->reading,
                                 "SELECT " ROW_TEXT_COLUMNS ", (SELECT report FROM attempts WHERE job = id"
                                 " ORDER BY attempts.attempt DESC LIMIT 1), " ROW_NUMBER_COLUMNS
                                 ", (SELECT max(attempts.attempt) FROM attempts WHERE job = id) FROM jobs ORDER BY id",
                                 &row, e);

        while (r >= 0 && (code = sqlite3_step(row)) == SQLITE_ROW) {
                StoredJob job;
                r = load_row(s->path, row, &job, e);
                if (r >= 0)
                        r = each(&job, userdata, e);
        }
        if (r >= 0 && code != SQLITE_DONE)
                r = database_error(s->path, s->reading, code, e);
        sqlite3_finalize(row);
        return r;
}

/* ---- start and end ---- */

static int open_parts(Store *s, const char *state_directory, Error *e)
{
        int r = store_writer_new(s->path, state_directory, &s->writer, e);

        if (r >= 0)
                r = database_open(s->path, SQLITE_OPEN_READONLY, &s->reading, e);
        if (r >= 0)
                r = database_prepare(s->path, s->reading, "SELECT report FROM attempts WHERE job = ?1 AND attempt = ?2",
                                     &s->report, e);
        return r;
}

/* The writer is the last: it puts the log into the database, and removes it. */
static void close_parts(Store *s)
{
        sqlite3_finalize(s->report);
        sqlite3_close(s->reading);
        if (s->writer)
                store_writer_free(s->writer);
        s->report = NULL;
        s->reading = NULL;
        s->writer = NULL;
}

/* On a full disk by what was kept for that. */
static int open_or_make_room(Store *s, const char *state_directory, Error *e)
{
        int r = open_parts(s, state_directory, e);

        if (r == -EIO && reserve_give_up(s->path)) {
                error_clear(e);
                close_parts(s);
                r = open_parts(s, state_directory, e);
        }
        if (r >= 0) {
                reserve_keep(s->path);
                state_directory_note_store(state_directory);
        }
        return r;
}

int store_open(sd_event *event, const char *state_directory, Troubles *troubles, Store **ret, Error *e)
{
        Store *s = calloc(1, sizeof *s);
        int r;

        if (!s)
                return error_oom(e);
        *s = (Store){.troubles = troubles};
        if (asprintf(&s->path, "%s/" FILE_NAME, state_directory) < 0) {
                s->path = NULL;
                r = error_oom(e);
        } else {
                r = open_or_make_room(s, state_directory, e);
        }
        if (r >= 0 && (r = sd_event_add_io(event, &s->io, store_writer_fd(s->writer), EPOLLIN, on_done, s)) < 0)
                error_errno(e, r, "store");
        if (r < 0) {
                store_close(s);
                return r;
        }
        *ret = s;
        return 0;
}

int store_damaged(const Store *s, const char *why, Error *e)
{
        return database_damaged(s->path, why, e);
}

bool store_is_new(const Store *s)
{
        return store_writer_is_new(s->writer);
}

Store *store_close(Store *s)
{
        sd_event_source_disable_unref(s->io);
        close_parts(s);
        free(s->path);
        free(s);
        return NULL;
}
