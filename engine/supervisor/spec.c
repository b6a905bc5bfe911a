/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "engine/supervisor/spec.h"

#include "engine/base/clock.h"
#include "engine/base/id.h"
#include "engine/base/json.h"
#include "engine/base/name.h"
#include "engine/base/strv.h"

#include <string.h>

#define ARGUMENTS_MAX 65536
#define VARIABLES_MAX 1000
#define VALUES_MAX 100000 /* more than a command of as many words as it may have needs */
#define LABELS_MAX 64
#define REASONS_MAX 64
#define ATTEMPTS_MAX 100
#define KEY_MAX 255

static int read_name(json_object *value, const char *path, void *target_string, Error *e)
{
        _cleanup_error_ Error why = ERROR_NULL;
        int r = json_read_string(value, path, target_string, e);

        if (r >= 0 && name_check(path, *(char **)target_string, &why) < 0)
                return error_set(e, -EINVAL, "%s", error_text(&why));
        return r;
}

static int read_command(json_object *value, const char *path, void *target_strv, Error *e)
{
        char ***list = target_strv;
        int r = json_read_strings_to(value, path, ARGUMENTS_MAX, list, e);

        if (r >= 0 && (strv_length(*list) == 0 || !(*list)[0][0]))
                return json_error(path, e, "must name a program");
        return r;
}

static int read_variable(const char *path, const char *key, json_object *value, char **ret, Error *e)
{
        _cleanup_free_ char *here = json_path_key(path, key), *text = NULL;

        if (!here)
                return error_oom(e);
        int r = name_check_variable(key, e);
        if (r >= 0)
                r = json_read_string(value, here, &text, e);
        if (r >= 0 && asprintf(ret, "%s=%s", key, text) < 0) {
                *ret = NULL;
                return error_oom(e);
        }
        return r;
}

/* An object has each key once, so that none has to be looked for among those before it. */
static int read_environment(json_object *value, const char *path, void *target_strv, Error *e)
{
        _cleanup_strv_ char **list = NULL;
        size_t n = 0;

        if (!json_object_is_type(value, json_type_object))
                return json_error(path, e, "must be an object of strings");
        const int length = json_object_object_length(value);
        if (length > VARIABLES_MAX)
                return json_error(path, e, "must have at most %d variables", VARIABLES_MAX);
        if (length > 0 && !(list = calloc((size_t)length + 1, sizeof *list)))
                return error_oom(e);
        json_object_object_foreach(value, key, text)
        {
                int r = read_variable(path, key, text, &list[n++], e);
                if (r < 0)
                        return r;
        }
        *(char ***)target_strv = take(list);
        return 0;
}

static int read_directory(json_object *value, const char *path, void *target_string, Error *e)
{
        int r = json_read_string(value, path, target_string, e);

        if (r >= 0 && (*(char **)target_string)[0] != '/')
                return json_error(path, e, "must be an absolute path");
        return r;
}

static int read_limits(json_object *value, const char *path, void *target_limits, Error *e)
{
        return jail_limits_read(value, path, target_limits, e);
}

static int read_priority(json_object *value, const char *path, void *target_uint64, Error *e)
{
        if (!json_object_is_type(value, json_type_int))
                return json_error(path, e, "must be a whole number");
        int64_t n = json_object_get_int64(value);
        if (n < 0 || n > PRIORITY_MAX)
                return json_error(path, e, "must be from 0 to %d", PRIORITY_MAX);
        *(uint64_t *)target_uint64 = (uint64_t)n;
        return 0;
}

static int read_labels(json_object *value, const char *path, void *target_strv, Error *e)
{
        char ***list = target_strv;
        int r = json_read_strings_to(value, path, LABELS_MAX, list, e);

        for (size_t i = 0; r >= 0 && *list && (*list)[i]; i++)
                r = name_check("label", (*list)[i], e);
        return r;
}

