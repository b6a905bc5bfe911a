/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* skep-forecast: what the scaler would have done with a load, by the scaler's own code. */

#include "engine/base/fd.h"
#include "engine/scaler/cli/commands.h"

#include <string.h>

#ifndef SKEP_VERSION
#define SKEP_VERSION "0"
#endif

static int help(void)
{
        return puts("skep-forecast replay TRACE.csv [OPTION]…   what the scaler would have done with a load, and how it did\n"
                    "skep-forecast compare TRACE.csv [OPTION]…  forecast, reacting and the day before, at one cost\n\n"
                    "Each has --help. A trace has lines \"timestamp_seconds,count\", a line a step, in UTC; \"-\" is\n"
                    "standard input.") < 0;
}

static int dispatch(int argc, char **argv, Error *e)
{
        const char *name = argc > 1 ? argv[1] : "--help";

        if (strcmp(name, "--version") == 0)
                return puts("skep-forecast " SKEP_VERSION) < 0;
        if (strcmp(name, "--help") == 0)
                return help();
        if (strcmp(name, "replay") == 0)
                return command_replay(argc - 1, argv + 1, e);
        if (strcmp(name, "compare") == 0)
                return command_compare(argc - 1, argv + 1, e);
        return error_set(e, -EINVAL, "%s: there is no such command; see --help", name);
}

int main(int argc, char **argv)
{
        _cleanup_error_ Error e = ERROR_NULL;

        open_missing_stdio();
        int r = dispatch(argc, argv, &e);
        if (r < 0) {
                fprintf(stderr, "skep-forecast: %s\n", error_text(&e));
                return 1;
        }
        int written = flush_stdout();
        if (written < 0 && written != -EPIPE) {
                fprintf(stderr, "skep-forecast: standard output: %s\n", strerror(-written));
                return 1;
        }
        return r;
}
