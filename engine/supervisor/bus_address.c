/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "engine/supervisor/bus_address.h"

#include "engine/base/cleanup.h"

#include <ctype.h>
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static int hex_digit(char c)
{
        return c >= '0' && c <= '9' ? c - '0' : isxdigit((unsigned char)c) ? tolower((unsigned char)c) - 'a' + 10 : -1;
}

/* "%2f" is "/". The value ends at "," or ";" or where the text does. Returns its size, or a negative errno. */
static ssize_t unescape(const char *text, char *ret, size_t room)
{
        size_t n = 0;

        for (; *text && *text != ',' && *text != ';'; text++) {
                char c = *text;
                if (c == '%') {
                        int high = hex_digit(text[1]), low = high < 0 ? -1 : hex_digit(text[2]);
                        if (low < 0)
                                return -EINVAL;
                        c = (char)(high << 4 | low);
                        text += 2;
                }
                if (n == room)
                        return -ENAMETOOLONG;
                ret[n++] = c;
        }
        return (ssize_t)n;
}

/* The value of a key of an entry; NULL where it has none. */
static const char *find_key(const char *entry, const char *key)
{
        const size_t size = strlen(key);

        for (const char *at = strchr(entry, ':'); at && *at != ';' && *at; at += strcspn(at, ",;")) {
                at++;
                if (strncmp(at, key, size) == 0 && at[size] == '=')
                        return at + size + 1;
        }
        return NULL;
}

static int connect_entry(const char *entry)
{
        struct sockaddr_un address = {.sun_family = AF_UNIX};
        const char *path = find_key(entry, "path"), *abstract = find_key(entry, "abstract");
        const size_t first = path ? 0 : 1;

        if (!path == !abstract)
                return -EINVAL;
        ssize_t n = unescape(path ? path : abstract, address.sun_path + first, sizeof address.sun_path - 1);
        if (n < 0 || (n == 0 && path))
                return n < 0 ? (int)n : -EINVAL;
        _cleanup_close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (fd < 0)
                return -errno;
        const socklen_t size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + (size_t)n + 1);
        return connect(fd, (struct sockaddr *)&address, size) < 0 ? -errno : take_fd(fd);
}

int bus_address_connect(const char *address)
{
        static const char kind[] = "unix:";
        int r = -EINVAL;

        for (const char *entry = address; *entry; entry += strcspn(entry, ";"), entry += *entry == ';') {
                if (strncmp(entry, kind, strlen(kind)) != 0)
                        return -EPROTONOSUPPORT;
                if ((r = connect_entry(entry)) >= 0)
                        return r;
        }
        return r;
}
