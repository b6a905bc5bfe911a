/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* skepctl: the command that people use. */

#include "engine/base/fd.h"
#include "engine/base/name.h"
#include "engine/ctl/commands.h"
#include "engine/ctl/print.h"
#include "engine/ctl/width.h"

#include <string.h>

#ifndef SKEP_VERSION
#define SKEP_VERSION "0"
#endif

#define MESSAGE_MAX 4000
#define HELP_COLUMN 44

typedef struct Command {
        const char *name;
        const char *words; /* behind the name, as the help shows them */
        const char *help;  /* NULL: another name of the one before */
        int (*run)(const Context *context, int argc, char **argv, Error *e);
} Command;

static const Command commands[] = {
        {"run", "[OPTION]... -- COMMAND...", "run a job, with its output here; ends as it ends", command_run},
        {"submit", "FILE|- [--input NAME=PATH]...", "submit jobs; prints one id a line", command_submit},
        {"status", "ID...", "what a job is, and what became of it", command_status},
        {"show", "ID...", NULL, command_status},
        {"list", "[--state STATE] [--tenant NAME] [--name NAME] [--since TIME] [--array ID] [--ids]", "the jobs",
         command_list},
        {"logs", "[-f] [--timestamps] [--attempt N] [--stdout] [--stderr] [--raw] ID", "its output", command_logs},
        {"output", "ID DIR", "the files that it left in /output", command_output},
        {"wait", "ID...", "until they have ended; 0 when all succeeded, else 1", command_wait},
        {"cancel", "ID...", "end them", command_act},
        {"hold", "ID...", "keep them from being started", command_act},
        {"release", "ID...", "let them be started", command_act},
        {"requeue", "ID...", "end what runs, and start it again", command_act},
        {"rm", "ID...", "forget jobs that have ended, with their output", command_act},
        {"events", "[-f] [-n N] [--since TIME]", "which jobs have come, and ended", command_events},
        {"top", "[-n N]", "the engine as it is, once a second", command_top},
        {"pool", "", "the workers", command_pool},
        {"scale", "N|MODE", "have so many workers; off, fixed, reactive or predictive: by that", command_govern},
        {"pause", "", "start nothing more, until resume", command_govern},
        {"resume", "", "start jobs again, and take them again", command_govern},
        {"drain", "", "take no more jobs; those that were taken are run", command_govern},
        {"reload", "", "read the configuration again", command_govern},
        {"config", "", "the configuration, and where each value is from", command_config},
        {"forecast", "[--minutes N] [--svg FILE]", "the load that is foreseen, and the pool", command_forecast},
        {"policies", "", "the policies that there are", command_policies},
        {"backup", "FILE|-", "copy the store, while it is in use", command_backup},
        {"doctor", "", "what does not work, and what mends it", command_doctor},
};

/* Known, and to come. */
static const char *const later[] = {"agents"};

static void print_words(const Command *c)
{
        int width = printf("  %s%s%s", c->name, *c->words ? " " : "", c->words);

        if (width > HELP_COLUMN - 2)
                printf("\n%*s%s\n", HELP_COLUMN, "", c->help);
        else
                printf("%*s%s\n", HELP_COLUMN - width, "", c->help);
}

static void print_help(void)
{
        puts("Usage: skepctl [--address ADDRESS] [--json] [--utc] COMMAND ...\n");
        for (size_t i = 0; i < ELEMENTS(commands); i++)
                if (commands[i].help)
                        print_words(&commands[i]);
        puts("\nOptions of run, which are those of a job:\n"
             "  --policy NAME --name NAME --tenant NAME --priority N --label LABEL --chdir DIR --setenv K[=V]\n"
             "  --memory SIZE --cpu N --pids N --wall DURATION --cpu-time DURATION --disk SIZE --files N\n"
             "  --output-limit SIZE --input NAME=PATH --output DIR\n"
             "\nAn id may be shortened to what is unique; \"-\" reads ids from standard input. --json is for "
             "programs.\n"
             "See skepctl(1).");
}

static void print_help_of(const Command *c)
{
        printf("Usage: skepctl %s%s%s\n", c->name, *c->words ? " " : "", c->words);
        while (!c->help)
                c--;
        printf("%s\n\nSee skepctl(1) for all of it.\n", c->help);
}

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

static bool asks_for_help(const char *word)
{
        return strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0;
}

static bool asks_for_version(const char *word)
{
        return strcmp(word, "--version") == 0;
}

/* Behind a command's name, anywhere; but behind "run" only before the first word that is no option: from there on they
 * may be the job's. */
static bool is_among(int argc, char **argv, bool (*asks)(const char *word))
{
        bool run = strcmp(argv[0], "run") == 0;

        for (int i = 1; i < argc && strcmp(argv[i], "--") != 0 && !(run && argv[i][0] != '-'); i++)
                if (asks(argv[i]))
                        return true;
        return false;
}

static int print_version(void)
{
        puts("skepctl " SKEP_VERSION);
        return 0;
}

/* The command that was perhaps meant: the only one that begins so. */
static const Command *guess(const char *word)
{
        const Command *found = NULL;

        for (size_t i = 0; i < ELEMENTS(commands); i++)
                if (strncmp(commands[i].name, word, strlen(word)) == 0) {
                        if (found)
                                return NULL;
                        found = &commands[i];
                }
        return found;
}

static int dispatch(const Context *context, int argc, char **argv, Error *e)
{
        if (argc == 0)
                return error_set(e, -EINVAL, "which command? See skepctl --help");
        if (asks_for_help(argv[0]) || strcmp(argv[0], "help") == 0) {
                print_help();
                return 0;
        }
        if (asks_for_version(argv[0]))
                return print_version();
        for (size_t i = 0; i < ELEMENTS(commands); i++) {
                if (strcmp(commands[i].name, argv[0]) != 0)
                        continue;
                if (is_among(argc, argv, asks_for_help)) {
                        print_help_of(&commands[i]);
                        return 0;
                }
                if (is_among(argc, argv, asks_for_version))
                        return print_version();
                return commands[i].run(context, argc, argv, e);
        }
        for (size_t i = 0; i < ELEMENTS(later); i++)
                if (strcmp(later[i], argv[0]) == 0)
                        return error_set(e, -ENOSYS, "%s: not built yet", argv[0]);
        const Command *meant = argv[0][0] == '-' ? NULL : guess(argv[0]);
        return error_set(e, -EINVAL, "%s: there is no such %s%s%s%s; see skepctl --help", argv[0],
                         argv[0][0] == '-' ? "option" : "command", meant ? " (is \"" : "", meant ? meant->name : "",
                         meant ? "\" meant?)" : "");
}

int main(int argc, char **argv)
{
        _cleanup_error_ Error e = ERROR_NULL;
        Context context = {.colour = has_colours(1)};
        int words = argc - 1;

        open_missing_stdio();
        width_init();
        int r = take_common_options(&words, argv + 1, &context, &e);
        if (r >= 0)
                r = dispatch(&context, words, argv + 1, &e);
        int written = flush_stdout();
        /* Who has read enough of our output is no failure of ours. */
        if (r >= 0 && written < 0 && written != -EPIPE)
                r = error_errno(&e, written, "standard output");
        if (r < 0) {
                /* Much of it may have come from elsewhere: names, what the supervisor says. */
                _cleanup_free_ char *text = text_escape(error_text(&e), MESSAGE_MAX);
                fprintf(stderr, "skepctl: %s\n", text ? text : "out of memory");
                return STATUS_NO_JOB;
        }
        return r;
}
