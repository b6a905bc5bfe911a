/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "jail/relay.h"

#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

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
                if (written < 0)
                        s->broken = true;
                else
                        s->start += (size_t)written;
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

StdinKind stdin_kind(int fd)
{
        struct stat st;
        int flags = fcntl(fd, F_GETFL);

        if (flags < 0 || fstat(fd, &st) < 0)
                return STDIN_NULL;
        if (S_ISCHR(st.st_mode) && st.st_rdev == makedev(1, 3))
                return STDIN_NULL;
        bool reads_only = (flags & O_ACCMODE) == O_RDONLY;
        return reads_only && (S_ISREG(st.st_mode) || S_ISFIFO(st.st_mode)) ? STDIN_PASS : STDIN_RELAY;
}

bool source_pump(Source *s)
{
        if (s->start == s->size) {
                ssize_t n = read(s->from, s->buffer, sizeof s->buffer);
                if (n < 0 && (errno == EINTR || errno == EAGAIN))
                        return true;
                if (n <= 0)
                        return false;
                s->start = 0;
                s->size = (size_t)n;
        }
        ssize_t n = write(s->to, s->buffer + s->start, s->size - s->start);
        if (n < 0)
                return errno == EINTR || errno == EAGAIN;
        s->start += (size_t)n;
        return true;
}
