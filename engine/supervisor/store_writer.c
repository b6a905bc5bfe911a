/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Changes are written by a thread of its own, which takes all that have come while it was at the last ones, and commits
 * them together: the disk is waited for once for as many as there are (WAL, synchronous=FULL), and the event loop never
 * waits. They are written in the order in which they came.
 *
 * What is committed is the truth, so what it speaks of is on the disk before: the names of inputs, and what a job has left. For
 * that, too, the disk is waited for once, by syncfs(2): the files of each would have to be waited for one by one. Only where
 * something was left, since most jobs leave nothing.
 *
 * What others keep in the same file are statistics. They are written by themselves and given up when that fails, so that a page
 * of theirs that is damaged holds up no job.
 *
 * When a commit fails (a full disk), new jobs are refused, with the reason; what has already happened to a job is kept
 * in memory and written as soon as that works again. So a failing disk stops the intake, and no running job. */

#include "engine/supervisor/store_writer.h"

#include "engine/base/fd.h"
#include "engine/base/log.h"
#include "engine/supervisor/database.h"
#include "engine/supervisor/state_directory.h"
#include "engine/supervisor/store_log.h"

#include <fcntl.h>
#include <pthread.h>
#include <search.h>
#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define RETRY_SEC 1
#define PATIENCE_NSEC 5000000
#define CHANGES_AT_ONCE 4096

struct StoreWriter {
        char *path;
        int blobs, outputs; /* their directories */
        int notice;         /* eventfd: there is something in `done`, or `failed` is another */
        bool is_new;

        /* The thread's alone. */
        sqlite3 *db;
        sqlite3_stmt *statements[CHANGE_KIND_MAX], *attempt;
        struct ChangeList pending; /* taken, and not yet committed */
        struct ChangeList others;  /* likewise, what can be done without */
        bool begun;                /* something has been committed */

        pthread_t thread;
        bool running;
        pthread_mutex_t lock; /* over what follows */
        pthread_cond_t wake;
        struct ChangeList asked, done;
        int failed;                    /* SQLite's code, since it cannot be written; SQLITE_OK: it can */
        int dropping;                  /* likewise, what can be done without */
        bool urgent;                   /* something in `asked` is */
        struct timespec patient_until; /* what else is in there is written then */
        bool closing;
};

Change *change_free(Change *c)
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

/* ---- in the thread ---- */

static int step(sqlite3_stmt *statement)
{
        int code = sqlite3_step(statement);

        sqlite3_reset(statement);
        sqlite3_clear_bindings(statement);
        return code == SQLITE_DONE ? SQLITE_OK : code;
}

static int write_change(StoreWriter *w, const Change *c)
{
        sqlite3_stmt *statement = w->statements[c->kind];
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
        sqlite3_bind_text(w->attempt, 1, c->id.text, -1, SQLITE_STATIC);
        sqlite3_bind_int64(w->attempt, 2, (int64_t)c->report_attempt);
        sqlite3_bind_text(w->attempt, 3, c->report, -1, SQLITE_STATIC);
        return step(w->attempt);
}

/* What the changes speak of is on the disk. What an input contains has been there since it was copied. */
static int sync_files(const StoreWriter *w)
{
        bool inputs = false, outputs = false;
        const Change *c;

        STAILQ_FOREACH(c, &w->pending, next)
        {
                inputs |= c->kind == CHANGE_ADD && strcmp(c->inputs, "[]") != 0;
                outputs |= c->report && c->output_bytes > 0;
        }
        if (inputs && fsync(w->blobs) < 0)
                return SQLITE_IOERR_DIR_FSYNC;
        return outputs && syncfs(w->outputs) < 0 ? SQLITE_IOERR_FSYNC : SQLITE_OK;
}

/* All of what is pending, or nothing. */
static int commit(StoreWriter *w)
{
        const Change *c;
        int code = sync_files(w);

        if (code == SQLITE_OK)
                code = sqlite3_exec(w->db, "BEGIN IMMEDIATE", NULL, NULL, NULL);
        STAILQ_FOREACH(c, &w->pending, next)
        {
                if (code != SQLITE_OK)
                        break;
                code = write_change(w, c);
        }
        if (code == SQLITE_OK)
                code = sqlite3_exec(w->db, "COMMIT", NULL, NULL, NULL);
        if (code != SQLITE_OK)
                sqlite3_exec(w->db, "ROLLBACK", NULL, NULL, NULL);
        /* A commit of nothing leaves no log. */
        else if (!w->begun && (w->begun = sqlite3_total_changes(w->db) > 0))
                store_log_begun(w->path);
        return code;
}

