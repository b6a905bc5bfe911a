/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "engine/scaler/cli/trace.h"
#include "engine/base/fd.h"

#include <fcntl.h>
#include <math.h>
#include <string.h>

#define TIME_MAX 1e11 /* a larger one is in milliseconds */
#define COUNT_MAX 1e12
#define STEP_MIN 10
#define STEP_MAX 86400

void trace_done(Trace *trace)
{
        free(trace->rows);
        *trace = (Trace){0};
}

/* A decimal number that ends at `end`: nothing else that strtod(3) would take. */
static bool number_read(const char *text, const char *end, double *ret)
{
        char digits[40];
        size_t size = (size_t)(end - text);

        if (size == 0 || size >= sizeof digits)
                return false;
        memcpy(digits, text, size);
        digits[size] = '\0';
        if (strspn(digits, "-+.0123456789eE") < size)
                return false;
        char *rest;
        *ret = strtod(digits, &rest);
        return *rest == '\0' && isfinite(*ret);
}

static int row_parse(const char *line, const char *end, size_t number, TraceRow *ret, Error *e)
{
        const char *comma = memchr(line, ',', (size_t)(end - line));
        double time, count;

        if (!comma || !number_read(line, comma, &time) || !number_read(comma + 1, end, &count))
                return error_set(e, -EINVAL, "line %zu: must be \"timestamp_seconds,count\"", number);
        if (time < 0 || time > TIME_MAX)
                return error_set(e, -EINVAL, "line %zu: the time must be seconds since 1970, up to 10^11", number);
        if (count < 0)
                return error_set(e, -EINVAL, "line %zu: the count is negative", number);
        if (count > COUNT_MAX)
                return error_set(e, -EINVAL, "line %zu: the count is absurd: more than 10^12", number);
        *ret = (TraceRow){(int64_t)floor(time), count};
        return 0;
}

static int rows_parse(const char *text, size_t size, Trace *trace, Error *e)
{
        const char *end = text + size;
        size_t room = 0, number = 0;
        int r;

        for (const char *line = text, *next; line < end; line = next) {
                const char *stop = memchr(line, '\n', (size_t)(end - line));
                next = stop ? stop + 1 : end;
                stop = stop ? stop : end;
                if (stop > line && stop[-1] == '\r')
                        stop--;
                number++;
                if (stop == line || (number == 1 && !(*line >= '0' && *line <= '9') && *line != '-'))
                        continue;
                if (trace->n == TRACE_ROWS_MAX)
                        return error_set(e, -EINVAL, "line %zu: more than %d lines", number, TRACE_ROWS_MAX);
                if (trace->n == room) {
                        room = room ? room * 2 : 4096;
                        TraceRow *rows = reallocarray(trace->rows, room, sizeof *rows);
                        if (!rows)
                                return error_oom(e);
                        trace->rows = rows;
                }
                TraceRow *row = &trace->rows[trace->n];
                r = row_parse(line, stop, number, row, e);
                if (r < 0)
                        return r;
                if (trace->n > 0 && row->time_sec == row[-1].time_sec)
                        return error_set(e, -EINVAL, "line %zu: the time %lld is there twice", number,
                                         (long long)row->time_sec);
                if (trace->n > 0 && row->time_sec < row[-1].time_sec)
                        return error_set(
                                e, -EINVAL,
                                "line %zu: the time %lld is before that of the line above: sort the trace; in local "
                                "time, an hour of autumn comes twice, so write UTC",
                                number, (long long)row->time_sec);
                trace->n++;
        }
        if (trace->n < 2)
                return error_set(e, -EINVAL, "has %s: at least two are needed, to know the step",
                                 trace->n ? "one line" : "no line");
        return 0;
}

static int compare(const void *a, const void *b)
{
        int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

        return (x > y) - (x < y);
}

/* The most common distance; of several, the shortest. */
static int step_find(Trace *trace, Error *e)
{
        _cleanup_free_ int64_t *distances = calloc(trace->n - 1, sizeof *distances);
        size_t best = 0, run = 0;

        if (!distances)
                return error_oom(e);
        for (size_t i = 0; i + 1 < trace->n; i++)
                distances[i] = trace->rows[i + 1].time_sec - trace->rows[i].time_sec;
        qsort(distances, trace->n - 1, sizeof *distances, compare);
        for (size_t i = 0; i + 1 < trace->n; i++) {
                run = i > 0 && distances[i] == distances[i - 1] ? run + 1 : 1;
                if (run > best) {
                        best = run;
                        trace->step_sec = distances[i];
                }
        }
        if (trace->step_sec > STEP_MAX)
                return error_set(e, -EINVAL, "has steps of %lld s: a day is the most", (long long)trace->step_sec);
        for (size_t i = 1; i < trace->n; i++)
                if ((trace->rows[i].time_sec - trace->rows[0].time_sec) % trace->step_sec != 0)
                        return error_set(e, -EINVAL, "the time %lld does not lie on a step of %lld s, as the others do",
                                         (long long)trace->rows[i].time_sec, (long long)trace->step_sec);
        return 0;
}

/* Short steps become longer ones. */
static void merge(Trace *trace)
{
        int64_t times = (STEP_MIN + trace->step_sec - 1) / trace->step_sec, step = times * trace->step_sec;
        size_t n = 0;

        if (times == 1)
                return;
        for (size_t i = 0; i < trace->n; i++) {
                TraceRow row = trace->rows[i];
                row.time_sec -= row.time_sec % step;
                if (n > 0 && trace->rows[n - 1].time_sec == row.time_sec)
                        trace->rows[n - 1].count += row.count;
                else
                        trace->rows[n++] = row;
        }
        trace->n = n;
        trace->step_sec = step;
}

int trace_parse(const char *text, size_t size, Trace *ret, Error *e)
{
        _cleanup_trace_ Trace trace = {0};
        int r;

        if ((r = rows_parse(text, size, &trace, e)) < 0 || (r = step_find(&trace, e)) < 0)
                return r;
        merge(&trace);
        if (trace.n < 2)
                return error_set(e, -EINVAL, "is shorter than two steps of %lld s", (long long)trace.step_sec);
        *ret = trace;
        trace = (Trace){0};
        return 0;
}

/* A pipe will do: the whole is read first. */
static int read_all(int fd, char **ret, size_t *ret_size)
{
        _cleanup_free_ char *text = NULL;
        size_t size = 0, room = 1 << 16;

        for (;;) {
                char *larger = realloc(text, room);
                if (!larger)
                        return -ENOMEM;
                text = larger;
                ssize_t n = read_full(fd, text + size, room - size);
                if (n < 0)
                        return (int)n;
                size += (size_t)n;
                if (size < room)
                        break;
                if (size > TRACE_BYTES_MAX)
                        return -EFBIG;
                room *= 2;
        }
        *ret = take(text);
        *ret_size = size;
        return 0;
}

int trace_read(const char *file, Trace *ret, Error *e)
{
        _cleanup_close_ int fd = -1;
        _cleanup_free_ char *text = NULL;
        bool input = strcmp(file, "-") == 0;
        size_t size = 0;

        if (!input)
                fd = open(file, O_RDONLY | O_CLOEXEC | O_NOCTTY);
        int r = !input && fd < 0 ? -errno : read_all(input ? STDIN_FILENO : fd, &text, &size);
        if (r < 0)
                return error_errno(e, r, "%s", file);
        r = trace_parse(text, size, ret, e);
        if (r < 0)
                error_prefix(e, "%s", file);
        return r;
}
