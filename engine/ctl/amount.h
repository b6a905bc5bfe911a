/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* Amounts and times for people: two numbers of a unit at most. By value, so that they stand in the middle of a
 * printf(). */
typedef struct AmountText {
        char text[48];
} AmountText;

AmountText amount_duration(uint64_t usec); /* "640 µs", "18 ms", "1.2 s", "2 min 3 s", "3 h 12 min", "4 d 2 h" */
AmountText amount_size(uint64_t bytes);    /* "120 B", "12.6 MiB" */

/* The time of CLOCK_REALTIME; "-" for 0. */
AmountText amount_time(uint64_t usec, bool utc);
/* With its microseconds, and the zone, as log lines carry it. */
AmountText amount_stamp(uint64_t usec, bool utc);