static int write_other(const StoreWriter *w, const Change *c)
{
        int code = sqlite3_exec(w->db, "BEGIN IMMEDIATE", NULL, NULL, NULL);

        if (code == SQLITE_OK)
                code = c->write(w->db, c->data);
        if (code == SQLITE_OK)
                code = sqlite3_exec(w->db, "COMMIT", NULL, NULL, NULL);
        if (code != SQLITE_OK)
                sqlite3_exec(w->db, "ROLLBACK", NULL, NULL, NULL);
        return code;
}

/* Each by itself; `drop`: none. Returns why some were dropped. A full disk may be over with the next one; what is damaged stays
 * so, whatever else can be written. */
static int write_others(StoreWriter *w, bool drop)
{
        int dropping = w->dropping;

        while (!STAILQ_EMPTY(&w->others)) {
                Change *c = STAILQ_FIRST(&w->others);
                STAILQ_REMOVE_HEAD(&w->others, next);
                int code = drop ? SQLITE_OK : write_other(w, c);
                if (code != SQLITE_OK || dropping == SQLITE_FULL)
                        dropping = code;
                change_free(c);
        }
        return dropping;
}

/* With what came of it. */
static void hand_back(StoreWriter *w, struct ChangeList *list, int code, int dropping)
{
        pthread_mutex_lock(&w->lock);
        bool news = !STAILQ_EMPTY(list) || (w->failed == SQLITE_OK) != (code == SQLITE_OK) || w->dropping != dropping;
        STAILQ_CONCAT(&w->done, list);
        w->failed = code;
        w->dropping = dropping;
        pthread_mutex_unlock(&w->lock);
        if (news)
                eventfd_write(w->notice, 1);
}

/* A row as it is now, or a setting: of these, the last is as good as all. */
static bool is_overwritten_by_next(const Change *c)
{
        return (c->kind == CHANGE_UPDATE || c->kind == CHANGE_SET) && !c->report && !c->done;
}

static int compare_targets(const void *a, const void *b)
{
        const Change *one = a, *other = b;

        if (one->kind != other->kind)
                return one->kind < other->kind ? -1 : 1;
        return one->kind == CHANGE_SET ? strcmp(one->setting, other->setting) : strcmp(one->id.text, other->id.text);
}

/* A tree of the last change of each row and setting. */
static void *find_last(const struct ChangeList *list)
{
        void *last = NULL;
        Change *c;

        STAILQ_FOREACH(c, list, next)
        {
                Change **known = is_overwritten_by_next(c) ? tsearch(c, &last, compare_targets) : NULL;
                if (known)
                        *known = c;
        }
        return last;
}

static bool is_last(void *last, const Change *c)
{
        Change *const *known = is_overwritten_by_next(c) ? tfind(c, &last, compare_targets) : NULL;

        return !known || *known == c;
}

static void keep_change(void *change _unused_)
{
}

/* New jobs are refused; the rest stays, in its order, but for what is overwritten: somebody may hold and release a job for as
 * long as the disk is full, and that is not to fill the memory. */
static void refuse(StoreWriter *w, int code)
{
        struct ChangeList refused = STAILQ_HEAD_INITIALIZER(refused), kept = STAILQ_HEAD_INITIALIZER(kept);
        void *last = find_last(&w->pending);

        while (!STAILQ_EMPTY(&w->pending)) {
                Change *c = STAILQ_FIRST(&w->pending);
                STAILQ_REMOVE_HEAD(&w->pending, next);
                if (c->kind == CHANGE_ADD) {
                        error_set(&c->error, -EIO, "the job cannot be stored: %s: %s; try again later", w->path,
                                  sqlite3_errstr(code));
                        STAILQ_INSERT_TAIL(&refused, c, next);
                } else if (is_last(last, c)) {
                        STAILQ_INSERT_TAIL(&kept, c, next);
                } else {
                        change_free(c);
                }
        }
        tdestroy(last, keep_change);
        STAILQ_CONCAT(&w->pending, &kept);
        hand_back(w, &refused, code, write_others(w, true));
}

