/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The name on a message bus. Many clients share one connection; whose message it is, is found before anything looks at
 * the message, by the name that the bus has put on it (bus_sender.c). They come through a gate (bus_gate.c). Whatever the bus does or does not do, nobody waits
 * for it: all is asked for, and answered in the event loop, or given up by a timer. */

#include "engine/supervisor/bus_address.h"
#include "engine/supervisor/bus_private.h"

#include "engine/base/clock.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#define SYSTEM_BUS "unix:path=/run/dbus/system_bus_socket"

#define CONNECT_USEC (10 * USEC_PER_SECOND)
#define RECONNECT_USEC (5 * USEC_PER_SECOND)

/* What RequestName answers: the D-Bus specification, "Message Bus Messages". */
#define NAME_IS_ANOTHERS 3

/* Before every method: from here on it is known whose call it is. */
static int on_message(sd_bus_message *m, void *userdata, sd_bus_error *error _unused_)
{
        _cleanup_error_ Error e = ERROR_NULL;
        BusLink *link = userdata;
        BusLoad *held = bus_sender_load(link, m);
        uint8_t type;
        int r = sd_bus_message_get_type(m, &type);

        link->load = held ? held : link->gate ? bus_gate_load(link->gate) : &link->owner->nothing;
        if (r < 0 || type != SD_BUS_MESSAGE_METHOD_CALL)
                return 0;
        if (link->owner->closing)
                return 1;
        link->client = NULL;
        link->granted = 0;
        if ((r = bus_load_check(link, m)) != 0)
                return r;
        r = sd_bus_message_get_sender(m) ? bus_sender_find(link, m, &link->client, &e)
                                         : error_set(&e, -EACCES, "a call without a sender");
        /* Now the bus has said whose it is: he has his own share the next time. */
        if (r > 0 && link->load->refused)
                r = error_set(&e, -EDQUOT, "%s", link->load->refused);
        if (r > 0 && link->load->porter)
                porter_belongs_to(link->load->porter, link->client->user->uid);
        return r < 0 ? bus_sender_refuse(m, &e) : r == 0;
}

/* ---- the connection ---- */

static int on_reconnect(sd_event_source *source, uint64_t usec _unused_, void *userdata);

static void drop_connection(Bus *bus)
{
        BusLink *link = &bus->message_bus;

        if (link->gate)
                bus_gate_close(link->gate);
        for (BusClient *client = bus->clients, *next; client; client = next) {
                next = client->next;
                if (client->link == link)
                        bus_client_free(client);
        }
        bus_senders_free(bus);
        bus->has_name = false;
        bus->naming = sd_bus_slot_unref(bus->naming);
        bus->deadline = sd_event_source_disable_unref(bus->deadline);
        bus->given_up = sd_event_source_disable_unref(bus->given_up);
        link->bus = sd_bus_close_unref(link->bus);
        bus->incoming = sd_event_source_disable_unref(bus->incoming);
        if (link->gate)
                link->gate = bus_gate_free(link->gate);
        link->load = NULL;
        bus->connection = close_fd(bus->connection);
}

static int reconnect_later(Bus *bus, uint64_t usec)
{
        sd_event_source_disable_unref(bus->reconnect);
        bus->reconnect = NULL;
        return sd_event_add_time_relative(bus->event, &bus->reconnect, CLOCK_MONOTONIC, usec, 0, on_reconnect, bus);
}

/* Jobs go on, and so does the private socket; what is left of this connection goes when it is done telling us. One that
 * had not got the name has been given up before this. */
static int on_disconnected(sd_bus_message *m _unused_, void *userdata, sd_bus_error *error _unused_)
{
        BusLink *link = userdata;
        Bus *bus = link->owner;

        if (!bus->has_name || bus->closing)
                return 0;
        bus->has_name = false;
        trouble_begin(supervisor_troubles(bus->supervisor), TROUBLE_MESSAGE_BUS,
                      "the message bus has closed the connection: it is tried again; clients come by %s meanwhile",
                      supervisor_config(bus->supervisor)->socket);
        return reconnect_later(bus, 0);
}

static int on_given_up(sd_event_source *source _unused_, void *userdata)
{
        drop_connection(userdata);
        return 0;
}

/* It is no reason not to start: the private socket has all that is on the bus. The connection goes a moment later: it
 * may be the one that has just called us. */
static int do_without(Bus *bus, const Error *e)
{
        int r = bus->given_up ? 0 : sd_event_add_defer(bus->event, &bus->given_up, on_given_up, bus);

        bus->was_tried = true;
        trouble_begin(supervisor_troubles(bus->supervisor), TROUBLE_MESSAGE_BUS,
                      "%s: it is tried again every %u s; clients come by %s meanwhile", error_text(e),
                      (unsigned)(RECONNECT_USEC / USEC_PER_SECOND), supervisor_config(bus->supervisor)->socket);
        return r < 0 ? r : reconnect_later(bus, RECONNECT_USEC);
}

/* ---- the name ---- */

static int on_deadline(sd_event_source *source _unused_, uint64_t usec _unused_, void *userdata)
{
        _cleanup_error_ Error e = ERROR_NULL;

        error_errno(&e, -ETIMEDOUT, "the name " BUS_NAME " on the message bus");
        return do_without(userdata, &e);
}

static int read_name_answer(sd_bus_message *reply, Error *e)
{
        uint32_t answer = 0;
        int r = sd_bus_message_is_method_error(reply, NULL) ? -sd_bus_message_get_errno(reply)
                                                            : sd_bus_message_read(reply, "u", &answer);

        if (r >= 0 && answer == NAME_IS_ANOTHERS)
                return error_set(e, -EEXIST, "another skepd has the name " BUS_NAME " on the message bus");
        return r < 0 ? error_errno(e, r, "the name " BUS_NAME " on the message bus") : 0;
}