/* Nobody here needs it: who asks for the specification gets it as it was written. */
static int read_meta(json_object *value, const char *path, void *target _unused_, Error *e)
{
        return json_object_is_type(value, json_type_object) ? 0 : json_error(path, e, "must be an object");
}

static int read_attempts(json_object *value, const char *path, void *target_uint64, Error *e)
{
        return json_read_count_to(value, path, ATTEMPTS_MAX, target_uint64, e);
}

/* Success needs no other attempt; what the engine says of jobs that were never started does not change by one. */
static int read_reasons(json_object *value, const char *path, void *target_set, Error *e)
{
        _cleanup_strv_ char **names = NULL;
        int r = json_read_strings_to(value, path, REASONS_MAX, &names, e);
        unsigned set = 0;

        for (size_t i = 0; r >= 0 && names && names[i]; i++) {
                JailReason reason;
                if (!jail_reason_parse(names[i], &reason) || reason == JAIL_CANCELLED || reason == JAIL_DEPENDENCY ||
                    reason == JAIL_DEADLINE) {
                        _cleanup_free_ char *shown = name_escape(names[i]);
                        return json_error(path, e,
                                          "\"%s\" is no reason that is worth another attempt; there are exited, "
                                          "signalled, oom, wall-limit, cpu-limit, setup-failed, exec-failed, "
                                          "output-failed and lost",
                                          shown ? shown : "");
                }
                set |= 1U << reason;
        }
        if (r >= 0)
                *(unsigned *)target_set = set;
        return r;
}

static int read_retry(json_object *value, const char *path, void *target_spec, Error *e)
{
        static const JsonField keys[] = {
                {"attempts", read_attempts, offsetof(JobSpec, retry.attempts), false},
                {"backoff", json_read_duration, offsetof(JobSpec, retry.backoff_usec), false},
                {"on", read_reasons, offsetof(JobSpec, retry.on), false},
        };

        return json_read_object(value, path, keys, ELEMENTS(keys), target_spec, e);
}

static int read_key(json_object *value, const char *path, void *target_string, Error *e)
{
        int r = json_read_string(value, path, target_string, e);
        size_t length = r < 0 ? 0 : strlen(*(char **)target_string);

        if (r >= 0 && (length == 0 || length > KEY_MAX))
                return json_error(path, e, "must have 1 to %d bytes", KEY_MAX);
        return r;
}

static int read_after(json_object *value, const char *path, void *target_spec, Error *e)
{
        JobSpec *spec = target_spec;

        if (!json_object_is_type(value, json_type_object))
                return json_error(path, e, "must be an object: a name for what a job leaves, and the job's id");
        json_object_object_foreach(value, name, id)
        {
                _cleanup_free_ char *here = json_path_key(path, name), *text = NULL;
                if (!here)
                        return error_oom(e);
                if (!spec->after && !(spec->after = calloc(JAIL_INPUTS_MAX, sizeof *spec->after)))
                        return error_oom(e);
                if (spec->n_after == JAIL_INPUTS_MAX)
                        return json_error(path, e, "must have at most %d members", JAIL_INPUTS_MAX);
                int r = name_check_input(name, e);
                if (r < 0)
                        return error_prefix(e, "%s", here), r;
                if (strchr(name, '/') || strcmp(name, "stdin") == 0)
                        return json_error(here, e, "is the name of a directory below /input");
                if ((r = json_read_string(id, here, &text, e)) < 0)
                        return r;
                if (!id_is_valid(text) && text[0] != '#')
                        return json_error(here, e, "must be the whole id of a job");
                if (!(spec->after[spec->n_after].name = strdup(name)))
                        return error_oom(e);
                spec->after[spec->n_after++].id = take(text);
        }
        return 0;
}

static int read_array_count(json_object *value, const char *path, void *target_uint64, Error *e)
{
        return json_read_count_to(value, path, ARRAY_MAX, target_uint64, e);
}

