/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "engine/scaler/recurrence.h"
#include "engine/scaler/calendar.h"

#include "engine/base/cleanup.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>

#define MINUTE_SEC 60
#define ROOM (15 * 1440)
#define UNKNOWN UINT16_MAX
#define MOST_MAX (UNKNOWN - 1)
#define OCCASIONS_MAX 7
#define SHARE 3         /* one in so many */
#define AGAIN 2         /* and so many of them */
#define LOOK_BACK 720   /* minutes, for distances */
#define SAME_BURST 2    /* minutes from one part of a burst to the next */
#define DISTANCE_MIN 4  /* minutes: what comes sooner, the workers still remember */
#define DISTANCE_PART 20 /* distances are the same when they differ by less than this part, or a minute */

static const struct {
        RecurrenceClock clock;
        int64_t minutes;
        int occasions;
} periods[] = {
        {RECURS_HOURLY, 60, 6},
        {RECURS_DAILY, 1440, OCCASIONS_MAX},
        {RECURS_WEEKLY, 7 * 1440, 2},
};

const char *recurrence_clock_name(RecurrenceClock clock)
{
        static const char *const names[] = {
                [RECURS_NOT] = "not",        [RECURS_AT_INTERVALS] = "at intervals", [RECURS_HOURLY] = "hourly",
                [RECURS_DAILY] = "daily", [RECURS_WEEKLY] = "weekly",
        };

        return names[clock];
}

int recurrence_init(Recurrence *r)
{
        *r = (Recurrence){.most = calloc(ROOM, sizeof *r->most)};
        return r->most ? 0 : -ENOMEM;
}

void recurrence_done(Recurrence *r)
{
        free(r->most);
        *r = (Recurrence){0};
}

void recurrence_add(Recurrence *r, int64_t minute, uint64_t most)
{
        uint16_t value = (uint16_t)(most < MOST_MAX ? most : MOST_MAX);

        if (minute < 0)
                return;
        if (r->next == r->first || minute < r->first || minute - r->next >= ROOM)
                r->first = r->next = minute;
        for (; r->next <= minute; r->next++)
                r->most[r->next % ROOM] = UNKNOWN;
        if (r->next - r->first > ROOM)
                r->first = r->next - ROOM;
        uint16_t *at = &r->most[minute % ROOM];
        if (*at == UNKNOWN || *at < value)
                *at = value;
}

static uint16_t value_at(const Recurrence *r, int64_t minute)
{
        return minute >= r->first && minute < r->next ? r->most[minute % ROOM] : UNKNOWN;
}

/* False: nobody watched. */
static bool most_between(const Recurrence *r, int64_t from, int64_t to, uint16_t *ret)
{
        bool known = false;

        *ret = 0;
        for (int64_t minute = from; minute <= to; minute++) {
                uint16_t value = value_at(r, minute);
                if (value == UNKNOWN)
                        continue;
                known = true;
                *ret = value > *ret ? value : *ret;
        }
        return known;
}

static int compare(const void *a, const void *b)
{
        return *(const uint16_t *)b - *(const uint16_t *)a;
}

/* By how many minutes local time was another then. */
static int64_t shifted(int64_t minute, int64_t before)
{
        if (minute > INT64_MAX / MINUTE_SEC)
                return 0; /* of a clock that is out of its mind */
        return (calendar_offset_sec(minute * MINUTE_SEC) - calendar_offset_sec((minute - before) * MINUTE_SEC)) / MINUTE_SEC;
}

static uint64_t expect_periodic(const Recurrence *r, int64_t from, int64_t to, int64_t period, int occasions)
{
        uint16_t seen[OCCASIONS_MAX];
        size_t n = 0;

        for (int64_t i = 1; i <= occasions; i++) {
                int64_t back = i * period - shifted(to, i * period);
                n += most_between(r, from - back, to - back, &seen[n]);
        }
        size_t needed = (n + SHARE - 1) / SHARE;
        needed = needed < AGAIN ? AGAIN : needed;
        qsort(seen, n, sizeof *seen, compare);
        return n < needed ? 0 : seen[needed - 1];
}

/* A burst is what reaches half of the most. */
typedef struct Burst {
        int64_t minute;
        uint16_t most;
} Burst;

/* The latest first. */
static size_t find_bursts(const Recurrence *r, Burst *bursts, size_t room)
{
        int64_t oldest = r->next - LOOK_BACK, end = INT64_MIN;
        size_t n = 0;
        uint16_t most;

        most_between(r, oldest, r->next - 1, &most);
        for (int64_t minute = r->next - 1; most > 1 && minute >= oldest; minute--) {
                uint16_t value = value_at(r, minute);
                if (value == UNKNOWN || value < (most + 1) / 2)
                        continue;
                if (n == 0 || end - minute > SAME_BURST) {
                        if (n == room)
                                break;
                        bursts[n++] = (Burst){minute, value};
                }
                Burst *b = &bursts[n - 1];
                *b = (Burst){minute, value > b->most ? value : b->most};
                end = minute;
        }
        return n;
}

static uint64_t expect_distance(const Recurrence *r, int64_t from, int64_t to)
{
        Burst b[AGAIN + 1];

        if (find_bursts(r, b, ELEMENTS(b)) < ELEMENTS(b))
                return 0;
        int64_t distance = b[0].minute - b[1].minute, before = b[1].minute - b[2].minute;
        int64_t slack = distance / DISTANCE_PART > 1 ? distance / DISTANCE_PART : 1;
        if (distance < DISTANCE_MIN || distance - before > slack || before - distance > slack ||
            b[0].minute + distance + slack < from || b[0].minute + distance - slack > to)
                return 0;
        return b[0].most < b[1].most ? b[0].most : b[1].most;
}

uint64_t recurrence_expect(const Recurrence *r, int64_t from, int64_t to, RecurrenceClock *ret_clock)
{
        uint64_t most = expect_distance(r, from, to);

        *ret_clock = most > 0 ? RECURS_AT_INTERVALS : RECURS_NOT;
        for (size_t i = 0; i < ELEMENTS(periods); i++) {
                uint64_t n = expect_periodic(r, from, to, periods[i].minutes, periods[i].occasions);
                if (n <= most)
                        continue;
                most = n;
                *ret_clock = periods[i].clock;
        }
        return most;
}
