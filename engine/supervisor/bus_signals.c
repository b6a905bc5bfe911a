/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Signals go to those who have asked for them by Subscribe(), each addressed to one client, and about jobs only to
 * those who may see them. They carry ids and nothing of inputs or output. */

#include "engine/supervisor/bus_private.h"

#include <string.h>

static int send_to(BusClient *client, sd_bus_message *m)
{
        if (!bus_client_reads(client))
                return 0;
        return client->sender ? sd_bus_send_to(client->link->bus, m, client->sender->name, NULL)
                              : sd_bus_send(client->link->bus, m, NULL);
}

/* What became of a signal to one client. It would miss what it has been promised: it may connect again, and look. */
static void sent(BusClient *client, sd_bus_message *m, int r)
{
        if (r >= 0)
                r = send_to(client, m);
        sd_bus_message_unref(m);
        if (r < 0)
                bus_client_end(client);
}

static void signal_job(Bus *bus, const Job *job, const char *member, const char *state)
{
        for (BusClient *client = bus->clients; client; client = client->next) {
                sd_bus_message *m = NULL;
                if (!client->subscribed || !bus_client_may_see(client, job))
                        continue;
                int r = sd_bus_message_new_signal(client->link->bus, &m, BUS_PATH, BUS_MANAGER, member);
                if (r >= 0)
                        r = sd_bus_message_append(m, "s", job->id.text);
                if (r >= 0 && state)
                        r = sd_bus_message_append(m, "s", state);
                sent(client, m, r);
        }
}

void bus_signal_scaled(Bus *bus, const ScalingDecision *decision)
{
        static const char *const changed[] = {"PoolTarget", NULL};

        for (BusClient *client = bus->clients; client; client = client->next) {
                sd_bus_message *m = NULL;
                if (!client->subscribed)
                        continue;
                int r = sd_bus_message_new_signal(client->link->bus, &m, BUS_PATH, BUS_MANAGER, "Scaled");
                if (r >= 0)
                        r = sd_bus_message_append(m, "uus", decision->workers, decision->target,
                                                  decision->sentence ? decision->sentence : "");
                sent(client, m, r);
        }
        bus_signal_changed(bus, changed);
}

void bus_signal_job_new(Bus *bus, const Job *job)
{
        signal_job(bus, job, "JobNew", NULL);
}

void bus_signal_job_finished(Bus *bus, const Job *job)
{
        signal_job(bus, job, "JobFinished", job_state_name(job->state));
}

void bus_signal_changed(Bus *bus, const char *const *properties)
{
        if (bus->has_name)
                sd_bus_emit_properties_changed_strv(bus->message_bus.bus, BUS_PATH, BUS_MANAGER, (char **)properties);
        for (BusClient *client = bus->clients; client; client = client->next)
                if (client->link->peer && client->subscribed && bus_client_reads(client))
                        sd_bus_emit_properties_changed_strv(client->link->bus, BUS_PATH, BUS_MANAGER,
                                                            (char **)properties);
}
