/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* skepd: the supervisor. */

#include "engine/base/clock.h"
#include "engine/base/fd.h"
#include "engine/base/log.h"
#include "engine/base/places.h"
#include "engine/base/size.h"
#include "engine/base/strv.h"
#include "engine/supervisor/bus.h"

#include <getopt.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>

#ifndef SKEP_VERSION
#define SKEP_VERSION "0"
#endif

#define WORKERS_DEFAULT 2
#define WORKERS_MAX 50
#define DRAIN_CHECK_USEC (20 * USEC_PER_MSEC)

static const char usage[] =
        "Usage: skepd --embedded [OPTION]...\n"
        "Take jobs on a private socket, and run them in jails by workers of its own.\n"
        "\n"
        "  --state DIR            where inputs and outputs are kept (default: /var/lib/skep)\n"
        "  --socket PATH          where clients connect (default: /run/skep/engine.sock)\n"
        "  --workers N            how many workers, 1 to 50 (default: 2)\n"
        "  --allow-missing=LIST   layers and limits that this host need not enforce, such as memory,cpu\n"
        "  --drain DURATION       how long to wait for running jobs at the end (default: 10s)\n"
        "  --check                look at the options and the policies, and end\n"
        "  --help, --version\n"
        "\n"
        "It prints \"ready\" when clients can connect. SIGTERM ends it.\n";

typedef struct Options {
        SupervisorOptions supervisor;
        const char *socket;
        uint64_t drain_usec;
        bool embedded, check, done;
} Options;

enum {
        OPT_EMBEDDED = 256,
        OPT_STATE,
        OPT_SOCKET,
        OPT_WORKERS,
        OPT_ALLOW_MISSING,
        OPT_DRAIN,
        OPT_CHECK,
        OPT_CONFIG,
        OPT_BUS,
        OPT_HELP,
        OPT_VERSION,
};

static const struct option long_options[] = {
        {"embedded", no_argument, NULL, OPT_EMBEDDED},
        {"state", required_argument, NULL, OPT_STATE},
        {"socket", required_argument, NULL, OPT_SOCKET},
        {"workers", required_argument, NULL, OPT_WORKERS},
        {"allow-missing", required_argument, NULL, OPT_ALLOW_MISSING},
        {"drain", required_argument, NULL, OPT_DRAIN},
        {"check", no_argument, NULL, OPT_CHECK},
        {"config", required_argument, NULL, OPT_CONFIG},
        {"bus", required_argument, NULL, OPT_BUS},
        {"help", no_argument, NULL, OPT_HELP},
        {"version", no_argument, NULL, OPT_VERSION},
        {NULL, 0, NULL, 0},
};

static int take_option(int option, Options *o, Error *e)
{
        switch (option) {
        case OPT_EMBEDDED:
                o->embedded = true;
                return 0;
        case OPT_STATE:
                o->supervisor.state_directory = optarg;
                return 0;
        case OPT_SOCKET:
                o->socket = optarg;
                return 0;
        case OPT_WORKERS:
                return count_parse(optarg, 1, WORKERS_MAX, &o->supervisor.workers, e);
        case OPT_ALLOW_MISSING:
                return jail_layers_parse_missing(optarg, &o->supervisor.allow_missing, e);
        case OPT_DRAIN:
                return duration_parse(optarg, &o->drain_usec, e);
        case OPT_CHECK:
                o->check = true;
                return 0;
        case OPT_CONFIG:
        case OPT_BUS:
                return error_set(e, -ENOSYS, "not built yet");
        case OPT_HELP:
                fputs(usage, stdout);
                o->done = true;
                return 0;
        case OPT_VERSION:
                puts("skepd " SKEP_VERSION);
                o->done = true;
                return 0;
        default:
                return error_set(e, -EINVAL, option == ':' ? "needs a value" : "there is no such option");
        }
}

