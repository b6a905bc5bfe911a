/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "engine/worker/files.h"

#include "engine/base/clock.h"
#include "engine/base/fd.h"
#include "engine/base/json.h"
#include "engine/worker/protocol.h"

#include <endian.h>
#include <errno.h>
#include <string.h>

#define INDEX_BYTES_MIN ((uint64_t)64 << 10)

typedef struct IndexRecord {
        uint64_t time_usec, offset;
        uint32_t length, stream;
} IndexRecord;

_Static_assert(sizeof(IndexRecord) == INDEX_RECORD_BYTES, "the index has no gaps");

static const char *const names[FILES_STREAM_MAX] = {"stdout", "stderr", "index"};

void files_init(Files *f, int directory, const char *job, uint64_t attempt)
{
        *f = (Files){.directory = directory, .job = job, .attempt = attempt, .index_max = INDEX_BYTES_MIN};
        for (FilesStream i = 0; i < FILES_STREAM_MAX; i++)
                f->fds[i] = -1;
}

static int open_file(Files *f, FilesStream which)
{
        if (f->fds[which] < 0)
                f->fds[which] = run_output_open(f->directory, f->job, f->attempt, names[which], true, true);
        return f->fds[which] < 0 ? f->fds[which] : 0;
}

void files_done(Files *f)
{
        if (f->directory < 0)
                return;
        for (FilesStream i = 0; i < FILES_STREAM_MAX; i++) {
                if (f->fds[i] < 0)
                        f->fds[i] = run_output_open(f->directory, f->job, f->attempt, names[i], true, false);
                f->fds[i] = close_fd(f->fds[i]);
        }
        f->directory = close_fd(f->directory);
}

void files_limit_index(Files *f, uint64_t output_bytes)
{
        f->index_max = output_bytes > INDEX_BYTES_MIN ? output_bytes : INDEX_BYTES_MIN;
}

static void write_record(Files *f, int stream, uint64_t offset, size_t length)
{
        const IndexRecord record = {
                .time_usec = htole64(realtime_usec()),
                .offset = htole64(offset),
                .length = htole32((uint32_t)length),
                .stream = htole32((uint32_t)stream),
        };

        if (f->index_error < 0 || f->index_max - f->index_written < sizeof record)
                return;
        f->index_error = open_file(f, FILES_INDEX);
        if (f->index_error >= 0)
                f->index_error = write_full(f->fds[FILES_INDEX], &record, sizeof record);
        f->index_written += sizeof record;
}

void files_write(Files *f, int stream, const void *data, size_t size)
{
        uint64_t *written = &f->written[stream - 1], offset = *written;

        if (f->error < 0 || (f->error = open_file(f, (FilesStream)(stream - 1))) < 0)
                return;
        f->error = write_full(f->fds[stream - 1], data, size);
        *written += size;
        if (f->error < 0) {
                off_t end = lseek(f->fds[stream - 1], 0, SEEK_CUR);
                *written = end < 0 ? offset : (uint64_t)end;
        }
        if (*written > offset)
                write_record(f, stream, offset, (size_t)(*written - offset));
}

void files_complete_report(const Files *f, json_object *report)
{
        json_object *before = NULL;
        _cleanup_free_ char *message = NULL;

        json_object_object_get_ex(report, "message", &before);
        const char *text = before ? json_object_get_string(before) : NULL;
        if (f->error < 0) {
                json_add_number(report, "stdout_bytes", f->written[0]);
                json_add_number(report, "stderr_bytes", f->written[1]);
                json_add_bool(report, "truncated", true);
        }
        if ((f->error < 0 || f->index_error < 0) &&
            asprintf(&message, "%s%s%s could not be written to the state directory: %s", text ? text : "",
                     text ? "; " : "", f->error < 0 ? "the end of the output" : "the end of the output's index",
                     strerror(f->error < 0 ? -f->error : -f->index_error)) >= 0)
                json_add_string(report, "message", message);
}
