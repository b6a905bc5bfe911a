/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* skepctl pool: the workers. */

#include "engine/ctl/pool.h"

#include "engine/base/clock.h"
#include "engine/base/json.h"
#include "engine/base/name.h"
#include "engine/ctl/amount.h"
#include "engine/ctl/bus_json.h"
#include "engine/ctl/client.h"
#include "engine/ctl/commands.h"
#include "engine/ctl/print.h"

#include <inttypes.h>

#define TROUBLE_MAX 1000

static const TableColumn columns[] = {
        {"WORKER", false}, {"STATE", false}, {"JOBS", true},  {"WARM", true},
        {"MEMORY", true},  {"PRESSURE", false}, {"UP", true}, {"UNIT", false},
};

/* For which of them the worker and its jobs wait most. */
static char *pressure_text(json_object *w)
{
        double most = 0;
        const char *name = NULL;
        char *text = NULL;

        json_object *pressure = json_member(w, "pressure");
        if (!json_object_is_type(pressure, json_type_object))
                return NULL;
        json_object_object_foreach(pressure, key, value)
        {
                if (name && json_object_get_double(value) <= most)
                        continue;
                name = key;
                most = json_object_get_double(value);
        }
        if (!name)
                return NULL;
        int r = most < 0.05 ? asprintf(&text, "none") : asprintf(&text, "%s %.1f %%", name, most);
        return r < 0 ? NULL : text;
}

Table *pool_table(json_object *workers, bool colour)
{
        Table *table = table_new(columns, ELEMENTS(columns), colour);
        uint64_t now = realtime_usec();

        for (size_t i = 0; table && i < json_object_array_length(workers); i++) {
                json_object *w = json_object_array_get_idx(workers, i);
                uint64_t started = json_number(w, "started_usec");
                table_add(table, json_text(w, "name"), NULL);
                table_add(table, json_text(w, "state"), state_colour(json_text(w, "state")));
                table_add_number(table, json_number(w, "running"));
                if (json_member(w, "warm"))
                        table_add_number(table, json_number(w, "warm"));
                else
                        table_add(table, NULL, NULL);
                table_add(table,
                          json_member(w, "memory_bytes") ? amount_size(json_number(w, "memory_bytes")).text : NULL,
                          NULL);
                _cleanup_free_ char *pressure = pressure_text(w);
                table_add(table, pressure, NULL);
                table_add(table, started && started <= now ? amount_duration(now - started).text : NULL, NULL);
                table_add(table, json_text(w, "unit"), NULL);
        }
        return table;
}

static int print_json_form(json_object *engine, json_object *workers)
{
        static const char *const keys[] = {"pool_target", "pool_minimum", "pool_maximum", "troubles"};
        _cleanup_json_ json_object *whole = json_object_new_object();

        for (size_t i = 0; i < ELEMENTS(keys); i++)
                json_object_object_add(whole, keys[i], json_object_get(json_member(engine, keys[i])));
        json_object_object_add(whole, "workers", json_object_get(workers));
        print_json(stdout, whole);
        return 0;
}

/* What is wrong with the engine as a whole. */
static void print_troubles(json_object *engine)
{
        json_object *troubles = json_list(engine, "troubles");

        for (size_t i = 0; troubles && i < json_object_array_length(troubles); i++) {
                const char *trouble = json_object_get_string(json_object_array_get_idx(troubles, i));
                _cleanup_free_ char *text = text_escape(trouble ? trouble : "", TROUBLE_MAX);
                printf("\n%s\n", text ? text : "");
        }
}

int command_pool(const Context *context, int argc, char **argv, Error *e)
{
        _cleanup_json_ json_object *engine = NULL, *workers = NULL;
        _cleanup_(table_freep) Table *table = NULL;
        _cleanup_bus_ sd_bus *bus = NULL;
        int r;

        if (argc > 1)
                return error_set(e, -EINVAL, "%s: skepctl pool takes no words", argv[1]);
        if ((r = client_connect(context->address, &bus, e)) < 0 ||
            (r = client_properties(bus, ENGINE_PATH, ENGINE_MANAGER, &engine, e)) < 0 ||
            (r = client_workers(bus, &workers, e)) < 0)
                return r;
        if (context->json)
                return print_json_form(engine, workers);
        printf("%zu workers, %" PRIu64 " wanted (%" PRIu64 " to %" PRIu64 " are possible)\n",
               json_object_array_length(workers), json_number(engine, "pool_target"),
               json_number(engine, "pool_minimum"), json_number(engine, "pool_maximum"));
        if (json_object_array_length(workers) > 0) {
                putchar('\n');
                table = pool_table(workers, context->colour);
                if (!table || table_flush(table) < 0)
                        return error_oom(e);
        }
        print_troubles(engine);
        for (size_t i = 0; i < json_object_array_length(workers); i++) {
                json_object *w = json_object_array_get_idx(workers, i);
                const char *trouble = json_text(w, "trouble"), *name = json_text(w, "name");
                _cleanup_free_ char *text = trouble && *trouble ? text_escape(trouble, TROUBLE_MAX) : NULL,
                                    *escaped = name_escape(name ? name : "?");
                if (text && escaped)
                        printf("\nworker %s: %s\n", escaped, text);
        }
        return 0;
}
