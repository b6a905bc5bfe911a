/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Senders on the message bus. Who one is, the bus says when we ask: once for each name, as long as it is there. Nobody
 * waits for the answer: what the sender calls meanwhile is held here, in its order, and then goes the way of all
 * messages once more. */

#include "engine/supervisor/bus_private.h"

#include "engine/base/clock.h"

#include <inttypes.h>
#include <search.h>
#include <stdlib.h>
#include <string.h>

#define ASK_BUS_USEC (25 * USEC_PER_SECOND) /* as long as callers wait for theirs, if they say nothing else */
#define HELD_TIMES 16                       /* all together may have so many times held what one may */
#define GROUPS_MAX 65536

typedef struct BusHeldCall {
        STAILQ_ENTRY(BusHeldCall) entry;
        sd_bus_message *message;
        BusLoad load;
} BusHeldCall;

/* ---- calls that are held ---- */

/* With what it has brought. */
static int hold(BusSender *sender, sd_bus_message *m)
{
        Bus *bus = sender->link->owner;
        BusHeldCall *call = calloc(1, sizeof *call);

        if (!call)
                return -ENOMEM;
        call->message = sd_bus_message_ref(m);
        call->load = *sender->link->load;
        sender->link->load->porter = NULL;
        STAILQ_INSERT_TAIL(&sender->calls, call, entry);
        sender->n_calls++;
        sender->bytes += call->load.bytes;
        bus->n_held++;
        bus->held_bytes += call->load.bytes;
        return 0;
}

static BusHeldCall *call_free(BusHeldCall *call)
{
        sd_bus_message_unref(call->message);
        bus_load_done(&call->load);
        free(call);
        return NULL;
}

/* The first of them. */
static BusHeldCall *let_go(BusSender *sender)
{
        BusHeldCall *call = STAILQ_FIRST(&sender->calls);
        Bus *bus = sender->link->owner;

        STAILQ_REMOVE_HEAD(&sender->calls, entry);
        sender->n_calls--;
        sender->bytes -= call->load.bytes;
        bus->n_held--;
        bus->held_bytes -= call->load.bytes;
        return call;
}

static int check_room(const BusLink *link, const BusSender *sender, Error *e)
{
        const Bus *bus = link->owner;
        const uint64_t most = supervisor_config(bus->supervisor)->clients.calls,
                       most_bytes = supervisor_config(bus->supervisor)->clients.memory_bytes, bytes = link->load->bytes;

        if ((!sender || (sender->n_calls < most && sender->bytes + bytes <= most_bytes)) && bus->n_held < HELD_TIMES * most &&
            bus->held_bytes + bytes <= HELD_TIMES * most_bytes)
                return 0;
        return error_set(e, -EDQUOT,
                         "at most %" PRIu64 " calls of one client, and %" PRIu64
                         " of all, may wait until the message bus says whose they are",
                         most, HELD_TIMES * most);
}

/* sd-bus takes what stands in its queue before it reads on: no later call of this sender comes before these. */
static void pass_calls(BusSender *sender)
{
        Bus *bus = sender->link->owner;

        while (!STAILQ_EMPTY(&sender->calls)) {
                BusHeldCall *call = let_go(sender);
                int r = sd_bus_enqueue_for_read(sender->link->bus, call->message);
                if (r < 0) {
                        sd_bus_reply_method_errno(call->message, r, NULL);
                        call_free(call);
                } else {
                        STAILQ_INSERT_TAIL(&bus->passed, call, entry);
                }
        }
}

BusLoad *bus_sender_load(BusLink *link, const sd_bus_message *m)
{
        Bus *bus = link->owner;
        BusHeldCall *call = STAILQ_FIRST(&bus->passed);

        bus_sender_done(link);
        if (!call || call->message != m)
                return NULL;
        STAILQ_REMOVE_HEAD(&bus->passed, entry);
        bus->again = call;
        return &call->load;
}

void bus_sender_done(BusLink *link)
{
        Bus *bus = link->owner;

        if (link != &bus->message_bus || !bus->again)
                return;
        bus->again = call_free(bus->again);
        link->load = NULL;
}

int bus_sender_refuse(sd_bus_message *m, const Error *e)
{
        int r = sd_bus_reply_method_errorf(
                m, e->code == -EDQUOT ? SD_BUS_ERROR_LIMITS_EXCEEDED : SD_BUS_ERROR_ACCESS_DENIED, "%s", error_text(e));

        return r < 0 ? r : 1;
}

static void refuse_calls(BusSender *sender, const Error *e)
{
        BusHeldCall *call;

        while ((call = STAILQ_FIRST(&sender->calls))) {
                bus_sender_refuse(call->message, e);
                call_free(let_go(sender));
        }
}

/* ---- what the bus says ---- */

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
        int r = sd_bus_message_is_method_error(reply, NULL) ? -sd_bus_message_get_errno(reply)
                                                            : sd_bus_message_enter_container(reply, 'a', "{sv}");

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
        return r >= 0 && !ret->has_uid ? -ENODATA : r;
}

static int take_in(BusSender *sender, sd_bus_message *reply, Error *e)
{
        BusIdentity identity = {0};
        BusClient *client;
        int r = read_identity(reply, &identity);

        if (r < 0) {
                free(identity.groups);
                return error_errno(e, r, "the message bus does not say who you are");
        }
        r = bus_client_new(sender->link->owner, identity.uid, (gid_t)-1, identity.groups, identity.n_groups, &client, e);
        if (r < 0)
                return r;
        client->link = sender->link;
        client->sender = sender;
        sender->client = client;
        return 0;
}

