/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A connection to the private socket, once its client is known. What the client sends goes to sd-bus through a gate (bus_gate.c). By
 * itself, sd-bus would take in up to 128 MiB of a message before anybody else sees of it, and read more calls from who does not
 * read the answers. So it is here that is known how much a client makes us hold.
 *
 * sd-bus has the gate to read from, and the client's socket to write to. Its authentication only passes through, to the line that
 * ends it: who the client is, the kernel has said. */

#include "engine/supervisor/bus_private.h"

#include <sys/epoll.h>

struct BusPeer {
        BusClient *client;
        sd_event_source *io, *due; /* `due`: for sd-bus */
};

/* Before each message: who asks and does not read the answers is ended. Handled is 1 here, also where no answer is wanted. */
static int on_message(sd_bus_message *m, void *userdata, sd_bus_error *error _unused_)
{
        BusLink *link = userdata;

        link->came = true;
        return bus_client_reads(link->client) ? bus_load_check(link, m) : 1;
}

/* ---- in the event loop ---- */

static void end(BusPeer *p, int r, Error *e)
{
        if (e->code < 0)
                bus_say_refused(p->client->own.owner, e);
        if (r < 0)
                bus_client_end(p->client);
}

static void on_gate_ended(BusLink *link, Error *e)
{
        end(link->peer, -ECONNRESET, e);
}

static int on_io(sd_event_source *source _unused_, int fd _unused_, uint32_t events, void *userdata)
{
        _cleanup_error_ Error e = ERROR_NULL;
        BusPeer *p = userdata;
        BusGate *gate = p->client->own.gate;
        int r = 0;

        if (p->client->gone)
                return 0;
        if (events & EPOLLOUT)
                r = bus_gate_process(gate);
        else if (events & (EPOLLIN | EPOLLHUP | EPOLLERR))
                r = bus_gate_read(gate, &e);
        end(p, r, &e);
        return 0;
}

static int on_due(sd_event_source *source _unused_, uint64_t usec _unused_, void *userdata)
{
        _cleanup_error_ Error e = ERROR_NULL;
        BusPeer *p = userdata;

        if (!p->client->gone)
                end(p, bus_gate_process(p->client->own.gate), &e);
        return 0;
}

/* Before each wait for events. */
static int on_prepare(sd_event_source *source, void *userdata)
{
        BusPeer *p = userdata;
        uint64_t due = UINT64_MAX;
        int r = p->client->gone ? -ENOTCONN : sd_bus_get_events(p->client->own.bus);

        /* Who does not read the answers is not asked for more. */
        if (r >= 0)
                r = sd_event_source_set_io_events(source, r & EPOLLOUT ? EPOLLOUT : EPOLLIN);
        if (r >= 0)
                r = sd_bus_get_timeout(p->client->own.bus, &due);
        if (r >= 0 && due != UINT64_MAX)
                r = sd_event_source_set_time(p->due, due);
        if (r >= 0)
                r = sd_event_source_set_enabled(p->due, due != UINT64_MAX ? SD_EVENT_ONESHOT : SD_EVENT_OFF);
        if (r < 0)
                bus_client_end(p->client);
        return 0;
}

/* ---- start and end ---- */

static int start_bus(BusLink *link, int input, int output)
{
        sd_id128_t id;
        int r;

        if ((r = sd_id128_randomize(&id)) < 0 || (r = sd_bus_new(&link->bus)) < 0)
                return r;
        /* Anonymous: whatever name the client gives itself, it is not looked at. */
        if ((r = sd_bus_set_server(link->bus, 1, id)) < 0 || (r = sd_bus_set_anonymous(link->bus, 1)) < 0 ||
            (r = sd_bus_negotiate_fds(link->bus, 1)) < 0 ||
            (r = sd_bus_add_object_vtable(link->bus, NULL, "/org/freedesktop/DBus", "org.freedesktop.DBus",
                                          bus_driver_vtable, link)) < 0 ||
            (r = bus_link_add_objects(link)) < 0 || (r = sd_bus_add_filter(link->bus, NULL, on_message, link)) < 0 ||
            (r = sd_bus_set_fd(link->bus, input, output)) < 0)
                return r;
        return 0;
}

int bus_peer_new(BusClient *client, int fd)
{
        BusLink *link = &client->own;
        sd_event *event = link->owner->event;
        BusPeer *p = calloc(1, sizeof *p);
        int input, r;

        if (!p)
                return -ENOMEM;
        *p = (BusPeer){.client = client};
        link->peer = p;
        link->client = client;
        if ((r = bus_gate_new(link, client->user, on_gate_ended, &input)) < 0)
                return r;
        if ((r = start_bus(link, input, fd)) < 0) {
                close(input);
                return r;
        }
        /* From here on the descriptors are the connection's. */
        if ((r = sd_bus_start(link->bus)) < 0 || (r = sd_event_add_io(event, &p->io, fd, EPOLLIN, on_io, p)) < 0 ||
            (r = sd_event_add_time(event, &p->due, CLOCK_MONOTONIC, 0, 0, on_due, p)) < 0 ||
            (r = sd_event_source_set_enabled(p->due, SD_EVENT_OFF)) < 0 ||
            (r = sd_event_source_set_prepare(p->io, on_prepare)) < 0)
                bus_client_end(client);
        bus_gate_open(link->gate, fd, p->io);
        return 0;
}

BusPeer *bus_peer_free(BusPeer *p)
{
        BusLink *link = &p->client->own;

        if (link->gate)
                bus_gate_close(link->gate);
        sd_event_source_disable_unref(p->io);
        sd_event_source_disable_unref(p->due);
        sd_bus_close_unref(link->bus);
        if (link->gate)
                link->gate = bus_gate_free(link->gate);
        free(p);
        return NULL;
}
