/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "engine/base/sink.h"

#include "engine/base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

/* A terminal that is ready takes a byte at least, and then waits for who reads it, perhaps for ever. (The name of a master
 * would open a new terminal; proc(5) may be missing, and the terminal be another user's.) */
static int open_terminal(int fd, const struct stat *st)
{
        char link[32];

        if (!S_ISCHR(st->st_mode) || st->st_rdev == makedev(5, 2) || !isatty(fd))
                return -1;
        snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
        return open(link, O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
}

void sink_init(Sink *s, int fd)
{
        struct stat st;
        bool known = fstat(fd, &st) == 0;

        *s = (Sink){.fd = fd, .in_whole = known && S_ISREG(st.st_mode), .terminal = known ? open_terminal(fd, &st) : -1};
}

void sink_done(Sink *s)
{
        s->terminal = close_fd(s->terminal);
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
                ssize_t written = write(s->terminal >= 0 ? s->terminal : s->fd, s->data + s->start, s->in_whole || n < PIPE_BUF ? n : PIPE_BUF);
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

/* A reader that is always a little behind must not have us keep all that it has read: its part goes when it is the larger one,
 * so that no byte is moved more often than another comes. */
static int make_room(Sink *s, size_t size)
{
        if (s->start > s->size / 2) {
                memmove(s->data, s->data + s->start, s->size - s->start);
                s->size -= s->start;
                s->start = 0;
        }
        if (s->room - s->size >= size)
                return 0;
        size_t room = s->size + size > 2 * s->room ? s->size + size : 2 * s->room;
        char *larger = realloc(s->data, room);
        if (!larger)
                return -ENOMEM;
        s->data = larger;
        s->room = room;
        return 0;
}

int sink_add(Sink *s, const void *data, size_t size)
{
        if (s->broken)
                return 0;
        int r = make_room(s, size);
        if (r < 0)
                return r;
        memcpy(s->data + s->size, data, size);
        s->size += size;
        sink_flush(s);
        return 0;
}
