/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdint.h>

/* The host's local time: people's days and weeks have it, and so has their load. */

#define CALENDAR_DAY_SEC 86400
#define CALENDAR_HOUR_SEC 3600

/* By how many seconds local time is ahead of UTC at this moment, as the zone of the process has it; 0 when the moment
 * has no local time. */
int calendar_offset_sec(int64_t time_sec);

/* Seconds since local midnight, and the day of the week (0: Sunday), of local time `time_sec + offset_sec`. */
int calendar_second_of_day(int64_t local_sec);
int calendar_day_of_week(int64_t local_sec);
