/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "engine/ctl/engine_view.h"

#include "engine/base/name.h"
#include "engine/base/strv.h"
#include "engine/ctl/amount.h"
#include "engine/ctl/bus_json.h"
#include "engine/ctl/pool.h"
#include "engine/ctl/print.h"
#include "engine/ctl/table.h"

#include <inttypes.h>
#include <string.h>

static const char *const order_names[ORDER_MAX] = {
        [ORDER_TIME] = "time", [ORDER_TENANT] = "tenant", [ORDER_NAME] = "name", [ORDER_ID] = "id"};

static const TableColumn tenant_columns[] = {
        {"TENANT", false}, {"WEIGHT", true}, {"QUEUED", true}, {"RUNNING", true}, {"USED", true},
};
static const TableColumn job_columns[] = {
        {"JOB", false},    {"STATE", false},  {"TIME", true},  {"ATTEMPT", true},
        {"POLICY", false}, {"TENANT", false}, {"NAME", false},
};

const char *job_order_name(JobOrder order)
{
        return order_names[order];
}

static int compare_texts(json_object *a, json_object *b, const char *key)
{
        const char *x = json_text(a, key), *y = json_text(b, key);

        return strcmp(x ? x : "", y ? y : "");
}

/* Ties by the id, so that lines do not jump about. */
static int compare_jobs(const void *a, const void *b, void *order)
{
        json_object *x = *(json_object *const *)a, *y = *(json_object *const *)b;
        uint64_t x_usec = json_number(x, "started_usec"), y_usec = json_number(y, "started_usec");
        int by = 0;

        switch (*(JobOrder *)order) {
        case ORDER_TIME:
                by = x_usec < y_usec ? -1 : x_usec > y_usec;
                break;
        case ORDER_TENANT:
                by = compare_texts(x, y, "tenant");
                break;
        case ORDER_NAME:
                by = compare_texts(x, y, "name");
                break;
        default:
                break;
        }
        return by ? by : compare_texts(x, y, "id");
}

static int add_table(char ***lines, Table *table)
{
        _cleanup_strv_ char **rows = table ? table_lines(table) : NULL;
        int r = rows ? strv_add(lines, "") : -ENOMEM;

        for (size_t i = 0; r >= 0 && rows[i]; i++)
                r = strv_add(lines, rows[i]);
        return r;
}

static int add_heads(char ***lines, const EngineView *v, bool colour, bool utc)
{
        uint64_t started = json_number(v->engine, "started_usec"), now = v->realtime_usec;
        bool paused = json_object_get_boolean(json_member(v->engine, "paused")),
             draining = json_object_get_boolean(json_member(v->engine, "draining"));
        const char *version = json_text(v->engine, "version");
        _cleanup_free_ char *escaped = name_escape(version ? version : "");
        int r = strv_addf(lines, "%sskepd %s%s  up %s  %s%s", colour ? "\033[1m" : "", escaped ? escaped : "",
                          colour ? "\033[0m" : "",
                          started && started <= now ? amount_duration(now - started).text : "-",
                          amount_time(now, utc).text,
                          draining && paused ? "  draining and paused: no job is taken or started"
                          : draining         ? "  draining: no job is taken"
                          : paused           ? "  paused: no job is started"
                                             : "");

        if (r >= 0)
                r = strv_addf(lines, "jobs: %" PRIu64 " queued, %" PRIu64 " running, %" PRIu64 " finished",
                              json_number(v->engine, "queued"), json_number(v->engine, "running"),
                              json_number(v->engine, "finished"));
        if (r >= 0)
                r = v->finished_before == UINT64_MAX
                            ? 0
                            : strv_addf(lines, "%.1f finished a second", v->finished_per_second);
        if (r >= 0)
                r = strv_addf(lines, "workers: %zu of %" PRIu64 " (%" PRIu64 " to %" PRIu64 ")",
                              json_object_array_length(v->workers), json_number(v->engine, "pool_target"),
                              json_number(v->engine, "pool_minimum"), json_number(v->engine, "pool_maximum"));
        return r;
}

static int add_tenants(char ***lines, const EngineView *v, bool colour)
{
        _cleanup_(table_freep) Table *table = table_new(tenant_columns, ELEMENTS(tenant_columns), colour);

        for (size_t i = 0; table && i < json_object_array_length(v->tenants); i++) {
                json_object *tenant = json_object_array_get_idx(v->tenants, i);
                table_add(table, json_text(tenant, "name"), NULL);
                table_add_number(table, json_number(tenant, "weight"));
                table_add_number(table, json_number(tenant, "queued"));
                table_add_number(table, json_number(tenant, "running"));
                table_add(table, amount_duration(json_number(tenant, "used_usec")).text, NULL);
        }
        return add_table(lines, table);
}

static int add_jobs(char ***lines, const EngineView *v, JobOrder order, bool colour)
{
        _cleanup_(table_freep) Table *table = table_new(job_columns, ELEMENTS(job_columns), colour);
        size_t n = json_object_array_length(v->jobs);
        _cleanup_free_ json_object **jobs = calloc(n + 1, sizeof *jobs);

        if (!table || !jobs)
                return -ENOMEM;
        for (size_t i = 0; i < n; i++)
                jobs[i] = json_object_array_get_idx(v->jobs, i);
        qsort_r(jobs, n, sizeof *jobs, compare_jobs, &order);
        for (size_t i = 0; i < n; i++) {
                uint64_t started = json_number(jobs[i], "started_usec");
                table_add(table, json_text(jobs[i], "id"), NULL);
                table_add(table, json_text(jobs[i], "state"), state_colour(json_text(jobs[i], "state")));
                table_add(table,
                          started && started <= v->realtime_usec ? amount_duration(v->realtime_usec - started).text
                                                                 : NULL,
                          NULL);
                table_add_number(table, json_number(jobs[i], "attempt"));
                table_add(table, json_text(jobs[i], "policy"), NULL);
                table_add(table, json_text(jobs[i], "tenant"), NULL);
                table_add(table, json_text(jobs[i], "name"), NULL);
        }
        return add_table(lines, table);
}

char **engine_view_lines(const EngineView *v, JobOrder order, bool colour, bool utc)
{
        _cleanup_(table_freep) Table *workers = NULL;
        char **lines = NULL;
        int r = add_heads(&lines, v, colour, utc);

        if (r >= 0 && json_object_array_length(v->workers) > 0)
                r = add_table(&lines, workers = pool_table(v->workers, colour));
        if (r >= 0 && json_object_array_length(v->tenants) > 0)
                r = add_tenants(&lines, v, colour);
        if (r >= 0 && json_object_array_length(v->jobs) > 0)
                r = add_jobs(&lines, v, order, colour);
        return r < 0 ? strv_free(lines) : lines;
}
