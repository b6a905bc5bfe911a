/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "engine/base/sink.h"
#include "engine/ctl/terminal_filter.h"

#include <stdint.h>

/* One of a job's streams on its way to one of ours: as it is, but harmless where that is a terminal, and with the time
 * before each line where that was asked for. */
typedef struct StreamOptions {
        bool raw;    /* also to a terminal */
        bool stamps; /* each line begins with its time */
        bool utc;
} StreamOptions;

typedef struct Stream {
        Sink sink;
        TerminalFilter filter;
        bool filtered, stamps, utc;
        bool in_line;
        char *room; /* owned */
} Stream;

#define STREAM_CHUNK ((size_t)64 << 10)

/* -ENOMEM. */
int stream_init(Stream *stream, int fd, const StreamOptions *options);
void stream_done(Stream *stream);

/* Takes at most STREAM_CHUNK bytes, which were written at that time (0: not known). -ENOMEM. */
int stream_add(Stream *stream, const char *data, size_t size, uint64_t realtime_usec);
/* What was kept back goes, too. */
int stream_end(Stream *stream);

/* Whether it takes more now. */
static inline bool stream_is_full(const Stream *stream)
{
        return stream->sink.broken || sink_waiting(&stream->sink) >= SINK_HIGH;
}
