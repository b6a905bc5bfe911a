/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* skep-scope PID: asks systemd for a scope with a delegated cgroup, and moves the process there.
 *
 * On a host that systemd runs, the cgroup tree is systemd's, and this is the way to get a part of it (systemd's
 * CGROUP_DELEGATION.md). A program of its own, since the launcher is static and small, and needs a bus for nothing
 * else. Ends with 0 when the process is in its scope. */

#include "engine/base/error.h"
#include "engine/base/size.h"

#include <inttypes.h>
#include <string.h>
#include <systemd/sd-bus.h>

#define WAIT_USEC (UINT64_C(25) * 1000000)

typedef struct Start {
        const char *job; /* the path of systemd's own job for this; NULL until it is known */
        char *result;    /* "done", or what went wrong */
} Start;

static int on_job_removed(sd_bus_message *m, void *userdata, sd_bus_error *error _unused_)
{
        Start *start = userdata;
        const char *path, *result;

        if (sd_bus_message_read(m, "uoss", NULL, &path, NULL, &result) >= 0 && start->job &&
            strcmp(path, start->job) == 0)
                start->result = strdup(result);
        return 0;
}

static int start_unit(sd_bus *bus, uint64_t pid, sd_bus_message **ret, sd_bus_error *error)
{
        sd_bus_message *call = NULL;
        char name[64];
        int r = sd_bus_message_new_method_call(bus, &call, "org.freedesktop.systemd1", "/org/freedesktop/systemd1",
                                               "org.freedesktop.systemd1.Manager", "StartTransientUnit");

        snprintf(name, sizeof name, "skep-jails-%" PRIu64 ".scope", pid);
        if (r >= 0)
                r = sd_bus_message_append(call, "ss", name, "fail");
        if (r >= 0)
                r = sd_bus_message_append(call, "a(sv)", 4, "Description", "s", "Jails of Skep", "PIDs", "au", 1,
                                          (uint32_t)pid, "Delegate", "b", 1, "CollectMode", "s",
                                          "inactive-or-failed");
        if (r >= 0)
                r = sd_bus_message_append(call, "a(sa(sv))", 0);
        if (r >= 0)
                r = sd_bus_call(bus, call, WAIT_USEC, error, ret);
        sd_bus_message_unref(call);
        return r;
}

static int make_scope(uint64_t pid, Error *e)
{
        sd_bus_error error = SD_BUS_ERROR_NULL;
        sd_bus_message *reply = NULL;
        sd_bus *bus = NULL;
        Start start = {0};
        int r = geteuid() == 0 ? sd_bus_open_system(&bus) : sd_bus_open_user(&bus);

        if (r < 0)
                return error_errno(e, r, "systemd cannot be reached on the bus");
        /* Watched before it is asked for, so that the answer cannot be missed. */
        r = sd_bus_match_signal(bus, NULL, "org.freedesktop.systemd1", "/org/freedesktop/systemd1",
                                "org.freedesktop.systemd1.Manager", "JobRemoved", on_job_removed, &start);
        if (r >= 0)
                r = sd_bus_call_method(bus, "org.freedesktop.systemd1", "/org/freedesktop/systemd1",
                                       "org.freedesktop.systemd1.Manager", "Subscribe", &error, NULL, NULL);
        if (r >= 0)
                r = start_unit(bus, pid, &reply, &error);
        if (r >= 0)
                r = sd_bus_message_read(reply, "o", &start.job);
        while (r >= 0 && !start.result) {
                r = sd_bus_process(bus, NULL);
                if (r == 0)
                        r = sd_bus_wait(bus, WAIT_USEC) == 0 ? -ETIMEDOUT : 0;
        }
        if (r < 0)
                error_set(e, r, "systemd gives no scope: %s", error.message ? error.message : strerror(-r));
        else if (strcmp(start.result, "done") != 0)
                r = error_set(e, -EIO, "systemd gives no scope: %s", start.result);
        free(start.result);
        sd_bus_error_free(&error);
        sd_bus_message_unref(reply);
        sd_bus_flush_close_unref(bus);
        return r < 0 ? r : 0;
}

int main(int argc, char **argv)
{
        _cleanup_error_ Error e = ERROR_NULL;
        uint64_t pid;
        int r = argc == 2 ? count_parse(argv[1], 1, INT32_MAX, &pid, &e) : error_set(&e, -EINVAL, "skep-scope PID");

        if (r >= 0)
                r = make_scope(pid, &e);
        if (r < 0)
                fprintf(stderr, "skep-scope: %s\n", error_text(&e));
        return r < 0 ? 1 : 0;
}
