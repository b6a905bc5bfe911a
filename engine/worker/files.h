/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <json-c/json.h>
#include <stddef.h>
#include <stdint.h>

/* What an attempt writes while it runs: its two streams, and their index, each a file that is made when there is something to
 * write to it. The index is a record of INDEX_RECORD_BYTES for each piece:
 * little-endian u64 when it came (CLOCK_REALTIME, microseconds), u64 where it begins in its stream, u32 how long it is,
 * u32 which stream it is of (1 stdout, 2 stderr). A disk that is full takes no more of a stream: the job goes on, and
 * its report says so. */

#define INDEX_RECORD_BYTES 24

typedef enum FilesStream { FILES_STDOUT, FILES_STDERR, FILES_INDEX, FILES_STREAM_MAX } FilesStream;

typedef struct Files {
        int directory; /* owned; where run_output_open() finds them */
        const char *job; /* borrowed */
        uint64_t attempt;
        int fds[FILES_STREAM_MAX]; /* owned; -1: not opened */
        uint64_t written[2];
        uint64_t index_written, index_max;
        int error, index_error; /* negative errno: since then nothing more was written */
} Files;

/* Takes the descriptor over. */
void files_init(Files *files, int directory, const char *job, uint64_t attempt);
/* Closes them: who watches the files, and so had them made, is told by that (IN_CLOSE_WRITE) that no more comes. */
void files_done(Files *files);

/* The index has at most as many bytes as the output may have, or INDEX_BYTES_MIN; what comes later has no record. */
void files_limit_index(Files *files, uint64_t output_bytes);

void files_write(Files *files, int stream, const void *data, size_t size);

/* What could not be kept is said in the report. */
void files_complete_report(const Files *files, json_object *report);
