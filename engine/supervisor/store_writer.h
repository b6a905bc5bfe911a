/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "engine/supervisor/store.h"

/* The thread that writes the store: store_writer.c. It is told what has changed by a list, and gives that back when it is on the
 * disk. */
typedef struct StoreWriter StoreWriter;

typedef enum ChangeKind {
        CHANGE_ADD,
        CHANGE_UPDATE,
        CHANGE_REMOVE,
        CHANGE_SET,     /* a setting of the engine */
        CHANGE_WRITE,   /* what others keep in here, and can do without */
        CHANGE_NOTHING, /* only to be told of */
        CHANGE_KIND_MAX,
} ChangeKind;

typedef struct Change {
        STAILQ_ENTRY(Change) next;
        ChangeKind kind;
        Id id;
        char *tenant, *policy, *spec, *inputs, *report, *digest, *origin;
        JobState state;
        uint64_t attempt, report_attempt, failures, submitted_usec, started_usec, finished_usec, due_usec, held, output_bytes;
        char *setting, *value; /* instead, for CHANGE_SET */
        StoreWrite write;      /* instead, for CHANGE_WRITE */
        void *data;            /* likewise */
        bool joined;           /* the next one belongs to it */
        StoreDone done;
        void *userdata;
        Error error;
} Change;

STAILQ_HEAD(ChangeList, Change);

Change *change_free(Change *change); /* returns NULL */

/* Opens the database at `path`, in the state directory, for writing, or makes it. Errors as of store_open(). */
int store_writer_new(const char *path, const char *state_directory, StoreWriter **ret, Error *e);
/* Whether it was made by that. */
bool store_writer_is_new(const StoreWriter *writer);
/* Writes what was asked for, if it can, and ends. Returns NULL. */
StoreWriter *store_writer_free(StoreWriter *writer);

/* Takes the changes over: all that are joined are written together, or not at all. `patiently`: with what comes next, or after a
 * few milliseconds. */
void store_writer_ask(StoreWriter *writer, struct ChangeList *changes, bool patiently);

/* Readable when there is something to hear of. */
int store_writer_fd(const StoreWriter *writer);
/* Gives back what is done: on the disk, or refused, with its error. Returns SQLite's code, why it cannot be written; or SQLITE_OK.
 * The other is why what others keep is dropped. */
int store_writer_take_done(StoreWriter *writer, struct ChangeList *ret, int *ret_dropping);
