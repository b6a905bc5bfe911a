/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <poll.h>
#include <stdbool.h>

/* For how long a process that waits keeps what it may need next in memory. */
#define RESIDENT_MSEC 500

/* Polls without a timeout, for a process that may wait long. When it has done so for a while it gives back, once, the
 * pages of the program itself: those of its file that nobody writes, which come back when they are touched. A jail with a
 * long job then costs a third of the memory, and one with a short job pays nothing for it. */
int resident_poll(struct pollfd *fds, nfds_t n, bool *shrunk);
