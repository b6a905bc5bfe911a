/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* One table has every value: its key, how it is read, what it may be, its default, and whether it may change while the
 * supervisor runs. Files, options and defaults go the same way through it. */

#include "engine/supervisor/config.h"

#include "engine/base/clock.h"
#include "engine/base/fd.h"
#include "engine/base/name.h"
#include "engine/base/places.h"
#include "engine/base/size.h"
#include "engine/base/strv.h"

#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <string.h>

#define DEFAULT "default"

struct ConfigOrigin {
        json_object *value; /* as it was written */
        char *from;
};

/* ---- what a value may be ---- */

typedef struct ConfigKind {
        JsonReader read;
        size_t size;
        char *(*format)(uint64_t value); /* of amounts, which have a range */
} ConfigKind;

static int read_name(json_object *value, const char *path, void *target_string, Error *e)
{
        _cleanup_free_ char *name = NULL;
        int r = json_read_string(value, path, &name, e);

        if (r >= 0 && (r = name_check(path, name, e)) >= 0) {
                free(*(char **)target_string);
                *(char **)target_string = take(name);
        }
        return r;
}

static int read_path(json_object *value, const char *path, void *target_string, Error *e)
{
        _cleanup_free_ char *place = NULL;
        int r = json_read_string(value, path, &place, e);

        if (r < 0)
                return r;
        if (!*place || !name_is_printable(place))
                return json_error(path, e, "must be a path");
        free(*(char **)target_string);
        *(char **)target_string = take(place);
        return 0;
}

static int read_layers(json_object *value, const char *path, void *target_layers, Error *e)
{
        _cleanup_strv_ char **names = NULL;
        _cleanup_free_ char *list = NULL;
        int r = json_read_strings(value, path, &names, e);

        if (r < 0)
                return r;
        if (strv_length(names) == 0) {
                *(JailLayers *)target_layers = 0;
                return 0;
        }
        list = strv_join(names, ",");
        if (!list)
                return error_oom(e);
        r = jail_layers_parse_missing(list, target_layers, e);
        return r < 0 ? (error_prefix(e, "%s", path), r) : 0;
}

static int read_start(json_object *value, const char *path, void *target_start, Error *e)
{
        static const char *const names[] = {
                [START_AUTO] = "auto", [START_EMBEDDED] = "embedded", [START_UNITS] = "units"};
        _cleanup_free_ char *name = NULL;
        int r = json_read_string(value, path, &name, e);

        for (size_t i = 0; r >= 0 && i < ELEMENTS(names); i++)
                if (strcmp(names[i], name) == 0) {
                        *(WorkerStart *)target_start = (WorkerStart)i;
                        return 0;
                }
        return r < 0 ? r : json_error(path, e, "must be auto, embedded or units");
}

static int read_mode(json_object *value, const char *path, void *target_mode, Error *e)
{
        _cleanup_free_ char *name = NULL;
        int r = json_read_string(value, path, &name, e);

        if (r >= 0 && (r = scaler_mode_parse(name, target_mode, e)) < 0)
                error_prefix(e, "%s", path);
        return r;
}

static int read_whole(json_object *value, const char *path, void *target_uint64, Error *e)
{
        if (!json_object_is_type(value, json_type_int) || json_object_get_int64(value) < 0)
                return json_error(path, e, "must be a whole number");
        *(uint64_t *)target_uint64 = (uint64_t)json_object_get_int64(value);
        return 0;
}

static char *format_whole(uint64_t value)
{
        char *text = NULL;

        return asprintf(&text, "%" PRIu64, value) < 0 ? NULL : text;
}

static char *format_milli(uint64_t value)
{
        char *text = NULL;

        return asprintf(&text, "%g", (double)value / 1000) < 0 ? NULL : text;
}

static const ConfigKind a_name = {read_name, sizeof(char *), NULL}, a_path = {read_path, sizeof(char *), NULL},
                        layers = {read_layers, sizeof(JailLayers), NULL},
                        start = {read_start, sizeof(WorkerStart), NULL},
                        mode = {read_mode, sizeof(ScalerMode), NULL},
                        whole = {read_whole, sizeof(uint64_t), format_whole},
                        milli = {json_read_cpus, sizeof(uint64_t), format_milli},
                        size = {json_read_size, sizeof(uint64_t), size_format},
                        duration = {json_read_duration, sizeof(uint64_t), duration_format};

