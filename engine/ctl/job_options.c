/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "engine/ctl/job_options.h"

#include "engine/base/json.h"
#include "engine/base/size.h"

#include <getopt.h>
#include <string.h>

enum {
        OPT_STRING = 256, /* a key of the job */
        OPT_PRIORITY,
        OPT_LIMIT,
        OPT_LIMIT_COUNT,
        OPT_SETENV,
        OPT_LABEL,
        OPT_INPUT,
        OPT_OUTPUT,
        OPT_ADDRESS,
        OPT_JSON,
};

static const struct option options_table[] = {
        {"policy", required_argument, NULL, OPT_STRING},
        {"name", required_argument, NULL, OPT_STRING},
        {"tenant", required_argument, NULL, OPT_STRING},
        {"chdir", required_argument, NULL, OPT_STRING},
        {"priority", required_argument, NULL, OPT_PRIORITY},
        {"memory", required_argument, NULL, OPT_LIMIT},
        {"cpu", required_argument, NULL, OPT_LIMIT},
        {"wall", required_argument, NULL, OPT_LIMIT},
        {"cpu-time", required_argument, NULL, OPT_LIMIT},
        {"disk", required_argument, NULL, OPT_LIMIT},
        {"output-limit", required_argument, NULL, OPT_LIMIT},
        {"pids", required_argument, NULL, OPT_LIMIT_COUNT},
        {"files", required_argument, NULL, OPT_LIMIT_COUNT},
        {"setenv", required_argument, NULL, OPT_SETENV},
        {"label", required_argument, NULL, OPT_LABEL},
        {"input", required_argument, NULL, OPT_INPUT},
        {"output", required_argument, NULL, OPT_OUTPUT},
        {"address", required_argument, NULL, OPT_ADDRESS},
        {"json", no_argument, NULL, OPT_JSON},
        {NULL, 0, NULL, 0},
};

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

static int take_option(int option, const char *name, JobOptions *o, Error *e)
{
        uint64_t number;
        int r;

        switch (option) {
        case OPT_STRING:
                json_add_string(o->spec, key_of(name), optarg);
                return 0;
        case OPT_PRIORITY:
                if ((r = count_parse(optarg, 0, 100, &number, e)) >= 0)
                        json_add_number(o->spec, name, number);
                return r;
        case OPT_LIMIT:
                json_add_string(part(o->spec, "limits", json_object_new_object), key_of(name), optarg);
                return 0;
        case OPT_LIMIT_COUNT:
                if ((r = count_parse(optarg, 1, UINT64_C(1) << 40, &number, e)) >= 0)
                        json_add_number(part(o->spec, "limits", json_object_new_object), name, number);
                return r;
        case OPT_SETENV:
                return add_variable(o->spec, optarg, e);
        case OPT_LABEL:
                json_object_array_add(part(o->spec, "labels", json_object_new_array), json_object_new_string(optarg));
                return 0;
        case OPT_INPUT:
                if (o->n_inputs == CTL_INPUTS_MAX)
                        return error_set(e, -E2BIG, "a job may have %d inputs", CTL_INPUTS_MAX);
                if ((r = input_open(optarg, &o->inputs[o->n_inputs], e)) >= 0)
                        o->n_inputs++;
                return r;
        case OPT_OUTPUT:
                o->output = optarg;
                return 0;
        case OPT_ADDRESS:
                o->address = optarg;
                return 0;
        case OPT_JSON:
                o->json = true;
                return 0;
        default:
                return error_set(e, -EINVAL, option == ':' ? "needs a value" : "there is no such option here");
        }
}

int job_options_parse(int argc, char **argv, bool command, JobOptions *o, Error *e)
{
        int option, index = 0;

        *o = (JobOptions){.spec = json_object_new_object()};
        if (!o->spec)
                return error_oom(e);
        opterr = 0;
        optind = 0; /* start anew, glibc's way */
        while ((option = getopt_long(argc, argv, command ? "+:" : ":", options_table, &index)) != -1) {
                bool known = option != '?' && option != ':';
                int r = take_option(option, known ? options_table[index].name : NULL, o, e);
                if (r < 0) {
                        if (known)
                                error_prefix(e, "--%s", options_table[index].name);
                        else
                                error_prefix(e, "%s", argv[optind - 1]);
                        return r;
                }
        }
        return optind;
}

void job_options_done(JobOptions *o)
{
        json_object_put(o->spec);
        for (size_t i = 0; i < o->n_inputs; i++)
                input_done(&o->inputs[i]);
        *o = (JobOptions){0};
}
