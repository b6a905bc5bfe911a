/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* skepctl config: what the supervisor works with, and where each value is from. */

#include "engine/base/json.h"
#include "engine/ctl/bus_json.h"
#include "engine/ctl/client.h"
#include "engine/ctl/commands.h"
#include "engine/ctl/print.h"
#include "engine/ctl/table.h"

#include <string.h>

static const TableColumn columns[] = {{"KEY", false}, {"VALUE", false}, {"FROM", false}};

static int print_table(const Context *context, json_object *config, Error *e)
{
        _cleanup_(table_freep) Table *table = table_new(columns, ELEMENTS(columns), context->colour);

        if (!table)
                return error_oom(e);
        json_object_object_foreach(config, key, entry)
        {
                json_object *value = json_member(entry, "value");
                bool text = json_object_is_type(value, json_type_string);
                table_add(table, key, NULL);
                table_add(table,
                          !value ? NULL
                          : text ? json_object_get_string(value)
                                 : json_object_to_json_string_ext(value, JSON_C_TO_STRING_NOSLASHESCAPE),
                          NULL);
                table_add(table, json_text(entry, "from"), NULL);
        }
        return table_flush(table) < 0 ? error_oom(e) : 0;
}

int command_config(const Context *context, int argc, char **argv, Error *e)
{
        _cleanup_json_ json_object *answer = NULL, *config = NULL;
        _cleanup_bus_ sd_bus *bus = NULL;
        int r;

        if (argc > 1)
                return error_set(e, -EINVAL, "%s: skepctl config takes no words", argv[1]);
        if ((r = client_connect(context->address, &bus, e)) < 0 ||
            (r = client_get(bus, "GetConfig", "s", &answer, e)) < 0)
                return r;
        const char *text = json_object_get_string(answer);
        if ((r = json_parse_text(text ? text : "", text ? strlen(text) : 0, &config, e)) < 0)
                return r;
        if (!json_object_is_type(config, json_type_object))
                return error_set(e, -EBADMSG, "the configuration of the supervisor cannot be read");
        if (!context->json)
                return print_table(context, config, e);
        print_json(stdout, config);
        return 0;
}
