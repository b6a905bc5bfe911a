/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Changes are written by a thread of its own, which takes all that have come while it was at the last ones, and commits
 * them together: the disk is waited for once for as many as there are (WAL, synchronous=FULL), and the event loop never
 * waits. They are written in the order in which they came.
 *
 * When a commit fails (a full disk), new jobs are refused, with the reason; what has already happened to a job is kept
 * in memory and written as soon as that works again. So a failing disk stops the intake, and no running job. */

#include "engine/supervisor/store.h"

#include "engine/supervisor/array.h"

#include "engine/base/clock.h"
#include "engine/base/fd.h"
#include "engine/base/json.h"
#include "engine/base/log.h"
#include "engine/supervisor/database.h"
#include "engine/supervisor/reserve.h"

#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>

#define FILE_NAME "jobs.db"
#define RETRY_SEC 1
#define PATIENCE_NSEC 5000000
#define CHANGES_AT_ONCE 4096

typedef enum ChangeKind {
        CHANGE_ADD,
        CHANGE_UPDATE,
        CHANGE_REMOVE,
        CHANGE_SET,     /* a setting of the engine */
        CHANGE_WRITE,   /* what others keep in here */
        CHANGE_NOTHING, /* only to be told of */
        CHANGE_KIND_MAX,
} ChangeKind;

typedef struct Change {
        STAILQ_ENTRY(Change) next;
        ChangeKind kind;
        Id id;
        char *tenant, *policy, *spec, *inputs, *report, *digest, *origin;
        JobState state;
        uint64_t attempt, failures, submitted_usec, started_usec, finished_usec, due_usec, held, output_bytes;
        char *setting, *value; /* instead, for CHANGE_SET */
        StoreWrite write;      /* instead, for CHANGE_WRITE */
        void *data;            /* likewise */
        bool joined;           /* the next one belongs to it */
        StoreDone done;
        void *userdata;
        Error error;
} Change;

STAILQ_HEAD(ChangeList, Change);

struct Store {
        char *path;
        int blobs;        /* the directory whose names must be on the disk before a job that needs them */
        sqlite3 *reading; /* the event loop's */
        sqlite3_stmt *report;
        sd_event_source *io;
        int notice; /* eventfd: there is something in `done` */

        /* The thread's alone. */
        sqlite3 *writing;
        sqlite3_stmt *statements[CHANGE_KIND_MAX], *attempt;
        struct ChangeList pending; /* taken, and not yet committed */

        Troubles *troubles; /* the event loop's */
        pthread_t thread;
        bool running;
        pthread_mutex_t lock; /* over what follows */
        pthread_cond_t wake;
        struct ChangeList asked, done;
        int failed;                   /* SQLite's code, since it cannot be written; SQLITE_OK: it can */
        bool urgent;                  /* something in `asked` is */
        struct timespec patient_until; /* what else is in there is written then */
        bool closing;
};

static Change *change_free(Change *c)
{
        free(c->tenant);
        free(c->policy);
        free(c->spec);
        free(c->inputs);
        free(c->report);
        free(c->digest);
        free(c->origin);
        free(c->setting);
        free(c->value);
        free(c->data);
        error_clear(&c->error);
        free(c);
        return NULL;
}

static void list_free(struct ChangeList *list)
{
        while (!STAILQ_EMPTY(list)) {
                Change *c = STAILQ_FIRST(list);
                STAILQ_REMOVE_HEAD(list, next);
                change_free(c);
        }
}

/* ---- the database ---- */

