/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "engine/scaler/calendar.h"

#include <time.h>

int calendar_offset_sec(int64_t time_sec)
{
        time_t when = (time_t)time_sec;
        struct tm local;

        if (!localtime_r(&when, &local))
                return 0;
        return (int)local.tm_gmtoff;
}

static int64_t floor_mod(int64_t a, int64_t b)
{
        int64_t rest = a % b;

        return rest < 0 ? rest + b : rest;
}

int calendar_second_of_day(int64_t local_sec)
{
        return (int)floor_mod(local_sec, CALENDAR_DAY_SEC);
}

int calendar_day_of_week(int64_t local_sec)
{
        int64_t day = (local_sec - floor_mod(local_sec, CALENDAR_DAY_SEC)) / CALENDAR_DAY_SEC;

        return (int)floor_mod(day + 4, 7); /* the first of January 1970 was a Thursday */
}
