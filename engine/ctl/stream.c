/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "engine/ctl/stream.h"

#include "engine/ctl/amount.h"

#include <errno.h>
#include <string.h>

int stream_init(Stream *s, int fd, const StreamOptions *options)
{
        *s = (Stream){.filtered = !options->raw && isatty(fd), .stamps = options->stamps, .utc = options->utc};
        sink_init(&s->sink, fd);
        s->room = malloc(TERMINAL_FILTER_ROOM(STREAM_CHUNK));
        return s->room ? 0 : -ENOMEM;
}

void stream_done(Stream *s)
{
        sink_done(&s->sink);
        free(s->room);
        s->room = NULL;
}

/* What the filter has made of it in `room`; that may be nothing. */
static int add_filtered(Stream *s, size_t size)
{
        return size > 0 ? sink_add(&s->sink, s->room, size) : 0;
}

static int add(Stream *s, const char *data, size_t size)
{
        if (!s->filtered)
                return sink_add(&s->sink, data, size);
        return add_filtered(s, terminal_filter_pass(&s->filter, data, size, s->room));
}

int stream_add(Stream *s, const char *data, size_t size, uint64_t realtime_usec)
{
        AmountText stamp;
        int r = 0;

        if (!s->stamps)
                return add(s, data, size);
        stamp = realtime_usec ? amount_stamp(realtime_usec, s->utc) : (AmountText){"-"};
        while (r >= 0 && size > 0) {
                const char *newline = memchr(data, '\n', size);
                size_t n = newline ? (size_t)(newline - data) + 1 : size;
                if (!s->in_line && (r = sink_add(&s->sink, stamp.text, strlen(stamp.text))) >= 0)
                        r = sink_add(&s->sink, " ", 1);
                if (r >= 0)
                        r = add(s, data, n);
                s->in_line = !newline;
                data += n;
                size -= n;
        }
        return r;
}

int stream_end(Stream *s)
{
        return s->filtered ? add_filtered(s, terminal_filter_end(&s->filter, s->room)) : 0;
}
