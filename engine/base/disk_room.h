/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* What has not found room on a disk, and is tried again when there is some. Not at every look: each try fills the disk
 * up to its end, to the harm of all others who write to it. */
typedef struct DiskRoom {
        uint64_t bytes, inodes; /* that were not enough */
        uint64_t again_usec;    /* CLOCK_MONOTONIC: then it is tried in any case */
        unsigned n_tries;
} DiskRoom;

/* Whether an error says that there is no room: the disk is full, or a quota used up. */
bool disk_room_lacks(int r);

/* Whether the disk of a file has so much room, as far as it says. */
bool disk_room_has(int fd, uint64_t bytes);

/* It was tried on the disk of a file, in vain, and has given back what it had: so many bytes; UINT64_MAX: that is not known.
 * If there is more now, others had it in that moment, and it is tried again at the next look, a few times: there are file
 * systems that count as free what they do not give. */
void disk_room_tried(DiskRoom *room, int fd, uint64_t had);

/* Whether to try again: there is more room than then. Or about a minute has passed: not all can be seen. */
bool disk_room_may_do(const DiskRoom *room, int fd);

/* For how long to wait before the next look: about a second. Chance is in it, so that those who are in each other's way
 * are not so again at each try. */
uint64_t disk_room_pause_usec(void);
