/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "jail/cli/relay.h"

#include "jail/ids.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

StdinKind stdin_kind(int fd)
{
        struct stat st;
        int flags = fcntl(fd, F_GETFL);

        if (flags < 0 || fstat(fd, &st) < 0)
                return STDIN_NULL;
        if (S_ISCHR(st.st_mode) && st.st_rdev == makedev(1, 3))
                return STDIN_NULL;
        if ((flags & O_ACCMODE) != O_RDONLY)
                return STDIN_RELAY;
        /* Who may write to a pipe can open its other end by /proc, and so put words before whoever reads it next. */
        bool is_pipe = S_ISFIFO(st.st_mode) && ids_kind() == IDS_RANGE && !(st.st_mode & S_IWOTH);
        return S_ISREG(st.st_mode) || is_pipe ? STDIN_PASS : STDIN_RELAY;
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