/* Waits for something to do; `failing`: or until it is time to try again. False when there is nothing more to come. */
static bool take_asked(StoreWriter *w, bool failing)
{
        struct timespec until;
        size_t n = 0;

        clock_gettime(CLOCK_MONOTONIC, &until);
        until.tv_sec += RETRY_SEC;
        pthread_mutex_lock(&w->lock);
        while (!w->urgent && !w->closing) {
                bool none = STAILQ_EMPTY(&w->asked);
                if (none && !failing)
                        pthread_cond_wait(&w->wake, &w->lock);
                else if (pthread_cond_timedwait(&w->wake, &w->lock, none ? &until : &w->patient_until) != 0)
                        break;
        }
        bool more = !w->closing || !STAILQ_EMPTY(&w->asked);
        for (bool joined = false; (n < CHANGES_AT_ONCE || joined) && !STAILQ_EMPTY(&w->asked); n++) {
                Change *c = STAILQ_FIRST(&w->asked);
                joined = c->joined;
                STAILQ_REMOVE_HEAD(&w->asked, next);
                if (c->kind == CHANGE_WRITE)
                        STAILQ_INSERT_TAIL(&w->others, c, next);
                else
                        STAILQ_INSERT_TAIL(&w->pending, c, next);
        }
        w->urgent = !STAILQ_EMPTY(&w->asked);
        pthread_mutex_unlock(&w->lock);
        return more;
}

static void *write_all(void *userdata)
{
        StoreWriter *w = userdata;
        bool failing = false;

        while (take_asked(w, failing)) {
                int code = !STAILQ_EMPTY(&w->pending) ? commit(w) : failing ? database_write_nothing(w->db) : SQLITE_OK;
                failing = code != SQLITE_OK;
                if (failing)
                        refuse(w, code);
                else
                        hand_back(w, &w->pending, code, write_others(w, false));
        }
        return NULL;
}

/* ---- in the event loop ---- */

void store_writer_ask(StoreWriter *w, struct ChangeList *changes, bool patiently)
{
        pthread_mutex_lock(&w->lock);
        bool wake = !patiently || STAILQ_EMPTY(&w->asked);
        if (patiently && wake) {
                clock_gettime(CLOCK_MONOTONIC, &w->patient_until);
                w->patient_until.tv_nsec += PATIENCE_NSEC;
                w->patient_until.tv_sec += w->patient_until.tv_nsec / 1000000000;
                w->patient_until.tv_nsec %= 1000000000;
        }
        STAILQ_CONCAT(&w->asked, changes);
        w->urgent |= !patiently;
        if (wake)
                pthread_cond_signal(&w->wake);
        pthread_mutex_unlock(&w->lock);
}

int store_writer_fd(const StoreWriter *w)
{
        return w->notice;
}

int store_writer_take_done(StoreWriter *w, struct ChangeList *ret, int *ret_dropping)
{
        eventfd_t count;

        eventfd_read(w->notice, &count);
        pthread_mutex_lock(&w->lock);
        STAILQ_CONCAT(ret, &w->done);
        int failed = w->failed;
        *ret_dropping = w->dropping;
        pthread_mutex_unlock(&w->lock);
        return failed;
}

/* ---- start and end ---- */

static int prepare_all(StoreWriter *w, Error *e)
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
                r = database_prepare(w->path, w->db, texts[kind], &w->statements[kind], e);
        return r < 0 ? r
                     : database_prepare(w->path, w->db, "INSERT OR REPLACE INTO attempts VALUES (?1, ?2, ?3)",
                                        &w->attempt, e);
}

