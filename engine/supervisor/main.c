/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* skepd: the supervisor. */

#include "engine/base/clock.h"
#include "engine/base/fd.h"
#include "engine/base/log.h"
#include "engine/base/options.h"
#include "engine/base/size.h"
#include "engine/base/strv.h"
#include "engine/supervisor/bus.h"
#include "engine/supervisor/check.h"
#include "engine/supervisor/salvage.h"

#include <inttypes.h>
#include <malloc.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <systemd/sd-daemon.h>

#ifndef SKEP_VERSION
#define SKEP_VERSION "0"
#endif

#define DRAIN_CHECK_USEC (20 * USEC_PER_MSEC)
#define STATUS_USEC (2 * USEC_PER_SECOND)
#define LARGE_BYTES (256 << 10)

typedef struct Options {
        ConfigSources sources;
        const char *bus, *damaged, *saved;
        bool embedded, check, help, version;
} Options;

/* ---- options that are values of the configuration ---- */

static int add_value(Options *o, const char *key, const char *from, json_object *value, Error *e)
{
        ConfigSources *sources = &o->sources;

        if (!value || sources->n_options == CONFIG_OPTIONS_MAX) {
                json_object_put(value);
                return value ? error_set(e, -E2BIG, "given too often") : error_oom(e);
        }
        sources->options[sources->n_options++] = (ConfigOption){key, value, from};
        return 0;
}

static int take_state(const Option *option _unused_, const char *value, void *target, Error *e)
{
        return add_value(target, "state_directory", "--state", json_object_new_string(value), e);
}

static int take_socket(const Option *option _unused_, const char *value, void *target, Error *e)
{
        return add_value(target, "socket", "--socket", json_object_new_string(value), e);
}

static int take_workers(const Option *option _unused_, const char *value, void *target, Error *e)
{
        uint64_t n;
        int r = count_parse(value, 0, INT64_MAX, &n, e);

        return r < 0 ? r : add_value(target, "workers.minimum", "--workers", json_object_new_uint64(n), e);
}

static int take_allow_missing(const Option *option _unused_, const char *value, void *target, Error *e)
{
        _cleanup_strv_ char **names = NULL;
        json_object *list = strv_split(value, ',', &names) < 0 ? NULL : json_object_new_array();

        for (size_t i = 0; list && names && names[i]; i++)
                json_object_array_add(list, json_object_new_string(names[i]));
        return add_value(target, "allow_missing", "--allow-missing", list, e);
}

static int take_drain(const Option *option _unused_, const char *value, void *target, Error *e)
{
        return add_value(target, "drain", "--drain", json_object_new_string(value), e);
}

static const Option options_table[] = {
        {"embedded", NULL, "no message bus, but a private socket alone, and workers of its own", option_set_flag,
         offsetof(Options, embedded)},
        {"config", "FILE", "read this file instead of those of skepd.json(5)", option_set_string,
         offsetof(Options, sources.file)},
        {"state", "DIR", "where inputs and outputs are kept (default: /var/lib/skep)", take_state, 0},
        {"socket", "PATH", "where clients connect (default: /run/skep/engine.sock)", take_socket, 0},
        {"workers", "N", "how many workers, 1 to 50 (default: 2)", take_workers, 0},
        {"allow-missing", "LIST", "layers and limits that this host need not enforce, such as memory,cpu",
         take_allow_missing, 0},
        {"drain", "DURATION", "how long to wait for running jobs at the end (default: 10s)", take_drain, 0},
        {"check", NULL, "look at the configuration and all policies, say each problem, and end", option_set_flag,
         offsetof(Options, check)},
        {"recover", "FILE", "make a new store, NEW, of what can be read of this damaged one, and end", option_set_string,
         offsetof(Options, damaged)},
        {"bus", "ADDRESS", "take the name org.skep.Engine1 on this message bus", option_set_string,
         offsetof(Options, bus)},
        {"help", NULL, "this text", option_set_flag, offsetof(Options, help)},
        {"version", NULL, "which one this is", option_set_flag, offsetof(Options, version)},
};

static void print_help(void)
{
        puts("Usage: skepd [--embedded] [OPTION]...\n"
             "       skepd --recover FILE NEW\n"
             "Take jobs over D-Bus, and run them in jails.\n");
        options_help(options_table, ELEMENTS(options_table));
        puts("\nSIGTERM ends it, SIGHUP makes it read its configuration again.");
}

