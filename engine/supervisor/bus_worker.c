/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* org.skep.Engine1.Worker: the workers of the pool, under the ObjectManager of the engine. */

#include "engine/supervisor/bus_private.h"

#include "engine/base/strv.h"
#include "engine/supervisor/host.h"

#include <string.h>

static const PoolWorker *find_worker(const BusLink *link, const char *name)
{
        const Pool *pool = supervisor_pool(bus_supervisor(link));

        for (const PoolWorker *w = pool_next_worker(pool, NULL); w; w = pool_next_worker(pool, w))
                if (strcmp(pool_worker_name(w), name) == 0)
                        return w;
        return NULL;
}

int bus_worker_find(sd_bus *bus _unused_, const char *path, const char *interface _unused_, void *userdata,
                    void **ret_found, sd_bus_error *error _unused_)
{
        BusLink *link = userdata;

        link->worker =
                path[strlen(BUS_WORKER_PATH)] == '/' ? find_worker(link, path + strlen(BUS_WORKER_PATH "/")) : NULL;
        *ret_found = link;
        return link->worker != NULL;
}

int bus_worker_enumerate(sd_bus *bus _unused_, const char *prefix _unused_, void *userdata, char ***ret_nodes,
                         sd_bus_error *error _unused_)
{
        const Pool *pool = supervisor_pool(bus_supervisor(userdata));
        _cleanup_strv_ char **paths = NULL;

        for (const PoolWorker *w = pool_next_worker(pool, NULL); w; w = pool_next_worker(pool, w))
                if (strv_addf(&paths, BUS_WORKER_PATH "/%s", pool_worker_name(w)) < 0)
                        return -ENOMEM;
        *ret_nodes = take(paths);
        return 0;
}

static int get_text(sd_bus *bus _unused_, const char *path _unused_, const char *interface _unused_,
                    const char *property, sd_bus_message *reply, void *userdata, sd_bus_error *error _unused_)
{
        const PoolWorker *w = ((BusLink *)userdata)->worker;

        return sd_bus_message_append(reply, "s",
                                     strcmp(property, "Name") == 0 ? pool_worker_name(w)
                                                                   : worker_state_name(pool_worker_status(w).state));
}

/* A worker that the supervisor has started itself has no unit of its own. */
static int get_unit(sd_bus *bus _unused_, const char *path _unused_, const char *interface _unused_,
                    const char *property _unused_, sd_bus_message *reply, void *userdata, sd_bus_error *error _unused_)
{
        const BusLink *link = userdata;
        _cleanup_free_ char *unit = NULL;

        if (supervisor_config(bus_supervisor(link))->workers.start != START_UNITS)
                return sd_bus_message_append(reply, "s", "");
        if (asprintf(&unit, "skep-worker@%s.service", pool_worker_name(link->worker)) < 0) {
                unit = NULL;
                return -ENOMEM;
        }
        return sd_bus_message_append(reply, "s", unit);
}

static int get_trouble(sd_bus *bus _unused_, const char *path _unused_, const char *interface _unused_,
                       const char *property _unused_, sd_bus_message *reply, void *userdata,
                       sd_bus_error *error _unused_)
{
        const char *why = pool_worker_status(((BusLink *)userdata)->worker).why;

        return sd_bus_message_append(reply, "s", why ? why : "");
}

static int get_running(sd_bus *bus _unused_, const char *path _unused_, const char *interface _unused_,
                       const char *property _unused_, sd_bus_message *reply, void *userdata,
                       sd_bus_error *error _unused_)
{
        return sd_bus_message_append(reply, "u", (uint32_t)pool_worker_status(((BusLink *)userdata)->worker).running);
}

static int get_warm(sd_bus *bus _unused_, const char *path _unused_, const char *interface _unused_,
                    const char *property _unused_, sd_bus_message *reply, void *userdata, sd_bus_error *error _unused_)
{
        return sd_bus_message_append(reply, "t", pool_worker_status(((BusLink *)userdata)->worker).warm);
}

static int get_started(sd_bus *bus _unused_, const char *path _unused_, const char *interface _unused_,
                       const char *property _unused_, sd_bus_message *reply, void *userdata,
                       sd_bus_error *error _unused_)
{
        return sd_bus_message_append(reply, "t", pool_worker_status(((BusLink *)userdata)->worker).started_usec);
}

static HostGroup group_of(const BusLink *link)
{
        HostGroup group;

        host_read_group(supervisor_worker_group(bus_supervisor(link), link->worker), &group);
        return group;
}

static int get_memory(sd_bus *bus _unused_, const char *path _unused_, const char *interface _unused_,
                      const char *property _unused_, sd_bus_message *reply, void *userdata,
                      sd_bus_error *error _unused_)
{
        const HostGroup group = group_of(userdata);

        return sd_bus_message_append(reply, "t", group.memory_bytes);
}

static int get_pressure(sd_bus *bus _unused_, const char *path _unused_, const char *interface _unused_,
                        const char *property _unused_, sd_bus_message *reply, void *userdata,
                        sd_bus_error *error _unused_)
{
        const HostGroup group = group_of(userdata);

        if (!group.has_pressure)
                return sd_bus_message_append(reply, "a{sd}", 0);
        return sd_bus_message_append(reply, "a{sd}", 3, "memory", group.memory, "cpu", group.cpu, "io", group.io);
}

const sd_bus_vtable bus_worker_vtable[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_PROPERTY("Name", "s", get_text, 0, SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_PROPERTY("Unit", "s", get_unit, 0, SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_PROPERTY("State", "s", get_text, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("Trouble", "s", get_trouble, 0, 0),
        SD_BUS_PROPERTY("Running", "u", get_running, 0, 0),
        SD_BUS_PROPERTY("Warm", "t", get_warm, 0, 0),
        SD_BUS_PROPERTY("MemoryBytes", "t", get_memory, 0, 0),
        SD_BUS_PROPERTY("Pressure", "a{sd}", get_pressure, 0, 0),
        SD_BUS_PROPERTY("StartedUSec", "t", get_started, 0, 0),
        SD_BUS_VTABLE_END,
};

/* ---- signals ---- */

static void tell(BusLink *link, const char *path, PoolChange change)
{
        if (change == POOL_WORKER_ADDED)
                sd_bus_emit_object_added(link->bus, path);
        else if (change == POOL_WORKER_REMOVED)
                sd_bus_emit_object_removed(link->bus, path);
        else
                sd_bus_emit_properties_changed(link->bus, path, BUS_WORKER, "State", NULL);
}

void bus_worker_changed(Bus *bus, const PoolWorker *worker, PoolChange change)
{
        _cleanup_free_ char *path = NULL;

        if (asprintf(&path, BUS_WORKER_PATH "/%s", pool_worker_name(worker)) < 0) {
                path = NULL;
                return;
        }
        if (bus->has_name)
                tell(&bus->message_bus, path, change);
        for (BusClient *client = bus->clients; client; client = client->next)
                if (client->link->peer && client->subscribed && bus_client_reads(client))
                        tell(client->link, path, change);
}
