/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The name on a message bus. Many clients share one connection; whose message it is, is found before anything looks at
 * the message, by the name that the bus has put on it, and who that is, the bus says when we ask: once for each name,
 * as long as it is there. */

#include "engine/supervisor/bus_private.h"

#include "engine/base/clock.h"

#include <search.h>
#include <stdlib.h>
#include <string.h>

#define RECONNECT_USEC (5 * USEC_PER_SECOND)
#define ASK_BUS_USEC (5 * USEC_PER_SECOND)
#define GROUPS_MAX 65536

/* ---- clients ---- */

static int compare_senders(const void *a, const void *b)
{
        return strcmp(((const BusClient *)a)->sender, ((const BusClient *)b)->sender);
}

void bus_message_bus_forget(BusClient *client)
{
        Bus *bus = client->link->owner;
        BusClient **known = tfind(client, &bus->senders, compare_senders);

        if (known && *known == client)
                tdelete(client, &bus->senders, compare_senders);
}

typedef struct BusIdentity {
        uint32_t uid;
        gid_t *groups; /* all; the bus does not say which is the primary one */
        size_t n_groups;
        bool has_uid;
} BusIdentity;

static int read_groups(sd_bus_message *reply, BusIdentity *ret)
{
        const void *groups;
        size_t size;
        int r = sd_bus_message_enter_container(reply, 'v', "au");

        if (r < 0 || (r = sd_bus_message_read_array(reply, 'u', &groups, &size)) < 0)
                return r;
        if (size / sizeof(uint32_t) > GROUPS_MAX || !(ret->groups = malloc(size + 1)))
                return -ENOMEM;
        memcpy(ret->groups, groups, size);
        ret->n_groups = size / sizeof(uint32_t);
        return sd_bus_message_exit_container(reply);
}

static int read_identity(sd_bus_message *reply, BusIdentity *ret)
{
        const char *key;
        int r = sd_bus_message_enter_container(reply, 'a', "{sv}");

        while (r >= 0 && (r = sd_bus_message_enter_container(reply, 'e', "sv")) > 0) {
                r = sd_bus_message_read(reply, "s", &key);
                if (r >= 0 && strcmp(key, "UnixUserID") == 0)
                        ret->has_uid = (r = sd_bus_message_read(reply, "v", "u", &ret->uid)) >= 0;
                else if (r >= 0 && strcmp(key, "UnixGroupIDs") == 0 && !ret->groups)
                        r = read_groups(reply, ret);
                else if (r >= 0)
                        r = sd_bus_message_skip(reply, "v");
                if (r >= 0)
                        r = sd_bus_message_exit_container(reply);
        }
        return r;
}

/* The groups come from the bus too, which had them from the kernel at the connection: /proc/PID may by now be
 * another's. */
static int ask_identity(BusLink *link, const char *sender, BusIdentity *ret, Error *e)
{
        sd_bus_message *call = NULL, *reply = NULL;
        sd_bus_error error = SD_BUS_ERROR_NULL;
        int r = sd_bus_message_new_method_call(link->bus, &call, "org.freedesktop.DBus", "/org/freedesktop/DBus",
                                               "org.freedesktop.DBus", "GetConnectionCredentials");

        if (r >= 0)
                r = sd_bus_message_append(call, "s", sender);
        if (r >= 0)
                r = sd_bus_call(link->bus, call, ASK_BUS_USEC, &error, &reply);
        if (r >= 0)
                r = read_identity(reply, ret);
        if (r >= 0 && !ret->has_uid)
                r = -ENODATA;
        sd_bus_error_free(&error);
        sd_bus_message_unref(call);
        sd_bus_message_unref(reply);
        return r < 0 ? error_errno(e, r, "the message bus does not say who you are") : 0;
}

static int on_sender_gone(sd_bus_track *track _unused_, void *userdata)
{
        bus_client_end(userdata);
        return 0;
}

static int add_sender(BusLink *link, const char *sender, BusClient **ret, Error *e)
{
        BusIdentity identity = {0};
        BusClient *client;
        int r = ask_identity(link, sender, &identity, e);

        if (r < 0) {
                free(identity.groups);
                return r;
        }
        r = bus_client_new(link->owner, identity.uid, (gid_t)-1, identity.groups, identity.n_groups, &client, e);
        if (r < 0)
                return r;
        client->link = link;
        if (!(client->sender = strdup(sender)) || !tsearch(client, &link->owner->senders, compare_senders))
                r = -ENOMEM;
        if (r >= 0 && (r = sd_bus_track_new(link->bus, &client->track, on_sender_gone, client)) >= 0)
                r = sd_bus_track_add_name(client->track, sender);
        if (r < 0) {
                bus_client_free(client);
                return error_errno(e, r, "taking you in");
        }
        *ret = client;
        return 0;
}

static int find_sender(BusLink *link, const char *sender, BusClient **ret, Error *e)
{
        const BusClient wanted = {.sender = (char *)sender};
        BusClient **known = tfind(&wanted, &link->owner->senders, compare_senders);

        if (!known)
                return add_sender(link, sender, ret, e);
        *ret = *known;
        return 0;
}

/* Nobody looks at the message after this, be it that its sender wants no answer. */
static int refuse(sd_bus_message *m, int code, const char *why)
{
        int r = sd_bus_reply_method_errorf(
                m, code == -EDQUOT ? SD_BUS_ERROR_LIMITS_EXCEEDED : SD_BUS_ERROR_ACCESS_DENIED, "%s", why);

        return r < 0 ? r : 1;
}

