/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What the Manager lists: jobs, in pages, in the order of their ids; tenants; policies. */

#include "engine/supervisor/bus_private.h"

#include "engine/base/clock.h"
#include "engine/base/name.h"
#include "engine/base/strv.h"
#include "engine/supervisor/array.h"

#include <string.h>

#define JOBS_PER_LIST 1000
#define LOOKED_AT_PER_LIST 20000
#define BYTES_PER_LIST (1U << 20)
#define BYTES_PER_JOB 512

typedef struct Filter {
        unsigned states; /* a set; 0: all */
        const char *tenant, *name, *array;
} Filter;

static int refuse_state(const char *name, Error *e)
{
        _cleanup_strv_ char **names = NULL;

        for (JobState state = 0; state < JOB_STATE_MAX; state++)
                if (strv_add(&names, job_state_name(state)) < 0)
                        return error_oom(e);
        _cleanup_free_ char *all = strv_join(names, ", "), *escaped = name_escape(name);
        return error_set(e, -EINVAL, "\"%s\": there is no such state; there are %s", escaped ? escaped : "",
                         all ? all : "others");
}

static int read_filter(sd_bus_message *m, Filter *filter, Error *e)
{
        const char *key, *value;
        JobState state;
        int r = sd_bus_message_enter_container(m, 'a', "{sv}");

        if (r < 0)
                return error_errno(e, r, "reading the filter");
        while ((r = sd_bus_message_enter_container(m, 'e', "sv")) > 0) {
                r = sd_bus_message_read(m, "s", &key);
                if (r >= 0)
                        r = sd_bus_message_read(m, "v", "s", &value);
                if (r >= 0)
                        r = sd_bus_message_exit_container(m);
                if (r < 0)
                        return error_set(e, -EINVAL, "filter: each value is a string");
                if (strcmp(key, "state") == 0 && job_state_parse(value, &state))
                        filter->states |= 1U << state;
                else if (strcmp(key, "state") == 0)
                        return refuse_state(value, e);
                else if (strcmp(key, "tenant") == 0)
                        filter->tenant = value;
                else if (strcmp(key, "name") == 0)
                        filter->name = value;
                else if (strcmp(key, "array") == 0)
                        filter->array = value;
                else
                        return error_set(e, -EINVAL, "filter: unknown key; known are state, tenant, name and array");
        }
        return r < 0 ? error_errno(e, r, "reading the filter") : sd_bus_message_exit_container(m);
}

/* Members stand behind their array. */
static bool is_behind(const Filter *filter, const Job *job)
{
        return filter->array && !(job->member && strcmp(job->array->whole->id.text, filter->array) == 0);
}

static bool filter_takes(const Filter *filter, const Job *job)
{
        return (!filter->states || filter->states & (1U << job->state)) &&
               (!filter->tenant || strcmp(filter->tenant, job->tenant->name) == 0) &&
               (!filter->name || strcmp(filter->name, job->spec.name ? job->spec.name : "") == 0);
}

/* How much of the list one call goes through: a list is long, and others wait meanwhile. */
typedef struct Page {
        uint32_t jobs;
        size_t looked_at, bytes;
} Page;

static bool page_is_full(const Page *page, uint32_t limit)
{
        return page->jobs == limit || page->looked_at == LOOKED_AT_PER_LIST || page->bytes > BYTES_PER_LIST;
}

static int append_jobs(sd_bus_message *reply, const BusLink *link, const Filter *filter, const char *cursor,
                       uint32_t limit)
{
        const JobTable *table = supervisor_jobs(bus_supervisor(link));
        const char *next = "",
                   *behind = filter->array && id_compare(cursor, filter->array) < 0 ? filter->array : cursor;
        Page page = {0};
        int r = sd_bus_message_open_container(reply, 'a', "a{sv}");

        for (size_t i = job_table_after(table, behind); r >= 0 && i < table->n; i++, page.looked_at++) {
                const Job *job = table->jobs[i];
                if (is_behind(filter, job))
                        break;
                if (page_is_full(&page, limit)) {
                        /* There may be more: it goes on behind the one before. */
                        next = table->jobs[i - 1]->id.text;
                        break;
                }
                if (!bus_client_may_see(link->client, job) || !filter_takes(filter, job))
                        continue;
                r = bus_append_job(reply, job);
                page.jobs++;
                page.bytes += BYTES_PER_JOB + (job->report ? strlen(job->report) : 0);
        }
        if (r >= 0)
                r = sd_bus_message_close_container(reply);
        return r < 0 ? r : sd_bus_message_append(reply, "s", next);
}

