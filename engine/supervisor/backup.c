/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The copy is made by a thread with a connection of its own to the store. In WAL mode a reader sees what was there when
 * it began, and holds up no writer; so the transaction begins before backup_new() returns, and all that is read
 * afterwards belongs to one moment. The archive is written to a file without a name in the state directory, where there
 * is room for what is copied: in memory there is never more than a few pages of it. */

#include "engine/supervisor/backup.h"

#include "engine/base/fd.h"
#include "engine/base/json.h"
#include "engine/base/strv.h"

#include <archive.h>
#include <archive_entry.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <search.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/stat.h>

#define PAGES_AT_ONCE 256
#define CHUNK ((size_t)64 << 10)
#define DRAFT "backup.db" /* of one that was interrupted: the next one removes it */
#define ARCHIVE "backup.tar"

struct Backup {
        BackupDone done;
        void *userdata;
        int state, out, notice;
        sd_event_source *io;
        sqlite3 *store;
        pthread_t thread;
        bool running;
        atomic_bool cancelled;

        /* The thread's alone, until it has given notice. */
        struct archive *archive;
        void *names; /* tsearch(3): what is in the archive already */
        Error error;
};

/* ---- in the thread ---- */

static int store_error(Backup *b, int code)
{
        return error_set(&b->error, -EIO, "copying the store: %s", sqlite3_errstr(code));
}

/* -ECANCELED when nobody waits for it any more. */
static int check_cancelled(Backup *b)
{
        return atomic_load(&b->cancelled) ? error_set(&b->error, -ECANCELED, "given up") : 0;
}

static int write_data(Backup *b, int fd, const char *path, uint64_t size)
{
        char *chunk = malloc(CHUNK);
        uint64_t left = size;
        int r = chunk ? 0 : error_oom(&b->error);

        while (r >= 0 && left > 0 && (r = check_cancelled(b)) >= 0) {
                ssize_t n = read_full(fd, chunk, left < CHUNK ? (size_t)left : CHUNK);
                if (n <= 0)
                        r = error_set(&b->error, -EIO, "copying %s: it has become shorter", path);
                else if (archive_write_data(b->archive, chunk, (size_t)n) != n)
                        r = error_set(&b->error, -EIO, "writing the copy: %s", archive_error_string(b->archive));
                else
                        left -= (uint64_t)n;
        }
        free(chunk);
        return r;
}

