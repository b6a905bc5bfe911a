/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "engine/supervisor/supervisor.h"

/* What the world sees of the supervisor: org.skep.Engine1 on a message bus, and on a private socket, peer to peer, with
 * as much of a bus as programs expect that connect to one. Clients are known by the credentials of their connection,
 * never by what a message says. */
typedef struct Bus Bus;

typedef struct BusOptions {
        bool message_bus;    /* take the name on a message bus */
        const char *address; /* of that bus; NULL: the system bus */
        bool is_private;     /* the socket is for the supervisor's own user alone */
} BusOptions;

/* Binds the socket (or takes it from systemd) and asks for the name; the supervisor must outlive it. The message bus is not
 * waited for: where the first answer is that another skepd has the name, the event loop ends, and bus_failure() says so.
 * Errors: -EADDRINUSE another skepd answers on the socket; those of the event loop. */
int bus_new(sd_event *event, const BusOptions *options, Supervisor *supervisor, Bus **ret, Error *e);
/* Why it has ended the event loop: -EEXIST another skepd has the name. 0: it has not. */
int bus_failure(const Bus *bus, Error *e);
Bus *bus_free(Bus *bus); /* returns NULL */
DEFINE_CLEANUP(Bus, bus_free)
