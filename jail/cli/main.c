/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* skep-jail: one job in one jail, without a daemon; and what helps to make and to understand policies. */

#include "engine/base/fd.h"
#include "engine/base/name.h"
#include "jail/cli/commands.h"

#include <errno.h>
#include <signal.h>
#include <string.h>

#ifndef SKEP_VERSION
#define SKEP_VERSION "0"
#endif

typedef struct Command {
        const char *name;
        int (*run)(int argc, char **argv, Error *e);
} Command;

static const Command commands[] = {
        {"explain", command_explain},
        {"learn", command_learn},
        {"doctor", command_doctor},
        {"image", command_image},
};

static int dispatch(int argc, char **argv, Error *e)
{
        const char *name = argc > 1 ? argv[1] : "";

        if (strcmp(name, "--version") == 0)
                return puts("skep-jail " SKEP_VERSION), 0;
        for (size_t i = 0; i < ELEMENTS(commands); i++)
                if (strcmp(commands[i].name, name) == 0)
                        return commands[i].run(argc - 1, argv + 1, e);
        /* What is no command's name is an option, or the job's command. */
        return command_run(argc, argv, e);
}

void command_say(const char *sentence)
{
        _cleanup_free_ char *escaped = text_escape(sentence, strlen(sentence));

        fprintf(stderr, "skep-jail: %s\n", escaped ? escaped : "out of memory");
}

int main(int argc, char **argv)
{
        _cleanup_error_ Error e = ERROR_NULL;

        open_missing_stdio();
        /* A file that may not grow as large is an error, and no end. */
        signal(SIGXFSZ, SIG_IGN);
        int r = dispatch(argc, argv, &e);
        int written = flush_stdout();
        /* Who has read enough of our output is no failure of ours. */
        if (r >= 0 && written < 0 && written != -EPIPE)
                r = error_errno(&e, written, "writing to standard output");
        if (r < 0) {
                command_say(error_text(&e));
                return STATUS_NO_JAIL;
        }
        return r;
}
