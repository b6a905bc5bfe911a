/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "engine/base/options.h"

#include <getopt.h>
#include <string.h>

#define FIRST_KEY 256 /* above every character */
#define HELP_COLUMN 28

static bool is_letter(const Option *option)
{
        return !option->name[1];
}

/* Those that are letters are left to make_letters(). */
static struct option *make_table(const Option *options, size_t n)
{
        struct option *table = calloc(n + 1, sizeof *table), *next = table;

        for (size_t i = 0; table && i < n; i++)
                if (!is_letter(&options[i]))
                        *next++ = (struct option){
                                .name = options[i].name,
                                .has_arg = options[i].argument ? required_argument : no_argument,
                                .val = FIRST_KEY + (int)i,
                        };
        return table;
}

/* As getopt(3) takes them, "+:fn:": a missing value is told from an option that there is not. */
static char *make_letters(const Option *options, size_t n, bool command)
{
        char *letters = malloc(2 * n + sizeof "+:"), *out = letters;

        if (!letters)
                return NULL;
        out = stpcpy(out, command ? "+:" : ":");
        for (size_t i = 0; i < n; i++)
                if (is_letter(&options[i])) {
                        *out++ = options[i].name[0];
                        if (options[i].argument)
                                *out++ = ':';
                }
        *out = '\0';
        return letters;
}

static const Option *option_of(const Option *options, int key)
{
        if (key >= FIRST_KEY)
                return &options[key - FIRST_KEY];
        while (!is_letter(options) || options->name[0] != key)
                options++;
        return options;
}

/* A letter is named alone: getopt(3) may still stand in the word that it is one of several of. */
static int refuse(char **argv, const char *why, Error *e)
{
        char letter[] = {'-', (char)optopt, '\0'};
        bool is_long = optopt == 0 || optopt >= FIRST_KEY;

        return error_set(e, -EINVAL, "%s: %s", is_long ? argv[optind - 1] : letter, why);
}

int options_read(const Option *options, size_t n, int argc, char **argv, bool command, void *target, Error *e)
{
        _cleanup_free_ struct option *table = make_table(options, n);
        _cleanup_free_ char *letters = make_letters(options, n, command);
        int key;

        if (!table || !letters)
                return error_oom(e);
        opterr = 0;
        optind = 0; /* glibc's way to start anew */
        while ((key = getopt_long(argc, argv, letters, table, NULL)) != -1) {
                if (key == ':')
                        return refuse(argv, "needs a value", e);
                if (key == '?')
                        return refuse(argv, "there is no such option, or it takes no value; see --help", e);
                const Option *option = option_of(options, key);
                int r = option->set(option, optarg, target, e);
                if (r < 0)
                        return error_prefix(e, "%s%s", is_letter(option) ? "-" : "--", option->name), r;
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
