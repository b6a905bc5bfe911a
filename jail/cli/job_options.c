/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "jail/cli/job_options.h"

#include "engine/base/name.h"
#include "engine/base/size.h"
#include "engine/base/strv.h"

#include <fcntl.h>
#include <getopt.h>
#include <string.h>

static int parse_count(const char *text, uint64_t *ret, Error *e)
{
        return count_parse(text, 1, UINT64_C(1) << 40, ret, e);
}

/* Every limit is a uint64_t, at the option's offset in JailLimits. */
static int take_limit(const Option *option, const char *value, void *target,
                      int (*parse)(const char *text, uint64_t *ret, Error *e), Error *e)
{
        JobOptions *o = target;
        uint64_t amount;
        int r = parse(value, &amount, e);

        if (r < 0)
                return r;
        /* A jail with nothing at all of something cannot be made; output alone may be none. */
        if (amount == 0 && option->offset != offsetof(JailLimits, output_bytes))
                return error_set(e, -EINVAL, "must be more than 0");
        *(uint64_t *)(void *)((char *)&o->limits + option->offset) = amount;
        return 0;
}

static int take_size(const Option *option, const char *value, void *target, Error *e)
{
        return take_limit(option, value, target, size_parse, e);
}

static int take_duration(const Option *option, const char *value, void *target, Error *e)
{
        return take_limit(option, value, target, duration_parse, e);
}

static int take_count(const Option *option, const char *value, void *target, Error *e)
{
        return take_limit(option, value, target, parse_count, e);
}

static int take_cpus(const Option *option, const char *value, void *target, Error *e)
{
        return take_limit(option, value, target, cpus_parse, e);
}

static int add_bind(JobOptions *o, const char *text, bool writable, Error *e)
{
        const char *colon = strchr(text, ':');
        _cleanup_free_ char *path = colon ? strndup(text, (size_t)(colon - text)) : strdup(text), *inside = NULL;

        if (!path)
                return error_oom(e);
        if (o->n_binds == JAIL_BINDS_MAX)
                return error_set(e, -E2BIG, "more than %d binds", JAIL_BINDS_MAX);
        if (!*path)
                return error_set(e, -EINVAL, "\"%s\" names no path", text);
        _cleanup_close_ int fd = open(path, O_PATH | O_CLOEXEC);
        if (fd < 0)
                return error_errno(e, -errno, "%s", path);
        inside = colon ? strdup(colon + 1) : realpath(path, NULL);
        if (!inside)
                return error_errno(e, -errno, "%s", path);
        /* "dir/" is what a shell's completion leaves. */
        for (size_t n = strlen(inside); n > 1 && inside[n - 1] == '/'; n--)
                inside[n - 1] = '\0';
        o->binds[o->n_binds++] = (JailBind){.fd = take_fd(fd), .inside = take(inside), .writable = writable};
        return 0;
}

static int take_bind(const Option *option _unused_, const char *value, void *target, Error *e)
{
        return add_bind(target, value, false, e);
}

static int take_bind_rw(const Option *option _unused_, const char *value, void *target, Error *e)
{
        return add_bind(target, value, true, e);
}

static int take_variable(const Option *option _unused_, const char *text, void *target, Error *e)
{
        JobOptions *o = target;
        _cleanup_free_ char *name = strndup(text, strcspn(text, "="));
        const char *value = strchr(text, '=');

        if (!name)
                return error_oom(e);
        int r = name_check_variable(name, e);
        if (r < 0)
                return r;
        value = value ? value + 1 : getenv(name);
        if (!value)
                return 0;
        return environment_set(&o->environment, name, value) < 0 ? error_oom(e) : 0;
}

static int take_input(const Option *option _unused_, const char *text, void *target, Error *e)
{
        JobOptions *o = target;

        if (o->n_inputs == JAIL_INPUTS_MAX)
                return error_set(e, -E2BIG, "more than %d inputs", JAIL_INPUTS_MAX);
        int r = input_open(text, &o->inputs[o->n_inputs], e);
        if (r < 0)
                return r;
        o->n_inputs++;
        /* Of the others jail_start() says so. */
        for (size_t i = 0; i + 1 < o->n_inputs; i++)
                if (strcmp(o->inputs[o->n_inputs - 1].name, "stdin") == 0 && strcmp(o->inputs[i].name, "stdin") == 0)
                        return error_set(e, -EINVAL, "two inputs are named \"stdin\"");
        return 0;
}

/* What is not there keeps its name, by which it is refused where it is opened. */
static char *absolute_path(const char *path)
{
        _cleanup_free_ char *directory = NULL;
        char *absolute = realpath(path, NULL);

        if (absolute || path[0] == '/')
                return absolute ? absolute : strdup(path);
        directory = getcwd(NULL, 0);
        return directory && asprintf(&absolute, "%s/%s", directory, path) >= 0 ? absolute : NULL;
}

int option_set_root(const Option *option, const char *value, void *target, Error *e)
{
        char **root = (void *)((char *)target + option->offset);

        free(*root);
        *root = strchr(value, '/') ? absolute_path(value) : strdup(value);
        return *root ? 0 : error_errno(e, -errno, "%s", value);
}

static int take_path(const Option *option, const char *value, void *target, Error *e)
{
        if (!*value)
                return error_set(e, -EINVAL, "\"\" is no path");
        return option_set_string(option, value, target, e);
}

static int take_chdir(const Option *option, const char *value, void *target, Error *e)
{
        if (value[0] != '/')
                return error_set(e, -EINVAL, "\"%s\" must be an absolute path", value);
        return option_set_string(option, value, target, e);
}

