/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* skepctl: the command that people use. */

#include "engine/base/fd.h"
#include "engine/ctl/commands.h"

#include <string.h>

#ifndef SKEP_VERSION
#define SKEP_VERSION "0"
#endif

static const char usage[] =
        "Usage: skepctl [--address ADDRESS] [--json] [--utc] COMMAND ...\n"
        "\n"
        "  run [OPTION]... -- COMMAND [ARGUMENT]...   run a job, with its output here; ends as it ends. Standard\n"
        "                                             input is read to its end first, unless it is a terminal\n"
        "      --policy NAME --name NAME --priority N --tenant NAME --label LABEL --chdir DIR --setenv K[=V]\n"
        "      --memory SIZE --cpu N --pids N --wall DURATION --cpu-time DURATION --disk SIZE --files N\n"
        "      --output-limit SIZE --input NAME=PATH --output DIR\n"
        "  submit FILE|- [--input NAME=PATH]...       submit jobs; prints one id a line\n"
        "  status ID...                               what became of a job\n"
        "  list [--state STATE]                       the jobs\n"
        "  logs [-f] ID                               its output\n"
        "  wait ID...                                 until they have ended; 0 when all succeeded\n"
        "  cancel ID...                               end them\n"
        "  hold ID..., release ID...                  keep them from being started; let them\n"
        "  requeue ID...                              end what runs, and start it again\n"
        "  rm ID...                                   forget jobs that have ended, with their output\n"
        "  pause, drain, resume                       start nothing more; take nothing more; neither (root)\n"
        "  output ID DIR                              the files that it left in /output\n"
        "\n"
        "An id may be shortened to what is unique. --json is for programs.\n";

typedef struct Command {
        const char *name;
        int (*run)(const Context *context, int argc, char **argv, Error *e);
} Command;

static const Command commands[] = {
        {"run", command_run},       {"submit", command_submit}, {"status", command_status}, {"show", command_status},
        {"list", command_list},     {"logs", command_logs},     {"wait", command_wait},     {"output", command_output},
        {"cancel", command_act},    {"hold", command_act},      {"release", command_act},   {"requeue", command_act},
        {"rm", command_act},        {"pause", command_act},     {"resume", command_act},    {"drain", command_act},
};

/* Known, and to come. */
static const char *const later[] = {"events",   "pool",     "scale",  "reload", "config", "doctor",
                                    "forecast", "policies", "agents", "top",    "backup"};

/* The options of all commands may stand before the command or behind its name. Takes them out of argv. Behind "run"
 * come the words of somebody else's command: there the job's options are read with care, and these with them. */
static int take_common_options(int *argc, char **argv, Context *context, Error *e)
{
        int kept = 0;

        for (int i = 0; i < *argc; i++) {
                if (strcmp(argv[i], "--") == 0 || (kept == 0 && strcmp(argv[i], "run") == 0)) {
                        while (i < *argc)
                                argv[kept++] = argv[i++];
                        break;
                }
                if (strcmp(argv[i], "--json") == 0) {
                        context->json = true;
                } else if (strcmp(argv[i], "--utc") == 0) {
                        context->utc = true;
                } else if (strncmp(argv[i], "--address=", 10) == 0) {
                        context->address = argv[i] + 10;
                } else if (strcmp(argv[i], "--address") == 0) {
                        if (i + 1 == *argc)
                                return error_set(e, -EINVAL, "--address: needs a value");
                        context->address = argv[++i];
                } else {
                        argv[kept++] = argv[i];
                }
        }
        *argc = kept;
        argv[kept] = NULL;
        return 0;
}

static int dispatch(const Context *context, int argc, char **argv, Error *e)
{
        if (argc == 0)
                return error_set(e, -EINVAL, "which command? See skepctl --help");
        bool help = argc > 1 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0);
        if (help || strcmp(argv[0], "--help") == 0 || strcmp(argv[0], "-h") == 0 || strcmp(argv[0], "help") == 0) {
                fputs(usage, stdout);
                return 0;
        }
        if (strcmp(argv[0], "--version") == 0) {
                puts("skepctl " SKEP_VERSION);
                return 0;
        }
        for (size_t i = 0; i < ELEMENTS(commands); i++)
                if (strcmp(commands[i].name, argv[0]) == 0)
                        return commands[i].run(context, argc, argv, e);
        for (size_t i = 0; i < ELEMENTS(later); i++)
                if (strcmp(later[i], argv[0]) == 0)
                        return error_set(e, -ENOSYS, "%s: not built yet", argv[0]);
        return error_set(e, -EINVAL, "%s: there is no such command; see skepctl --help", argv[0]);
}

int main(int argc, char **argv)
{
        _cleanup_error_ Error e = ERROR_NULL;
        Context context = {0};
        int words = argc - 1;
        int r;

        open_missing_stdio();
        r = take_common_options(&words, argv + 1, &context, &e);

        if (r >= 0)
                r = dispatch(&context, words, argv + 1, &e);
        if (r < 0) {
                fprintf(stderr, "skepctl: %s\n", error_text(&e));
                return STATUS_NO_JOB;
        }
        if (fflush(stdout) != 0) {
                fprintf(stderr, "skepctl: standard output: %m\n");
                return 1;
        }
        return r;
}