static int parse_options(int argc, char **argv, Options *o, Error *e)
{
        int first = options_read(options_table, ELEMENTS(options_table), argc, argv, false, o, e);

        if (first < 0 || o->help || o->version)
                return first < 0 ? first : 0;
        if (o->damaged) {
                if (argc - first != 1)
                        return error_set(e, -EINVAL, "--recover: the new store has to be named, and nothing else");
                o->saved = argv[first];
                return 0;
        }
        if (first < argc)
                return error_set(e, -EINVAL, "%s: skepd takes options only", argv[first]);
        return 0;
}

/* ---- signals ---- */

typedef struct Daemon {
        sd_event *event;
        Config *config;
        Supervisor *supervisor;
        bool embedded;
        uint64_t drain_until_usec;
        SupervisorStatus said; /* to systemd */
        sd_event_source *saying;
} Daemon;

static int on_drain(sd_event_source *source, uint64_t usec _unused_, void *userdata)
{
        Daemon *d = userdata;

        if (supervisor_status(d->supervisor).running == 0 || monotonic_usec() >= d->drain_until_usec)
                return sd_event_exit(d->event, 0);
        int r = sd_event_source_set_time_relative(source, DRAIN_CHECK_USEC);
        return r < 0 ? r : sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

static int on_end(sd_event_source *source _unused_, const struct signalfd_siginfo *info _unused_, void *userdata)
{
        Daemon *d = userdata;

        /* Workers go on with their jobs, and find the next supervisor. */
        if (!d->embedded || d->config->workers.start == START_UNITS) {
                sd_notify(0, "STOPPING=1");
                supervisor_leave_workers(d->supervisor);
                return sd_event_exit(d->event, 0);
        }
        /* A second one means it. */
        if (d->drain_until_usec)
                return sd_event_exit(d->event, 0);
        sd_notify(0, "STOPPING=1\nSTATUS=waiting for jobs that run");
        supervisor_close_intake(d->supervisor);
        d->drain_until_usec = monotonic_usec() + d->config->drain_usec;
        return sd_event_add_time_relative(d->event, NULL, CLOCK_MONOTONIC, 0, 0, on_drain, d);
}

static int on_hangup(sd_event_source *source _unused_, const struct signalfd_siginfo *info _unused_, void *userdata)
{
        _cleanup_error_ Error e = ERROR_NULL;
        _cleanup_strv_ char **later = NULL;
        Daemon *d = userdata;

        sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%" PRIu64, monotonic_usec());
        supervisor_reload(d->supervisor, &later, &e); /* it says what came of it */
        sd_notify(0, "READY=1");
        return 0;
}

static int watch_signals(Daemon *d, Error *e)
{
        static const struct {
                int number;
                sd_event_signal_handler_t handler;
        } signals[] = {{SIGTERM, on_end}, {SIGINT, on_end}, {SIGHUP, on_hangup}};
        int r = 0;

        for (size_t i = 0; r >= 0 && i < ELEMENTS(signals); i++)
                r = sd_event_add_signal(d->event, NULL, signals[i].number, signals[i].handler, d);
        return r < 0 ? error_errno(e, r, "event loop") : 0;
}

static void block_signals(void)
{
        sigset_t set;

        sigemptyset(&set);
        sigaddset(&set, SIGTERM);
        sigaddset(&set, SIGINT);
        sigaddset(&set, SIGHUP);
        sigaddset(&set, SIGCHLD);
        sigprocmask(SIG_BLOCK, &set, NULL);
        signal(SIGPIPE, SIG_IGN);
}

/* ---- what systemd is told ---- */

static int say_status(sd_event_source *source _unused_, uint64_t usec _unused_, void *userdata)
{
        Daemon *d = userdata;

        d->said = supervisor_status(d->supervisor);
        sd_notifyf(0, "STATUS=%" PRIu64 " running, %" PRIu64 " waiting, %" PRIu64 " workers%s%s", d->said.running,
                   d->said.queued, d->said.workers,
                   d->said.draining ? ", draining" : "", d->said.paused ? ", paused" : "");
        return 0;
}

/* After every event: when there is something new, it is said a little later, with all that has come then. */
static int on_event(sd_event_source *source _unused_, void *userdata)
{
        Daemon *d = userdata;
        const SupervisorStatus now = supervisor_status(d->supervisor);
        int enabled = SD_EVENT_OFF;

        if (now.running == d->said.running && now.queued == d->said.queued && now.workers == d->said.workers &&
            now.paused == d->said.paused && now.draining == d->said.draining)
                return 0;
        if (sd_event_source_get_enabled(d->saying, &enabled) < 0 || enabled != SD_EVENT_OFF)
                return 0;
        int r = sd_event_source_set_time_relative(d->saying, STATUS_USEC);
        return r < 0 ? r : sd_event_source_set_enabled(d->saying, SD_EVENT_ONESHOT);
}

static int say_ready(Daemon *d, Error *e)
{
        int r = sd_event_set_watchdog(d->event, true);

        if (r >= 0 && getenv("NOTIFY_SOCKET") &&
            (r = sd_event_add_time_relative(d->event, &d->saying, CLOCK_MONOTONIC, 0, 0, say_status, d)) >= 0)
                r = sd_event_add_post(d->event, NULL, on_event, d);
        if (r < 0)
                return error_errno(e, r, "event loop");
        sd_notify(0, "READY=1");
        if (d->embedded) {
                puts("ready");
                fflush(stdout);
        }
        return 0;
}

static int run(Daemon *d, const Bus *bus, Error *e)
{
        int r = sd_event_loop(d->event);

        if (r >= 0)
                return 0;
        if (bus_failure(bus, e) == 0)
                return error_errno(e, r, "event loop");
        /* The other one's, it may be. Those that this one has just started for itself go with it. */
        if (d->config->workers.start == START_UNITS)
                supervisor_leave_workers(d->supervisor);
        return e->code;
}

static int serve(const Options *o, Config *config, Error *e)
{
        _cleanup_(supervisor_freep) Supervisor *supervisor = NULL;
        _cleanup_(bus_freep) Bus *bus = NULL;
        const BusOptions bus_options = {
                .message_bus = !o->embedded || o->bus, .address = o->bus, .is_private = o->embedded};
        Daemon d = {.config = config, .embedded = o->embedded};
        int r = sd_event_default(&d.event);

        if (r < 0)
                return error_errno(e, r, "event loop");
        block_signals();
        umask(022);
        if (config->workers.start == START_AUTO)
                config->workers.start = o->embedded ? START_EMBEDDED : START_UNITS;
        r = supervisor_new(d.event, config, &supervisor, e);
        if (r >= 0)
                r = bus_new(d.event, &bus_options, supervisor, &bus, e);
        d.supervisor = supervisor;
        if (r >= 0)
                r = watch_signals(&d, e);
        if (r >= 0)
                r = supervisor_start(supervisor, e);
        if (r >= 0)
                r = say_ready(&d, e);
        if (r >= 0)
                r = run(&d, bus, e);
        /* What hangs on the loop goes before it. */
        if (bus)
                bus = bus_free(bus);
        if (supervisor)
                supervisor = supervisor_free(supervisor);
        sd_event_source_disable_unref(d.saying);
        sd_event_unref(d.event);
        return r;
}

/* Every problem, a line each. */
static int check(const Config *config, char ***problems, Error *e)
{
        int r = check_all(config, problems, e);
        size_t n = strv_length(*problems);

        if (r < 0 || n == 0)
                return r;
        for (size_t i = 0; i < n; i++)
                log_error("%s", (*problems)[i]);
        return error_set(e, -EINVAL, "%zu problem%s", n, n == 1 ? "" : "s");
}

static int recover(const Options *o, Error *e)
{
        Salvaged saved;
        int r = salvage(o->damaged, o->saved, &saved, e);

        if (r >= 0)
                printf("%s has %" PRIu64 " jobs and %" PRIu64 " reports, %s\n", o->saved, saved.jobs, saved.reports,
                       saved.whole ? "and nothing is missing" : "which is what could be read");
        return r;
}

int main(int argc, char **argv)
{
        _cleanup_(config_freep) Config *config = NULL;
        _cleanup_strv_ char **problems = NULL;
        _cleanup_error_ Error e = ERROR_NULL;
        Options options = {0};

        /* A message that was large once must not stay a part of the heap: malloc(3) would learn to keep such room. */
        mallopt(M_MMAP_THRESHOLD, LARGE_BYTES);
        open_missing_stdio();
        raise_descriptor_limit();
        log_open("skepd");
        int r = parse_options(argc, argv, &options, &e);
        if (r >= 0 && options.help) {
                print_help();
        } else if (r >= 0 && options.version) {
                puts("skepd " SKEP_VERSION);
        } else if (r >= 0 && options.damaged) {
                r = recover(&options, &e);
        } else if (r >= 0) {
                r = config_load(&options.sources, &config, &problems, &e);
                if (options.check && config)
                        r = check(config, &problems, &e);
                else if (r >= 0)
                        r = serve(&options, config, &e);
        }
        config_sources_done(&options.sources);
        if (r < 0) {
                log_error("%s", error_text(&e));
                return 1;
        }
        return 0;
}
