/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "engine/ctl/engine_view.h"

#include "engine/base/clock.h"
#include "engine/base/json.h"
#include "engine/base/strv.h"
#include "engine/ctl/bus_json.h"
#include "engine/ctl/client.h"

#include <math.h>
#include <string.h>

static void let_go(EngineView *v)
{
        json_object_put(v->engine);
        json_object_put(v->workers);
        json_object_put(v->tenants);
        json_object_put(v->jobs);
        v->engine = v->workers = v->tenants = v->jobs = NULL;
}

void engine_view_done(EngineView *v)
{
        let_go(v);
        *v = ENGINE_VIEW_NULL;
}

/* A page may have few of them, or none, where many others stand between. */
static int take_running(EngineView *v, sd_bus *bus, Error *e)
{
        static const char *const states[] = {"state", "running", "state", "starting"};
        _cleanup_strv_ char **filter = NULL;
        _cleanup_free_ char *cursor = strdup("");
        int r;

        v->jobs = json_object_new_array();
        for (size_t i = 0; i < ELEMENTS(states); i++)
                if (strv_add(&filter, states[i]) < 0)
                        return error_oom(e);
        if (!cursor)
                return error_oom(e);
        do {
                _cleanup_json_ json_object *page = NULL;
                if ((r = client_list_jobs(bus, filter, ENGINE_VIEW_JOBS, &cursor, &page, e)) < 0)
                        return r;
                for (size_t i = 0; i < json_object_array_length(page); i++)
                        json_object_array_add(v->jobs, json_object_get(json_object_array_get_idx(page, i)));
        } while (*cursor && json_object_array_length(v->jobs) < ENGINE_VIEW_JOBS);
        return 0;
}

/* The supervisor names the ceilings that there are: skep-tenants(5). Those that there are not are null, as everything else. */
static void complete_limits(json_object *tenants)
{
        static const char *const keys[] = {"running",    "queued",      "submissions_per_minute",
                                           "spec_bytes", "input_bytes", "output_bytes"};

        for (size_t i = 0; i < json_object_array_length(tenants); i++) {
                json_object *limits = json_member(json_object_array_get_idx(tenants, i), "limits");
                for (size_t k = 0; json_object_is_type(limits, json_type_object) && k < ELEMENTS(keys); k++)
                        if (!json_member(limits, keys[k]))
                                json_object_object_add(limits, keys[k], NULL);
        }
}

int engine_view_take(EngineView *v, sd_bus *bus, Error *e)
{
        uint64_t before_usec = v->monotonic_usec, finished = json_number(v->engine, "finished");
        bool before = v->engine != NULL;
        int r;

        let_go(v);
        if ((r = client_properties(bus, ENGINE_PATH, ENGINE_MANAGER, &v->engine, e)) < 0)
                return r;
        v->realtime_usec = realtime_usec();
        v->monotonic_usec = monotonic_usec();
        v->finished_before = before ? finished : UINT64_MAX;
        uint64_t now = json_number(v->engine, "finished");
        v->finished_per_second = before && now >= finished && v->monotonic_usec > before_usec
                                         ? (double)(now - finished) * 1e6 / (double)(v->monotonic_usec - before_usec)
                                         : 0;
        if ((r = client_workers(bus, &v->workers, e)) < 0 ||
            (r = client_get(bus, "ListTenants", "aa{sv}", &v->tenants, e)) < 0)
                return r;
        complete_limits(v->tenants);
        return take_running(v, bus, e);
}

json_object *engine_view_json(const EngineView *v)
{
        json_object *whole = json_object_new_object();

        json_add_number(whole, "time_usec", v->realtime_usec);
        json_object_object_add(whole, "engine", json_object_get(v->engine));
        json_add_real(whole, "finished_per_second", v->finished_before != UINT64_MAX ? v->finished_per_second : NAN);
        json_object_object_add(whole, "workers", json_object_get(v->workers));
        json_object_object_add(whole, "tenants", json_object_get(v->tenants));
        json_object_object_add(whole, "jobs", json_object_get(v->jobs));
        return whole;
}
