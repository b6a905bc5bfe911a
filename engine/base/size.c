/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "engine/base/size.h"

#include "engine/base/name.h"

#include <inttypes.h>
#include <stdbool.h>
#include <string.h>

#define SHOWN_MAX 100 /* bytes of what a stranger wrote, in a sentence about it */
#define USEC_PER_SEC UINT64_C(1000000)
#define DURATION_MAX (UINT64_C(100) * 366 * 24 * 3600 * USEC_PER_SEC)
#define SIZE_LIMIT ((uint64_t)INT64_MAX) /* off_t: more than any file or cgroup limit can say */

typedef struct Unit {
        const char *name;
        uint64_t factor;
} Unit;

static const Unit size_units[] = {
        {"K", UINT64_C(1) << 10}, {"KiB", UINT64_C(1) << 10}, {"M", UINT64_C(1) << 20}, {"MiB", UINT64_C(1) << 20},
        {"G", UINT64_C(1) << 30}, {"GiB", UINT64_C(1) << 30}, {"T", UINT64_C(1) << 40}, {"TiB", UINT64_C(1) << 40},
};

static const Unit duration_units[] = {
        {"us", 1},
        {"ms", 1000},
        {"s", USEC_PER_SEC},
        {"min", 60 * USEC_PER_SEC},
        {"h", 3600 * USEC_PER_SEC},
        {"d", 24 * 3600 * USEC_PER_SEC},
};

/* A decimal number is kept as its digits over a power of ten, so that no rounding error comes in. */
typedef struct Decimal {
        uint64_t digits, divisor;
} Decimal;

static bool is_digit(char c)
{
        return c >= '0' && c <= '9';
}

static int decimal_scan(const char **p, Decimal *ret)
{
        Decimal d = {0, 1};
        const char *s = *p;
        bool fraction = false;

        if (!is_digit(*s))
                return -EINVAL;
        for (; is_digit(*s) || (*s == '.' && !fraction && is_digit(s[1])); s++) {
                if (*s == '.') {
                        fraction = true;
                        continue;
                }
                if (__builtin_mul_overflow(d.digits, 10, &d.digits) ||
                    __builtin_add_overflow(d.digits, (uint64_t)(*s - '0'), &d.digits))
                        return -ERANGE;
                if (fraction && __builtin_mul_overflow(d.divisor, 10, &d.divisor))
                        return -ERANGE;
        }
        *p = s;
        *ret = d;
        return 0;
}

static int decimal_times(Decimal d, uint64_t factor, uint64_t limit, uint64_t *ret)
{
        unsigned __int128 product = (unsigned __int128)d.digits * factor / d.divisor;

        if (product > limit)
                return -ERANGE;
        *ret = (uint64_t)product;
        return 0;
}

static const Unit *unit_scan(const char **p, const Unit *units, size_t n)
{
        size_t length = strspn(*p, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ");

        for (size_t i = 0; i < n; i++)
                if (strlen(units[i].name) == length && memcmp(units[i].name, *p, length) == 0) {
                        *p += length;
                        return &units[i];
                }
        return NULL;
}

static int size_error(const char *text, int r, Error *e)
{
        _cleanup_free_ char *shown = text_escape(text, SHOWN_MAX);

        if (r == -ERANGE)
                return error_set(e, r, "\"%s\" is too large for a size", shown ? shown : "");
        return error_set(e, r, "\"%s\" is not a size: write bytes, or a number with K, M, G, T, KiB, MiB, GiB or TiB",
                         shown ? shown : "");
}

int size_parse(const char *text, uint64_t *ret_bytes, Error *e)
{
        const char *p = text;
        Decimal d;
        int r = decimal_scan(&p, &d);

        if (r < 0)
                return size_error(text, r, e);
        uint64_t factor = 1;
        if (*p) {
                const Unit *unit = unit_scan(&p, size_units, ELEMENTS(size_units));
                if (!unit || *p)
                        return size_error(text, -EINVAL, e);
                factor = unit->factor;
        } else if (d.divisor != 1) {
                return size_error(text, -EINVAL, e);
        }
        r = decimal_times(d, factor, SIZE_LIMIT, ret_bytes);
        return r < 0 ? size_error(text, r, e) : 0;
}

static int duration_error(const char *text, int r, Error *e)
{
        _cleanup_free_ char *shown = text_escape(text, SHOWN_MAX);

        if (r == -ERANGE)
                return error_set(e, r, "\"%s\" is too long for a duration: at most a hundred years",
                                 shown ? shown : "");
        return error_set(e, r,
                         "\"%s\" is not a duration: write numbers with us, ms, s, min, h or d, such as \"1min 30s\"",
                         shown ? shown : "");
}

int duration_parse(const char *text, uint64_t *ret_usec, Error *e)
{
        const char *p = text;
        uint64_t sum = 0;

        do {
                Decimal d;
                uint64_t part;
                int r = decimal_scan(&p, &d);
                if (r < 0)
                        return duration_error(text, r, e);
                const Unit *unit = unit_scan(&p, duration_units, ELEMENTS(duration_units));
                if (!unit)
                        return duration_error(text, -EINVAL, e);
                r = decimal_times(d, unit->factor, DURATION_MAX, &part);
                if (r < 0 || (sum += part) > DURATION_MAX)
                        return duration_error(text, -ERANGE, e);
                while (*p == ' ' && is_digit(p[1]))
                        p++;
        } while (*p);
        *ret_usec = sum;
        return 0;
}

int count_parse(const char *text, uint64_t min, uint64_t max, uint64_t *ret, Error *e)
{
        const char *p = text;
        Decimal d;
        int r = decimal_scan(&p, &d);

        bool whole = r != -EINVAL && !*p && d.divisor == 1;
        if (!whole || r < 0 || d.digits < min || d.digits > max) {
                _cleanup_free_ char *shown = text_escape(text, SHOWN_MAX);
                return whole ? error_set(e, -ERANGE, "\"%s\" is out of range: from %" PRIu64 " to %" PRIu64,
                                         shown ? shown : "", min, max)
                             : error_set(e, -EINVAL, "\"%s\" is not a whole number", shown ? shown : "");
        }
        *ret = d.digits;
        return 0;
}

int cpus_parse(const char *text, uint64_t *ret_milli, Error *e)
{
        const char *p = text;
        Decimal d;
        uint64_t milli = 0;
        int r = decimal_scan(&p, &d);

        if (r >= 0 && !*p)
                r = decimal_times(d, 1000, 65536000, &milli);
        else if (r >= 0)
                r = -EINVAL;
        if (r < 0 || milli == 0) {
                _cleanup_free_ char *shown = text_escape(text, SHOWN_MAX);
                return error_set(e, r < 0 ? r : -ERANGE,
                                 "\"%s\" is not a number of processors: from 0.001 to 65536, such as 1.5",
                                 shown ? shown : "");
        }
        *ret_milli = milli;
        return 0;
}

static char *format_amount(uint64_t value, const Unit *units, size_t n, size_t step, const char *bare)
{
        const Unit *best = NULL;
        char *text = NULL;

        if (value)
                for (size_t i = 0; i < n; i += step)
                        if (value % units[i].factor == 0)
                                best = &units[i];
        if (asprintf(&text, "%" PRIu64 "%s", best ? value / best->factor : value, best ? best->name : bare) < 0)
                return NULL;
        return text;
}

char *size_format(uint64_t bytes)
{
        return format_amount(bytes, size_units, ELEMENTS(size_units), 2, "");
}

char *duration_format(uint64_t usec)
{
        return format_amount(usec, duration_units, ELEMENTS(duration_units), 1, "us");
}