/* ---- the values ---- */

typedef struct ConfigValue {
        const char *key;
        const ConfigKind *kind;
        size_t offset;
        const char *initial; /* JSON */
        uint64_t min, max;
        bool fixed; /* as long as the supervisor runs */
} ConfigValue;

#define AT(member) offsetof(Config, member)
#define DAY (24 * 3600 * USEC_PER_SECOND)
#define TIB (UINT64_C(1) << 40)

/* Each of them stands in docs/man/skepd.json.5.scd too: tests/engine/config.bats compares the two. */
static const ConfigValue values[] = {
        {"default_policy", &a_name, AT(default_policy), "\"python\"", 0, 0, false},
        {"state_directory", &a_path, AT(state_directory), "\"/var/lib/skep\"", 0, 0, true},
        {"socket", &a_path, AT(socket), "\"/run/skep/engine.sock\"", 0, 0, true},
        {"tenants_directory", &a_path, AT(tenants_directory), "\"/etc/skep/tenants.d\"", 0, 0, false},
        {"allow_missing", &layers, AT(allow_missing), "[]", 0, 0, false},
        {"drain", &duration, AT(drain_usec), "\"10s\"", 0, DAY, false},
        {"orphan_grace", &duration, AT(orphan_grace_usec), "\"10min\"", 0, 30 * DAY, true},
        {"workers.minimum", &whole, AT(workers.minimum), "2", 1, 50, false},
        {"workers.maximum", &whole, AT(workers.maximum), "50", 1, 50, false},
        {"workers.start", &start, AT(workers.start), "\"auto\"", 0, 0, true},
        {"scaler", &mode, AT(scaler), "\"predictive\"", 0, 0, false},
        {"target_wait", &duration, AT(target_wait_usec), "\"1s\"", 0, DAY, false},
        {"scaling.up_percent", &whole, AT(scaling.up_percent), "50", 1, 1000, false},
        {"scaling.down_percent", &whole, AT(scaling.down_percent), "25", 1, 100, false},
        {"scaling.budget_percent", &whole, AT(scaling.budget_percent), "100", 10, 1000, false},
        {"queue.jobs", &whole, AT(queue.jobs), "300000", 1, 10000000, false},
        {"pool.memory", &size, AT(pool.memory_bytes), "0", 0, 1024 * TIB, false},
        {"pool.cpu_overcommit", &milli, AT(pool.cpu_overcommit_milli), "4", 100, 1000000, false},
        {"pool.jobs_per_worker", &whole, AT(pool.jobs_per_worker), "8", 1, 256, true},
        {"warm.memory", &size, AT(warm.memory_bytes), "\"256M\"", 0, 1024 * TIB, true},
        {"warm.maximum", &whole, AT(warm.maximum), "16", 0, 1024, true},
        {"retention.age", &duration, AT(retention.age_usec), "\"7d\"", USEC_PER_SECOND, 36500 * DAY, false},
        {"retention.count", &whole, AT(retention.count), "10000", 1, 10000000, false},
        {"clients.connections", &whole, AT(clients.connections), "2048", 2, 65536, false},
        {"clients.connections_per_user", &whole, AT(clients.connections_per_user), "128", 1, 65536, false},
        {"clients.calls", &whole, AT(clients.calls), "256", 2, 65536, false},
        {"clients.message", &size, AT(clients.message_bytes), "\"16M\"", 64 << 10, 128 << 20, false},
        {"clients.memory", &size, AT(clients.memory_bytes), "\"64M\"", 64 << 10, TIB, false},
};

#define N_VALUES ELEMENTS(values)

static const ConfigValue *find_value(const char *key)
{
        for (size_t i = 0; i < N_VALUES; i++)
                if (strcmp(values[i].key, key) == 0)
                        return &values[i];
        return NULL;
}

static int check_range(const ConfigValue *known, const char *path, uint64_t value, Error *e)
{
        if (!known->kind->format || (value >= known->min && value <= known->max))
                return 0;
        _cleanup_free_ char *least = known->kind->format(known->min), *most = known->kind->format(known->max);
        return json_error(path, e, "must be from %s to %s", least ? least : "?", most ? most : "?");
}

