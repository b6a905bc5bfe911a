/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "tests/bench-engine/engine.h"

#include <stddef.h>
#include <stdint.h>
#include <systemd/sd-bus.h>

/* A client of an engine, on a connection of its own, in an event loop that its user runs. */
typedef struct Client Client;

typedef struct ClientEvents {
        /* A Submit was answered; id is NULL when it was refused. */
        void (*submitted)(Client *client, const char *id, void *userdata);
        /* A job that this client may see has ended; NULL: the client does not ask for it. */
        void (*finished)(Client *client, const char *id, const char *state, void *userdata);
} ClientEvents;

int client_new(sd_event *event, const Engine *engine, const ClientEvents *events, void *userdata, Client **ret,
               Error *e);
Client *client_free(Client *client); /* returns NULL */
DEFINE_CLEANUP(Client, client_free)
#define _cleanup_client_ _cleanup_(client_freep)

/* Sends a Submit without waiting for its answer. */
int client_submit(Client *client, const char *spec, Error *e);

/* Sends a SubmitBatch of `n` times the same; `submitted` is called once, with the first id. */
int client_submit_batch(Client *client, const char *const *specs, size_t n, Error *e);

/* Calls a method of the manager without arguments, and waits for its answer. */
int client_call(Client *client, const char *method, Error *e);

/* The same on a connection of its own; and how many jobs there are that are "Queued", or "Running". */
int engine_call(const Engine *engine, const char *method, Error *e);
int engine_count(const Engine *engine, const char *property, uint32_t *ret, Error *e);
