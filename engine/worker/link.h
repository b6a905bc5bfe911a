/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "engine/worker/protocol.h"

#include <systemd/sd-event.h>

/* The way to the supervisor: connected, and connected again whenever it has gone. Nothing in here waits, so that a
 * supervisor that does not read holds up no job. */
typedef struct Link Link;

typedef struct LinkEvents {
        /* A supervisor is there: what it must know of is to be sent now. */
        void (*welcome)(void *userdata);
        /* Owns the descriptors. A negative errno ends the event loop. */
        int (*message)(const WorkerMessage *message, int *fds, size_t n_fds, void *userdata, Error *e);
        /* The supervisor has gone. */
        void (*lost)(void *userdata);
} LinkEvents;

/* Errors: -ENAMETOOLONG. Where nobody listens yet, that is no error. `path` and `name` are borrowed. */
int link_new(sd_event *event, const char *path, const char *name, const LinkEvents *events, void *userdata, Link **ret,
             Error *e);
Link *link_free(Link *link); /* returns NULL */

bool link_is_up(const Link *link);

/* Without a supervisor, what is sent is dropped: `welcome` will come. */
void link_send(Link *link, const WorkerMessage *message);
