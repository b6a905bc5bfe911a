/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "jail/limits.h"

#include "engine/base/json.h"
#include "engine/base/size.h"

#include <inttypes.h>
#include <string.h>

const JailLimits jail_limits_none = {
        .memory_bytes = JAIL_UNLIMITED,
        .cpu_milli = JAIL_UNLIMITED,
        .pids = JAIL_UNLIMITED,
        .wall_usec = JAIL_UNLIMITED,
        .cpu_time_usec = JAIL_UNLIMITED,
        .disk_bytes = JAIL_UNLIMITED,
        .files = JAIL_UNLIMITED,
        .output_bytes = JAIL_UNLIMITED,
        .io_read_bytes_per_sec = JAIL_UNLIMITED,
        .io_write_bytes_per_sec = JAIL_UNLIMITED,
};

/* How a limit is written as text again. */
typedef enum LimitUnit { UNIT_BYTES, UNIT_USEC, UNIT_COUNT, UNIT_MILLI } LimitUnit;

typedef struct Limit {
        const char *key, *group; /* `group`: the object that the key stands in, or NULL */
        JsonReader read;
        size_t offset;
        LimitUnit unit;
} Limit;

static const Limit limits_table[LIMITS_COUNT] = {
        {"memory", NULL, json_read_size, offsetof(JailLimits, memory_bytes), UNIT_BYTES},
        {"cpu", NULL, json_read_cpus, offsetof(JailLimits, cpu_milli), UNIT_MILLI},
        {"pids", NULL, json_read_count, offsetof(JailLimits, pids), UNIT_COUNT},
        {"wall", NULL, json_read_duration, offsetof(JailLimits, wall_usec), UNIT_USEC},
        {"cpu_time", NULL, json_read_duration, offsetof(JailLimits, cpu_time_usec), UNIT_USEC},
        {"disk", NULL, json_read_size, offsetof(JailLimits, disk_bytes), UNIT_BYTES},
        {"files", NULL, json_read_count, offsetof(JailLimits, files), UNIT_COUNT},
        {"output", NULL, json_read_size, offsetof(JailLimits, output_bytes), UNIT_BYTES},
        {"read", "io", json_read_size, offsetof(JailLimits, io_read_bytes_per_sec), UNIT_BYTES},
        {"write", "io", json_read_size, offsetof(JailLimits, io_write_bytes_per_sec), UNIT_BYTES},
};

static uint64_t *member(JailLimits *limits, const Limit *limit)
{
        return (uint64_t *)(void *)((char *)limits + limit->offset);
}

static uint64_t value_of(const JailLimits *limits, const Limit *limit)
{
        return *(const uint64_t *)(const void *)((const char *)limits + limit->offset);
}

/* What is being read: a job's limits have no ceilings. */
typedef struct Reading {
        JailLimits *defaults, *ceilings;
} Reading;

static int read_scalar(const Limit *limit, json_object *value, const char *path, JailLimits *into, Error *e)
{
        uint64_t amount = 0;
        int r = limit->read(value, path, &amount, e);

        if (r < 0)
                return r;
        /* A jail with nothing at all of something cannot be made; output alone may be none. */
        if (amount == 0 && limit->offset != offsetof(JailLimits, output_bytes))
                return json_error(path, e, "must be more than 0");
        *member(into, limit) = amount;
        return 0;
}

/* Of a policy, where null lifts what was inherited. */
static int read_liftable(const Limit *limit, json_object *value, const char *path, JailLimits *into, Error *e)
{
        if (value)
                return read_scalar(limit, value, path, into, e);
        *member(into, limit) = JAIL_UNLIMITED;
        return 0;
}

static int read_limit(const Limit *limit, json_object *value, const char *path, const Reading *reading, Error *e)
{
        if (!reading->ceilings)
                return read_scalar(limit, value, path, reading->defaults, e);
        if (!json_object_is_type(value, json_type_object))
                return read_liftable(limit, value, path, reading->defaults, e);
        json_object_object_foreach(value, key, part)
        {
                _cleanup_free_ char *here = json_path_key(path, key);
                bool is_default = strcmp(key, "default") == 0;
                if (!here)
                        return error_oom(e);
                if (!is_default && strcmp(key, "max") != 0)
                        return json_error(here, e, "unknown key; known here: default, max");
                int r = read_liftable(limit, part, here, is_default ? reading->defaults : reading->ceilings, e);
                if (r < 0)
                        return r;
        }
        /* A ceiling alone is one for the inherited default too. */
        uint64_t *amount = member(reading->defaults, limit), ceiling = value_of(reading->ceilings, limit);
        if (!json_object_object_get_ex(value, "default", NULL) && *amount != JAIL_UNLIMITED && *amount > ceiling)
                *amount = ceiling;
        return 0;
}