static int prepare_all(Store *s, Error *e)
{
        static const char *const texts[CHANGE_KIND_MAX] = {
                [CHANGE_ADD] =
                        "INSERT INTO jobs (id, tenant, policy, spec, inputs, state, digest, origin, attempt, failures,"
                        " submitted_usec, started_usec, finished_usec, due_usec, held, output_bytes)"
                        " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16)",
                /* A final state never changes. */
                [CHANGE_UPDATE] = "UPDATE jobs SET state = ?6, digest = ?7, origin = ?8, attempt = ?9, failures = ?10,"
                                  " started_usec = ?12, finished_usec = ?13, due_usec = ?14, held = ?15,"
                                  " output_bytes = ?16 WHERE id = ?1 AND finished_usec = 0",
                [CHANGE_SET] = "INSERT OR REPLACE INTO settings VALUES (?1, ?2)",
                [CHANGE_REMOVE] = "DELETE FROM jobs WHERE id >= ?1 AND id < ?1 || '`'" /* and its members */,
        };
        int r = 0;

        for (ChangeKind kind = 0; r >= 0 && kind < CHANGE_WRITE; kind++)
                r = database_prepare(s->path, s->writing, texts[kind], &s->statements[kind], e);
        if (r >= 0)
                r = database_prepare(s->path, s->writing, "INSERT OR REPLACE INTO attempts VALUES (?1, ?2, ?3)",
                                     &s->attempt, e);
        return r < 0 ? r
                     : database_prepare(s->path, s->reading,
                                        "SELECT report FROM attempts WHERE job = ?1 AND attempt = ?2", &s->report, e);
}

/* ---- in the thread ---- */

static int step(sqlite3_stmt *statement)
{
        int code = sqlite3_step(statement);

        sqlite3_reset(statement);
        sqlite3_clear_bindings(statement);
        return code == SQLITE_DONE ? SQLITE_OK : code;
}

static int write_change(Store *s, const Change *c)
{
        sqlite3_stmt *statement = s->statements[c->kind];
        const char *const texts[] = {c->kind == CHANGE_SET ? c->setting : c->id.text,
                                     c->kind == CHANGE_SET ? c->value : c->tenant,
                                     c->policy,
                                     c->spec,
                                     c->inputs,
                                     job_state_name(c->state),
                                     c->digest,
                                     c->origin};
        const uint64_t numbers[] = {c->attempt,       c->failures, c->submitted_usec, c->started_usec,
                                    c->finished_usec, c->due_usec, c->held,           c->output_bytes};
        int known = sqlite3_bind_parameter_count(statement), index = 1;

        if (c->kind == CHANGE_WRITE)
                return c->write(s->writing, c->data);
        if (!statement)
                return SQLITE_OK;

        for (size_t i = 0; i < ELEMENTS(texts) && index <= known; i++, index++)
                if (texts[i])
                        sqlite3_bind_text(statement, index, texts[i], -1, SQLITE_STATIC);
        for (size_t i = 0; i < ELEMENTS(numbers) && index <= known; i++, index++)
                sqlite3_bind_int64(statement, index, (int64_t)numbers[i]);
        int code = step(statement);
        if (code != SQLITE_OK || !c->report)
                return code;
        sqlite3_bind_text(s->attempt, 1, c->id.text, -1, SQLITE_STATIC);
        sqlite3_bind_int64(s->attempt, 2, (int64_t)c->attempt);
        sqlite3_bind_text(s->attempt, 3, c->report, -1, SQLITE_STATIC);
        return step(s->attempt);
}

/* All of what is pending, or nothing. */
static int commit(Store *s)
{
        bool names = false;
        Change *c;
        int code = sqlite3_exec(s->writing, "BEGIN IMMEDIATE", NULL, NULL, NULL);

        STAILQ_FOREACH(c, &s->pending, next)
        {
                if (code != SQLITE_OK)
                        break;
                code = write_change(s, c);
                names |= c->kind == CHANGE_ADD && strcmp(c->inputs, "[]") != 0;
        }
        if (code == SQLITE_OK && names && fsync(s->blobs) < 0)
                code = SQLITE_IOERR_DIR_FSYNC;
        if (code == SQLITE_OK)
                code = sqlite3_exec(s->writing, "COMMIT", NULL, NULL, NULL);
        if (code != SQLITE_OK)
                sqlite3_exec(s->writing, "ROLLBACK", NULL, NULL, NULL);
        return code;
}

/* With what came of it. */
static void hand_back(Store *s, struct ChangeList *list, int code)
{
        pthread_mutex_lock(&s->lock);
        bool news = !STAILQ_EMPTY(list) || (s->failed == SQLITE_OK) != (code == SQLITE_OK);
        STAILQ_CONCAT(&s->done, list);
        s->failed = code;
        pthread_mutex_unlock(&s->lock);
        if (news)
                eventfd_write(s->notice, 1);
}

