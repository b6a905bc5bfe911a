/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "engine/supervisor/job.h"
#include "engine/supervisor/trouble.h"

#include <sqlite3.h>
#include <systemd/sd-event.h>

/* What survives: jobs and the reports of their attempts, in one SQLite database. A change is on the disk when its
 * callback says so, and not before. */
typedef struct Store Store;

/* A job as it is kept. */
typedef struct StoredJob {
        const char *id, *tenant, *policy;
        const char *spec;   /* JSON, as it was submitted */
        const char *inputs; /* JSON: an array of pairs, the name and the blob */
        JobState state;
        uint64_t attempt, failures, submitted_usec, started_usec, finished_usec, due_usec;
        bool held;
        uint64_t output_bytes;
        const char *digest, *origin; /* NULL: none */
        const char *report;          /* of the last attempt that has one; NULL: none has */
        uint64_t report_attempt;
} StoredJob;

/* Opens the store in the state directory, or makes it where there was none. That it cannot be written stands in `troubles`. Errors: -EUCLEAN it is damaged or lost, -EPROTO a newer skepd has
 * written it, -EBUSY another program writes to it, -EIO; the sentence says what to do. */
int store_open(sd_event *event, const char *state_directory, Troubles *troubles, Store **ret, Error *e);

/* Whether that has made it. */
bool store_is_new(const Store *store);

/* Sets the sentence for one in which something is not as it was written. Returns -EUCLEAN. */
int store_damaged(const Store *store, const char *why, Error *e);

/* Writes what was asked for, if it can, and ends; callbacks do not come any more. Returns NULL. */
Store *store_close(Store *store);

/* Calls `each` for every job, in the order of their ids, until it returns a negative errno. It gets borrowed
 * strings. */
int store_load(Store *store, int (*each)(const StoredJob *job, void *userdata, Error *e), void *userdata, Error *e);

/* `error` has code 0 when the change is on the disk. */
typedef void (*StoreDone)(const Error *error, void *userdata);

/* A new job, with its members where it is an array. It fails when the store cannot be written: -EIO. `done` comes once,
 * later. */
void store_add(Store *store, Job *job, StoreDone done, void *userdata);

/* So many new jobs: all are stored, or none. */
void store_add_many(Store *store, Job *const *jobs, size_t n, StoreDone done, void *userdata);

/* The job's state, attempt and times; with `report`, that of the attempt that runs, or else `job->report_attempt`. It does not
 * fail: what cannot be written now is tried again until it can. `done` (or NULL) comes once, later. */
void store_update(Store *store, const Job *job, JobState state, const char *report, StoreDone done, void *userdata);

/* Likewise, for what is of use after a crash alone, and soon followed by more: it is written with the next change, or after a
 * few milliseconds, so that a short job costs one commit less. */
void store_note(Store *store, const Job *job, JobState state);

/* For what others keep in the same file, and can do without: `write` is called in the store's thread, within a transaction of
 * its own, once. What cannot be written is dropped, and stands in `troubles`. Takes `data` over, for free(). It returns what SQLite
 * says. */
typedef int (*StoreWrite)(sqlite3 *db, const void *data);
void store_write(Store *store, StoreWrite write, void *data);
/* The event loop's connection, for reading. */
sqlite3 *store_reading(Store *store);

/* `done` comes when all that was asked for before is on the disk. */
void store_sync(Store *store, StoreDone done, void *userdata);

/* Forgets a job, with its members. */
void store_remove(Store *store, const Id *id);

/* A setting of the engine itself; NULL where it was never set. Owned by the caller. */
void store_set(Store *store, const char *setting, const char *value);
int store_get(Store *store, const char *setting, char **ret, Error *e);

/* The report of an attempt; owned by the caller, NULL where there is none. Errors: of reading. */
int store_report(Store *store, const Id *id, uint64_t attempt, char **ret, Error *e);
