/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* For how long a process that waits keeps what it may need next in memory. */
#define RESIDENT_MSEC 500

/* Gives back the pages of the program itself: those of its file that nobody writes, which come back when they are
 * touched. A jail that waits for a long job then costs a third of the memory, and a short one nothing. */
void resident_shrink(void);
