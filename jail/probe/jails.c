/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Jails are made, as anybody's are: one with every limit that needs no controller, one for each controller's limit, and one
 * with a bind. What their reports say is the truth; what was probed before is why. */

#include "jail/probe/probe.h"

#include "engine/base/clock.h"
#include "engine/base/fd.h"
#include "jail/enforce.h"
#include "jail/policy.h"

#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <string.h>
#include <sys/stat.h>

#define WAIT_MSEC 100000 /* more than a launcher waits for a jail */
#define MEMORY (UINT64_C(64) << 20)

/* What runs in there does not matter: a jail whose program is not found has been made. With a loopback, which it has where
 * sockets can be made. */
static const char policy_text[] = "{\"filesystem\": {\"execute\": [\"/usr\"]}, \"syscalls\": {\"allow\": [\"execve\", "
                                  "\"exit\", \"exit_group\", \"brk\", \"mmap\", \"rt_sigreturn\", \"socket\"]}}";

static const JailLimits without_controllers = {
        .memory_bytes = JAIL_UNLIMITED,
        .cpu_milli = JAIL_UNLIMITED,
        .pids = 16,
        .wall_usec = 30 * USEC_PER_SECOND,
        .cpu_time_usec = 30 * USEC_PER_SECOND,
        .disk_bytes = 1 << 20,
        .files = 100,
        .output_bytes = 1 << 20,
        .io_read_bytes_per_sec = JAIL_UNLIMITED,
        .io_write_bytes_per_sec = JAIL_UNLIMITED,
};

JailLayers probe_may_miss(void)
{
        JailLayers set = 0;

        jail_layers_parse_missing("cgroup,landlock,memory,cpu,pids,io,cpu_time,broker", &set, NULL);
        return set;
}

/* ---- one jail ---- */

typedef struct Made {
        bool ended;
        JailReport report;
} Made;

static void on_output(Jail *jail _unused_, int stream _unused_, const void *data _unused_, size_t size _unused_,
                      void *userdata _unused_)
{
}

static void on_ended(Jail *jail _unused_, const JailReport *report, void *userdata)
{
        Made *made = userdata;

        made->ended = true;
        made->report = *report;
        made->report.message = report->message ? strdup(report->message) : NULL;
}

/* Makes one and waits for its end. Errors: those of jail_start(), -EIO when it was not made; with a sentence. */
static int make_jail(JailLauncher *launcher, JailPolicy *policy, const JailLimits *limits, const JailBind *bind,
                     JailReport *ret, Error *e)
{
        static const JailEvents events = {.output = on_output, .ended = on_ended};
        char *command[] = {(char *)"true", NULL};
        const JailSpec spec = {
                .policy = policy,
                .limits = *limits,
                .command = command,
                .stdin_fd = -1,
                .binds = bind,
                .n_binds = bind ? 1 : 0,
                .allow_missing = probe_may_miss(),
        };
        Made made = {.ended = false};
        Jail *jail;
        int r = jail_start(launcher, &spec, &events, &made, &jail, e);

        while (r >= 0 && !made.ended) {
                struct pollfd p = {.fd = jail_launcher_fd(launcher), .events = POLLIN};
                int n = poll(&p, 1, WAIT_MSEC);
                if (n == 0 || (n < 0 && errno != EINTR))
                        r = error_set(e, -ETIMEDOUT, "the jail did not end");
                else
                        r = jail_launcher_dispatch(launcher, e);
        }
        if (made.ended && r >= 0) {
                if (made.report.reason == JAIL_SETUP_FAILED || made.report.reason == JAIL_LOST)
                        r = error_set(e, -EIO, "%s", made.report.message ? made.report.message : "it was not set up");
                *ret = made.report;
                ret->message = NULL;
        }
        free(made.report.message);
        return r;
}

/* ---- what they show ---- */

static void take_report(Probe *probe, const JailReport *report)
{
        for (JailLayer layer = 0; layer < JAIL_LAYER_MAX; layer++)
                if (report->enforced[layer][0])
                        finding_held(probe, finding_of_layer(probe, layer), report->enforced[layer]);
}

static void explain_missing(Probe *probe, JailLayers missing)
{
        for (JailLayer layer = 0; layer < JAIL_LAYER_MAX; layer++) {
                JailFinding *f = finding_of_layer(probe, layer);
                if (!(missing & (1U << layer)) || !f || f->why)
                        continue;
                if (layer == JAIL_BROKER)
                        finding_why(probe, f, "no broker is set up: jails that ask for one have no network at all");
                else
                        cgroups_explain(probe, f, jail_layer_name(layer));
        }
}

/* Before anything runs: what the library would decide with what was found of this host. */
static int decide(Probe *probe, Error *e)
{
        _cleanup_(jail_report_done) JailReport report;
        JailLimits limits = without_controllers;

        limits.memory_bytes = MEMORY;
        limits.cpu_milli = 1000;
        limits.io_read_bytes_per_sec = limits.io_write_bytes_per_sec = MEMORY;
        jail_report_init(&report);
        int r = enforce_decide(&probe->host, &limits, JAIL_NETWORK_BROKER, 0, probe_may_miss(), 0, &report, e);
        if (r < 0)
                return r;
        /* The layers before were tried one by one. */
        for (JailLayer layer = JAIL_USER; layer <= JAIL_LANDLOCK; layer++)
                if (layer != JAIL_CGROUP)
                        report.enforced[layer][0] = '\0';
        take_report(probe, &report);
        explain_missing(probe, report.not_enforced);
        return 0;
}

