/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Workers as units. systemd is asked and never waited for: a worker that it has started connects, and is known by the
 * lock that it holds, like one of an earlier supervisor (pool_living.c). What comes back from systemd is only why one does not
 * come: the answer to StartUnit (masked, not found, not permitted), or the result of its job.
 *
 * A unit that is told by the pool to drain ends by itself, with status 0. One that must go now is killed by its pidfd;
 * systemd then removes what is left in its cgroup (KillMode=mixed). So nothing here depends on systemd's answering
 * in time, on a daemon-reload, or on this connection's being the one over which the unit was started. */

#include "engine/supervisor/starter_units.h"

#include "engine/base/fd.h"
#include "engine/base/log.h"

#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define SYSTEMD "org.freedesktop.systemd1"
#define PREFIX "skep-worker@"
#define SUFFIX ".service"
#define OLDEST_SYSTEMD 252
#define OPTIONS_MAX ((size_t)4096)
#define OPTIONS_FILE "/run/skep/worker.env" /* the unit's EnvironmentFile= */

struct UnitStarter {
        PoolStarter starter;
        const Config *config;
        sd_event *event;
        Troubles *troubles;
        sd_bus *bus; /* NULL: the connection was lost, and is made again with the next start */
        Pool *pool;  /* that was started for */
        char *groups[WORKER_NUMBER_MAX + 1];
};

static int unit_of(const char *name, char *ret, size_t size)
{
        int n = snprintf(ret, size, PREFIX "%s" SUFFIX, name);

        return n < 0 || (size_t)n >= size ? -ENAMETOOLONG : 0;
}

/* The name of a worker in that of its unit; false for units that are none of ours. */
static bool name_of(const char *unit, char *ret, size_t size)
{
        size_t length = strlen(unit), fixed = strlen(PREFIX) + strlen(SUFFIX);

        if (length <= fixed || length - fixed >= size || strncmp(unit, PREFIX, strlen(PREFIX)) != 0 ||
            strcmp(unit + length - strlen(SUFFIX), SUFFIX) != 0)
                return false;
        memcpy(ret, unit + strlen(PREFIX), length - fixed);
        ret[length - fixed] = '\0';
        return true;
}

/* ---- what systemd says ---- */

/* A call about a worker that systemd is to answer. */
typedef struct Request {
        UnitStarter *starter;
        char name[8];
} Request;

static void request_free(void *userdata)
{
        free(userdata);
}

/* The answer to StartUnit or StopUnit. */
static int on_answer(sd_bus_message *m, void *userdata, sd_bus_error *ret_error _unused_)
{
        const sd_bus_error *error = sd_bus_message_get_error(m);
        Request *request = userdata;
        _cleanup_free_ char *why = NULL;

        if (!error || !request->starter->pool)
                return 1;
        if (sd_bus_error_has_name(error, "org.freedesktop.systemd1.UnitMasked") > 0) {
                if (asprintf(&why, "its unit is masked: systemctl unmask " PREFIX "%s", request->name) < 0)
                        why = NULL;
        } else if (asprintf(&why, "systemd does not start its unit: %s",
                            error->message ? error->message : error->name) < 0) {
                why = NULL;
        }
        pool_worker_failed(request->starter->pool, request->name, why ? why : "systemd does not start its unit");
        return 1;
}

static int on_job_removed(sd_bus_message *m, void *userdata, sd_bus_error *ret_error _unused_)
{
        UnitStarter *s = userdata;
        const char *path, *unit, *result;
        char name[8], why[128];
        uint32_t id;

        if (sd_bus_message_read(m, "uoss", &id, &path, &unit, &result) < 0 || !s->pool ||
            !name_of(unit, name, sizeof name) || strcmp(result, "done") == 0 || strcmp(result, "canceled") == 0)
                return 0;
        snprintf(why, sizeof why, "its unit could not be started (%s): systemctl status " PREFIX "%s", result, name);
        pool_worker_failed(s->pool, name, why);
        return 0;
}

/* Of a worker, by its number; the first place is for names that are none. */
static size_t group_of(const char *name)
{
        char *end;
        unsigned long number = strtoul(name, &end, 10);

        return *end || number > WORKER_NUMBER_MAX ? 0 : number;
}