static int on_named(sd_bus_message *reply, void *userdata, sd_bus_error *error _unused_)
{
        _cleanup_error_ Error e = ERROR_NULL;
        Bus *bus = userdata;
        int r = read_name_answer(reply, &e);

        bus->deadline = sd_event_source_disable_unref(bus->deadline);
        if (r == -EEXIST && !bus->was_tried) {
                bus->failure = e;
                e = ERROR_NULL;
                return sd_event_exit(bus->event, r);
        }
        if (r < 0)
                return do_without(bus, &e);
        bus->was_tried = bus->has_name = true;
        trouble_end(supervisor_troubles(bus->supervisor), TROUBLE_MESSAGE_BUS);
        return 1;
}

/* sd-bus finds that the connection has ended, and says so. */
static void on_gate_ended(BusLink *link, Error *e)
{
        if (e->code < 0)
                bus_say_refused(link->owner, e);
        bus_gate_shut(link->gate);
        sd_event_source_set_enabled(link->owner->incoming, SD_EVENT_OFF);
}

static int on_incoming(sd_event_source *source _unused_, int fd _unused_, uint32_t events _unused_, void *userdata)
{
        _cleanup_error_ Error e = ERROR_NULL;
        BusLink *link = userdata;

        if (bus_gate_read(link->gate, &e) < 0)
                on_gate_ended(link, &e);
        return 0;
}

/* sd-bus writes to the connection; it is read by our own descriptor, which it does not close. */
static int set_gate(Bus *bus, int fd)
{
        BusLink *link = &bus->message_bus;
        int input, r = bus_gate_new(link, NULL, on_gate_ended, &input);

        if (r < 0)
                return r;
        if ((bus->connection = fcntl(fd, F_DUPFD_CLOEXEC, 3)) < 0)
                r = -errno;
        if (r >= 0)
                r = sd_event_add_io(bus->event, &bus->incoming, bus->connection, EPOLLIN, on_incoming, link);
        if (r >= 0)
                r = sd_bus_set_fd(link->bus, input, fd);
        if (r < 0)
                close(input);
        else
                bus_gate_open(link->gate, bus->connection, bus->incoming);
        return r;
}

/* What is no Unix socket brings no descriptors, and goes straight to sd-bus. */
static int start_bus(Bus *bus, const char *address)
{
        BusLink *link = &bus->message_bus;
        _cleanup_close_ int fd = bus_address_connect(address);
        int r;

        if (fd < 0 && fd != -EPROTONOSUPPORT)
                return fd;
        if ((r = sd_bus_new(&link->bus)) >= 0 && (r = sd_bus_set_bus_client(link->bus, 1)) >= 0 &&
            (r = sd_bus_negotiate_fds(link->bus, fd >= 0)) >= 0)
                r = fd >= 0 ? set_gate(bus, fd) : sd_bus_set_address(link->bus, address);
        if (r >= 0)
                take_fd(fd);
        return r < 0 ? r : sd_bus_start(link->bus);
}

/* sd-bus sends what is asked for here when the bus has let us in. No function is called that waits until it has; nor does
 * the event loop wait for that at its end, as it would by itself. */
static int connect_bus(Bus *bus, Error *e)
{
        BusLink *link = &bus->message_bus;
        const char *system = secure_getenv("DBUS_SYSTEM_BUS_ADDRESS");
        int r = start_bus(bus, bus->address ? bus->address : system ? system : SYSTEM_BUS);

        if (r < 0)
                return error_errno(e, r, "the message bus%s%s cannot be reached", bus->address ? " at " : "",
                                   bus->address ? bus->address : "");
        if ((r = bus_link_add_objects(link)) < 0 || (r = sd_bus_add_filter(link->bus, NULL, on_message, link)) < 0 ||
            (r = sd_bus_match_signal_async(link->bus, NULL, NULL, "/org/freedesktop/DBus/Local",
                                           "org.freedesktop.DBus.Local", "Disconnected", on_disconnected, NULL, link)) < 0 ||
            (r = sd_bus_attach_event(link->bus, bus->event, SD_EVENT_PRIORITY_NORMAL)) < 0 ||
            (r = sd_bus_set_close_on_exit(link->bus, 0)) < 0 ||
            (r = sd_event_add_time_relative(bus->event, &bus->deadline, CLOCK_MONOTONIC, CONNECT_USEC, 0, on_deadline,
                                            bus)) < 0)
                return error_errno(e, r, "the message bus");
        r = sd_bus_request_name_async(link->bus, &bus->naming, BUS_NAME, 0, on_named, bus);
        return r < 0 ? error_errno(e, r, "the name " BUS_NAME " on the message bus") : 0;
}

static int on_reconnect(sd_event_source *source _unused_, uint64_t usec _unused_, void *userdata)
{
        _cleanup_error_ Error e = ERROR_NULL;
        Bus *bus = userdata;

        drop_connection(bus);
        return connect_bus(bus, &e) < 0 ? do_without(bus, &e) : 0;
}

int bus_message_bus_open(Bus *bus, const char *address, Error *e)
{
        bus->message_bus.owner = bus;
        if (address && !(bus->address = strdup(address)))
                return error_oom(e);
        int r = connect_bus(bus, e);
        if (r >= 0)
                return 0;
        r = do_without(bus, e);
        error_clear(e);
        return r < 0 ? error_errno(e, r, "event loop") : 0;
}

void bus_message_bus_close(Bus *bus, uint64_t until_usec)
{
        bus->closing = true;
        bus_link_flush(&bus->message_bus, until_usec);
        drop_connection(bus);
        sd_event_source_disable_unref(bus->reconnect);
        error_clear(&bus->failure);
        free(bus->address);
}
