/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "engine/supervisor/resources.h"

#include "engine/base/size.h"

#include <inttypes.h>
#include <math.h>

#define CPU_MILLI_WITHOUT_LIMIT 1000

void resources_set_total(Resources *resources, uint64_t memory_bytes, uint64_t cpu_overcommit_milli)
{
        long pages = sysconf(_SC_PHYS_PAGES), page_bytes = sysconf(_SC_PAGESIZE), cpus = sysconf(_SC_NPROCESSORS_ONLN);

        if (memory_bytes == 0)
                memory_bytes =
                        pages > 0 && page_bytes > 0 ? (uint64_t)pages / 5 * 4 * (uint64_t)page_bytes : UINT64_MAX;
        resources->total = (Demand){memory_bytes, (cpus > 0 ? (uint64_t)cpus : 1) * cpu_overcommit_milli};
}

int resources_check(const Resources *resources, const JailLimits *limits, Error *e)
{
        const Demand *total = &resources->total;

        if (limits->memory_bytes != JAIL_UNLIMITED && limits->memory_bytes > total->memory_bytes) {
                _cleanup_free_ char *wish = size_format(limits->memory_bytes), *all = size_format(total->memory_bytes);
                return error_set(e, -ERANGE,
                                 "limits.memory: the pool has %s, and the job could never be started with %s",
                                 all ? all : "?", wish ? wish : "?");
        }
        if (limits->cpu_milli != JAIL_UNLIMITED && limits->cpu_milli > total->cpu_milli)
                return error_set(e, -ERANGE,
                                 "limits.cpu: the pool has %" PRIu64 ".%03" PRIu64
                                 " processors to give, and the job could never be started with %" PRIu64 ".%03" PRIu64,
                                 total->cpu_milli / 1000, total->cpu_milli % 1000, limits->cpu_milli / 1000,
                                 limits->cpu_milli % 1000);
        return 0;
}

Demand resources_demand(const JailLimits *asked, const JailPolicy *policy)
{
        JailLimits settled = *asked;

        jail_limits_default(&settled, jail_policy_limits(policy));
        if (settled.memory_bytes == JAIL_UNLIMITED)
                settled.memory_bytes = 0; /* nobody knows */
        if (settled.cpu_milli == JAIL_UNLIMITED)
                settled.cpu_milli = CPU_MILLI_WITHOUT_LIMIT;
        return (Demand){settled.memory_bytes, settled.cpu_milli};
}

void demand_add(Demand *sum, const Demand *demand)
{
        sum->memory_bytes += demand->memory_bytes;
        sum->cpu_milli += demand->cpu_milli;
}

void demand_subtract(Demand *sum, const Demand *demand)
{
        sum->memory_bytes -= demand->memory_bytes;
        sum->cpu_milli -= demand->cpu_milli;
}

/* What was promised before the pool became smaller may be more than it has; and a job that is larger than the pool, by what
 * its policy says or since the pool has become smaller, runs alone. */
static bool fits(uint64_t total, uint64_t used, uint64_t wish)
{
        return used == 0 || wish <= (used < total ? total - used : 0);
}

bool resources_fit(const Resources *r, const Demand *demand)
{
        return fits(r->total.memory_bytes, r->used.memory_bytes, demand->memory_bytes) &&
               fits(r->total.cpu_milli, r->used.cpu_milli, demand->cpu_milli);
}

bool resources_have_room(const Resources *r, const Demand *demand, const Demand *used)
{
        return fits(r->total.memory_bytes, used->memory_bytes, demand->memory_bytes) &&
               fits(r->total.cpu_milli, used->cpu_milli, demand->cpu_milli);
}

bool resources_fit_beside(const Resources *r, const Demand *demand, const Demand *beside, const Demand *reserved)
{
        Demand used = *beside;

        demand_add(&used, reserved);
        return resources_fit(r, demand) && fits(r->total.memory_bytes, used.memory_bytes, demand->memory_bytes) &&
               fits(r->total.cpu_milli, used.cpu_milli, demand->cpu_milli);
}

uint64_t resources_share_milli(const Resources *r, const Demand *demand)
{
        double all = (double)r->total.cpu_milli,
               memory = (double)demand->memory_bytes / (double)r->total.memory_bytes * all, cpu = (double)demand->cpu_milli;

        /* No job is more than the pool. */
        return (uint64_t)fmin(fmax(memory, cpu), all);
}