static int read_group(json_object *object, const char *path, const char *group, const Reading *reading, Error *e)
{
        if (!json_object_is_type(object, json_type_object))
                return json_error(path, e, "must be an object");
        json_object_object_foreach(object, key, value)
        {
                _cleanup_free_ char *here = json_path_key(path, key);
                const Limit *found = NULL;
                bool is_group = false;

                if (!here)
                        return error_oom(e);
                for (size_t i = 0; i < ELEMENTS(limits_table); i++) {
                        const Limit *limit = &limits_table[i];
                        bool here_in_group = group ? limit->group && strcmp(limit->group, group) == 0 : !limit->group;
                        if (here_in_group && strcmp(limit->key, key) == 0)
                                found = limit;
                        if (!group && limit->group && strcmp(limit->group, key) == 0)
                                is_group = true;
                }
                if (!found && !is_group)
                        return json_error(here, e, "unknown key; known here: %s",
                                          group ? "read, write"
                                                : "memory, cpu, pids, wall, cpu_time, disk, files, output, io");
                int r = found ? read_limit(found, value, here, reading, e) : read_group(value, here, key, reading, e);
                if (r < 0)
                        return r;
        }
        return 0;
}

int jail_limits_read(json_object *object, const char *path, JailLimits *limits, Error *e)
{
        return read_group(object, path, NULL, &(Reading){limits, NULL}, e);
}

int limits_read_policy(json_object *object, const char *path, JailLimits *defaults, JailLimits *ceilings, Error *e)
{
        return read_group(object, path, NULL, &(Reading){defaults, ceilings}, e);
}

void jail_limits_default(JailLimits *limits, const JailLimits *defaults)
{
        for (size_t i = 0; i < ELEMENTS(limits_table); i++)
                if (value_of(limits, &limits_table[i]) == JAIL_UNLIMITED)
                        *member(limits, &limits_table[i]) = value_of(defaults, &limits_table[i]);
}

int limits_settle(JailLimits *defaults, const JailLimits *ceilings, Error *e)
{
        for (size_t i = 0; i < ELEMENTS(limits_table); i++) {
                const Limit *limit = &limits_table[i];
                uint64_t *amount = member(defaults, limit), ceiling = value_of(ceilings, limit);
                if (*amount == JAIL_UNLIMITED)
                        *amount = ceiling;
                if (*amount > ceiling)
                        return error_set(e, -EINVAL, "limits.%s%s%s: the default is above the max",
                                         limit->group ? limit->group : "", limit->group ? "." : "", limit->key);
        }
        return 0;
}

static json_object *amount_to_json(uint64_t amount, LimitUnit unit)
{
        if (unit == UNIT_BYTES || unit == UNIT_COUNT)
                return json_object_new_uint64(amount);
        _cleanup_free_ char *text = NULL;
        if (unit == UNIT_USEC)
                text = duration_format(amount);
        else if (asprintf(&text, "%" PRIu64 ".%03" PRIu64, amount / 1000, amount % 1000) < 0)
                text = NULL;
        return text ? json_object_new_string(text) : NULL;
}

json_object *limits_to_json(const JailLimits *defaults, const JailLimits *ceilings)
{
        json_object *object = json_object_new_object();

        for (size_t i = 0; object && i < ELEMENTS(limits_table); i++) {
                const Limit *limit = &limits_table[i];
                uint64_t amount = value_of(defaults, limit), ceiling = value_of(ceilings, limit);
                json_object *into = object, *pair;
                if (amount == JAIL_UNLIMITED && ceiling == JAIL_UNLIMITED)
                        continue;
                if (limit->group && !json_object_object_get_ex(object, limit->group, &into)) {
                        into = json_object_new_object();
                        json_object_object_add(object, limit->group, into);
                }
                pair = json_object_new_object();
                if (amount != JAIL_UNLIMITED)
                        json_object_object_add(pair, "default", amount_to_json(amount, limit->unit));
                if (ceiling != JAIL_UNLIMITED)
                        json_object_object_add(pair, "max", amount_to_json(ceiling, limit->unit));
                json_object_object_add(into, limit->key, pair);
        }
        return object;
}

char *limits_name(size_t index)
{
        const Limit *limit = &limits_table[index];
        char *name;

        if (!limit->group)
                return strdup(limit->key);
        return asprintf(&name, "%s.%s", limit->group, limit->key) < 0 ? NULL : name;
}

uint64_t limits_amount(const JailLimits *limits, size_t index)
{
        return value_of(limits, &limits_table[index]);
}

char *limits_format(size_t index, uint64_t amount)
{
        char *text = NULL;

        if (amount == JAIL_UNLIMITED)
                return strdup("unlimited");
        switch (limits_table[index].unit) {
        case UNIT_BYTES:
                return size_format(amount);
        case UNIT_USEC:
                return duration_format(amount);
        case UNIT_COUNT:
                return asprintf(&text, "%" PRIu64, amount) < 0 ? NULL : text;
        case UNIT_MILLI:
                return asprintf(&text, "%g", (double)amount / 1000) < 0 ? NULL : text;
        }
        return NULL;
}

int limits_check(const JailLimits *asked, const JailLimits *ceilings, const char *policy, Error *e)
{
        for (size_t i = 0; i < ELEMENTS(limits_table); i++) {
                const Limit *limit = &limits_table[i];
                uint64_t wish = value_of(asked, limit), ceiling = value_of(ceilings, limit);
                if (wish == JAIL_UNLIMITED || ceiling == JAIL_UNLIMITED || wish <= ceiling)
                        continue;
                _cleanup_free_ char *name = limits_name(i), *most = limits_format(i, ceiling);
                if (!name || !most)
                        return error_oom(e);
                return error_set(e, -EPERM, "limits.%s: the policy \"%s\" allows at most %s", name, policy, most);
        }
        return 0;
}
