/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* skepctl policies: which there are for the caller's jobs. */

#include "engine/base/json.h"
#include "engine/ctl/client.h"
#include "engine/ctl/commands.h"
#include "engine/ctl/print.h"
#include "engine/ctl/table.h"

static const char *const keys[] = {"name", "digest", "description"};
static const TableColumn columns[] = {{"NAME", false}, {"DIGEST", false}, {"DESCRIPTION", false}};

#define DIGEST_SHOWN 19 /* "sha256:" and twelve digits: as much as people compare */

static void print_policy(const Context *context, Table *table, json_object *policy)
{
        _cleanup_json_ json_object *object = json_object_new_object();

        for (size_t i = 0; i < ELEMENTS(keys); i++) {
                json_object *value = json_object_array_get_idx(policy, i);
                _cleanup_free_ char *shown = NULL;
                json_object_object_add(object, keys[i], json_object_get(value));
                if (asprintf(&shown, "%.*s", i == 1 ? DIGEST_SHOWN : -1, json_object_get_string(value)) < 0)
                        shown = NULL;
                if (!context->json)
                        table_add(table, shown, NULL);
        }
        if (context->json)
                print_json(stdout, object);
}

int command_policies(const Context *context, int argc, char **argv, Error *e)
{
        _cleanup_(table_freep) Table *table = table_new(columns, ELEMENTS(columns), context->colour);
        _cleanup_json_ json_object *policies = NULL;
        _cleanup_bus_ sd_bus *bus = NULL;
        int r;

        if (argc > 1)
                return error_set(e, -EINVAL,
                                 "%s: skepctl policies takes no words; what one permits says skep-jail "
                                 "explain",
                                 argv[1]);
        if (!table)
                return error_oom(e);
        if ((r = client_connect(context->address, &bus, e)) < 0 ||
            (r = client_get(bus, "ListPolicies", "a(sss)", &policies, e)) < 0)
                return r;
        for (size_t i = 0; i < json_object_array_length(policies); i++)
                print_policy(context, table, json_object_array_get_idx(policies, i));
        return !context->json && table_flush(table) < 0 ? error_oom(e) : 0;
}