/* New jobs are refused; the rest stays, in its order. */
static void refuse(Store *s, int code)
{
        struct ChangeList refused = STAILQ_HEAD_INITIALIZER(refused), kept = STAILQ_HEAD_INITIALIZER(kept);

        while (!STAILQ_EMPTY(&s->pending)) {
                Change *c = STAILQ_FIRST(&s->pending);
                STAILQ_REMOVE_HEAD(&s->pending, next);
                if (c->kind == CHANGE_ADD) {
                        error_set(&c->error, -EIO, "the job cannot be stored: %s: %s; try again later", s->path,
                                  sqlite3_errstr(code));
                        STAILQ_INSERT_TAIL(&refused, c, next);
                } else {
                        STAILQ_INSERT_TAIL(&kept, c, next);
                }
        }
        STAILQ_CONCAT(&s->pending, &kept);
        hand_back(s, &refused, code);
}

/* Waits for something to do; `failing`: or until it is time to try again. False when there is nothing more to come. */
static bool take_asked(Store *s, bool failing)
{
        struct timespec until;
        size_t n = 0;

        clock_gettime(CLOCK_MONOTONIC, &until);
        until.tv_sec += RETRY_SEC;
        pthread_mutex_lock(&s->lock);
        while (!s->urgent && !s->closing) {
                bool none = STAILQ_EMPTY(&s->asked);
                if (none && !failing)
                        pthread_cond_wait(&s->wake, &s->lock);
                else if (pthread_cond_timedwait(&s->wake, &s->lock, none ? &until : &s->patient_until) != 0)
                        break;
        }
        bool more = !s->closing || !STAILQ_EMPTY(&s->asked);
        for (bool joined = false; (n < CHANGES_AT_ONCE || joined) && !STAILQ_EMPTY(&s->asked); n++) {
                Change *c = STAILQ_FIRST(&s->asked);
                joined = c->joined;
                STAILQ_REMOVE_HEAD(&s->asked, next);
                STAILQ_INSERT_TAIL(&s->pending, c, next);
        }
        s->urgent = !STAILQ_EMPTY(&s->asked);
        pthread_mutex_unlock(&s->lock);
        return more;
}

static void *write_all(void *userdata)
{
        Store *s = userdata;
        bool failing = false;

        while (take_asked(s, failing)) {
                int code = !STAILQ_EMPTY(&s->pending) ? commit(s) : failing ? database_write_nothing(s->writing) : SQLITE_OK;
                failing = code != SQLITE_OK;
                if (failing)
                        refuse(s, code);
                else
                        hand_back(s, &s->pending, code);
        }
        return NULL;
}

/* ---- in the event loop ---- */

static int on_notice(sd_event_source *source _unused_, int fd, uint32_t events _unused_, void *userdata)
{
        struct ChangeList done = STAILQ_HEAD_INITIALIZER(done);
        Store *s = userdata;
        eventfd_t count;

        eventfd_read(fd, &count);
        pthread_mutex_lock(&s->lock);
        STAILQ_CONCAT(&done, &s->done);
        int failed = s->failed;
        pthread_mutex_unlock(&s->lock);
        if (failed == SQLITE_OK && trouble_end(s->troubles, TROUBLE_STORE))
                reserve_keep(s->path);
        else if (failed != SQLITE_OK)
                trouble_begin(s->troubles, TROUBLE_STORE, "%s: %s: no new jobs are taken until it can be written",
                              s->path, sqlite3_errstr(failed));
        while (!STAILQ_EMPTY(&done)) {
                Change *c = STAILQ_FIRST(&done);
                STAILQ_REMOVE_HEAD(&done, next);
                if (c->done)
                        c->done(&c->error, c->userdata);
                change_free(c);
        }
        return 0;
}

static void ask(Store *s, Change *c)
{
        pthread_mutex_lock(&s->lock);
        STAILQ_INSERT_TAIL(&s->asked, c, next);
        s->urgent = true;
        pthread_cond_signal(&s->wake);
        pthread_mutex_unlock(&s->lock);
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
        pthread_mutex_lock(&s->lock);
        STAILQ_CONCAT(&s->asked, &list);
        s->urgent = true;
        pthread_cond_signal(&s->wake);
        pthread_mutex_unlock(&s->lock);
}

