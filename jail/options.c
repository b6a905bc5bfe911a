/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "jail/options.h"

#include "engine/base/name.h"
#include "engine/base/size.h"
#include "engine/base/strv.h"

#include <fcntl.h>
#include <getopt.h>
#include <string.h>

#ifndef SKEP_VERSION
#define SKEP_VERSION "0"
#endif

static const char usage[] =
        "Usage: skep-jail [OPTION]... -- COMMAND [ARGUMENT]...\n"
        "Run a command in a jail of its own, with limits, and say how it ended.\n"
        "\n"
        "  --policy NAME|FILE        what the jail permits (default: python)\n"
        "  --memory SIZE             memory, with what is in /work, /tmp, /output and /dev/shm\n"
        "  --cpu N                   processors, such as 1.5\n"
        "  --pids N                  processes and threads\n"
        "  --wall DURATION           time from start to end, such as 1min 30s\n"
        "  --cpu-time DURATION       time of processors used\n"
        "  --disk SIZE               what may be written to /work, /tmp, /output and /dev/shm together\n"
        "  --files N                 how many files there\n"
        "  --output-limit SIZE       output that is passed on; more is dropped\n"
        "  --input NAME=PATH         a file as /input/NAME; with NAME/ a directory, packed and unpacked inside\n"
        "  --output DIR              where to put what the command leaves in /output\n"
        "  --bind PATH[:INSIDE]      a path of the host, read-only\n"
        "  --bind-rw PATH[:INSIDE]   a path of the host, writable with the rights of its owner\n"
        "  --chdir DIR               working directory inside (default: /work)\n"
        "  --setenv K[=V]            a variable of the environment; without a value, ours\n"
        "  --report PATH             write the report there, as JSON\n"
        "  --allow-missing=LIST      layers and limits that this host need not enforce, such as memory,cpu\n"
        "  --cgroup PATH             the cgroup below which the jail gets its own\n"
        "  --help, --version\n"
        "\n"
        "Exit status: the command's own; 128+N killed by signal N; 137 out of memory; 124 time limit; 130 cancelled;\n"
        "125 no jail; 126, 127 the command cannot be executed, is not found.\n";

enum {
        OPT_POLICY = 256,
        OPT_LIMIT,
        OPT_INPUT,
        OPT_OUTPUT,
        OPT_BIND,
        OPT_BIND_RW,
        OPT_CHDIR,
        OPT_SETENV,
        OPT_REPORT,
        OPT_ALLOW_MISSING,
        OPT_CGROUP,
        OPT_HELP,
        OPT_VERSION,
};

static const struct option long_options[] = {
        {"policy", required_argument, NULL, OPT_POLICY},
        {"memory", required_argument, NULL, OPT_LIMIT},
        {"cpu", required_argument, NULL, OPT_LIMIT},
        {"pids", required_argument, NULL, OPT_LIMIT},
        {"wall", required_argument, NULL, OPT_LIMIT},
        {"cpu-time", required_argument, NULL, OPT_LIMIT},
        {"disk", required_argument, NULL, OPT_LIMIT},
        {"files", required_argument, NULL, OPT_LIMIT},
        {"output-limit", required_argument, NULL, OPT_LIMIT},
        {"input", required_argument, NULL, OPT_INPUT},
        {"output", required_argument, NULL, OPT_OUTPUT},
        {"bind", required_argument, NULL, OPT_BIND},
        {"bind-rw", required_argument, NULL, OPT_BIND_RW},
        {"chdir", required_argument, NULL, OPT_CHDIR},
        {"setenv", required_argument, NULL, OPT_SETENV},
        {"report", required_argument, NULL, OPT_REPORT},
        {"allow-missing", required_argument, NULL, OPT_ALLOW_MISSING},
        {"cgroup", required_argument, NULL, OPT_CGROUP},
        {"help", no_argument, NULL, OPT_HELP},
        {"version", no_argument, NULL, OPT_VERSION},
        {NULL, 0, NULL, 0},
};

static int parse_count(const char *text, uint64_t *ret, Error *e)
{
        return count_parse(text, 1, UINT64_C(1) << 40, ret, e);
}

typedef struct LimitOption {
        const char *name;
        int (*parse)(const char *text, uint64_t *ret, Error *e);
        size_t offset;
} LimitOption;

static const LimitOption limit_options[] = {
        {"memory", size_parse, offsetof(JailLimits, memory_bytes)},
        {"cpu", cpus_parse, offsetof(JailLimits, cpu_milli)},
        {"pids", parse_count, offsetof(JailLimits, pids)},
        {"wall", duration_parse, offsetof(JailLimits, wall_usec)},
        {"cpu-time", duration_parse, offsetof(JailLimits, cpu_time_usec)},
        {"disk", size_parse, offsetof(JailLimits, disk_bytes)},
        {"files", parse_count, offsetof(JailLimits, files)},
        {"output-limit", size_parse, offsetof(JailLimits, output_bytes)},
};

