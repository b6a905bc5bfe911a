/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "engine/base/fd.h"
#include "engine/base/options.h"
#include "engine/scaler/cli/commands.h"

#include <fcntl.h>
#include <math.h>
#include <string.h>

#define AT(member) offsetof(ReplayOptions, member)

static int number_parse(const char *text, double *ret, Error *e)
{
        char *rest;

        *ret = *text >= '0' && *text <= '9' ? strtod(text, &rest) : NAN;
        if (isnan(*ret) || isinf(*ret) || *rest || strspn(text, "0123456789.eE+-") != strlen(text))
                return error_set(e, -EINVAL, "\"%s\" is not a number", text);
        return 0;
}

static int set_number(const Option *option, const char *value, void *target, Error *e)
{
        return number_parse(value, (double *)(void *)((char *)target + option->offset), e);
}

static int set_capacity(const Option *option _unused_, const char *value, void *target, Error *e)
{
        ReplayOptions *options = target;
        int r = number_parse(value, &options->capacity, e);

        if (r >= 0 && !(options->capacity >= 1e-6 && options->capacity <= 1e12))
                return error_set(e, -EINVAL, "must be from 1e-06 to 1e+12");
        return r;
}

/* Zero is no job at all, and no quantile either: only the absence of the option means "find one". */
static int set_job(const Option *option, const char *value, void *target, Error *e)
{
        int r = set_number(option, value, target, e);

        if (r >= 0 && !(((ReplayOptions *)target)->settings.job_sec > 0))
                return error_set(e, -EINVAL, "a job takes some time: more than 0");
        return r;
}

static int set_quantile(const Option *option, const char *value, void *target, Error *e)
{
        int r = set_number(option, value, target, e);

        if (r >= 0 && !(((ReplayOptions *)target)->settings.quantile > 0))
                return error_set(e, -EINVAL, "must be from 0.3 to 0.999999");
        return r;
}

static int set_int(const Option *option, const char *value, void *target, Error *e)
{
        double number;
        int r = number_parse(value, &number, e);

        if (r >= 0 && (number != floor(number) || number > 100000))
                return error_set(e, -EINVAL, "\"%s\" is not a whole number up to 100000", value);
        if (r >= 0)
                *(int *)(void *)((char *)target + option->offset) = (int)number;
        return r;
}

static int set_cycle(const Option *option, const char *value, void *target, Error *e)
{
        double number;
        int r = number_parse(value, &number, e);

        if (r >= 0 && !(number >= 1 && number <= 8640000))
                return error_set(e, -EINVAL, "must be from 1 to 8640000");
        if (r >= 0)
                *(int64_t *)(void *)((char *)target + option->offset) = (int64_t)ceil(number);
        return r;
}

static int set_policy(const Option *option _unused_, const char *value, void *target, Error *e)
{
        ReplayOptions *options = target;

        if (strcmp(value, "predictive") != 0 && strcmp(value, "reactive") != 0)
                return error_set(e, -EINVAL, "must be predictive or reactive");
        return scaler_mode_parse(value, &options->settings.mode, e);
}

static const Option options_table[] = {
        {"help", NULL, "this", option_set_flag, AT(help)},
        {"capacity", "JOBS", "a minute and worker; else the 99.5th percentile needs 35 workers", set_capacity, 0},
        {"job-seconds", "S", "that a job takes (180)", set_job, AT(settings.job_sec)},
        {"start-delay", "S", "until a worker is ready (60)", set_number, AT(settings.start_delay_sec)},
        {"min", "N", "workers at least (2)", set_int, AT(settings.minimum)},
        {"max", "N", "workers at most (50)", set_int, AT(settings.maximum)},
        {"cycle", "S", "between decisions, made whole steps of the trace (60)", set_cycle, AT(settings.cycle_sec)},
        {"svg", "FILE", "writes a plot", option_set_string, AT(svg)},
        {"json", NULL, "prints for programs", option_set_flag, AT(json)},
        /* Of replay alone. */
        {"quantile", "Q", "of the load, to be ready for; else found by itself", set_quantile, AT(settings.quantile)},
        {"policy", "NAME", "predictive or reactive (predictive)", set_policy, 0},
        {"csv", "FILE", "writes time,demand,ready,target,p50,p90,p99 a cycle", option_set_string, AT(csv)},
};

#define OF_REPLAY 3

int replay_options_read(ReplayOptions *options, bool replay, int argc, char **argv, Trace *trace, const char **ret_file,
                        Error *e)
{
        size_t n = ELEMENTS(options_table) - (replay ? 0 : OF_REPLAY);
        int r;

        *options = (ReplayOptions){.settings = scaler_defaults()};
        options->settings.job_sec = 180;
        options->settings.start_delay_sec = 60;
        options->settings.target_wait_sec = 0; /* the demand of a trace is all there is */
        int first = options_read(options_table, n, argc, argv, false, options, e);
        if (first < 0)
                return first;
        if (options->help) {
                printf("skep-forecast %s TRACE.csv [OPTION]…\n\n", argv[0]);
                options_help(options_table, n);
                return 1;
        }
        if (first + 1 != argc)
                return error_set(e, -EINVAL, "%s: needs one trace; see --help", argv[0]);
        *ret_file = argv[first];
        r = trace_read(argv[first], trace, e);
        if (r < 0)
                return r;
        if (options->capacity <= 0)
                options->capacity = replay_capacity(trace, options->settings.job_sec);
        replay_fit(&options->settings, trace, options->capacity);
        return 0;
}

int text_write(const char *file, const char *text, Error *e)
{
        _cleanup_close_ int fd = -1;
        bool output = strcmp(file, "-") == 0;

        if (!output)
                fd = open(file, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOCTTY, 0666);
        if (!output && fd < 0)
                return error_errno(e, -errno, "%s", file);
        int r = write_full(output ? STDOUT_FILENO : fd, text, strlen(text));
        return r < 0 ? error_errno(e, r, "%s", file) : 0;
}
