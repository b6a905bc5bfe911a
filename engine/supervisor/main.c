/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* skepd: the supervisor. */

#include "engine/base/clock.h"
#include "engine/base/fd.h"
#include "engine/base/log.h"
#include "engine/base/options.h"
#include "engine/base/places.h"
#include "engine/base/size.h"
#include "engine/base/strv.h"
#include "engine/supervisor/bus.h"

#include <signal.h>
#include <string.h>
#include <sys/stat.h>

#ifndef SKEP_VERSION
#define SKEP_VERSION "0"
#endif

#define WORKERS_DEFAULT 2
#define WORKERS_MAX 50
#define DRAIN_CHECK_USEC (20 * USEC_PER_MSEC)

typedef struct Options {
        SupervisorOptions supervisor;
        const char *socket;
        uint64_t drain_usec;
        bool embedded, check, help, version;
} Options;

static int take_workers(const Option *option _unused_, const char *value, void *target, Error *e)
{
        Options *o = target;

        return count_parse(value, 1, WORKERS_MAX, &o->supervisor.workers, e);
}

static int take_allow_missing(const Option *option _unused_, const char *value, void *target, Error *e)
{
        Options *o = target;

        return jail_layers_parse_missing(value, &o->supervisor.allow_missing, e);
}

static int take_drain(const Option *option _unused_, const char *value, void *target, Error *e)
{
        Options *o = target;

        return duration_parse(value, &o->drain_usec, e);
}

static int refuse_yet(const Option *option _unused_, const char *value _unused_, void *target _unused_, Error *e)
{
        return error_set(e, -ENOSYS, "not built yet");
}

static const Option options_table[] = {
        {"embedded", NULL, NULL, option_set_flag, offsetof(Options, embedded)},
        {"state", "DIR", "where inputs and outputs are kept (default: /var/lib/skep)", option_set_string,
         offsetof(Options, supervisor.state_directory)},
        {"socket", "PATH", "where clients connect (default: /run/skep/engine.sock)", option_set_string,
         offsetof(Options, socket)},
        {"workers", "N", "how many workers, 1 to 50 (default: 2)", take_workers, 0},
        {"allow-missing", "LIST", "layers and limits that this host need not enforce, such as memory,cpu",
         take_allow_missing, 0},
        {"drain", "DURATION", "how long to wait for running jobs at the end (default: 10s)", take_drain, 0},
        {"check", NULL, "look at the options and the policies, and end", option_set_flag, offsetof(Options, check)},
        {"config", "FILE", NULL, refuse_yet, 0},
        {"bus", "ADDRESS", NULL, refuse_yet, 0},
        {"help", NULL, "this text", option_set_flag, offsetof(Options, help)},
        {"version", NULL, "which one this is", option_set_flag, offsetof(Options, version)},
};

static void print_help(void)
{
        puts("Usage: skepd --embedded [OPTION]...\n"
             "Take jobs on a private socket, and run them in jails by workers of its own.\n");
        options_help(options_table, ELEMENTS(options_table));
        puts("\nIt prints \"ready\" when clients can connect. SIGTERM ends it.");
}

static int parse_options(int argc, char **argv, Options *o, Error *e)
{
        int first = options_read(options_table, ELEMENTS(options_table), argc, argv, false, o, e);

        if (first < 0 || o->help || o->version)
                return first < 0 ? first : 0;
        if (first < argc)
                return error_set(e, -EINVAL, "%s: skepd takes options only", argv[first]);
        if (!o->embedded && !o->check)
                return error_set(e, -ENOSYS,
                                 "the supervisor on the system bus is not built yet: start it with --embedded");
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
                                .tenants_directory = "/etc/skep/tenants.d",
                        },
                .socket = "/run/skep/engine.sock",
                .drain_usec = 10 * USEC_PER_SECOND,
        };

        open_missing_stdio();
        log_open("skepd");
        int r = parse_options(argc, argv, &options, &e);
        if (r >= 0 && options.help)
                print_help();
        else if (r >= 0 && options.version)
                puts("skepd " SKEP_VERSION);
        else if (r >= 0)
                r = options.check ? check(&e) : serve(&options, &e);
        if (r < 0) {
                log_error("%s", error_text(&e));
                return 1;
        }
        return 0;
}