static int parse_options(int argc, char **argv, Options *o, Error *e)
{
        int option, index = 0;

        opterr = 0;
        while ((option = getopt_long(argc, argv, ":", long_options, &index)) != -1) {
                bool known = option != '?' && option != ':';
                int r = take_option(option, o, e);
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
        if (optind < argc)
                return error_set(e, -EINVAL, "%s: skepd takes options only", argv[optind]);
        if (!o->embedded && !o->check)
                return error_set(e, -ENOSYS, "the supervisor on the system bus is not built yet: start it with --embedded");
        return 0;
}

/* ---- the end ---- */

typedef struct Daemon {
        sd_event *event;
        Supervisor *supervisor;
        uint64_t drain_usec, drain_until_usec;
} Daemon;

static int on_drain(sd_event_source *source, uint64_t usec _unused_, void *userdata)
{
        Daemon *d = userdata;

        if (supervisor_status(d->supervisor).running == 0 || monotonic_usec() >= d->drain_until_usec)
                return sd_event_exit(d->event, 0);
        int r = sd_event_source_set_time_relative(source, DRAIN_CHECK_USEC);
        return r < 0 ? r : sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

static int on_signal(sd_event_source *source _unused_, const struct signalfd_siginfo *info _unused_, void *userdata)
{
        Daemon *d = userdata;

        /* A second one means it. */
        if (d->drain_until_usec)
                return sd_event_exit(d->event, 0);
        supervisor_close_intake(d->supervisor);
        d->drain_until_usec = monotonic_usec() + d->drain_usec;
        return sd_event_add_time_relative(d->event, NULL, CLOCK_MONOTONIC, 0, 0, on_drain, d);
}

static int serve(const Options *o, Error *e)
{
        _cleanup_(supervisor_freep) Supervisor *supervisor = NULL;
        _cleanup_(bus_freep) Bus *bus = NULL;
        Daemon d = {.drain_usec = o->drain_usec};
        sigset_t set;
        int r = sd_event_default(&d.event);

        if (r < 0)
                return error_errno(e, r, "event loop");
        sigemptyset(&set);
        sigaddset(&set, SIGTERM);
        sigaddset(&set, SIGINT);
        sigaddset(&set, SIGCHLD);
        sigprocmask(SIG_BLOCK, &set, NULL);
        signal(SIGPIPE, SIG_IGN);
        umask(022);

        r = supervisor_new(d.event, &o->supervisor, &supervisor, e);
        if (r >= 0)
                r = bus_new(d.event, o->socket, supervisor, &bus, e);
        d.supervisor = supervisor;
        if (r >= 0 && ((r = sd_event_add_signal(d.event, NULL, SIGTERM, on_signal, &d)) < 0 ||
                       (r = sd_event_add_signal(d.event, NULL, SIGINT, on_signal, &d)) < 0))
                error_errno(e, r, "event loop");
        if (r >= 0) {
                puts("ready");
                fflush(stdout);
                r = sd_event_loop(d.event);
                if (r < 0)
                        error_errno(e, r, "event loop");
        }
        /* What hangs on the loop goes before it. */
        if (bus)
                bus = bus_free(bus);
        if (supervisor)
                supervisor = supervisor_free(supervisor);
        sd_event_unref(d.event);
        return r;
}

static int check_directory(const char *directory, char *const *directories, Error *e)
{
        _cleanup_closedir_ DIR *dir = opendir(directory);
        int r = 0;

        for (struct dirent *d; r >= 0 && dir && (d = readdir(dir));) {
                _cleanup_policy_ JailPolicy *policy = NULL;
                _cleanup_free_ char *name = strndup(d->d_name, strcspn(d->d_name, "."));
                const char *ending = strchr(d->d_name, '.');
                if (!ending || strcmp(ending, ".json") != 0 || strcmp(d->d_name, "syscall-groups.json") == 0)
                        continue;
                r = name ? jail_policy_load(name, directories, &policy, e) : error_oom(e);
                if (r >= 0)
                        supervisor_log_notes(policy);
        }
        return r;
}

/* As far as it can be seen without starting: every policy, and with them the groups of system calls. */
static int check(Error *e)
{
        _cleanup_strv_ char **directories = place_policies(e);
        int r = directories ? 0 : -ENOMEM;

        for (size_t i = 0; r >= 0 && directories[i]; i++)
                r = check_directory(directories[i], directories, e);
        return r;
}

int main(int argc, char **argv)
{
        _cleanup_error_ Error e = ERROR_NULL;
        Options options = {
                .supervisor =
                        {
                                .state_directory = "/var/lib/skep",
                                .workers = WORKERS_DEFAULT,
                                .default_policy = "python",
                        },
                .socket = "/run/skep/engine.sock",
                .drain_usec = 10 * USEC_PER_SECOND,
        };

        open_missing_stdio();
        log_open("skepd");
        int r = parse_options(argc, argv, &options, &e);
        if (r >= 0 && !options.done)
                r = options.check ? check(&e) : serve(&options, &e);
        if (r < 0) {
                log_error("%s", error_text(&e));
                return 1;
        }
        return 0;
}
