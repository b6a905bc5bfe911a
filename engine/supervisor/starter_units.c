/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Workers as units. systemd is asked and never waited for: a worker that it has started connects, and is known by the
 * lock that it holds, like one of an earlier supervisor (pool.c). What comes back from systemd is only why one does not
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
#define OPTIONS_MAX ((size_t)4096)
#define OPTIONS_FILE "/run/skep/worker.env" /* the unit's EnvironmentFile= */

struct UnitStarter {
        PoolStarter starter;
        const Config *config;
        sd_event *event;
        sd_bus *bus; /* NULL: the connection was lost, and is made again with the next start */
        Pool *pool;  /* that was started for */
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

/* The answer to StartUnit or StopUnit; `userdata` is the worker's number. */
typedef struct Request {
        UnitStarter *starter;
        char name[8];
} Request;

static void request_free(void *userdata)
{
        free(userdata);
}

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

/* ---- the connection ---- */

static int on_disconnected(sd_bus_message *m _unused_, void *userdata, sd_bus_error *ret_error _unused_)
{
        UnitStarter *s = userdata;

        log_warning("the connection to systemd was lost; it is made again when a worker is to be started");
        s->bus = sd_bus_close_unref(s->bus);
        return 0;
}

static int connect_to_systemd(UnitStarter *s)
{
        sd_bus *bus = NULL;
        int r = sd_bus_open_system_with_description(&bus, "units");

        if (r >= 0)
                r = sd_bus_attach_event(bus, s->event, SD_EVENT_PRIORITY_NORMAL);
        if (r >= 0)
                r = sd_bus_match_signal_async(bus, NULL, SYSTEMD, "/org/freedesktop/systemd1", SYSTEMD ".Manager",
                                              "JobRemoved", on_job_removed, NULL, s);
        if (r >= 0)
                r = sd_bus_match_signal_async(bus, NULL, "org.freedesktop.DBus.Local", NULL,
                                              "org.freedesktop.DBus.Local", "Disconnected", on_disconnected, NULL, s);
        /* Without it systemd tells of no jobs. */
        if (r >= 0)
                r = sd_bus_call_method_async(bus, NULL, SYSTEMD, "/org/freedesktop/systemd1", SYSTEMD ".Manager",
                                             "Subscribe", NULL, NULL, NULL);
        if (r < 0) {
                sd_bus_close_unref(bus);
                return r;
        }
        s->bus = bus;
        return 0;
}

/* ---- what the pool asks ---- */

static int call_manager(UnitStarter *s, const char *method, const char *name)
{
        char unit[64];
        sd_bus_slot *slot = NULL;
        Request *request;
        int r = unit_of(name, unit, sizeof unit);

        if (r >= 0 && !s->bus)
                r = connect_to_systemd(s);
        if (r < 0)
                return r;
        request = malloc(sizeof *request);
        if (!request)
                return -ENOMEM;
        *request = (Request){.starter = s};
        snprintf(request->name, sizeof request->name, "%s", name);
        r = sd_bus_call_method_async(s->bus, &slot, SYSTEMD, "/org/freedesktop/systemd1", SYSTEMD ".Manager", method,
                                     on_answer, request, "ss", unit, "replace");
        if (r < 0) {
                free(request);
                return r;
        }
        sd_bus_slot_set_destroy_callback(slot, request_free);
        sd_bus_slot_set_floating(slot, true);
        sd_bus_slot_unref(slot);
        return 0;
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

static int start(void *userdata, Pool *pool, const char *name, pid_t *ret_pid)
{
        UnitStarter *s = userdata;
        int r = write_options(s->config);

        if (r >= 0)
                r = call_manager(s, "StartUnit", name);

        s->pool = pool;
        *ret_pid = 0;
        return r < 0 ? r : -EINPROGRESS;
}

static void end(void *userdata, const char *name, int pidfd, bool now)
{
        if (now)
                syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, NULL, 0);
        else
                call_manager(userdata, "StopUnit", name);
}

int unit_starter_new(sd_event *event, const Config *config, UnitStarter **ret, Error *e)
{
        UnitStarter *s = calloc(1, sizeof *s);

        if (!s)
                return error_oom(e);
        *s = (UnitStarter){.starter = {.start = start, .end = end, .userdata = s}, .config = config, .event = event};
        int r = connect_to_systemd(s);
        if (r < 0) {
                free(s);
                return error_set(
                        e, -ENOTCONN,
                        "workers are units of systemd, which cannot be reached (%s): start its system bus, or set "
                        "workers.start to \"embedded\"",
                        strerror(-r));
        }
        *ret = s;
        return 0;
}

UnitStarter *unit_starter_free(UnitStarter *s)
{
        if (!s)
                return NULL;
        sd_bus_flush_close_unref(s->bus);
        free(s);
        return NULL;
}

const PoolStarter *unit_starter_interface(const UnitStarter *s)
{
        return &s->starter;
}