static int parse_limit(const char *name, const char *text, JailLimits *limits, Error *e)
{
        for (size_t i = 0; i < ELEMENTS(limit_options); i++) {
                if (strcmp(limit_options[i].name, name) != 0)
                        continue;
                uint64_t *member = (uint64_t *)(void *)((char *)limits + limit_options[i].offset);
                int r = limit_options[i].parse(text, member, e);
                if (r >= 0 && *member == 0 && limit_options[i].offset != offsetof(JailLimits, output_bytes))
                        r = error_set(e, -EINVAL, "must be more than 0");
                return r;
        }
        return -EINVAL;
}

static int add_bind(Options *o, const char *text, bool writable, Error *e)
{
        const char *colon = strchr(text, ':');
        _cleanup_free_ char *path = colon ? strndup(text, (size_t)(colon - text)) : strdup(text), *inside = NULL;

        if (!path)
                return error_oom(e);
        if (o->n_binds == JAIL_BINDS_MAX)
                return error_set(e, -E2BIG, "more than %d binds", JAIL_BINDS_MAX);
        _cleanup_close_ int fd = open(path, O_PATH | O_CLOEXEC);
        if (fd < 0)
                return error_errno(e, -errno, "%s", path);
        inside = colon ? strdup(colon + 1) : realpath(path, NULL);
        if (!inside)
                return error_oom(e);
        /* "dir/" is what a shell's completion leaves. */
        for (size_t n = strlen(inside); n > 1 && inside[n - 1] == '/'; n--)
                inside[n - 1] = '\0';
        o->binds[o->n_binds++] = (JailBind){.fd = take_fd(fd), .inside = take(inside), .writable = writable};
        return 0;
}

static int add_variable(Options *o, const char *text, Error *e)
{
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

static int add_input(Options *o, const char *text, Error *e)
{
        if (o->n_inputs == JAIL_INPUTS_MAX)
                return error_set(e, -E2BIG, "more than %d inputs", JAIL_INPUTS_MAX);
        int r = input_open(text, &o->inputs[o->n_inputs], e);
        if (r >= 0)
                o->n_inputs++;
        return r;
}

static int take_option(int option, const char *name, Options *o, Error *e)
{
        switch (option) {
        case OPT_POLICY:
                o->policy = optarg;
                return 0;
        case OPT_LIMIT:
                return parse_limit(name, optarg, &o->limits, e);
        case OPT_INPUT:
                return add_input(o, optarg, e);
        case OPT_OUTPUT:
                o->output = optarg;
                return 0;
        case OPT_BIND:
        case OPT_BIND_RW:
                return add_bind(o, optarg, option == OPT_BIND_RW, e);
        case OPT_CHDIR:
                o->chdir = optarg;
                return optarg[0] == '/' ? 0 : error_set(e, -EINVAL, "\"%s\" must be an absolute path", optarg);
        case OPT_SETENV:
                return add_variable(o, optarg, e);
        case OPT_REPORT:
                o->report = optarg;
                return 0;
        case OPT_ALLOW_MISSING:
                return jail_layers_parse_missing(optarg, &o->allow_missing, e);
        case OPT_CGROUP:
                o->cgroup = optarg;
                return 0;
        case OPT_HELP:
                fputs(usage, stdout);
                o->done = true;
                return 0;
        case OPT_VERSION:
                puts("skep-jail " SKEP_VERSION);
                o->done = true;
                return 0;
        case ':':
                return error_set(e, -EINVAL, "needs a value");
        default:
                return error_set(e, -EINVAL, "there is no such option; see skep-jail --help");
        }
}

int options_parse(int argc, char **argv, Options *o, Error *e)
{
        int option, index = 0;

        opterr = 0;
        /* "+": the options of the command are the command's. */
        while ((option = getopt_long(argc, argv, "+:", long_options, &index)) != -1) {
                bool known = option != '?' && option != ':';
                int r = take_option(option, known ? long_options[index].name : NULL, o, e);
                if (r < 0) {
                        if (known)
                                error_prefix(e, "--%s", long_options[index].name);
                        else
                                error_prefix(e, "%s", argv[optind - 1]);
                        return r;
                }
                if (o->done)
                        return 0;
        }
        o->command = argv + optind;
        if (!o->command[0])
                return error_set(e, -EINVAL, "which command? See skep-jail --help");
        bool after_dashes = optind > 1 && strcmp(argv[optind - 1], "--") == 0;
        if (!after_dashes && (strcmp(o->command[0], "explain") == 0 || strcmp(o->command[0], "learn") == 0 ||
                              strcmp(o->command[0], "doctor") == 0))
                return error_set(e, -ENOSYS, "\"skep-jail %s\" is not built yet", o->command[0]);
        return 0;
}

void options_done(Options *o)
{
        strv_free(o->environment);
        for (size_t i = 0; i < o->n_inputs; i++)
                input_done(&o->inputs[i]);
        for (size_t i = 0; i < o->n_binds; i++) {
                close_fd(o->binds[i].fd);
                free((char *)o->binds[i].inside);
        }
}
