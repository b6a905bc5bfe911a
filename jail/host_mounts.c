/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "jail/host_mounts.h"

#include "engine/base/fd.h"

#include <fcntl.h>
#include <poll.h>
#include <string.h>

#define MOUNTINFO "/proc/self/mountinfo"
#define MOUNTINFO_MAX ((size_t)16 << 20)
#define FIELDS_BEFORE 4 /* before the mount point, proc(5) */

static int watched = -1;
static char *text; /* owned; NULL: not known */

void host_mounts_look(void)
{
        if (watched < 0)
                watched = open(MOUNTINFO, O_RDONLY | O_CLOEXEC);
        struct pollfd p = {.fd = watched, .events = POLLPRI};
        if (text && poll(&p, 1, 0) == 0)
                return;
        free(text);
        text = NULL;
        /* Of another descriptor, after the poll: what changes from here on, the next look sees. */
        if (watched >= 0)
                read_file_at(AT_FDCWD, MOUNTINFO, MOUNTINFO_MAX, &text, NULL);
}

static bool is_below(const char *path, const char *dir, size_t dir_length)
{
        return strncmp(path, dir, dir_length) == 0 && path[dir_length] == '/';
}

/* Whether one was mounted below the path; with `at_or_above`, also one that the path is, or lies in, unless that is the
 * root. */
static bool find_mount(const char *path, bool at_or_above)
{
        size_t n = strlen(path);

        for (const char *line = text; *line;) {
                const char *place = line, *end = strchrnul(line, '\n');
                for (int i = 0; i < FIELDS_BEFORE && place; i++)
                        place = (place = strchr(place, ' ')) && place < end ? place + 1 : NULL;
                size_t length = place ? strcspn(place, " \n") : 0;
                if (place && is_below(place, path, n))
                        return true;
                if (at_or_above && length > 1 && strncmp(path, place, length) == 0 && (path[length] == '/' || !path[length]))
                        return true;
                line = *end ? end + 1 : end;
        }
        return false;
}

bool host_mounts_below(const char *path)
{
        return !text || find_mount(path, false);
}

bool host_mounts_on_root(const char *path)
{
        return text && !find_mount(path, true);
}
