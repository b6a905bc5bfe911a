/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "engine/base/error.h"

#include <systemd/sd-event.h>

/* A copy of the state while it is in use: a tar archive with the store, the inputs of the jobs that have not ended, and
 * what those that they run after have left. Unpacked into an empty directory, it is a state directory, in which what ran is
 * queued. */
typedef struct Backup Backup;

/* `fd` is the archive, a file that has no name, at its beginning; -1 with an error. It is the callee's. */
typedef void (*BackupDone)(int fd, const Error *error, void *userdata);

/* Starts the copy, of the store as it is now. What it needs of blobs and output must stay until `done`, which comes once,
 * unless backup_free() comes before. */
int backup_new(sd_event *event, const char *state_directory, BackupDone done, void *userdata, Backup **ret, Error *e);
Backup *backup_free(Backup *backup); /* returns NULL */
DEFINE_CLEANUP(Backup, backup_free)