int bus_method_list_jobs(sd_bus_message *m, void *userdata, sd_bus_error *error _unused_)
{
        _cleanup_error_ Error e = ERROR_NULL;
        sd_bus_message *reply = NULL;
        BusLink *link = userdata;
        Filter filter = {0};
        const char *cursor;
        uint32_t limit;

        if (read_filter(m, &filter, &e) < 0)
                return sd_bus_reply_method_errorf(m, SD_BUS_ERROR_INVALID_ARGS, "%s", error_text(&e));
        int r = sd_bus_message_read(m, "su", &cursor, &limit);
        if (r >= 0 && filter.tenant && !caller_may_act(&link->client->caller, filter.tenant) &&
            (r = bus_authorize(link, m, ACTION_LIST_TENANT, bus_method_list_jobs)) <= 0)
                return r < 0 ? r : 1;
        if (r >= 0)
                r = sd_bus_message_new_method_return(m, &reply);
        if (r >= 0)
                r = append_jobs(reply, link, &filter, cursor,
                                limit == 0 || limit > JOBS_PER_LIST ? JOBS_PER_LIST : limit);
        if (r >= 0)
                r = sd_bus_send(NULL, reply, NULL);
        sd_bus_message_unref(reply);
        return r < 0 ? r : 1;
}

/* ---- tenants ---- */

static int append_limits(sd_bus_message *reply, const TenantLimits *limits)
{
        const struct {
                const char *name;
                uint64_t value;
        } all[] = {
                {"running", limits->running},
                {"queued", limits->queued},
                {"submissions_per_minute", limits->submissions_per_minute},
                {"spec_bytes", limits->spec_bytes},
                {"input_bytes", limits->input_bytes},
                {"output_bytes", limits->output_bytes},
        };
        int r;

        if ((r = sd_bus_message_open_container(reply, 'e', "sv")) < 0 ||
            (r = sd_bus_message_append(reply, "s", "limits")) < 0 ||
            (r = sd_bus_message_open_container(reply, 'v', "a{st}")) < 0 ||
            (r = sd_bus_message_open_container(reply, 'a', "{st}")) < 0)
                return r;
        for (size_t i = 0; r >= 0 && i < ELEMENTS(all); i++)
                if (all[i].value != TENANT_UNLIMITED)
                        r = sd_bus_message_append(reply, "{st}", all[i].name, all[i].value);
        for (int level = 0; r >= 0 && level < 3; level++)
                r = sd_bus_message_close_container(reply);
        return r;
}

static int append_tenant(sd_bus_message *reply, const Tenant *tenant)
{
        int r = sd_bus_message_open_container(reply, 'a', "{sv}");

        if (r >= 0)
                r = sd_bus_message_append(reply, "{sv}{sv}{sv}{sv}{sv}", "name", "s", tenant->name, "weight", "t",
                                          tenant->rules.weight, "queued", "t", tenant->queued, "running", "t",
                                          tenant->running, "used_usec", "t", tenant->used_usec);
        if (r >= 0)
                r = append_limits(reply, &tenant->rules.limits);
        return r < 0 ? r : sd_bus_message_close_container(reply);
}

int bus_method_list_tenants(sd_bus_message *m, void *userdata, sd_bus_error *error _unused_)
{
        const BusLink *link = userdata;
        const Tenants *tenants = supervisor_tenants(bus_supervisor(link));
        bool all = monotonic_usec() < link->client->operator_until_usec;
        sd_bus_message *reply = NULL;
        int r = sd_bus_message_new_method_return(m, &reply);

        if (r >= 0)
                r = sd_bus_message_open_container(reply, 'a', "a{sv}");
        for (size_t i = 0; r >= 0 && i < tenants_count(tenants); i++)
                if (all || caller_may_act(&link->client->caller, tenants_at(tenants, i)->name))
                        r = append_tenant(reply, tenants_at(tenants, i));
        if (r >= 0)
                r = sd_bus_message_close_container(reply);
        if (r >= 0)
                r = sd_bus_send(NULL, reply, NULL);
        sd_bus_message_unref(reply);
        return r < 0 ? r : 1;
}

/* ---- policies ---- */

static int append_policy(const JailPolicy *policy, void *userdata)
{
        return sd_bus_message_append(userdata, "(sss)", jail_policy_name(policy), jail_policy_digest(policy),
                                     jail_policy_description(policy));
}

int bus_method_list_policies(sd_bus_message *m, void *userdata, sd_bus_error *error _unused_)
{
        sd_bus_message *reply = NULL;
        int r = sd_bus_message_new_method_return(m, &reply);

        if (r >= 0)
                r = sd_bus_message_open_container(reply, 'a', "(sss)");
        if (r >= 0)
                r = supervisor_each_policy(bus_supervisor(userdata), append_policy, reply);
        if (r >= 0)
                r = sd_bus_message_close_container(reply);
        if (r >= 0)
                r = sd_bus_send(NULL, reply, NULL);
        sd_bus_message_unref(reply);
        return r < 0 ? r : 1;
}