/* Before every method: from here on it is known whose call it is. */
static int on_message(sd_bus_message *m, void *userdata, sd_bus_error *error _unused_)
{
        _cleanup_error_ Error e = ERROR_NULL;
        BusLink *link = userdata;
        const char *sender = sd_bus_message_get_sender(m);
        uint8_t type;
        int r = sd_bus_message_get_type(m, &type);

        if (r < 0 || type != SD_BUS_MESSAGE_METHOD_CALL)
                return 0;
        link->client = NULL;
        link->granted = 0;
        if (!sender)
                return refuse(m, -EACCES, "a call without a sender");
        r = find_sender(link, sender, &link->client, &e);
        return r < 0 ? refuse(m, r, error_text(&e)) : 0;
}

/* ---- the connection ---- */

static int on_reconnect(sd_event_source *source, uint64_t usec _unused_, void *userdata);

static void drop_connection(Bus *bus)
{
        BusLink *link = &bus->message_bus;

        for (BusClient *client = bus->clients, *next; client; client = next) {
                next = client->next;
                if (client->link == link)
                        bus_client_free(client);
        }
        if (link->bus) {
                sd_bus_detach_event(link->bus);
                sd_bus_flush(link->bus);
                sd_bus_close_unref(link->bus);
        }
        link->bus = NULL;
}

static int reconnect_later(Bus *bus, uint64_t usec)
{
        sd_event_source_disable_unref(bus->reconnect);
        bus->reconnect = NULL;
        return sd_event_add_time_relative(bus->event, &bus->reconnect, CLOCK_MONOTONIC, usec, 0, on_reconnect, bus);
}

/* Jobs go on, and so does the private socket; what is left of this connection goes when it is done telling us. */
static int on_disconnected(sd_bus_message *m _unused_, void *userdata, sd_bus_error *error _unused_)
{
        BusLink *link = userdata;

        trouble_begin(supervisor_troubles(bus_supervisor(link)), TROUBLE_MESSAGE_BUS,
                      "the message bus has closed the connection: it is tried again; clients come by %s meanwhile",
                      supervisor_config(bus_supervisor(link))->socket);
        return reconnect_later(link->owner, 0);
}

/* It is no reason not to start: the private socket has all that is on the bus. */
static int do_without(Bus *bus, const Error *e)
{
        drop_connection(bus);
        trouble_begin(supervisor_troubles(bus->supervisor), TROUBLE_MESSAGE_BUS,
                      "%s: it is tried again every %u s; clients come by %s meanwhile", error_text(e),
                      (unsigned)(RECONNECT_USEC / USEC_PER_SECOND), supervisor_config(bus->supervisor)->socket);
        return reconnect_later(bus, RECONNECT_USEC);
}

static int connect_bus(Bus *bus, Error *e)
{
        BusLink *link = &bus->message_bus;
        int r;

        if (bus->address) {
                if ((r = sd_bus_new(&link->bus)) >= 0 && (r = sd_bus_set_address(link->bus, bus->address)) >= 0 &&
                    (r = sd_bus_set_bus_client(link->bus, 1)) >= 0 && (r = sd_bus_negotiate_fds(link->bus, 1)) >= 0)
                        r = sd_bus_start(link->bus);
        } else {
                r = sd_bus_open_system(&link->bus);
        }
        if (r < 0)
                return error_errno(e, r, "the message bus%s%s cannot be reached", bus->address ? " at " : "",
                                   bus->address ? bus->address : "");
        if ((r = bus_link_add_objects(link)) < 0 || (r = sd_bus_add_filter(link->bus, NULL, on_message, link)) < 0 ||
            (r = sd_bus_match_signal(link->bus, NULL, NULL, "/org/freedesktop/DBus/Local", "org.freedesktop.DBus.Local",
                                     "Disconnected", on_disconnected, link)) < 0 ||
            (r = sd_bus_attach_event(link->bus, bus->event, SD_EVENT_PRIORITY_NORMAL)) < 0)
                return error_errno(e, r, "the message bus");
        r = sd_bus_request_name(link->bus, BUS_NAME, 0);
        if (r == -EEXIST)
                return error_set(e, r, "another skepd has the name " BUS_NAME " on the message bus");
        return r < 0 ? error_errno(e, r, "the name " BUS_NAME " on the message bus") : 0;
}

static int on_reconnect(sd_event_source *source _unused_, uint64_t usec _unused_, void *userdata)
{
        _cleanup_error_ Error e = ERROR_NULL;
        Bus *bus = userdata;

        drop_connection(bus);
        if (connect_bus(bus, &e) < 0)
                return do_without(bus, &e);
        trouble_end(supervisor_troubles(bus->supervisor), TROUBLE_MESSAGE_BUS);
        return 0;
}

int bus_message_bus_open(Bus *bus, const char *address, Error *e)
{
        bus->message_bus.owner = bus;
        if (address && !(bus->address = strdup(address)))
                return error_oom(e);
        int r = connect_bus(bus, e);
        if (r >= 0 || r == -EEXIST)
                return r;
        r = do_without(bus, e);
        error_clear(e);
        return r < 0 ? error_errno(e, r, "event loop") : 0;
}

void bus_message_bus_close(Bus *bus)
{
        drop_connection(bus);
        sd_event_source_disable_unref(bus->reconnect);
        free(bus->address);
}