typedef struct ControllersLimit {
        JailLayer layer;
        size_t offset;
        uint64_t amount;
} ControllersLimit;

static const ControllersLimit controllers_limits[] = {
        {JAIL_MEMORY, offsetof(JailLimits, memory_bytes), MEMORY},
        {JAIL_CPU, offsetof(JailLimits, cpu_milli), 1000},
        {JAIL_IO, offsetof(JailLimits, io_write_bytes_per_sec), MEMORY},
};

/* That a controller is there does not say that its files can be written. */
static void try_limits(Probe *probe, JailLauncher *launcher, JailPolicy *policy)
{
        for (size_t i = 0; i < ELEMENTS(controllers_limits); i++) {
                const ControllersLimit *c = &controllers_limits[i];
                JailFinding *f = finding_of_layer(probe, c->layer);
                JailLimits limits = without_controllers;
                _cleanup_(jail_report_done) JailReport report;
                _cleanup_error_ Error e = ERROR_NULL;

                jail_report_init(&report);
                *(uint64_t *)(void *)((char *)&limits + c->offset) = c->amount;
                int r = make_jail(launcher, policy, &limits, NULL, &report, &e);
                if (!f || (r >= 0 && report.enforced[c->layer][0])) {
                        finding_held(probe, f, report.enforced[c->layer]);
                        continue;
                }
                f->held = JAIL_HELD_NOT;
                if (r < 0)
                        finding_why(probe, f, "%s", error_text(&e));
                else
                        explain_missing(probe, report.not_enforced);
        }
}


/* The current directory, or the home of a user to whom that does not belong. */
static int open_own_directory(const Surroundings *around, const char **ret_name)
{
        const char *names[] = {"the current directory", getenv("HOME")};
        struct stat st;

        for (size_t i = 0; i < ELEMENTS(names) && names[i]; i++) {
                _cleanup_close_ int fd = open(i == 0 ? "." : names[i], O_PATH | O_DIRECTORY | O_CLOEXEC);
                *ret_name = names[i];
                if (fd >= 0 && (around->root || (fstat(fd, &st) == 0 && st.st_uid == geteuid())))
                        return take_fd(fd);
        }
        *ret_name = names[0];
        return open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
}

/* The job does not get to it: its program is not there, or does nothing. */
static void try_bind(Probe *probe, JailLauncher *launcher, JailPolicy *policy)
{
        const char *name;
        _cleanup_close_ int fd = open_own_directory(&probe->around, &name);
        const JailBind bind = {.fd = fd, .inside = "/bound", .writable = true};
        _cleanup_(jail_report_done) JailReport report;
        _cleanup_error_ Error e = ERROR_NULL;

        jail_report_init(&report);
        int r = fd < 0 ? error_errno(&e, -errno, "opening it")
                       : make_jail(launcher, policy, &without_controllers, &bind, &report, &e);
        JailFinding *f = finding_add(probe, JAIL_FINDING_FEATURE, "bind_rw", r < 0 ? JAIL_HELD_NOT : JAIL_HELD_FULLY);
        if (r >= 0) {
                finding_by(probe, f, "%s", name);
                return;
        }
        finding_why(probe, f, "%s: %s", name, error_text(&e));
        finding_remedy(probe, f, probe->around.root ? "# bind a directory of another file system: ext4, xfs and btrfs can "
                                                      "be id-mapped"
                                                    : "# bind a directory that is yours");
}

/* `built`: that far it came, and failed. */
static void add_jail(Probe *probe, const JailReport *report, bool built, const char *why)
{
        JailFinding *f = finding_add(probe, JAIL_FINDING_HOST, "jail",
                                     probe->result->possible ? JAIL_HELD_FULLY : JAIL_HELD_NOT);

        if (probe->result->possible) {
                finding_by(probe, f, "made in %" PRIu64 " ms", (report->setup_usec + 999) / 1000);
                return;
        }
        bool known = (built || probe->around.no_proc) && surroundings_explain(probe, f);
        _cleanup_free_ char *reason = known && f && f->why ? strdup(f->why) : NULL;
        finding_why(probe, f, "%s%s%s", why, reason ? "; " : "", reason ? reason : "");
}

/* Without a jail, none of what it could be asked for. */
static void add_no_bind(Probe *probe)
{
        JailFinding *f = finding_add(probe, JAIL_FINDING_FEATURE, "bind_rw", JAIL_HELD_NOT);

        for (size_t i = 0; i < probe->result->n_findings; i++)
                if (strcmp(probe->result->findings[i].name, "jail") == 0)
                        finding_like(probe, f, &probe->result->findings[i]);
}

void probe_jails(Probe *probe)
{
        _cleanup_policy_ JailPolicy *policy = NULL;
        JailLauncher *launcher = probe->maker;
        _cleanup_(jail_report_done) JailReport report;
        _cleanup_error_ Error e = ERROR_NULL;
        int r = decide(probe, &e);

        jail_report_init(&report);
        if (r >= 0)
                r = jail_policy_from_text("doctor", policy_text, &policy, &e);
        if (r >= 0 && !launcher)
                r = error_set(&e, probe->no_maker.code, "%s", error_text(&probe->no_maker));
        if (r >= 0)
                r = make_jail(launcher, policy, &without_controllers, NULL, &report, &e);
        probe->result->possible = r >= 0;
        add_jail(probe, &report, launcher, error_text(&e));
        if (r < 0) {
                add_no_bind(probe);
                return;
        }
        take_report(probe, &report);
        try_limits(probe, launcher, policy);
        try_bind(probe, launcher, policy);
}
