/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "engine/ctl/since.h"

#include "engine/base/clock.h"
#include "engine/base/id.h"
#include "engine/base/name.h"
#include "engine/base/size.h"

#include <string.h>
#include <time.h>

static bool parse_time(const char *text, uint64_t *ret)
{
        static const char *const forms[] = {"%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d"};

        for (size_t i = 0; i < ELEMENTS(forms); i++) {
                struct tm parts = {.tm_isdst = -1};
                const char *end = strptime(text, forms[i], &parts);
                if (!end || *end)
                        continue;
                time_t seconds = mktime(&parts);
                if (seconds < 0)
                        return false;
                *ret = (uint64_t)seconds * USEC_PER_SECOND;
                return true;
        }
        return false;
}

int since_parse(const char *text, uint64_t *ret_realtime_usec, Error *e)
{
        uint64_t ago, now = realtime_usec();

        if (parse_time(text, ret_realtime_usec))
                return 0;
        if (duration_parse(text, &ago, NULL) >= 0) {
                *ret_realtime_usec = ago < now ? now - ago : 1;
                return 0;
        }
        _cleanup_free_ char *escaped = name_escape(text);
        return error_set(e, -EINVAL, "\"%s\" is no time: write how long ago (\"10min\"), or \"2026-01-31 13:00\"",
                         escaped ? escaped : "");
}

char *since_cursor(uint64_t realtime_usec)
{
        return strdup(realtime_usec ? id_first_at(realtime_usec).text : "");
}
