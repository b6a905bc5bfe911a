/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "engine/base/sink.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <string.h>
#include <sys/stat.h>

void sink_init(Sink *s, int fd)
{
        struct stat st;

        *s = (Sink){.fd = fd, .in_whole = fstat(fd, &st) == 0 && S_ISREG(st.st_mode)};
}

void sink_done(Sink *s)
{
        free(s->data);
        s->data = NULL;
        s->start = s->size = s->room = 0;
}

void sink_flush(Sink *s)
{
        while (sink_waiting(s) > 0) {
                struct pollfd p = {.fd = s->fd, .events = POLLOUT};
                size_t n = s->size - s->start;
                if (poll(&p, 1, 0) <= 0)
                        return;
                /* The descriptor is shared with others who may not expect it to be non-blocking. */
                ssize_t written = write(s->fd, s->data + s->start, s->in_whole || n < PIPE_BUF ? n : PIPE_BUF);
                if (written < 0 && (errno == EINTR || errno == EAGAIN))
                        return;
                if (written < 0) {
                        s->broken = true;
                        s->error = errno == EPIPE ? 0 : -errno;
                } else {
                        s->start += (size_t)written;
                }
        }
        s->start = s->size = 0;
}

int sink_add(Sink *s, const void *data, size_t size)
{
        if (s->broken)
                return 0;
        if (s->room - s->size < size) {
                char *larger = realloc(s->data, s->size + size);
                if (!larger)
                        return -ENOMEM;
                s->data = larger;
                s->room = s->size + size;
        }
        memcpy(s->data + s->size, data, size);
        s->size += size;
        sink_flush(s);
        return 0;
}