/* The answer to what group a unit has. */
static int on_group(sd_bus_message *m, void *userdata, sd_bus_error *ret_error _unused_)
{
        const Request *request = userdata;
        char **place = &request->starter->groups[group_of(request->name)];
        const char *group;

        if (sd_bus_message_is_method_error(m, NULL) || sd_bus_message_read(m, "v", "s", &group) < 0 || !*group)
                return 1;
        free(*place);
        *place = strdup(group);
        return 1;
}

/* "252.39-1~deb12u1", "v255" */
static int on_version(sd_bus_message *m, void *userdata, sd_bus_error *ret_error _unused_)
{
        UnitStarter *s = userdata;
        const char *version;

        if (sd_bus_message_is_method_error(m, NULL) || sd_bus_message_read(m, "v", "s", &version) < 0)
                return 1;
        long number = strtol(version + (version[0] == 'v'), NULL, 10);
        if (number > 0 && number < OLDEST_SYSTEMD)
                trouble_begin(s->troubles, TROUBLE_OLD_SYSTEMD,
                              "systemd %s is older than %d: what its units of Skep say may not hold", version,
                              OLDEST_SYSTEMD);
        else
                trouble_end(s->troubles, TROUBLE_OLD_SYSTEMD);
        return 1;
}

/* ---- the connection ---- */

static int on_disconnected(sd_bus_message *m _unused_, void *userdata, sd_bus_error *ret_error _unused_)
{
        UnitStarter *s = userdata;

        log_warning("the connection to systemd was lost; it is made again when a worker is to be started");
        s->bus = sd_bus_close_unref(s->bus);
        return 0;
}

/* Over the system bus; where there is none, over systemd's own socket, as systemctl does it: workers need no bus. */
static int open_connection(UnitStarter *s, sd_bus **ret)
{
        int r = sd_bus_open_system_with_description(ret, "units");

        if (r >= 0)
                return 0;
        if (sd_bus_new(ret) < 0)
                return -ENOMEM;
        if (sd_bus_set_address(*ret, "unix:path=/run/systemd/private") >= 0 && sd_bus_start(*ret) >= 0)
                return 0;
        *ret = sd_bus_close_unref(*ret);
        trouble_begin(s->troubles, TROUBLE_SYSTEMD,
                      "workers are units of systemd, which cannot be reached (%s), so that none is started or stopped: "
                      "start the system bus, or set workers.start to \"embedded\"",
                      strerror(-r));
        return r;
}

static int ask_version(sd_bus *bus, UnitStarter *s)
{
        return sd_bus_call_method_async(bus, NULL, SYSTEMD, "/org/freedesktop/systemd1",
                                        "org.freedesktop.DBus.Properties", "Get", on_version, s, "ss",
                                        SYSTEMD ".Manager", "Version");
}

static int connect_to_systemd(UnitStarter *s)
{
        sd_bus *bus = NULL;
        int r = open_connection(s, &bus);

        if (r < 0)
                return r;
        r = sd_bus_attach_event(bus, s->event, SD_EVENT_PRIORITY_NORMAL);
        /* The event loop would wait at its end until the other side has taken everything. */
        if (r >= 0)
                r = sd_bus_set_close_on_exit(bus, 0);
        /* On its own socket, nothing has a sender. */
        if (r >= 0)
                r = sd_bus_match_signal_async(bus, NULL, sd_bus_is_bus_client(bus) > 0 ? SYSTEMD : NULL,
                                              "/org/freedesktop/systemd1", SYSTEMD ".Manager", "JobRemoved",
                                              on_job_removed, NULL, s);
        if (r >= 0)
                r = sd_bus_match_signal_async(bus, NULL, "org.freedesktop.DBus.Local", NULL,
                                              "org.freedesktop.DBus.Local", "Disconnected", on_disconnected, NULL, s);
        /* Without it systemd tells of no jobs. */
        if (r >= 0)
                r = sd_bus_call_method_async(bus, NULL, SYSTEMD, "/org/freedesktop/systemd1", SYSTEMD ".Manager",
                                             "Subscribe", NULL, NULL, NULL);
        if (r >= 0)
                r = ask_version(bus, s);
        if (r < 0) {
                sd_bus_close_unref(bus);
                return r;
        }
        trouble_end(s->troubles, TROUBLE_SYSTEMD);
        s->bus = bus;
        return 0;
}

/* ---- what the pool asks ---- */

