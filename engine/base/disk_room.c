/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "engine/base/disk_room.h"

#include "engine/base/clock.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/statvfs.h>

#define MORE_BYTES (UINT64_C(64) << 10) /* less may be by rounding */
#define IN_ANY_CASE_USEC (60 * USEC_PER_SECOND)
#define PAUSE_USEC USEC_PER_SECOND
#define TRIES_BY_WHAT_IT_HAD 8

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

bool disk_room_has(int fd, uint64_t bytes)
{
        struct statvfs st;

        return fstatvfs(fd, &st) < 0 || st.f_blocks == 0 || (uint64_t)st.f_bavail * st.f_frsize >= bytes;
}

/* By half of it more or less. */
static uint64_t about(uint64_t usec)
{
        return usec / 2 + arc4random_uniform((uint32_t)usec);
}

void disk_room_tried(DiskRoom *room, int fd, uint64_t had)
{
        const unsigned n = room->n_tries;

        *room = look(fd);
        if (had < room->bytes && n < TRIES_BY_WHAT_IT_HAD)
                room->bytes = had;
        room->n_tries = n + 1;
        room->again_usec = monotonic_usec() + about(IN_ANY_CASE_USEC);
}

bool disk_room_may_do(const DiskRoom *room, int fd)
{
        DiskRoom now = look(fd);

        return now.bytes >= room->bytes + MORE_BYTES || now.inodes > room->inodes ||
               monotonic_usec() >= room->again_usec;
}

uint64_t disk_room_pause_usec(void)
{
        return about(PAUSE_USEC);
}