static int read_array(json_object *value, const char *path, void *target_spec, Error *e)
{
        static const JsonField keys[] = {
                {"count", read_array_count, offsetof(JobSpec, array.count), true},
                {"parallel", json_read_count, offsetof(JobSpec, array.parallel), false},
        };

        return json_read_object(value, path, keys, ELEMENTS(keys), target_spec, e);
}

static int read_deadline(json_object *value, const char *path, void *target_uint64, Error *e)
{
        int r = json_read_duration(value, path, target_uint64, e);

        return r >= 0 && *(uint64_t *)target_uint64 == 0 ? json_error(path, e, "must be more than 0") : r;
}

static int read_later(json_object *value _unused_, const char *path, void *target _unused_, Error *e)
{
        return error_set(e, -ENOSYS, "%s: not built yet", path);
}

static const JsonField fields[] = {
        {"name", read_name, offsetof(JobSpec, name), false},
        {"command", read_command, offsetof(JobSpec, command), false},
        {"policy", read_name, offsetof(JobSpec, policy), false},
        {"environment", read_environment, offsetof(JobSpec, environment), false},
        {"working_directory", read_directory, offsetof(JobSpec, working_directory), false},
        {"stdin", json_read_string, offsetof(JobSpec, stdin_text), false},
        {"limits", read_limits, offsetof(JobSpec, limits), false},
        {"priority", read_priority, offsetof(JobSpec, priority), false},
        {"tenant", read_name, offsetof(JobSpec, tenant), false},
        {"labels", read_labels, offsetof(JobSpec, labels), false},
        {"meta", read_meta, 0, false},
        {"agent", read_later, 0, false},
        {"arguments", read_later, 0, false},
        {"idempotency_key", read_key, offsetof(JobSpec, idempotency_key), false},
        {"cache", json_read_duration, offsetof(JobSpec, cache_usec), false},
        {"retry", read_retry, 0, false},
        {"after", read_after, 0, false},
        {"array", read_array, 0, false},
        {"deadline", read_deadline, offsetof(JobSpec, deadline_usec), false},
        {"budget", read_later, 0, false},
        {"root", read_later, 0, false},
        {"isolation", read_later, 0, false},
        {"secrets", read_later, 0, false},
        {"traceparent", read_later, 0, false},
        {"network", read_later, 0, false},
};

int spec_parse_text(const char *text, json_object **ret, Error *e)
{
        if (json_count_values(text) > VALUES_MAX)
                return error_set(e, -EINVAL, "a job may have %d values", VALUES_MAX);
        return json_parse_text(text, strlen(text), ret, e);
}

int spec_parse(const char *text, JobSpec *ret, Error *e)
{
        _cleanup_json_ json_object *object = NULL;
        JobSpec spec = {
                .limits = jail_limits_none,
                .priority = PRIORITY_DEFAULT,
                .retry = {.attempts = 3, .backoff_usec = 2 * USEC_PER_SECOND, .on = 1U << JAIL_LOST},
        };
        int r = spec_parse_text(text, &object, e);

        if (r >= 0)
                r = json_read_object(object, "", fields, ELEMENTS(fields), &spec, e);
        if (r >= 0 && !spec.command)
                r = error_set(e, -EINVAL, "the key \"command\" is missing");
        if (r >= 0) {
                spec.text = strdup(json_object_to_json_string_ext(object, JSON_C_TO_STRING_PLAIN |
                                                                                  JSON_C_TO_STRING_NOSLASHESCAPE));
                if (!spec.text)
                        r = error_oom(e);
        }
        if (r < 0) {
                spec_done(&spec);
                return r;
        }
        *ret = spec;
        return 0;
}

void spec_done(JobSpec *s)
{
        free(s->name);
        strv_free(s->command);
        free(s->policy);
        strv_free(s->environment);
        free(s->working_directory);
        free(s->stdin_text);
        free(s->tenant);
        strv_free(s->labels);
        free(s->idempotency_key);
        for (size_t i = 0; i < s->n_after; i++) {
                free(s->after[i].name);
                free(s->after[i].id);
        }
        free(s->after);
        free(s->text);
        *s = (JobSpec){0};
}