void store_update(Store *s, const Job *job, JobState state, const char *report, StoreDone done, void *userdata)
{
        Change *c = change_new(CHANGE_UPDATE, &job->id, done, userdata);

        take_values(c, job, state);
        c->report = keep(report);
        ask(s, c);
}

void store_note(Store *s, const Job *job, JobState state)
{
        Change *c = change_new(CHANGE_UPDATE, &job->id, NULL, NULL);

        take_values(c, job, state);
        pthread_mutex_lock(&s->lock);
        if (STAILQ_EMPTY(&s->asked)) {
                clock_gettime(CLOCK_MONOTONIC, &s->patient_until);
                s->patient_until.tv_nsec += PATIENCE_NSEC;
                s->patient_until.tv_sec += s->patient_until.tv_nsec / 1000000000;
                s->patient_until.tv_nsec %= 1000000000;
                pthread_cond_signal(&s->wake);
        }
        STAILQ_INSERT_TAIL(&s->asked, c, next);
        pthread_mutex_unlock(&s->lock);
}

void store_write(Store *s, StoreWrite write, void *data)
{
        Change *c = change_new(CHANGE_WRITE, &(Id){0}, NULL, NULL);

        c->write = write;
        c->data = data;
        ask(s, c);
}

sqlite3 *store_reading(Store *s)
{
        return s->reading;
}

void store_sync(Store *s, StoreDone done, void *userdata)
{
        ask(s, change_new(CHANGE_NOTHING, &(Id){0}, done, userdata));
}

void store_remove(Store *s, const Id *id)
{
        ask(s, change_new(CHANGE_REMOVE, id, NULL, NULL));
}

void store_set(Store *s, const char *setting, const char *value)
{
        Change *c = change_new(CHANGE_SET, &(Id){0}, NULL, NULL);

        c->setting = keep(setting);
        c->value = keep(value);
        ask(s, c);
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

char *store_report(Store *s, const Id *id, uint64_t attempt)
{
        char *report = NULL;

        sqlite3_bind_text(s->report, 1, id->text, -1, SQLITE_STATIC);
        sqlite3_bind_int64(s->report, 2, (int64_t)attempt);
        if (sqlite3_step(s->report) == SQLITE_ROW)
                report = keep((const char *)sqlite3_column_text(s->report, 0));
        sqlite3_reset(s->report);
        return report;
}

/* ---- loading ---- */

enum { ROW_ID, ROW_TENANT, ROW_POLICY, ROW_SPEC, ROW_INPUTS, ROW_STATE, ROW_DIGEST, ROW_ORIGIN, ROW_REPORT, ROW_TEXTS };
#define ROW_TEXT_COLUMNS "id, tenant, policy, spec, inputs, state, digest, origin"
#define ROW_NUMBER_COLUMNS                                                                                             \
        "attempt, failures, submitted_usec, started_usec, finished_usec, due_usec, held, output_bytes"

static int load_row(const char *path, sqlite3_stmt *row, StoredJob *ret, Error *e)
{
        const char *texts[ROW_TEXTS];
        uint64_t numbers[8];

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
        };
        if (!ret->id || !id_is_valid(ret->id) || !texts[ROW_STATE] || !job_state_parse(texts[ROW_STATE], &ret->state))
                return error_set(e, -EUCLEAN, "%s: job %s is damaged", path, ret->id ? ret->id : "without an id");
        return 0;
}