static int take_value(Config *config, const ConfigValue *known, json_object *value, const char *from, Error *e)
{
        struct ConfigOrigin *origin = &config->origins[known - values];
        void *target = (char *)config + known->offset;
        _cleanup_free_ char *name = strdup(from);
        uint64_t amount = 0;

        if (!name)
                return error_oom(e);
        int r = known->kind->read(value, known->key, known->kind->format ? (void *)&amount : target, e);
        if (r >= 0)
                r = check_range(known, known->key, amount, e);
        if (r < 0)
                return r;
        if (known->kind->format)
                *(uint64_t *)target = amount;
        json_object_put(origin->value);
        origin->value = json_object_get(value);
        free(origin->from);
        origin->from = take(name);
        return 0;
}

/* ---- reading ---- */

/* A problem is kept, and the next value looked at: whoever mends a file wants to hear of all. */
static int add_problem(char ***problems, const char *from, const Error *e)
{
        return strv_addf(problems, "%s: %s", from, error_text(e));
}

static bool is_section(const char *path)
{
        size_t length = strlen(path);

        for (size_t i = 0; i < N_VALUES; i++)
                if (strncmp(values[i].key, path, length) == 0 && values[i].key[length] == '.')
                        return true;
        return false;
}

/* The keys that there are at the place of one that is not. */
static int unknown_key(const char *path, const char *section, Error *e)
{
        _cleanup_strv_ char **known = NULL;
        size_t length = strlen(section);

        for (size_t i = 0; i < N_VALUES; i++) {
                const char *key = values[i].key;
                if (length && (strncmp(key, section, length) != 0 || key[length] != '.'))
                        continue;
                _cleanup_free_ char *part = strdup(key + (length ? length + 1 : 0));
                if (!part)
                        return error_oom(e);
                part[strcspn(part, ".")] = '\0';
                if (!strv_contains(known, part) && strv_add(&known, part) < 0)
                        return error_oom(e);
        }
        _cleanup_free_ char *list = strv_join(known, ", "), *shown = name_escape(path);
        return json_error(shown ? shown : "?", e, "unknown key; known here: %s", list ? list : "none");
}

/* The name of a value as we say it is none that a file has. */
static int dotted_key(const char *path, Error *e)
{
        const char *dot = strchr(path, '.');

        return json_error(path, e, "unknown key; a file has it as \"%.*s\": {\"%s\": …}", (int)(dot - path), path, dot + 1);
}

static int take_object(Config *config, json_object *object, const char *section, const char *from, char ***problems)
{
        json_object_object_foreach(object, key, value)
        {
                _cleanup_error_ Error e = ERROR_NULL;
                _cleanup_free_ char *path = json_path_key(section, key);
                /* A dot joins the levels in what we say; in a file they are objects. */
                const ConfigValue *known = path && !strchr(key, '.') ? find_value(path) : NULL;
                int r;
                if (!path)
                        return -ENOMEM;
                if (known)
                        r = take_value(config, known, value, from, &e);
                else if (strchr(key, '.') && find_value(path))
                        r = dotted_key(path, &e);
                else if (strchr(key, '.') || !is_section(path))
                        r = unknown_key(path, section, &e);
                else if (json_object_is_type(value, json_type_object))
                        r = take_object(config, value, path, from, problems);
                else
                        r = json_error(path, &e, "must be an object");
                if (r == -ENOMEM || (r < 0 && add_problem(problems, from, &e) < 0))
                        return -ENOMEM;
        }
        return 0;
}

int config_take_text(Config *config, const char *text, size_t length, const char *from, char ***problems, Error *e)
{
        _cleanup_json_ json_object *object = NULL;
        _cleanup_error_ Error why = ERROR_NULL;
        int r = json_parse_text(text, length, &object, &why);

        if (r >= 0 && !json_object_is_type(object, json_type_object))
                r = json_error("", &why, "must be an object");
        r = r < 0 ? add_problem(problems, from, &why) : take_object(config, object, "", from, problems);
        return r < 0 ? error_oom(e) : 0;
}

