/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "jail/cli/draft.h"

#include <errno.h>
#include <string.h>

#include "engine/base/cleanup.h"
#include "engine/base/json.h"

/* Where the items of a kind stand in a policy. */
typedef struct DraftPlace {
        const char *object, *list;
} DraftPlace;

static const DraftPlace places[DRAFT_KIND_MAX] = {
        [DRAFT_CALL] = {"syscalls", "allow"},
        [DRAFT_EXECUTE] = {"filesystem", "execute"},
        [DRAFT_READ_ONLY] = {"filesystem", "read_only"},
        [DRAFT_WRITABLE] = {"filesystem", "writable"},
        [DRAFT_TMPFS] = {"filesystem", "tmpfs"},
        [DRAFT_DEVICE] = {NULL, "devices"},
        [DRAFT_CAPABILITY] = {NULL, "capabilities"},
        [DRAFT_PROC] = {"filesystem", NULL},
};

#define PROC_SUBSET "proc_subset"
#define ALL "all"

/* The object that has the list of a kind; NULL where there is none. */
static json_object *holder(json_object *policy, DraftKind kind)
{
        json_object *object = policy;

        if (places[kind].object && !json_object_object_get_ex(policy, places[kind].object, &object))
                return NULL;
        return object;
}

static json_object *list_of(json_object *policy, DraftKind kind)
{
        json_object *object = holder(policy, kind), *list = NULL;

        return places[kind].list && object && json_object_object_get_ex(object, places[kind].list, &list) ? list : NULL;
}

static int add(Draft *d, DraftKind kind, const char *name)
{
        DraftItem *larger = reallocarray(d->items, d->n_items + 1, sizeof *larger);

        if (!larger)
                return -ENOMEM;
        d->items = larger;
        d->items[d->n_items] = (DraftItem){.kind = kind, .name = strdup(name), .in = true};
        return d->items[d->n_items].name ? (d->n_items++, 0) : -ENOMEM;
}

void draft_done(Draft *d)
{
        for (size_t i = 0; i < d->n_items; i++)
                free(d->items[i].name);
        free(d->items);
        json_object_put(d->base);
        *d = (Draft){.base = NULL};
}

static bool has_all_of_proc(const Draft *d)
{
        json_object *subset = NULL;

        return json_object_object_get_ex(holder(d->base, DRAFT_PROC), PROC_SUBSET, &subset) &&
               strcmp(json_object_get_string(subset), ALL) == 0;
}

int draft_from_policy(const JailPolicy *base, Draft *ret, Error *e)
{
        const char *text = jail_policy_text(base);
        _cleanup_(draft_done) Draft d = {.base = NULL};
        int r = json_parse_text(text, strlen(text), &d.base, e);

        if (r < 0)
                return r;
        json_object *names = list_of(d.base, DRAFT_CALL);
        if (!names || json_object_array_length(names) == 0)
                return error_set(e, -EINVAL,
                                 "the policy \"%s\" does not list its system calls by name, which learning starts from",
                                 jail_policy_name(base));
        for (DraftKind kind = 0; kind < DRAFT_KIND_MAX; kind++) {
                json_object *list = list_of(d.base, kind);
                size_t n = list ? json_object_array_length(list) : 0;
                for (size_t i = 0; i < n; i++)
                        if (add(&d, kind, json_object_get_string(json_object_array_get_idx(list, i))) < 0)
                                return error_oom(e);
        }
        if (has_all_of_proc(&d) && add(&d, DRAFT_PROC, DRAFT_ALL_OF_PROC) < 0)
                return error_oom(e);
        /* What was learnt of one kernel's calls says nothing about how another program should end. */
        json_object *calls = holder(d.base, DRAFT_CALL);
        json_object_object_add(calls, "action", json_object_new_string("errno"));
        *ret = d;
        d = (Draft){.base = NULL};
        return 0;
}

int draft_set_root(Draft *d, const char *root)
{
        json_object *name = json_object_new_string(root);

        if (name && json_object_object_add(holder(d->base, DRAFT_EXECUTE), "root", name) >= 0)
                return 0;
        json_object_put(name);
        return -ENOMEM;
}

DraftItem *draft_find(const Draft *d, DraftKind kind, const char *name)
{
        for (size_t i = 0; i < d->n_items; i++)
                if (d->items[i].kind == kind && strcmp(d->items[i].name, name) == 0)
                        return &d->items[i];
        return NULL;
}

int draft_use(Draft *d, DraftKind kind, const char *name, bool *ret_new)
{
        DraftItem *item = draft_find(d, kind, name);

        if (ret_new)
                *ret_new = !item;
        if (!item && add(d, kind, name) < 0)
                return -ENOMEM;
        draft_find(d, kind, name)->used = true;
        return 0;
}

void draft_put_all_in(Draft *d)
{
        for (size_t i = 0; i < d->n_items; i++)
                d->items[i].in = true;
}

size_t draft_count(const Draft *d, DraftKind kind)
{
        size_t n = 0;

        for (size_t i = 0; i < d->n_items; i++)
                n += d->items[i].kind == kind && d->items[i].in;
        return n;
}

static bool is_without(const size_t *without, size_t n, size_t index)
{
        for (size_t i = 0; i < n; i++)
                if (without[i] == index)
                        return true;
        return false;
}

static bool is_in(const Draft *d, size_t i, const size_t *without, size_t n_without)
{
        return d->items[i].in && !is_without(without, n_without, i);
}

static int put_list(const Draft *d, DraftKind kind, const size_t *without, size_t n_without, json_object *object)
{
        json_object *list = json_object_new_array();

        if (!list || json_object_object_add(object, places[kind].list, list) < 0)
                return json_object_put(list), -ENOMEM;
        for (size_t i = 0; i < d->n_items; i++)
                if (d->items[i].kind == kind && is_in(d, i, without, n_without))
                        json_object_array_add(list, json_object_new_string(d->items[i].name));
        return 0;
}

static int put_proc(const Draft *d, const size_t *without, size_t n_without, json_object *object)
{
        const DraftItem *item = draft_find(d, DRAFT_PROC, DRAFT_ALL_OF_PROC);
        bool all = item && is_in(d, (size_t)(item - d->items), without, n_without);

        return json_object_object_add(object, PROC_SUBSET, json_object_new_string(all ? ALL : "pid")) < 0 ? -ENOMEM : 0;
}

int draft_policy(const Draft *d, const size_t *without, size_t n_without, JailPolicy **ret, Error *e)
{
        _cleanup_json_ json_object *policy = NULL;

        if (json_object_deep_copy(d->base, &policy, NULL) < 0)
                return error_oom(e);
        for (DraftKind kind = 0; kind < DRAFT_KIND_MAX; kind++) {
                json_object *object = holder(policy, kind);
                if (!object || (places[kind].list ? put_list(d, kind, without, n_without, object)
                                                  : put_proc(d, without, n_without, object)) < 0)
                        return error_oom(e);
        }
        return jail_policy_from_text("learnt", json_object_to_json_string_ext(policy, JSON_C_TO_STRING_PLAIN), ret, e);
}
