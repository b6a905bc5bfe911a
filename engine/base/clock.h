/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdint.h>
#include <time.h>

#define USEC_PER_MSEC UINT64_C(1000)
#define USEC_PER_SECOND UINT64_C(1000000)
#define USEC_INFINITY UINT64_MAX

static inline uint64_t clock_usec(clockid_t clock)
{
        struct timespec now;

        clock_gettime(clock, &now);
        return (uint64_t)now.tv_sec * USEC_PER_SECOND + (uint64_t)now.tv_nsec / 1000;
}

/* For deadlines and spans within a boot. */
static inline uint64_t monotonic_usec(void)
{
        return clock_usec(CLOCK_MONOTONIC);
}

/* For what people and other machines read. */
static inline uint64_t realtime_usec(void)
{
        return clock_usec(CLOCK_REALTIME);
}