/* Calls `member`, with two words, about a worker: its unit's object, or the manager. */
static int ask(UnitStarter *s, const char *name, const char *path, const char *interface, const char *member,
               const char *first, const char *second, sd_bus_message_handler_t answered)
{
        sd_bus_slot *slot = NULL;
        Request *request;
        int r = s->bus ? 0 : connect_to_systemd(s);

        if (r < 0)
                return r;
        request = malloc(sizeof *request);
        if (!request)
                return -ENOMEM;
        *request = (Request){.starter = s};
        snprintf(request->name, sizeof request->name, "%s", name);
        r = sd_bus_call_method_async(s->bus, &slot, SYSTEMD, path, interface, member, answered, request, "ss", first,
                                     second);
        if (r < 0) {
                free(request);
                return r;
        }
        sd_bus_slot_set_destroy_callback(slot, request_free);
        sd_bus_slot_set_floating(slot, true);
        sd_bus_slot_unref(slot);
        return 0;
}

static int call_manager(UnitStarter *s, const char *method, const char *name)
{
        char unit[64];
        int r = unit_of(name, unit, sizeof unit);

        return r < 0 ? r
                     : ask(s, name, "/org/freedesktop/systemd1", SYSTEMD ".Manager", method, unit, "replace", on_answer);
}

static void came(void *userdata, const char *name)
{
        _cleanup_free_ char *path = NULL;
        char unit[64];

        if (unit_of(name, unit, sizeof unit) >= 0 &&
            sd_bus_path_encode("/org/freedesktop/systemd1/unit", unit, &path) >= 0)
                ask(userdata, name, path, "org.freedesktop.DBus.Properties", "Get", SYSTEMD ".Service", "ControlGroup",
                    on_group);
}

const char *unit_starter_group(const UnitStarter *s, const char *name)
{
        return s->groups[group_of(name)];
}

/* What the configuration says to workers, which look at no configuration themselves. */
static int write_options(const Config *c)
{
        _cleanup_free_ char *text = NULL, *before = NULL;

        if (asprintf(&text,
                     "SKEP_WORKER_OPTIONS=--orphan-grace %" PRIu64 "us --warm-maximum %" PRIu64
                     " --warm-memory %" PRIu64 "\n",
                     c->orphan_grace_usec, c->warm.maximum, c->warm.memory_bytes) < 0) {
                text = NULL;
                return -ENOMEM;
        }
        if (read_file_at(AT_FDCWD, OPTIONS_FILE, OPTIONS_MAX, &before, NULL) >= 0 && strcmp(before, text) == 0)
                return 0;
        /* In one step: systemd may read it for another unit. */
        _cleanup_close_ int fd = open(OPTIONS_FILE ".new", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0644);
        int r = fd < 0 ? -errno : write_full(fd, text, strlen(text));
        return r < 0 ? r : rename(OPTIONS_FILE ".new", OPTIONS_FILE) < 0 ? -errno : 0;
}

static int start(void *userdata, Pool *pool, const char *name, pid_t *ret_pid, Error *e)
{
        UnitStarter *s = userdata;
        int r = write_options(s->config);

        s->pool = pool;
        *ret_pid = 0;
        if (r < 0)
                return error_errno(e, r, OPTIONS_FILE);
        r = call_manager(s, "StartUnit", name);
        return r < 0 ? error_errno(e, r, "systemd cannot be asked to start its unit") : -EINPROGRESS;
}

static void end(void *userdata, const char *name, int pidfd, bool now)
{
        if (now)
                syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, NULL, 0);
        else
                call_manager(userdata, "StopUnit", name);
}

int unit_starter_new(sd_event *event, const Config *config, Troubles *troubles, UnitStarter **ret, Error *e)
{
        UnitStarter *s = calloc(1, sizeof *s);

        if (!s)
                return error_oom(e);
        *s = (UnitStarter){.starter = {.start = start, .end = end, .came = came, .userdata = s},
                           .config = config,
                           .event = event,
                           .troubles = troubles};
        connect_to_systemd(s);
        *ret = s;
        return 0;
}

UnitStarter *unit_starter_free(UnitStarter *s)
{
        if (!s)
                return NULL;
        /* What has been asked is written at once, if the other end takes it; one that does not is not waited for. */
        sd_bus_close_unref(s->bus);
        for (unsigned number = 0; number < ELEMENTS(s->groups); number++)
                free(s->groups[number]);
        free(s);
        return NULL;
}

const PoolStarter *unit_starter_interface(const UnitStarter *s)
{
        return &s->starter;
}