static int take_file(Config *config, const char *file, bool required, char ***problems, Error *e)
{
        /* As clients are shown it: its name may be in any encoding. */
        _cleanup_free_ char *text = NULL, *from = text_escape(file, PATH_MAX);
        _cleanup_error_ Error why = ERROR_NULL;
        size_t length;
        int r = read_file_at(AT_FDCWD, file, JSON_TEXT_MAX, &text, &length);

        if (!from)
                return error_oom(e);
        if (r == -ENOENT && !required)
                return 0;
        if (r >= 0)
                return config_take_text(config, text, length, from, problems, e);
        if (r == -EINVAL)
                error_set(&why, r, "must be a regular file");
        else if (r == -EFBIG)
                error_set(&why, r, "longer than %u bytes", JSON_TEXT_MAX);
        else
                error_errno(&why, r, "cannot be read");
        return add_problem(problems, from, &why) < 0 ? error_oom(e) : 0;
}

static int is_drop_in(const struct dirent *entry)
{
        const char *ending = strrchr(entry->d_name, '.');

        return ending && ending != entry->d_name && entry->d_name[0] != '.' && strcmp(ending, ".json") == 0;
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
        return strcmp((*a)->d_name, (*b)->d_name);
}

static int take_directory(Config *config, const char *directory, char ***problems, Error *e)
{
        struct dirent **entries = NULL;
        int n = scandir(directory, &entries, is_drop_in, by_name), r = 0;

        if (n < 0 && errno != ENOENT) {
                _cleanup_error_ Error why = ERROR_NULL;
                error_errno(&why, -errno, "cannot be read");
                return add_problem(problems, directory, &why) < 0 ? error_oom(e) : 0;
        }
        for (int i = 0; i < n; i++) {
                _cleanup_free_ char *file = NULL;
                if (r >= 0 && asprintf(&file, "%s/%s", directory, entries[i]->d_name) < 0) {
                        file = NULL;
                        r = error_oom(e);
                }
                if (r >= 0)
                        r = take_file(config, file, true, problems, e);
                free(entries[i]);
        }
        free(entries);
        return r;
}

static int take_files(Config *config, const ConfigSources *sources, char ***problems, Error *e)
{
        if (sources->file)
                return take_file(config, sources->file, true, problems, e);
        _cleanup_strv_ char **places = place_configuration(e);
        int r = places ? 0 : -ENOMEM;
        for (size_t i = 0; r >= 0 && places[i]; i++) {
                size_t length = strlen(places[i]);
                bool directory = length > 2 && strcmp(places[i] + length - 2, ".d") == 0;
                r = directory ? take_directory(config, places[i], problems, e)
                              : take_file(config, places[i], false, problems, e);
        }
        return r;
}

static int take_options(Config *config, const ConfigSources *sources, char ***problems, Error *e)
{
        for (size_t i = 0; i < sources->n_options; i++) {
                const ConfigOption *option = &sources->options[i];
                _cleanup_error_ Error why = ERROR_NULL;
                int r = take_value(config, find_value(option->key), option->value, option->from, &why);
                if (r == -ENOMEM || (r < 0 && add_problem(problems, option->from, &why) < 0))
                        return error_oom(e);
        }
        return 0;
}

const char *config_origin(const Config *config, const char *key)
{
        const char *from = config->origins[find_value(key) - values].from;

        return strcmp(from, DEFAULT) == 0 ? NULL : from;
}

static uint64_t amount_of(const Config *config, const ConfigValue *known)
{
        return *(const uint64_t *)(const void *)((const char *)config + known->offset);
}

/* One that must not be above another. What somebody has set comes first, with its file: that is what is to be mended. */
static int check_pair(const Config *config, const char *lower, const char *upper, char ***problems)
{
        const ConfigValue *low = find_value(lower), *high = find_value(upper);

        if (amount_of(config, low) <= amount_of(config, high))
                return 0;
        const bool set = config_origin(config, lower) != NULL;
        const ConfigValue *first = set ? low : high, *second = set ? high : low;
        const char *from = config_origin(config, first->key), *other = config_origin(config, second->key);
        _cleanup_free_ char *one = first->kind->format(amount_of(config, first)),
                            *two = second->kind->format(amount_of(config, second));
        return strv_addf(problems, "%s: %s (%s) is %s %s (%s, %s%s)", from ? from : DEFAULT, first->key, one ? one : "?",
                         set ? "above" : "below", second->key, two ? two : "?", other ? "from " : "the default",
                         other ? other : "");
}

