/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* What has not found room on a disk, and is tried again when there is some. Not at every look: each try fills the disk
 * up to its end, to the harm of all others who write to it. */
typedef struct DiskRoom {
        uint64_t bytes, inodes; /* that were left when it was tried */
        uint64_t tried_usec;    /* CLOCK_MONOTONIC */
} DiskRoom;

/* Whether an error says that there is no room: the disk is full, or a quota used up. */
bool disk_room_lacks(int r);

/* It was tried on the disk of a file, in vain, and has given back what it had. */
void disk_room_tried(DiskRoom *room, int fd);

/* Whether to try again: there is more room than then. Or a minute has passed: quotas cannot be seen, nor what others took
 * in that moment. */
bool disk_room_may_do(const DiskRoom *room, int fd);
