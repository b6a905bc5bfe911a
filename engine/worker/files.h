/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <json-c/json.h>
#include <stddef.h>
#include <stdint.h>

/* What an attempt writes while it runs: its two streams, and their index, a record of INDEX_RECORD_BYTES for each piece:
 * little-endian u64 when it came (CLOCK_REALTIME, microseconds), u64 where it begins in its stream, u32 how long it is,
 * u32 which stream it is of (1 stdout, 2 stderr). A disk that is full takes no more of a stream: the job goes on, and
 * its report says so. */

#define INDEX_RECORD_BYTES 24

typedef struct Files {
        int streams[2]; /* owned */
        int index;      /* owned */
        uint64_t written[2];
        uint64_t index_written, index_max;
        int error, index_error; /* negative errno: since then nothing more was written */
} Files;

/* Takes the descriptors over. */
void files_init(Files *files, int stdout_fd, int stderr_fd, int index_fd);
/* Closes them: who watches the files is told by that (IN_CLOSE_WRITE) that no more comes. */
void files_done(Files *files);

/* The index has at most as many bytes as the output may have, or INDEX_BYTES_MIN; what comes later has no record. */
void files_limit_index(Files *files, uint64_t output_bytes);

void files_write(Files *files, int stream, const void *data, size_t size);

/* What could not be kept is said in the report. */
void files_complete_report(const Files *files, json_object *report);
