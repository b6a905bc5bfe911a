/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Clients, and what each of them may have: so many connections, for each user and together; so many calls that are
 * under way; so many answers that it has not read. */

#include "engine/supervisor/bus_private.h"

#include "engine/base/clock.h"

#include <inttypes.h>
#include <stdlib.h>

#define QUEUED_PER_CLIENT 64 /* answers and signals that it has not read */

static BusUser *user_take(Bus *bus, uid_t uid)
{
        BusUser *user = bus->users;

        while (user && user->uid != uid)
                user = user->next;
        if (!user && (user = calloc(1, sizeof *user))) {
                *user = (BusUser){.next = bus->users, .uid = uid};
                bus->users = user;
        }
        if (user)
                user->n_clients++;
        return user;
}

static void user_give_back(Bus *bus, BusUser *user)
{
        if (--user->n_clients > 0)
                return;
        for (BusUser **at = &bus->users; *at; at = &(*at)->next)
                if (*at == user) {
                        *at = user->next;
                        break;
                }
        free(user);
}

/* Root is never shut out: somebody must be able to look. */
static int check_limits(const BusClient *client, Error *e)
{
        const Bus *bus = client->link->owner;
        const Config *config = supervisor_config(bus->supervisor);

        if (client->caller.uid == 0)
                return 0;
        if (bus->n_clients > config->clients.connections)
                return error_set(e, -EDQUOT,
                                 "%" PRIu64 " clients are connected, and more are not taken; try again later",
                                 config->clients.connections);
        if (client->user->n_clients > config->clients.connections_per_user)
                return error_set(e, -EDQUOT,
                                 "the user %u has %" PRIu64 " connections, and more are not taken: use one of them",
                                 client->caller.uid, config->clients.connections_per_user);
        return 0;
}

int bus_client_new(Bus *bus, uid_t uid, gid_t gid, gid_t *groups, size_t n_groups, BusClient **ret, Error *e)
{
        BusClient *client = calloc(1, sizeof *client);

        if (!client) {
                free(groups);
                return error_oom(e);
        }
        *client = (BusClient){.next = bus->clients, .own = {.owner = bus}, .credentials = {uid, gid, groups, n_groups}};
        client->link = &client->own;
        bus->clients = client;
        bus->n_clients++;
        int r = tenants_resolve(supervisor_tenants(bus->supervisor), &client->credentials, &client->caller, e);
        if (r >= 0 && !(client->user = user_take(bus, uid)))
                r = error_oom(e);
        if (r >= 0)
                r = check_limits(client, e);
        if (r < 0) {
                bus_client_free(client);
                return r;
        }
        *ret = client;
        return 0;
}

BusClient *bus_client_free(BusClient *client)
{
        Bus *bus = client->link->owner;

        for (BusClient **at = &bus->clients; *at; at = &(*at)->next)
                if (*at == client) {
                        *at = client->next;
                        bus->n_clients--;
                        break;
                }
        while (client->pending) {
                if (client->pending->submission)
                        submission_drop(client->pending->submission);
                bus_pending_free(client->pending);
        }
        if (client->link->client == client)
                client->link->client = NULL;
        if (client->sender)
                bus_sender_free(client->sender);
        sd_event_source_disable_unref(client->gone);
        if (client->own.peer)
                bus_peer_free(client->own.peer);
        if (client->user)
                user_give_back(bus, client->user);
        caller_done(&client->caller);
        free((gid_t *)client->credentials.groups);
        free(client);
        return NULL;
}

static int on_gone(sd_event_source *source _unused_, void *userdata)
{
        bus_client_free(userdata);
        return 0;
}

void bus_client_end(BusClient *client)
{
        if (!client->gone && sd_event_add_defer(client->link->owner->event, &client->gone, on_gone, client) < 0)
                client->gone = NULL;
}

bool bus_client_reads(BusClient *client)
{
        uint64_t waiting = 0;

        /* What a message bus has taken is that bus's to hold, and to bound. */
        if (!client->link->peer || sd_bus_get_n_queued_write(client->link->bus, &waiting) < 0 ||
            waiting <= QUEUED_PER_CLIENT)
                return !client->gone;
        bus_client_end(client);
        return false;
}

bool bus_client_may_see(const BusClient *client, const Job *job)
{
        return supervisor_may_see(&client->caller, job) || monotonic_usec() < client->operator_until_usec;
}

void bus_clients_resolve(Bus *bus)
{
        for (BusClient *client = bus->clients; client; client = client->next) {
                Caller caller = {0};
                if (tenants_resolve(supervisor_tenants(bus->supervisor), &client->credentials, &caller, NULL) < 0) {
                        bus_client_end(client);
                        continue;
                }
                caller_done(&client->caller);
                client->caller = caller;
        }
}
