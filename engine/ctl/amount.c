/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "engine/ctl/amount.h"

#include "engine/base/cleanup.h"
#include "engine/base/clock.h"

#include <inttypes.h>
#include <string.h>
#include <time.h>

AmountText amount_duration(uint64_t usec)
{
        static const struct {
                uint64_t usec;
                const char *name;
        } units[] = {{86400 * USEC_PER_SECOND, "d"},
                     {3600 * USEC_PER_SECOND, "h"},
                     {60 * USEC_PER_SECOND, "min"},
                     {USEC_PER_SECOND, "s"}};
        AmountText t = {""};

        if (usec < USEC_PER_MSEC) {
                snprintf(t.text, sizeof t.text, "%" PRIu64 " µs", usec);
                return t;
        }
        if (usec < USEC_PER_SECOND) {
                snprintf(t.text, sizeof t.text, usec < 10 * USEC_PER_MSEC ? "%.1f ms" : "%.0f ms", (double)usec / 1000);
                return t;
        }
        if (usec < 60 * USEC_PER_SECOND) {
                /* Cut off, not rounded: 59.99 s are no 60 s. */
                snprintf(t.text, sizeof t.text, "%" PRIu64 ".%" PRIu64 " s", usec / USEC_PER_SECOND,
                         usec / 100000 % 10);
                return t;
        }
        for (size_t i = 0; i < ELEMENTS(units) - 1; i++) {
                if (usec < units[i].usec)
                        continue;
                uint64_t rest = usec % units[i].usec / units[i + 1].usec;
                if (rest)
                        snprintf(t.text, sizeof t.text, "%" PRIu64 " %s %" PRIu64 " %s", usec / units[i].usec,
                                 units[i].name, rest, units[i + 1].name);
                else
                        snprintf(t.text, sizeof t.text, "%" PRIu64 " %s", usec / units[i].usec, units[i].name);
                break;
        }
        return t;
}

AmountText amount_size(uint64_t bytes)
{
        static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
        double value = (double)bytes;
        size_t i = 0;
        AmountText t = {""};

        /* What "%.1f" would print as 1024.0 is one of the next unit. */
        while (value >= 1023.95 && i + 1 < ELEMENTS(units)) {
                value /= 1024;
                i++;
        }
        snprintf(t.text, sizeof t.text, i == 0 || value >= 99.95 ? "%.0f %s" : "%.1f %s", value, units[i]);
        return t;
}

static AmountText format(uint64_t usec, bool utc, const char *local_form, const char *utc_form)
{
        time_t seconds = (time_t)(usec / USEC_PER_SECOND);
        struct tm parts;
        AmountText t;

        if (utc)
                gmtime_r(&seconds, &parts);
        else
                localtime_r(&seconds, &parts);
        return strftime(t.text, sizeof t.text, utc ? utc_form : local_form, &parts) > 0 ? t : (AmountText){"?"};
}

AmountText amount_time(uint64_t usec, bool utc)
{
        return usec ? format(usec, utc, "%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M:%SZ") : (AmountText){"-"};
}

AmountText amount_stamp(uint64_t usec, bool utc)
{
        AmountText day = format(usec, utc, "%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M:%S"),
                   zone = format(usec, utc, "%z", "Z"), t;

        snprintf(t.text, sizeof t.text, "%.24s.%06" PRIu64 "%.8s", day.text, usec % USEC_PER_SECOND, zone.text);
        return t;
}
