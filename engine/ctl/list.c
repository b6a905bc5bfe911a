/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* skepctl list: the jobs, page by page, so that a hundred thousand of them take no memory. */

#include "engine/base/clock.h"
#include "engine/base/json.h"
#include "engine/base/options.h"
#include "engine/base/strv.h"
#include "engine/ctl/amount.h"
#include "engine/ctl/bus_json.h"
#include "engine/ctl/client.h"
#include "engine/ctl/commands.h"
#include "engine/ctl/print.h"
#include "engine/ctl/since.h"
#include "engine/ctl/table.h"

#include <inttypes.h>
#include <string.h>

#define PAGE_JOBS 500

typedef struct ListOptions {
        char **filter; /* owned */
        uint64_t since_usec;
        const char *array; /* whose members */
        bool ids;
} ListOptions;

static int add_filter(ListOptions *o, const char *key, const char *value, Error *e)
{
        return strv_add(&o->filter, key) < 0 || strv_add(&o->filter, value) < 0 ? error_oom(e) : 0;
}

static int take_filter(const Option *option, const char *value, void *target, Error *e)
{
        return add_filter(target, option->name, value, e);
}

/* Several, as "failed,cancelled" or by several options. */
static int take_states(const Option *option, const char *value, void *target, Error *e)
{
        _cleanup_strv_ char **states = NULL;
        int r = strv_split(value, ',', &states) < 0 ? error_oom(e) : 0;

        if (r >= 0 && !states)
                r = error_set(e, -EINVAL, "which state?");
        for (size_t i = 0; r >= 0 && states && states[i]; i++)
                r = add_filter(target, option->name, states[i], e);
        return r;
}

static int take_since(const Option *option _unused_, const char *value, void *target, Error *e)
{
        return since_parse(value, &((ListOptions *)target)->since_usec, e);
}

static const Option options_table[] = {
        {"state", "STATE", NULL, take_states, 0},
        {"tenant", "NAME", NULL, take_filter, 0},
        {"name", "NAME", NULL, take_filter, 0},
        {"since", "TIME", NULL, take_since, 0},
        {"array", "ID", NULL, option_set_string, offsetof(ListOptions, array)},
        {"ids", NULL, NULL, option_set_flag, offsetof(ListOptions, ids)},
};

static const TableColumn columns[] = {
        {"ID", false},  {"STATE", false},  {"REASON", false}, {"SUBMITTED", false},
        {"TOOK", true}, {"TENANT", false}, {"NAME", false},
};

/* How it has ended, or the attempt after which it waits for another; of an array that has not, how far it is. */
static const char *reason_text(json_object *job, char buffer[static 48])
{
        json_object *array = json_member(job, "array");
        const char *state = json_text(job, "state");
        uint64_t ended = 0, all = 0;

        if (json_number(job, "finished_usec") || (state && strcmp(state, "backoff") == 0))
                return ending_text(json_member(job, "report"), buffer);
        if (!json_object_is_type(array, json_type_object))
                return NULL;
        json_object_object_foreach(array, name, count)
        {
                bool final = strcmp(name, "succeeded") == 0 || strcmp(name, "failed") == 0 || strcmp(name, "cancelled") == 0;
                all += json_object_get_uint64(count);
                ended += final ? json_object_get_uint64(count) : 0;
        }
        snprintf(buffer, 48, "%" PRIu64 " of %" PRIu64, ended, all);
        return buffer;
}

static void add_row(Table *table, json_object *job, bool utc)
{
        uint64_t started = json_number(job, "started_usec"), finished = json_number(job, "finished_usec"),
                 now = realtime_usec();
        char buffer[48];

        table_add(table, json_text(job, "id"), NULL);
        table_add(table, json_text(job, "state"), state_colour(json_text(job, "state")));
        table_add(table, reason_text(job, buffer), NULL);
        table_add(table, amount_time(json_number(job, "submitted_usec"), utc).text, NULL);
        if (!finished)
                finished = now;
        table_add(table, started && finished >= started ? amount_duration(finished - started).text : NULL, NULL);
        table_add(table, json_text(job, "tenant"), NULL);
        table_add(table, json_text(job, "name"), NULL);
}

/* As print_out(). */
static int print_page(const Context *context, const ListOptions *o, json_object *jobs, Table *table, Error *e)
{
        for (size_t i = 0; i < json_object_array_length(jobs); i++) {
                json_object *job = json_object_array_get_idx(jobs, i);
                if (context->json)
                        print_json(stdout, job);
                else if (o->ids)
                        print_text(json_text(job, "id"));
                else
                        add_row(table, job, context->utc);
        }
        if (!context->json && !o->ids && table_flush(table) < 0)
                return error_oom(e);
        return print_out(e);
}

static int filter_array(ListOptions *o, sd_bus *bus, Error *e)
{
        _cleanup_free_ char *path = NULL;
        int r = o->array ? client_find_job(bus, o->array, &path, e) : 0;

        return path ? add_filter(o, "array", client_id_of(path), e) : r;
}

static int list(const Context *context, ListOptions *o, Error *e)
{
        _cleanup_(table_freep) Table *table = table_new(columns, ELEMENTS(columns), context->colour);
        _cleanup_free_ char *cursor = since_cursor(o->since_usec);
        _cleanup_bus_ sd_bus *bus = NULL;
        int r;

        if (!table || !cursor)
                return error_oom(e);
        if ((r = client_connect(context->address, &bus, e)) < 0 || (r = filter_array(o, bus, e)) < 0)
                return r;
        do {
                _cleanup_json_ json_object *jobs = NULL;
                if ((r = client_list_jobs(bus, o->filter, PAGE_JOBS, &cursor, &jobs, e)) < 0)
                        return r;
                r = print_page(context, o, jobs, table, e);
        } while (r == 0 && *cursor);
        return r < 0 ? r : 0;
}

int command_list(const Context *context, int argc, char **argv, Error *e)
{
        ListOptions o = {0};
        int r = options_read(options_table, ELEMENTS(options_table), argc, argv, false, &o, e);

        if (r >= 0 && r < argc)
                r = error_set(e, -EINVAL, "%s: skepctl list takes no words; of one job tells skepctl status", argv[r]);
        if (r >= 0)
                r = list(context, &o, e);
        strv_free(o.filter);
        return r;
}
