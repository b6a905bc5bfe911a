/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "engine/ctl/job_options.h"

#include "engine/base/json.h"
#include "engine/base/options.h"
#include "engine/base/size.h"

#include <string.h>

/* Where the option has another name than the key. */
static const char *key_of(const char *option)
{
        if (strcmp(option, "chdir") == 0)
                return "working_directory";
        if (strcmp(option, "cpu-time") == 0)
                return "cpu_time";
        if (strcmp(option, "output-limit") == 0)
                return "output";
        return option;
}

static json_object *part(json_object *spec, const char *key, json_object *(*make)(void))
{
        json_object *found;

        if (!json_object_object_get_ex(spec, key, &found)) {
                found = make();
                json_object_object_add(spec, key, found);
        }
        return found;
}

static int add_variable(json_object *spec, const char *text, Error *e)
{
        _cleanup_free_ char *name = strndup(text, strcspn(text, "="));
        const char *value = strchr(text, '=');

        if (!name)
                return error_oom(e);
        value = value ? value + 1 : getenv(name);
        if (value)
                json_add_string(part(spec, "environment", json_object_new_object), name, value);
        return 0;
}

static int take_string(const Option *option, const char *value, void *target, Error *e _unused_)
{
        JobOptions *o = target;

        json_add_string(o->spec, key_of(option->name), value);
        return 0;
}

static int take_priority(const Option *option, const char *value, void *target, Error *e)
{
        JobOptions *o = target;
        uint64_t number;
        int r = count_parse(value, 0, 100, &number, e);

        if (r >= 0)
                json_add_number(o->spec, option->name, number);
        return r;
}

static int take_limit(const Option *option, const char *value, void *target, Error *e _unused_)
{
        JobOptions *o = target;

        json_add_string(part(o->spec, "limits", json_object_new_object), key_of(option->name), value);
        return 0;
}

static int take_count(const Option *option, const char *value, void *target, Error *e)
{
        JobOptions *o = target;
        uint64_t number;
        int r = count_parse(value, 1, UINT64_C(1) << 40, &number, e);

        if (r >= 0)
                json_add_number(part(o->spec, "limits", json_object_new_object), option->name, number);
        return r;
}

static int take_variable(const Option *option _unused_, const char *value, void *target, Error *e)
{
        JobOptions *o = target;

        return add_variable(o->spec, value, e);
}

static int take_label(const Option *option _unused_, const char *value, void *target, Error *e _unused_)
{
        JobOptions *o = target;

        json_object_array_add(part(o->spec, "labels", json_object_new_array), json_object_new_string(value));
        return 0;
}

static int take_input(const Option *option _unused_, const char *value, void *target, Error *e)
{
        JobOptions *o = target;

        if (o->n_inputs == CTL_INPUTS_MAX)
                return error_set(e, -E2BIG, "a job may have %d inputs", CTL_INPUTS_MAX);
        int r = input_open(value, &o->inputs[o->n_inputs], e);
        if (r >= 0)
                o->n_inputs++;
        return r;
}

/* The help of skepctl names them all, among its commands. */
static const Option options_table[] = {
        {"policy", "NAME", NULL, take_string, 0},
        {"name", "NAME", NULL, take_string, 0},
        {"tenant", "NAME", NULL, take_string, 0},
        {"chdir", "DIR", NULL, take_string, 0},
        {"priority", "N", NULL, take_priority, 0},
        {"memory", "SIZE", NULL, take_limit, 0},
        {"cpu", "N", NULL, take_limit, 0},
        {"wall", "DURATION", NULL, take_limit, 0},
        {"cpu-time", "DURATION", NULL, take_limit, 0},
        {"disk", "SIZE", NULL, take_limit, 0},
        {"output-limit", "SIZE", NULL, take_limit, 0},
        {"pids", "N", NULL, take_count, 0},
        {"files", "N", NULL, take_count, 0},
        {"setenv", "K[=V]", NULL, take_variable, 0},
        {"label", "LABEL", NULL, take_label, 0},
        {"input", "NAME=PATH", NULL, take_input, 0},
        {"output", "DIR", NULL, option_set_string, offsetof(JobOptions, output)},
        {"address", "ADDRESS", NULL, option_set_string, offsetof(JobOptions, address)},
        {"json", NULL, NULL, option_set_flag, offsetof(JobOptions, json)},
        {"utc", NULL, NULL, option_set_flag, offsetof(JobOptions, utc)},
};

int job_options_parse(int argc, char **argv, bool command, JobOptions *o, Error *e)
{
        *o = (JobOptions){.spec = json_object_new_object()};
        if (!o->spec)
                return error_oom(e);
        return options_read(options_table, ELEMENTS(options_table), argc, argv, command, o, e);
}

void job_options_done(JobOptions *o)
{
        json_object_put(o->spec);
        for (size_t i = 0; i < o->n_inputs; i++)
                input_done(&o->inputs[i]);
        *o = (JobOptions){0};
}
