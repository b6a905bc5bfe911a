/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "engine/base/options.h"

#include <getopt.h>
#include <string.h>

#define FIRST_KEY 256 /* above every character */
#define HELP_COLUMN 28

static struct option *make_table(const Option *options, size_t n)
{
        struct option *table = calloc(n + 1, sizeof *table);

        for (size_t i = 0; table && i < n; i++)
                table[i] = (struct option){
                        .name = options[i].name,
                        .has_arg = options[i].argument ? required_argument : no_argument,
                        .val = FIRST_KEY + (int)i,
                };
        return table;
}

int options_read(const Option *options, size_t n, int argc, char **argv, bool command, void *target, Error *e)
{
        _cleanup_free_ struct option *table = make_table(options, n);
        int key;

        if (!table)
                return error_oom(e);
        opterr = 0;
        optind = 0; /* glibc's way to start anew */
        while ((key = getopt_long(argc, argv, command ? "+:" : ":", table, NULL)) != -1) {
                if (key == ':')
                        return error_set(e, -EINVAL, "%s: needs a value", argv[optind - 1]);
                if (key == '?')
                        return error_set(e, -EINVAL, "%s: there is no such option, or it takes no value; see --help",
                                         argv[optind - 1]);
                const Option *option = &options[key - FIRST_KEY];
                int r = option->set(option, optarg, target, e);
                if (r < 0)
                        return error_prefix(e, "--%s", option->name), r;
        }
        return optind;
}

void options_help(const Option *options, size_t n)
{
        for (size_t i = 0; i < n; i++) {
                if (!options[i].help)
                        continue;
                int width = printf("  --%s%s%s", options[i].name, options[i].argument ? " " : "",
                                   options[i].argument ? options[i].argument : "");
                printf("%*s%s\n", width < HELP_COLUMN ? HELP_COLUMN - width : 1, "", options[i].help);
        }
}

int option_set_string(const Option *option, const char *value, void *target, Error *e _unused_)
{
        *(const char **)(void *)((char *)target + option->offset) = value;
        return 0;
}

int option_set_flag(const Option *option, const char *value _unused_, void *target, Error *e _unused_)
{
        *(bool *)((char *)target + option->offset) = true;
        return 0;
}
