/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "engine/base/error.h"

#include <json-c/json.h>
#include <stdbool.h>
#include <stdint.h>
#include <systemd/sd-bus.h>

/* The whole engine at one moment: its own figures, the workers, the tenants and the jobs that run. */
typedef struct EngineView {
        uint64_t realtime_usec, monotonic_usec;
        json_object *engine, *workers, *tenants, *jobs; /* owned */
        uint64_t finished_before;                       /* of the moment before; UINT64_MAX: there was none */
        double finished_per_second;
} EngineView;

#define ENGINE_VIEW_NULL ((EngineView){.finished_before = UINT64_MAX})
#define ENGINE_VIEW_JOBS 500 /* as many of those that run are looked at */

/* Looks again. What was seen before is let go. */
int engine_view_take(EngineView *view, sd_bus *bus, Error *e);
void engine_view_done(EngineView *view);

/* All of it as one object; the caller's. */
json_object *engine_view_json(const EngineView *view);

typedef enum JobOrder { ORDER_TIME, ORDER_TENANT, ORDER_NAME, ORDER_ID, ORDER_MAX } JobOrder;
const char *job_order_name(JobOrder order);

/* As lines for people; those of the jobs last, in that order. The strv is the caller's; NULL when out of memory. */
char **engine_view_lines(const EngineView *view, JobOrder order, bool colour, bool utc);
