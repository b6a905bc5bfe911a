/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "engine/base/error.h"
#include "jail/jail.h"

/* What the pool has of memory and processors, and how much of it is promised to what runs: how many jobs run at a time
 * follows from that. */
typedef struct Demand {
        uint64_t memory_bytes, cpu_milli;
} Demand;

typedef struct Resources {
        Demand total, used;
} Resources;

/* `memory_bytes` 0: four fifths of the host's. `cpu_overcommit_milli`: how often each processor is promised, in
 * thousandths. */
void resources_set_total(Resources *resources, uint64_t memory_bytes, uint64_t cpu_overcommit_milli);

/* Refuses a job that asks for more than there is: -ERANGE. */
int resources_check(const Resources *resources, const JailLimits *asked, Error *e);

/* What a job with these limits is promised, under this policy; be it more than there is, since the pool may become larger
 * while the job waits, or runs. */
Demand resources_demand(const JailLimits *asked, const JailPolicy *policy);

/* Whether there would be room for it if so much were used. */
bool resources_have_room(const Resources *resources, const Demand *demand, const Demand *used);
/* Whether there is room for it beside what is used, and beside `reserved` (or NULL). */
bool resources_fit(const Resources *resources, const Demand *demand);
bool resources_fit_beside(const Resources *resources, const Demand *demand, const Demand *beside,
                          const Demand *reserved);

void demand_add(Demand *sum, const Demand *demand);
void demand_subtract(Demand *sum, const Demand *demand);

/* How much of the pool it is, counted in thousandths of a processor: by what it takes the larger part of. */
uint64_t resources_share_milli(const Resources *resources, const Demand *demand);