static int add_file(Backup *b, const char *from, const char *path)
{
        struct archive_entry *entry = archive_entry_new();
        _cleanup_close_ int fd = openat(b->state, from, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
        struct stat st;
        int r = 0;

        if (!entry)
                return error_set(&b->error, -EIO, "libarchive makes no archive");
        if (fd < 0 || fstat(fd, &st) < 0) {
                r = error_errno(&b->error, -errno, "copying %s", path);
        } else {
                archive_entry_copy_pathname(entry, path);
                archive_entry_set_filetype(entry, AE_IFREG);
                archive_entry_set_perm(entry, st.st_mode & 0777);
                archive_entry_set_size(entry, st.st_size);
                archive_entry_set_mtime(entry, st.st_mtim.tv_sec, 0);
                if (archive_write_header(b->archive, entry) < ARCHIVE_WARN)
                        r = error_set(&b->error, -EIO, "writing the copy: %s", archive_error_string(b->archive));
        }
        archive_entry_free(entry);
        return r < 0 ? r : write_data(b, fd, path, (uint64_t)st.st_size);
}

static int compare_names(const void *a, const void *b)
{
        return strcmp(a, b);
}

/* Once, however many jobs need it. */
static int add_file_once(Backup *b, const char *path)
{
        if (tfind(path, &b->names, compare_names))
                return 0;
        char *name = strdup(path);
        if (!name || !tsearch(name, &b->names, compare_names)) {
                free(name);
                return error_oom(&b->error);
        }
        return add_file(b, path, path);
}

static void remove_draft(const Backup *b)
{
        unlinkat(b->state, DRAFT, 0);
        unlinkat(b->state, DRAFT "-wal", 0);
        unlinkat(b->state, DRAFT "-shm", 0);
}

/* No worker has what ran at that moment where the copy is used: it would be taken for lost, and that for a failure of the
 * job. The copy is in nobody's hands, so that nothing has to be waited for. */
static int queue_what_ran(sqlite3 *copy)
{
        return sqlite3_exec(copy,
                            "PRAGMA synchronous = OFF;"
                            "UPDATE jobs SET state = 'queued', started_usec = 0"
                            " WHERE finished_usec = 0 AND state IN ('starting', 'running')",
                            NULL, NULL, NULL);
}

static int copy_store(Backup *b)
{
        _cleanup_free_ char *path = NULL;
        sqlite3 *copy = NULL;
        int code, r = 0;

        /* By the descriptor, so that it is this directory whatever its name is by now. */
        if (asprintf(&path, "/proc/self/fd/%d/" DRAFT, b->state) < 0) {
                path = NULL;
                return error_oom(&b->error);
        }
        remove_draft(b);
        close_fd(openat(b->state, DRAFT, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
        code = sqlite3_open_v2(path, &copy, SQLITE_OPEN_READWRITE, NULL);
        sqlite3_backup *backup = code == SQLITE_OK ? sqlite3_backup_init(copy, "main", b->store, "main") : NULL;
        if (!backup)
                r = store_error(b, code == SQLITE_OK ? sqlite3_errcode(copy) : code);
        for (code = SQLITE_OK; r >= 0 && code == SQLITE_OK && (r = check_cancelled(b)) >= 0;)
                code = sqlite3_backup_step(backup, PAGES_AT_ONCE);
        if (backup)
                sqlite3_backup_finish(backup);
        if (r >= 0 && (code != SQLITE_DONE || (code = queue_what_ran(copy)) != SQLITE_OK))
                r = store_error(b, code);
        code = sqlite3_close(copy);
        return r < 0 ? r : code == SQLITE_OK ? add_file(b, DRAFT, "jobs.db") : store_error(b, code);
}

static int add_inputs(Backup *b, const char *text)
{
        _cleanup_json_ json_object *list = NULL;
        int r = json_parse_text(text ? text : "", text ? strlen(text) : 0, &list, &b->error);

        for (size_t i = 0; r >= 0 && i < json_object_array_length(list); i++) {
                json_object *pair = json_object_array_get_idx(list, i);
                const char *blob = json_object_get_string(json_object_array_get_idx(pair, 1));
                _cleanup_free_ char *path = NULL;
                if (!blob || strchr(blob, '/') || asprintf(&path, "blobs/%s", blob) < 0) {
                        path = NULL;
                        return error_set(&b->error, -EUCLEAN, "the inputs of a job cannot be read");
                }
                r = add_file_once(b, path);
        }
        return r;
}

/* Calls for every row, with its columns as text. */
static int each_row(Backup *b, const char *sql, int (*each)(Backup *b, const char *first, const char *second))
{
        sqlite3_stmt *row = NULL;
        int code = sqlite3_prepare_v2(b->store, sql, -1, &row, NULL), r = 0;

        while (r >= 0 && code == SQLITE_OK && (code = sqlite3_step(row)) == SQLITE_ROW) {
                code = SQLITE_OK;
                r = check_cancelled(b);
                if (r >= 0)
                        r = each(b, (const char *)sqlite3_column_text(row, 0),
                                 (const char *)sqlite3_column_text(row, 1));
        }
        if (r >= 0 && code != SQLITE_DONE)
                r = store_error(b, code);
        sqlite3_finalize(row);
        return r;
}

static int add_inputs_of_row(Backup *b, const char *inputs, const char *nothing _unused_)
{
        return add_inputs(b, inputs);
}

/* What a job that others run after has left; most leave nothing, and have no such file. */
static int add_files_of_row(Backup *b, const char *job, const char *attempt)
{
        _cleanup_free_ char *path = NULL;

        if (!job || !attempt || strchr(job, '/') || asprintf(&path, "jobs/%s/%s/files", job, attempt) < 0) {
                path = NULL;
                return error_set(&b->error, -EUCLEAN, "a job in the store cannot be read");
        }
        if (faccessat(b->state, path, F_OK, AT_SYMLINK_NOFOLLOW) < 0 && errno == ENOENT)
                return 0;
        return add_file_once(b, path);
}

static int write_archive(Backup *b)
{
        if (archive_write_set_format_gnutar(b->archive) != ARCHIVE_OK ||
            archive_write_open_fd(b->archive, b->out) != ARCHIVE_OK)
                return error_set(&b->error, -EIO, "writing the copy: %s", archive_error_string(b->archive));
        int r = add_file(b, "skep-state", "skep-state");
        if (r >= 0)
                r = copy_store(b);
        if (r >= 0)
                r = each_row(b, "SELECT inputs, '' FROM jobs WHERE finished_usec = 0 AND inputs <> '[]'",
                             add_inputs_of_row);
        /* The members of an array have no specification of their own: the whole has not ended either. */
        if (r >= 0)
                r = each_row(b,
                             "SELECT DISTINCT parents.id, parents.attempt FROM jobs,"
                             " json_each(nullif(jobs.spec, ''), '$.after') AS after, jobs AS parents"
                             " WHERE jobs.finished_usec = 0 AND parents.id = after.value AND parents.state = 'succeeded'",
                             add_files_of_row);
        /* What the members of an array have left is put together when the last of them has ended. */
        if (r >= 0)
                r = each_row(b,
                             "SELECT members.id, members.attempt FROM jobs, jobs AS members"
                             " WHERE jobs.finished_usec = 0 AND length(jobs.id) = 26 AND members.finished_usec > 0"
                             " AND members.id > jobs.id || '_' AND members.id < jobs.id || '`'",
                             add_files_of_row);
        if (r >= 0 && archive_write_close(b->archive) != ARCHIVE_OK)
                r = error_set(&b->error, -EIO, "writing the copy: %s", archive_error_string(b->archive));
        if (r >= 0 && lseek(b->out, 0, SEEK_SET) < 0)
                r = error_errno(&b->error, -errno, "writing the copy");
        return r;
}

static void *run(void *userdata)
{
        Backup *b = userdata;

        write_archive(b);
        archive_write_free(take(b->archive));
        remove_draft(b);
        sqlite3_close(b->store);
        b->store = NULL;
        eventfd_write(b->notice, 1);
        return NULL;
}

/* ---- in the event loop ---- */

static int on_notice(sd_event_source *source, int fd _unused_, uint32_t events _unused_, void *userdata)
{
        Backup *b = userdata;

        sd_event_source_set_enabled(source, SD_EVENT_OFF);
        pthread_join(b->thread, NULL);
        b->running = false;
        b->done(b->error.code < 0 ? -1 : take_fd(b->out), &b->error, b->userdata);
        return 0;
}

/* From here on, this connection sees the store as it is now. */
static int open_store(Backup *b, Error *e)
{
        _cleanup_free_ char *path = NULL;

        if (asprintf(&path, "/proc/self/fd/%d/jobs.db", b->state) < 0) {
                path = NULL;
                return error_oom(e);
        }
        int code = sqlite3_open_v2(path, &b->store, SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX, NULL);
        if (code == SQLITE_OK)
                code = sqlite3_exec(b->store, "BEGIN; SELECT count(*) FROM sqlite_master", NULL, NULL, NULL);
        return code == SQLITE_OK ? 0 : error_set(e, -EIO, "copying the store: %s", sqlite3_errstr(code));
}

static int start(Backup *b, sd_event *event, Error *e)
{
        sigset_t all, before;
        int r = sd_event_add_io(event, &b->io, b->notice, EPOLLIN, on_notice, b);

        if (r < 0)
                return error_errno(e, r, "copying the store");
        /* Signals are the event loop's. */
        sigfillset(&all);
        pthread_sigmask(SIG_SETMASK, &all, &before);
        r = -pthread_create(&b->thread, NULL, run, b);
        pthread_sigmask(SIG_SETMASK, &before, NULL);
        b->running = r == 0;
        return r < 0 ? error_errno(e, r, "copying the store") : 0;
}

int backup_new(sd_event *event, const char *state_directory, BackupDone done, void *userdata, Backup **ret, Error *e)
{
        _cleanup_(backup_freep) Backup *b = calloc(1, sizeof *b);

        if (!b)
                return error_oom(e);
        *b = (Backup){.done = done, .userdata = userdata, .out = -1, .error = ERROR_NULL};
        b->notice = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        b->state = open(state_directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (b->state >= 0) {
                unlinkat(b->state, ARCHIVE, 0);
                b->out = openat(b->state, ARCHIVE, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
        }
        if (b->notice < 0 || b->out < 0 || unlinkat(b->state, ARCHIVE, 0) < 0)
                return error_errno(e, -errno, "a place for the copy in %s", state_directory);
        int r = open_store(b, e);
        /* Not in the thread: with the first one libarchive is loaded, and a process that is forked meanwhile would have half of it. */
        if (r >= 0 && !(b->archive = archive_write_new()))
                r = error_set(e, -EIO, "libarchive makes no archive");
        if (r >= 0)
                r = start(b, event, e);
        if (r < 0)
                return r;
        *ret = take(b);
        return 0;
}

Backup *backup_free(Backup *b)
{
        if (b->running) {
                atomic_store(&b->cancelled, true);
                pthread_join(b->thread, NULL);
        }
        sd_event_source_disable_unref(b->io);
        if (b->archive)
                archive_write_free(b->archive);
        sqlite3_close(b->store);
        tdestroy(b->names, free);
        error_clear(&b->error);
        close_fd(b->out);
        close_fd(b->state);
        close_fd(b->notice);
        free(b);
        return NULL;
}