static int on_identity(sd_bus_message *reply, void *userdata, sd_bus_error *error _unused_)
{
        _cleanup_error_ Error e = ERROR_NULL;
        BusSender *sender = userdata;

        sender->asking = sd_bus_slot_unref(sender->asking);
        if (take_in(sender, reply, &e) >= 0) {
                pass_calls(sender);
        } else {
                refuse_calls(sender, &e);
                bus_sender_free(sender);
        }
        return 1;
}

/* ---- the end of a sender ---- */

static void end(BusSender *sender)
{
        if (sender->client)
                bus_client_end(sender->client);
        else
                bus_sender_free(sender);
}

static int on_owner_changed(sd_bus_message *m, void *userdata, sd_bus_error *error _unused_)
{
        const char *name, *before, *now;

        if (sd_bus_message_read(m, "sss", &name, &before, &now) >= 0 && now[0] == '\0')
                end(userdata);
        return 0;
}

/* Where it would never be known that it goes, a sender is not served. */
static int on_watched(sd_bus_message *reply, void *userdata, sd_bus_error *error _unused_)
{
        _cleanup_error_ Error e = ERROR_NULL;
        BusSender *sender = userdata;

        if (sd_bus_message_is_method_error(reply, NULL)) {
                error_errno(&e, -sd_bus_message_get_errno(reply), "taking you in");
                refuse_calls(sender, &e);
                end(sender);
        }
        return 1;
}

/* ---- a sender ---- */

static int compare_senders(const void *a, const void *b)
{
        return strcmp(((const BusSender *)a)->name, ((const BusSender *)b)->name);
}

/* Not with sd_bus_track, which asks the bus whether the name is there, and waits for the answer. It is watched before
 * anything else is asked: of one that has gone before that, the bus does not say who it was. */
static int watch(BusSender *sender)
{
        _cleanup_free_ char *match = NULL;

        if (asprintf(&match,
                     "type='signal',sender='org.freedesktop.DBus',path='/org/freedesktop/DBus',"
                     "interface='org.freedesktop.DBus',member='NameOwnerChanged',arg0='%s'",
                     sender->name) < 0) {
                match = NULL;
                return -ENOMEM;
        }
        return sd_bus_add_match_async(sender->link->bus, &sender->watch, match, on_owner_changed, on_watched, sender);
}

/* The groups come from the bus too, which had them from the kernel at the connection: /proc/PID may by now be
 * another's. */
static int ask(BusSender *sender)
{
        sd_bus *bus = sender->link->bus;
        sd_bus_message *call = NULL;
        int r = sd_bus_message_new_method_call(bus, &call, "org.freedesktop.DBus", "/org/freedesktop/DBus",
                                               "org.freedesktop.DBus", "GetConnectionCredentials");

        if (r >= 0)
                r = sd_bus_message_append(call, "s", sender->name);
        if (r >= 0)
                r = sd_bus_call_async(bus, &sender->asking, call, on_identity, sender, ASK_BUS_USEC);
        sd_bus_message_unref(call);
        return r;
}

static int sender_new(BusLink *link, const char *name, BusSender **ret)
{
        BusSender *sender = calloc(1, sizeof *sender);
        int r = 0;

        if (!sender)
                return -ENOMEM;
        *sender = (BusSender){.link = link, .name = strdup(name)};
        STAILQ_INIT(&sender->calls);
        if (!sender->name || !tsearch(sender, &link->owner->senders, compare_senders))
                r = -ENOMEM;
        if (r < 0 || (r = watch(sender)) < 0 || (r = ask(sender)) < 0) {
                bus_sender_free(sender);
                return r;
        }
        *ret = sender;
        return 0;
}

BusSender *bus_sender_free(BusSender *sender)
{
        BusSender **known = sender->name ? tfind(sender, &sender->link->owner->senders, compare_senders) : NULL;

        if (known && *known == sender)
                tdelete(sender, &sender->link->owner->senders, compare_senders);
        while (!STAILQ_EMPTY(&sender->calls))
                call_free(let_go(sender));
        sd_bus_slot_unref(sender->asking);
        sd_bus_slot_unref(sender->watch);
        free(sender->name);
        free(sender);
        return NULL;
}

void bus_senders_free(Bus *bus)
{
        /* A node of tsearch(3) begins with what was put there. */
        while (bus->senders)
                bus_sender_free(*(BusSender **)bus->senders);
        if (bus->again)
                bus->again = call_free(bus->again);
        for (BusHeldCall *call; (call = STAILQ_FIRST(&bus->passed));) {
                STAILQ_REMOVE_HEAD(&bus->passed, entry);
                call_free(call);
        }
}

uid_t bus_sender_uid(const BusLink *link, const char *name)
{
        const BusSender wanted = {.name = (char *)name};
        BusSender *const *known = name ? tfind(&wanted, &link->owner->senders, compare_senders) : NULL;

        return known && (*known)->client ? (*known)->client->user->uid : PORTER_NOBODY;
}

int bus_sender_find(BusLink *link, sd_bus_message *m, BusClient **ret, Error *e)
{
        const BusSender wanted = {.name = (char *)sd_bus_message_get_sender(m)};
        BusSender **known = tfind(&wanted, &link->owner->senders, compare_senders), *sender = known ? *known : NULL;
        int r;

        if (sender && sender->client) {
                *ret = sender->client;
                return 1;
        }
        if ((r = check_room(link, sender, e)) < 0)
                return r;
        if ((!sender && (r = sender_new(link, wanted.name, &sender)) < 0) || (r = hold(sender, m)) < 0)
                return error_errno(e, r, "taking you in");
        return 0;
}
