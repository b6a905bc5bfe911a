/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "engine/ctl/attempt_output.h"

#include "engine/base/fd.h"
#include "engine/ctl/client.h"

#include <endian.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>

/* One write of the job, as the worker has noted it: little endian. */
typedef struct IndexRecord {
        uint64_t realtime_usec;
        uint64_t offset; /* in its stream */
        uint32_t length;
        uint32_t stream; /* 1 or 2, as descriptors are numbered */
} IndexRecord;

static const char *const stream_names[] = {"stdout", "stderr"};

void attempt_output_close(AttemptOutput *o)
{
        close_many(o->files, 2);
        close_fd(o->index);
        *o = ATTEMPT_OUTPUT_NULL;
}

static int watch(int inotify_fd, int fd, Error *e)
{
        char link[32];

        snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
        if (inotify_fd >= 0 && inotify_add_watch(inotify_fd, link, IN_MODIFY | IN_CLOSE_WRITE) < 0)
                return error_errno(e, -errno, "watching the output");
        return 0;
}

int attempt_output_open(AttemptOutput *o, sd_bus *bus, const char *path, uint32_t attempt, int inotify_fd, Error *e)
{
        int r;

        attempt_output_close(o);
        o->attempt = attempt;
        for (int i = 0; i < 2; i++) {
                o->files[i] = client_open_output(bus, path, stream_names[i], attempt, e);
                if (o->files[i] < 0)
                        return o->files[i];
                if ((r = watch(inotify_fd, o->files[i], e)) < 0)
                        return r;
        }
        /* A supervisor that keeps none says that there is no such stream. */
        o->index = client_open_output(bus, path, "index", attempt, NULL);
        return o->index >= 0 ? watch(inotify_fd, o->index, e) : 0;
}

static uint64_t size_of(int fd, uint64_t until)
{
        struct stat st;
        uint64_t size = fd >= 0 && fstat(fd, &st) == 0 ? (uint64_t)st.st_size : 0;

        return size < until ? size : until;
}

/* The index first: what it tells of has been written before. */
void attempt_output_end_here(AttemptOutput *o)
{
        o->index_until = size_of(o->index, o->index_until);
        for (int i = 0; i < 2; i++)
                o->until[i] = size_of(o->files[i], o->until[i]);
}

static bool is_same_place(const Stream *a, const Stream *b)
{
        struct stat x, y;

        return fstat(a->sink.fd, &x) == 0 && fstat(b->sink.fd, &y) == 0 && x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

/* Passes on a stream up to an offset. Returns 1 when it is reached, 0 when the stream takes no more now; -ENODATA: it
 * is not there. */
static int pass_stream(AttemptOutput *o, int i, Stream *const streams[2], uint64_t until, uint64_t realtime_usec)
{
        Stream *stream = streams[i], *other = streams[1 - i];
        bool ordered = stream && other && is_same_place(stream, other);
        char buffer[STREAM_CHUNK];

        if (!stream) {
                o->passed[i] = until;
                return 1;
        }
        while (o->passed[i] < until) {
                size_t wanted = until - o->passed[i] < sizeof buffer ? (size_t)(until - o->passed[i]) : sizeof buffer;
                if (stream->sink.broken) {
                        o->passed[i] = until;
                        break;
                }
                /* Where both go to the same place, one does not overtake the other. */
                if (stream_is_full(stream) || (ordered && sink_waiting(&other->sink) > 0))
                        return 0;
                ssize_t n = pread(o->files[i], buffer, wanted, (off_t)o->passed[i]);
                if (n <= 0)
                        return -ENODATA;
                int r = stream_add(stream, buffer, (size_t)n, realtime_usec);
                if (r < 0)
                        return r;
                o->passed[i] += (uint64_t)n;
        }
        return 1;
}

static bool next_record(const AttemptOutput *o, IndexRecord *ret)
{
        if (o->index < 0 || o->index_passed >= o->index_until ||
            pread(o->index, ret, sizeof *ret, (off_t)o->index_passed) != sizeof *ret)
                return false;
        *ret = (IndexRecord){le64toh(ret->realtime_usec), le64toh(ret->offset), le32toh(ret->length),
                             le32toh(ret->stream)};
        return true;
}

/* Returns 1 when all that the index tells of is passed on, 0 when not now. */
static int pass_indexed(AttemptOutput *o, Stream *const streams[2], bool whole)
{
        IndexRecord record;

        while (next_record(o, &record)) {
                uint64_t end = record.offset + record.length;
                if ((record.stream == 1 || record.stream == 2) && end >= record.offset) {
                        int r = pass_stream(o, (int)record.stream - 1, streams, end, record.realtime_usec);
                        /* At the end, a record whose bytes are not there is one of a worker that has died. */
                        if (r == -ENODATA && !whole)
                                return 0;
                        if (r <= 0 && r != -ENODATA)
                                return r;
                }
                o->index_passed += sizeof record;
        }
        return 1;
}

int attempt_output_pass(AttemptOutput *o, Stream *const streams[2], bool whole)
{
        int r;

        for (int i = 0; i < 2; i++)
                if (streams[i])
                        sink_flush(&streams[i]->sink);
        r = pass_indexed(o, streams, whole);
        if (r <= 0 || (o->index >= 0 && !whole))
                return r;
        for (int i = 0; (r >= 0 || r == -ENODATA) && i < 2; i++) {
                uint64_t size = size_of(o->files[i], o->until[i]);
                if (size <= o->passed[i])
                        continue;
                r = pass_stream(o, i, streams, size, 0);
                if (r == -ENODATA)
                        o->passed[i] = size; /* what cannot be read does not become readable */
        }
        return r < 0 && r != -ENODATA ? r : 0;
}

bool attempt_output_has_more(const AttemptOutput *o, Stream *const streams[2])
{
        for (int i = 0; i < 2; i++)
                if (streams[i] && !streams[i]->sink.broken && size_of(o->files[i], o->until[i]) > o->passed[i])
                        return true;
        return false;
}

bool attempt_output_is_indexed(const AttemptOutput *o)
{
        struct stat st;

        return o->index >= 0 && fstat(o->index, &st) == 0 && st.st_size > 0;
}
