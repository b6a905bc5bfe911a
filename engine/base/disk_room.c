/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "engine/base/disk_room.h"

#include "engine/base/clock.h"

#include <errno.h>
#include <sys/statvfs.h>

#define MORE_BYTES (UINT64_C(64) << 10) /* less may be by rounding */
#define IN_ANY_CASE_USEC (60 * USEC_PER_SECOND)

bool disk_room_lacks(int r)
{
        return r == -ENOSPC || r == -EDQUOT;
}

static DiskRoom look(int fd)
{
        struct statvfs st;

        if (fstatvfs(fd, &st) < 0)
                return (DiskRoom){0};
        return (DiskRoom){.bytes = (uint64_t)st.f_bavail * st.f_frsize, .inodes = st.f_favail};
}

void disk_room_tried(DiskRoom *room, int fd)
{
        *room = look(fd);
        room->tried_usec = monotonic_usec();
}

bool disk_room_may_do(const DiskRoom *room, int fd)
{
        DiskRoom now = look(fd);

        return now.bytes >= room->bytes + MORE_BYTES || now.inodes > room->inodes ||
               monotonic_usec() >= room->tried_usec + IN_ANY_CASE_USEC;
}
