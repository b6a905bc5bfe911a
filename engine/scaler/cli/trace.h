/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "engine/base/error.h"

#include <stdint.h>

/* A load trace: lines "timestamp_seconds,count" in order of time, after at most one line of names. The time is the
 * beginning of a step of equal length, which is the most common distance between lines. Lines that are missing are a
 * hole: nobody counted. */

#define TRACE_ROWS_MAX 5000000
#define TRACE_BYTES_MAX (256U << 20)

typedef struct TraceRow {
        int64_t time_sec;
        double count;
} TraceRow;

typedef struct Trace {
        TraceRow *rows; /* owned */
        size_t n;
        int64_t step_sec;
} Trace;

void trace_done(Trace *trace);
#define _cleanup_trace_ _cleanup_(trace_done)

/* The caller owns what is in `*ret`. Errors are -EINVAL, and the sentence names the line: disorder, a time given twice
 * or between two steps, a count that is negative or absurd, fewer than two lines. Steps under 10 s are put together to
 * such of at least 10 s. */
int trace_parse(const char *text, size_t size, Trace *ret, Error *e);

/* The same of a file, or of standard input ("-"). */
int trace_read(const char *file, Trace *ret, Error *e);