static int start(StoreWriter *w, Error *e)
{
        pthread_condattr_t attributes;
        sigset_t all, before;

        w->notice = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        if (w->notice < 0)
                return error_errno(e, -errno, "store");
        pthread_condattr_init(&attributes);
        pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
        pthread_cond_init(&w->wake, &attributes);
        pthread_condattr_destroy(&attributes);
        /* Signals are the event loop's. */
        sigfillset(&all);
        pthread_sigmask(SIG_SETMASK, &all, &before);
        int r = -pthread_create(&w->thread, NULL, write_all, w);
        pthread_sigmask(SIG_SETMASK, &before, NULL);
        w->running = r == 0;
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

static int open_directory(const char *state_directory, const char *name, int *ret, Error *e)
{
        _cleanup_free_ char *path = NULL;

        if (asprintf(&path, "%s/%s", state_directory, name) < 0)
                return path = NULL, error_oom(e);
        *ret = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
        return *ret < 0 ? error_errno(e, -errno, "%s", path) : 0;
}

/* A store that was lost is not made anew: all that its jobs have left would be removed as nobody's (recovery.c). */
static int check_lost(const StoreWriter *w, const char *state_directory, Error *e)
{
        int r = w->is_new ? state_directory_had_store(state_directory) : 0;

        if (r < 0)
                return error_errno(e, r, "%s", state_directory);
        return r ? database_lost(w->path, e) : 0;
}

/* Before SQLite opens it, which would remove the log of one that was emptied. */
static int check_file(StoreWriter *w, const char *state_directory, Error *e)
{
        struct stat st;

        w->is_new = lstat(w->path, &st) < 0 || st.st_size == 0;
        return check_lost(w, state_directory, e);
}

static int check_tables(StoreWriter *w, const char *state_directory, Error *e)
{
        int r = w->is_new ? 0 : database_is_empty(w->path, w->db, &w->is_new, e);

        return r < 0 ? r : check_lost(w, state_directory, e);
}

static int check_log(const char *path, Error *e)
{
        int r = store_log_check(path, e);

        if (r > 0)
                log_warning("%s-wal is not there, though skepd has not ended in order: if no other program has opened the store "
                            "since, what was written last is lost",
                            path);
        return r;
}

int store_writer_new(const char *path, const char *state_directory, StoreWriter **ret, Error *e)
{
        StoreWriter *w = calloc(1, sizeof *w);
        int r;

        if (!w)
                return error_oom(e);
        *w = (StoreWriter){.path = strdup(path), .blobs = -1, .outputs = -1, .notice = -1};
        STAILQ_INIT(&w->pending);
        STAILQ_INIT(&w->others);
        STAILQ_INIT(&w->asked);
        STAILQ_INIT(&w->done);
        pthread_mutex_init(&w->lock, NULL);
        r = w->path ? check_file(w, state_directory, e) : error_oom(e);
        if (r >= 0)
                r = check_log(w->path, e);
        if (r >= 0)
                r = make_file(w->path, e);
        if (r >= 0)
                r = open_directory(state_directory, "blobs", &w->blobs, e);
        if (r >= 0)
                r = open_directory(state_directory, "jobs", &w->outputs, e);
        if (r >= 0)
                r = database_open(w->path, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, &w->db, e);
        if (r >= 0)
                r = check_tables(w, state_directory, e);
        if (r >= 0)
                r = database_run(w->path, w->db, "PRAGMA journal_mode = WAL", e);
        if (r >= 0)
                r = database_migrate(w->path, w->db, e);
        if (r >= 0)
                r = prepare_all(w, e);
        if (r >= 0)
                r = start(w, e);
        if (r < 0) {
                store_writer_free(w);
                return r;
        }
        *ret = w;
        return 0;
}

bool store_writer_is_new(const StoreWriter *w)
{
        return w->is_new;
}

StoreWriter *store_writer_free(StoreWriter *w)
{
        if (w->running) {
                pthread_mutex_lock(&w->lock);
                w->closing = true;
                pthread_cond_signal(&w->wake);
                pthread_mutex_unlock(&w->lock);
                pthread_join(w->thread, NULL);
        }
        list_free(&w->pending);
        list_free(&w->others);
        list_free(&w->asked);
        list_free(&w->done);
        for (ChangeKind kind = 0; kind < CHANGE_KIND_MAX; kind++)
                sqlite3_finalize(w->statements[kind]);
        sqlite3_finalize(w->attempt);
        sqlite3_close(w->db);
        if (w->running)
                store_log_ended(w->path);
        close_fd(w->notice);
        close_fd(w->blobs);
        close_fd(w->outputs);
        free(w->path);
        free(w);
        return NULL;
}
