/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "engine/base/error.h"

#include <stdint.h>

/* Amounts that people write: sizes ("512M", "1.5GiB"), durations ("1min 30s"), counts and numbers of processors.
 * All of them refuse what they do not understand, with a hint; none wraps around. */

/* Sizes: a whole number of bytes, or a decimal number with K, M, G, T, KiB, MiB, GiB or TiB, all of base 1024.
 * Errors: -EINVAL not a size; -ERANGE over 8 EiB. */
int size_parse(const char *text, uint64_t *ret_bytes, Error *e);

/* Durations: numbers with us, ms, s, min, h or d, and sequences of them. A bare number is refused.
 * Errors: -EINVAL not a duration; -ERANGE over a hundred years. */
int duration_parse(const char *text, uint64_t *ret_usec, Error *e);

/* A whole number from `min` to `max`, decimal digits only. */
int count_parse(const char *text, uint64_t min, uint64_t max, uint64_t *ret, Error *e);

/* Processors: a positive decimal number such as "1.5", in thousandths. From 0.001 to 65536. */
int cpus_parse(const char *text, uint64_t *ret_milli, Error *e);

/* The shortest exact way to write them; the result is owned by the caller, NULL when out of memory. */
char *size_format(uint64_t bytes);
char *duration_format(uint64_t usec);
