/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "jail/cli/explain.h"

#include "engine/base/json.h"
#include "engine/base/strv.h"

#include <string.h>

static json_object *list_to_json(char *const *list)
{
        json_object *array = json_object_new_array();

        for (size_t i = 0; list && list[i]; i++)
                json_object_array_add(array, json_object_new_string(list[i]));
        return array;
}

static json_object *groups_to_json(const Explained *x)
{
        json_object *object = json_object_new_object();

        for (size_t i = 0; i < x->groups.n; i++) {
                json_object *group = json_object_new_object();
                json_object_object_add(group, "allowed", list_to_json(x->groups.list[i].in));
                json_object_object_add(group, "refused", list_to_json(x->groups.list[i].out));
                json_object_object_add(object, x->groups.list[i].name, group);
        }
        return object;
}

static json_object *calls_to_json(const Explained *x)
{
        json_object *object = json_object_new_object(), *narrowed = json_object_new_object(),
                    *otherwise = json_object_new_object();
        _cleanup_free_ char *usual = refusal_words(x->usual_refusal);
        _cleanup_strv_ char **closed = NULL, **open = NULL;

        for (size_t i = 0; i < x->calls.n; i++) {
                const Call *call = &x->calls.list[i];
                if (call->fate == FILTER_NARROWS) {
                        _cleanup_free_ char *words = call_words(x->policy, call);
                        json_add_string(narrowed, call->name, words);
                } else if (call->fate == FILTER_REFUSES && call->refusal != x->usual_refusal) {
                        _cleanup_free_ char *words = refusal_words(call->refusal);
                        json_add_string(otherwise, call->name, words);
                }
        }
        call_doors(&x->calls, &closed, &open);
        json_object_object_add(object, "allowed", list_to_json(x->allowed));
        json_add_number(object, "of", x->calls.n);
        json_add_string(object, "others", usual);
        json_object_object_add(object, "others_but", otherwise);
        json_object_object_add(object, "narrowed", narrowed);
        json_object_object_add(object, "groups", groups_to_json(x));
        json_object_object_add(object, "ungrouped", list_to_json(x->groups.ungrouped));
        json_object_object_add(object, "never", list_to_json(closed));
        json_object_object_add(object, "open", list_to_json(open));
        return object;
}

static json_object *host_to_json(const Explained *x)
{
        json_object *object = json_object_new_object(), *enforced = json_object_new_object(),
                    *missing = json_object_new_array();

        for (JailLayer layer = 0; layer < JAIL_LAYER_MAX; layer++) {
                if (x->report.not_enforced & (1U << layer))
                        json_object_array_add(missing, json_object_new_string(jail_layer_name(layer)));
                else if (x->report.enforced[layer][0])
                        json_add_string(enforced, jail_layer_name(layer), x->report.enforced[layer]);
        }
        json_add_string(object, "refused", x->refused.code < 0 ? error_text(&x->refused) : NULL);
        json_object_object_add(object, "enforced", enforced);
        json_object_object_add(object, "not_enforced", missing);
        return object;
}

/* With what every jail has, and what becomes of a policy's paths over this root. */
static json_object *sections_to_json(const Explained *x)
{
        static const char *const keys[SECTION_MAX] = {
                [SECTION_READ] = "read",       [SECTION_WRITE] = "written",  [SECTION_WRITE_HOST] = "written_of_host",
                [SECTION_EXECUTE] = "executed", [SECTION_DEVICES] = "devices",
        };
        json_object *object = json_object_new_object();

        for (size_t i = 0; i < SECTION_MAX; i++)
                if (keys[i])
                        json_object_object_add(object, keys[i], list_to_json(x->sections.list[i].words));
        return object;
}

json_object *explain_json(const Explained *x)
{
        const char *text = jail_policy_text(x->policy);
        json_object *object = json_object_new_object(), *resolved = NULL;

        json_add_string(object, "name", jail_policy_name(x->policy));
        json_add_string(object, "digest", jail_policy_digest(x->policy));
        json_object_object_add(object, "files", list_to_json(x->files));
        json_object_object_add(object, "notes", list_to_json(jail_policy_notes(x->policy)));
        /* The policy itself, as it is handed from program to program. */
        json_parse_text(text, strlen(text), &resolved, NULL);
        json_object_object_add(object, "policy", resolved);
        json_object_object_add(object, "root", explained_root_json(&x->root));
        json_object_object_add(object, "permitted", sections_to_json(x));
        json_object_object_add(object, "system_calls", calls_to_json(x));
        json_object_object_add(object, "host", host_to_json(x));
        return object;
}