int store_load(Store *s, int (*each)(const StoredJob *job, void *userdata, Error *e), void *userdata, Error *e)
{
        sqlite3_stmt *row = NULL;
        int code = SQLITE_OK,
            r = database_prepare(s->path, s->reading,
                                 "SELECT " ROW_TEXT_COLUMNS ", (SELECT report FROM attempts WHERE job = id"
                                 " ORDER BY attempts.attempt DESC LIMIT 1), " ROW_NUMBER_COLUMNS
                                 " FROM jobs ORDER BY id",
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

static int start(Store *s, sd_event *event, Error *e)
{
        pthread_condattr_t attributes;
        sigset_t all, before;

        s->notice = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        if (s->notice < 0)
                return error_errno(e, -errno, "store");
        int r = sd_event_add_io(event, &s->io, s->notice, EPOLLIN, on_notice, s);
        if (r < 0)
                return error_errno(e, r, "store");
        pthread_condattr_init(&attributes);
        pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
        pthread_cond_init(&s->wake, &attributes);
        pthread_condattr_destroy(&attributes);
        /* Signals are the event loop's. */
        sigfillset(&all);
        pthread_sigmask(SIG_SETMASK, &all, &before);
        r = -pthread_create(&s->thread, NULL, write_all, s);
        pthread_sigmask(SIG_SETMASK, &before, NULL);
        s->running = r == 0;
        return r < 0 ? error_errno(e, r, "store") : 0;
}

/* Environments and inputs hold secrets. The files beside it get its mode. It is closed again before SQLite opens it: to close any
 * descriptor of a file gives up all locks that the process has on it (fcntl(2)), and without them whoever looks at it last takes
 * its log away. */
static int make_file(const char *path, Error *e)
{
        int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);

        if (fd < 0)
                return error_errno(e, -errno, "%s", path);
        close(fd);
        return 0;
}

static int open_files(Store *s, Error *e)
{
        int r = make_file(s->path, e);

        if (r >= 0)
                r = database_open(s->path, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, &s->writing, e);
        if (r >= 0)
                r = database_run(s->path, s->writing, "PRAGMA journal_mode = WAL", e);
        if (r >= 0)
                r = database_migrate(s->path, s->writing, e);
        if (r >= 0)
                r = database_open(s->path, SQLITE_OPEN_READONLY, &s->reading, e);
        if (r >= 0)
                r = prepare_all(s, e);
        return r;
}

static void close_files(Store *s)
{
        for (ChangeKind kind = 0; kind < CHANGE_KIND_MAX; kind++) {
                sqlite3_finalize(s->statements[kind]);
                s->statements[kind] = NULL;
        }
        sqlite3_finalize(s->attempt);
        sqlite3_finalize(s->report);
        sqlite3_close(s->reading);
        sqlite3_close(s->writing);
        s->attempt = s->report = NULL;
        s->reading = s->writing = NULL;
}

/* On a full disk by what was kept for that. */
static int open_or_make_room(Store *s, Error *e)
{
        int r = open_files(s, e);

        if (r == -EIO && reserve_give_up(s->path)) {
                error_clear(e);
                close_files(s);
                r = open_files(s, e);
        }
        if (r >= 0)
                reserve_keep(s->path);
        return r;
}

int store_open(sd_event *event, const char *state_directory, Troubles *troubles, Store **ret, Error *e)
{
        Store *s = calloc(1, sizeof *s);
        int r;

        if (!s)
                return error_oom(e);
        *s = (Store){.blobs = -1, .notice = -1, .troubles = troubles};
        STAILQ_INIT(&s->pending);
        STAILQ_INIT(&s->asked);
        STAILQ_INIT(&s->done);
        pthread_mutex_init(&s->lock, NULL);
        _cleanup_free_ char *blobs = NULL;
        if (asprintf(&s->path, "%s/" FILE_NAME, state_directory) < 0 ||
            asprintf(&blobs, "%s/blobs", state_directory) < 0) {
                store_close(s);
                return error_oom(e);
        }
        s->blobs = open(blobs, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
        r = s->blobs < 0 ? error_errno(e, -errno, "%s", blobs) : open_or_make_room(s, e);
        if (r >= 0)
                r = start(s, event, e);
        if (r < 0) {
                store_close(s);
                return r;
        }
        *ret = s;
        return 0;
}

Store *store_close(Store *s)
{
        if (s->running) {
                pthread_mutex_lock(&s->lock);
                s->closing = true;
                pthread_cond_signal(&s->wake);
                pthread_mutex_unlock(&s->lock);
                pthread_join(s->thread, NULL);
        }
        sd_event_source_disable_unref(s->io);
        list_free(&s->pending);
        list_free(&s->asked);
        list_free(&s->done);
        close_files(s);
        close_fd(s->notice);
        close_fd(s->blobs);
        free(s->path);
        free(s);
        return NULL;
}
