/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "engine/supervisor/supervisor.h"

#include <systemd/sd-bus.h>

/* The private socket: D-Bus peer to peer, with as much of a bus as programs expect that connect to one. Clients are
 * known by the credentials of their connection, never by what a message says. */
typedef struct Bus Bus;

int bus_new(sd_event *event, const char *socket_path, Supervisor *supervisor, Bus **ret, Error *e);
Bus *bus_free(Bus *bus); /* returns NULL */
DEFINE_CLEANUP(Bus, bus_free)

/* ---- between the files of the D-Bus interface ---- */

#define BUS_PATH "/org/skep/Engine1"
#define BUS_JOB_PATH BUS_PATH "/job"
#define BUS_MANAGER "org.skep.Engine1.Manager"
#define BUS_JOB "org.skep.Engine1.Job"

typedef struct BusClient BusClient;

extern const sd_bus_vtable bus_manager_vtable[]; /* userdata: BusClient */

/* A job as one client looks at it: the userdata of the methods and properties of Job. */
typedef struct BusJob {
        BusClient *client;
        Job *job;
} BusJob;

extern const sd_bus_vtable bus_job_vtable[];
/* The BusJob behind an object path, for those who may see it: sd_bus_object_find_t. */
int bus_job_find(sd_bus *bus, const char *path, const char *interface, void *userdata, void **ret_found,
                 sd_bus_error *error);

Supervisor *bus_client_supervisor(BusClient *client);
Caller bus_client_caller(const BusClient *client);
/* Room for the one that is being looked at. */
BusJob *bus_client_job(BusClient *client);

/* Keeps what is under way for a client, so that it can be dropped when the client goes. */
void bus_client_add_submission(BusClient *client, Submission *submission, sd_bus_message *message);
/* The submission of this message has been answered. */
void bus_client_submitted(BusClient *client, const sd_bus_message *message);
/* Answers the message when one of the ids has ended, or after the timeout. Takes the strv over. */
int bus_client_add_wait(BusClient *client, sd_bus_message *message, char **ids, uint64_t timeout_usec);

/* Answers with the error of the interface that belongs to a negative errno. */
int bus_reply_error(sd_bus_message *message, const Error *e);

/* Appends a job's properties as a{sv}, without its specification. */
int bus_append_job(sd_bus_message *message, const Job *job);