/* What one value alone does not show. */
static int check_together(const Config *config, char ***problems, Error *e)
{
        static const struct {
                const char *lower, *upper;
        } pairs[] = {
                {"workers.minimum", "workers.maximum"},
                {"clients.connections_per_user", "clients.connections"},
                {"clients.message", "clients.memory"},
        };
        int r = 0;

        for (size_t i = 0; r >= 0 && i < ELEMENTS(pairs); i++)
                r = check_pair(config, pairs[i].lower, pairs[i].upper, problems);
        return r < 0 ? error_oom(e) : 0;
}

int config_new(Config **ret, Error *e)
{
        _cleanup_(config_freep) Config *config = calloc(1, sizeof *config);

        if (!config || !(config->origins = calloc(N_VALUES, sizeof *config->origins)))
                return error_oom(e);
        for (size_t i = 0; i < N_VALUES; i++) {
                _cleanup_json_ json_object *value = NULL;
                int r = json_parse_text(values[i].initial, strlen(values[i].initial), &value, e);
                if (r >= 0)
                        r = take_value(config, &values[i], value, DEFAULT, e);
                if (r < 0)
                        return error_prefix(e, "default of %s", values[i].key), r;
        }
        *ret = take(config);
        return 0;
}

int config_load(const ConfigSources *sources, Config **ret, char ***problems, Error *e)
{
        _cleanup_(config_freep) Config *config = NULL;
        int r;

        if ((r = config_new(&config, e)) < 0 || (r = take_files(config, sources, problems, e)) < 0 ||
            (r = take_options(config, sources, problems, e)) < 0 || (r = check_together(config, problems, e)) < 0)
                return r;
        config->sources = sources;
        size_t n = strv_length(*problems);
        *ret = take(config);
        if (n > 1)
                return error_set(e, -EINVAL, "%s (skepd --check says what else is wrong)", (*problems)[0]);
        return n ? error_set(e, -EINVAL, "%s", (*problems)[0]) : 0;
}

Config *config_free(Config *config)
{
        for (size_t i = 0; i < N_VALUES; i++) {
                if (values[i].kind->read == read_name || values[i].kind->read == read_path)
                        free(*(char **)(void *)((char *)config + values[i].offset));
                if (config->origins) {
                        json_object_put(config->origins[i].value);
                        free(config->origins[i].from);
                }
        }
        free(config->origins);
        free(config);
        return NULL;
}

void config_sources_done(ConfigSources *sources)
{
        for (size_t i = 0; i < sources->n_options; i++)
                json_object_put(sources->options[i].value);
        sources->n_options = 0;
}

/* ---- reading again ---- */

static void swap_value(Config *a, Config *b, const ConfigValue *known)
{
        struct ConfigOrigin *one = &a->origins[known - values], *other = &b->origins[known - values], origin = *one;
        char bytes[sizeof(uint64_t)];

        memcpy(bytes, (char *)a + known->offset, known->kind->size);
        memcpy((char *)a + known->offset, (char *)b + known->offset, known->kind->size);
        memcpy((char *)b + known->offset, bytes, known->kind->size);
        *one = *other;
        *other = origin;
}

int config_replace(Config *config, Config *fresh, char ***later)
{
        for (size_t i = 0; i < N_VALUES; i++) {
                if (!values[i].fixed)
                        swap_value(config, fresh, &values[i]);
                else if (!json_object_equal(config->origins[i].value, fresh->origins[i].value) &&
                         strv_add(later, values[i].key) < 0)
                        return -ENOMEM;
        }
        return 0;
}

char *config_show(const Config *config)
{
        _cleanup_json_ json_object *all = json_object_new_object();

        for (size_t i = 0; all && i < N_VALUES; i++) {
                json_object *one = json_object_new_object();
                json_object_object_add(one, "value", json_object_get(config->origins[i].value));
                json_add_string(one, "from", config->origins[i].from);
                json_object_object_add(all, values[i].key, one);
        }
        return all ? strdup(json_object_to_json_string_ext(all,
                                                           JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE))
                   : NULL;
}