static int take_allow_missing(const Option *option _unused_, const char *value, void *target, Error *e)
{
        JobOptions *o = target;

        return jail_layers_parse_missing(value, &o->allow_missing, e);
}

#define OF_JOB(member) offsetof(JobOptions, member)
#define OF_LIMITS(member) offsetof(JailLimits, member)

static const Option options_table[] = {
        {"policy", "NAME|FILE", "what the jail permits (default: python)", option_set_string, OF_JOB(policy)},
        {"root", "host|PATH|IMAGE", "instead of the policy's root: a directory, an image file, an imported image",
         option_set_root, OF_JOB(root)},
        {"memory", "SIZE", "memory, with what is in /work, /tmp, /output and /dev/shm", take_size, OF_LIMITS(memory_bytes)},
        {"cpu", "N", "processors, such as 1.5", take_cpus, OF_LIMITS(cpu_milli)},
        {"pids", "N", "processes and threads", take_count, OF_LIMITS(pids)},
        {"wall", "DURATION", "time from start to end, such as 1min 30s", take_duration, OF_LIMITS(wall_usec)},
        {"cpu-time", "DURATION", "time of processors used", take_duration, OF_LIMITS(cpu_time_usec)},
        {"disk", "SIZE", "what may be written to /work, /tmp, /output and /dev/shm together", take_size,
         OF_LIMITS(disk_bytes)},
        {"files", "N", "how many files there", take_count, OF_LIMITS(files)},
        {"output-limit", "SIZE", "output that is passed on; more is dropped", take_size, OF_LIMITS(output_bytes)},
        {"input", "NAME=PATH", "a file as /input/NAME; with NAME/ a directory, packed and unpacked inside", take_input, 0},
        {"output", "DIR", "where to put what the command leaves in /output", take_path, OF_JOB(output)},
        {"bind", "PATH[:INSIDE]", "a path of the host, read-only", take_bind, 0},
        {"bind-rw", "PATH[:INSIDE]", "a path of the host, writable with the rights of its owner", take_bind_rw, 0},
        {"chdir", "DIR", "working directory inside (default: /work)", take_chdir, OF_JOB(chdir)},
        {"setenv", "K[=V]", "a variable of the environment; without a value, ours", take_variable, 0},
        {"report", "PATH", "write the report there, as JSON", take_path, OF_JOB(report)},
        {"trace-denied", NULL, "say on standard error which system calls are refused, the first of each",
         option_set_flag, OF_JOB(trace_denied)},
        {"allow-missing", "LIST", "layers and limits that this host need not enforce, such as memory,cpu",
         take_allow_missing, 0},
        {"cgroup", "PATH", "the cgroup below which the jail gets its own", take_path, OF_JOB(cgroup)},
        {"help", NULL, "this text", option_set_flag, OF_JOB(help)},
};

static int pass_over(const Option *option _unused_, const char *value _unused_, void *target _unused_, Error *e _unused_)
{
        return 0;
}

/* A refusal is reported, wherever in the options --report stands, and into --output where it is meant for that. Changes the
 * table. */
static void find_report(Option *table, size_t n, int argc, char **argv, JobOptions *ret)
{
        for (size_t i = 0; i < n; i++)
                if (strcmp(table[i].name, "report") != 0 && strcmp(table[i].name, "output") != 0)
                        table[i].set = pass_over;
        /* Past each that there is not. */
        while (options_read(table, n, argc, argv, true, ret, NULL) < 0 && argc > 1) {
                int read = optind > 1 ? optind - 1 : 1;
                argc -= read;
                argv += read;
        }
}

int job_options_parse(int argc, char **argv, const Option *more, size_t n_more, JobOptions *ret, Error *e)
{
        Option table[ELEMENTS(options_table) + JOB_OPTIONS_MORE_MAX];

        memcpy(table, options_table, sizeof options_table);
        for (size_t i = 0; i < n_more; i++)
                table[ELEMENTS(options_table) + i] = more[i];
        ret->limits = jail_limits_none;
        int first = options_read(table, ELEMENTS(options_table) + n_more, argc, argv, true, ret, e);

        if (first < 0)
                find_report(table, ELEMENTS(options_table) + n_more, argc, argv, ret);
        if (first < 0 || ret->help)
                return first < 0 ? first : 0;
        ret->command = argv + first;
        return 0;
}

const char *job_options_root(const JobOptions *o, const JailPolicy *policy)
{
        return o->root ? o->root : jail_policy_root(policy);
}

int job_options_check_command(const JobOptions *o, const JailPolicy *policy, Error *e)
{
        if (o->command[0] || strcmp(job_options_root(o, policy), "host") != 0)
                return 0;
        return error_set(e, -EINVAL, "which command? See skep-jail --help");
}

void job_options_help(void)
{
        puts("Usage: skep-jail [OPTION]... -- COMMAND [ARGUMENT]...\n"
             "Run a command in a jail of its own, with limits, and say how it ended.\n");
        options_help(options_table, ELEMENTS(options_table));
        puts("\nExit status: the command's own; 128+N killed by signal N; 137 out of memory; 124 time limit; 130 cancelled;\n"
             "125 no jail; 126, 127 the command cannot be executed, is not found.");
}

void job_options_done(JobOptions *o)
{
        free(o->root);
        strv_free(o->environment);
        for (size_t i = 0; i < o->n_inputs; i++)
                input_done(&o->inputs[i]);
        for (size_t i = 0; i < o->n_binds; i++) {
                close_fd(o->binds[i].fd);
                free((char *)o->binds[i].inside);
        }
}
