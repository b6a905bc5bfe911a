/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdint.h>

/* What comes in one minute of an hour, a day or a week, and not in the others: many jobs of one policy at once. Means and
 * their errors, which all else in this folder is made of, do not see it: nearly always nothing comes. So this one
 * remembers the most that came at once in each minute, of fifteen days, and looks for earlier occasions like the minutes
 * that are meant: at the same time of the days before (local time), of the hours before, on the same day of the weeks before;
 * and a distance that the last bursts have had from each other, whatever it is.
 *
 * What is expected is what came on at least a third of these occasions, and at least twice. That is a price: for one burst
 * that is met, so many jails may wait three times for some minutes. A minute in which nobody watched is no occasion. */

typedef enum RecurrenceClock {
        RECURS_NOT,
        RECURS_AT_INTERVALS,
        RECURS_HOURLY,
        RECURS_DAILY,
        RECURS_WEEKLY,
} RecurrenceClock;

/* "hourly", …; static. */
const char *recurrence_clock_name(RecurrenceClock clock);

typedef struct Recurrence {
        uint16_t *most;      /* owned: a ring, by minutes since 1970 */
        int64_t first, next; /* first … next - 1 are kept; none when equal */
} Recurrence;

/* -ENOMEM. */
int recurrence_init(Recurrence *recurrence);
void recurrence_done(Recurrence *recurrence);

/* So many came at once in this minute. Minutes that are left out were not watched; one that was given before gets the larger
 * value. After a jump of the clock by more than what is kept, all begins anew. */
void recurrence_add(Recurrence *recurrence, int64_t minute, uint64_t most);

/* How many are to be expected at once within the minutes `from` … `to`, of which the first may be over; and by which
 * clock. */
uint64_t recurrence_expect(const Recurrence *recurrence, int64_t from, int64_t to, RecurrenceClock *ret_clock);
