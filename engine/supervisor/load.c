/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "engine/supervisor/load.h"

#include "engine/base/clock.h"

#include <string.h>

#define JUMP_SEC 3600

const int64_t load_step_sec[LOAD_GRAIN_MAX] = {[LOAD_FINE] = 10, [LOAD_MINUTE] = 60};

static int64_t step_of(LoadGrain grain, uint64_t realtime_usec)
{
        int64_t seconds = (int64_t)(realtime_usec / USEC_PER_SECOND);

        return seconds - seconds % load_step_sec[grain];
}

static void begin(Load *load, uint64_t realtime_usec)
{
        for (LoadGrain grain = 0; grain < LOAD_GRAIN_MAX; grain++)
                load->sums[grain] = (LoadSum){.time_sec = step_of(grain, realtime_usec)};
}

void load_init(Load *load, uint64_t realtime_usec, uint64_t monotonic_usec)
{
        *load = (Load){.since_usec = monotonic_usec};
        begin(load, realtime_usec);
}

void load_arrived(Load *load, uint64_t jobs)
{
        for (LoadGrain grain = 0; grain < LOAD_GRAIN_MAX; grain++)
                load->sums[grain].counts.arrivals += jobs;
}

void load_started(Load *load, uint64_t waited_usec)
{
        for (LoadGrain grain = 0; grain < LOAD_GRAIN_MAX; grain++)
                load->sums[grain].counts.waited_usec += waited_usec;
}

void load_ended(Load *load, uint64_t service_usec)
{
        for (LoadGrain grain = 0; grain < LOAD_GRAIN_MAX; grain++) {
                load->sums[grain].counts.ended++;
                load->sums[grain].counts.service_usec += service_usec;
        }
}

static void integrate(Load *load, uint64_t monotonic_usec)
{
        uint64_t span = monotonic_usec - load->since_usec;

        for (LoadGrain grain = 0; grain < LOAD_GRAIN_MAX; grain++) {
                load->sums[grain].counts.queued_usec += load->queued * span;
                load->sums[grain].counts.running_usec += load->running * span;
        }
        load->since_usec = monotonic_usec;
}

void load_set(Load *load, uint64_t queued, uint64_t running, uint64_t monotonic_usec)
{
        integrate(load, monotonic_usec);
        load->queued = queued;
        load->running = running;
}

bool load_next(Load *load, uint64_t realtime_usec, uint64_t monotonic_usec, LoadStep *ret)
{
        int64_t now_sec = (int64_t)(realtime_usec / USEC_PER_SECOND);

        integrate(load, monotonic_usec);
        if (now_sec < load->sums[LOAD_FINE].time_sec || now_sec - load->sums[LOAD_MINUTE].time_sec > JUMP_SEC) {
                begin(load, realtime_usec);
                return false;
        }
        for (LoadGrain grain = 0; grain < LOAD_GRAIN_MAX; grain++) {
                LoadSum *sum = &load->sums[grain];
                int64_t minute_end_sec = load->sums[LOAD_MINUTE].time_sec + load_step_sec[LOAD_MINUTE];
                if (sum->time_sec + load_step_sec[grain] > now_sec ||
                    (grain == LOAD_FINE && sum->time_sec >= minute_end_sec))
                        continue;
                *ret = (LoadStep){grain, sum->time_sec, sum->counts};
                sum->time_sec += load_step_sec[grain];
                sum->counts = (LoadCounts){0};
                return true;
        }
        return false;
}

bool load_is_idle(const LoadCounts *counts)
{
        return memcmp(counts, &(LoadCounts){0}, sizeof *counts) == 0;
}
