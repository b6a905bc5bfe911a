/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "engine/base/error.h"

#include <systemd/sd-bus.h>

/* A process that answers a method call with a string, by sd-bus, peer to peer: what any service costs that is spoken to
 * in this way. */
typedef struct Echo {
        pid_t pid;
        sd_bus *bus;
} Echo;

int echo_start(Echo *echo, Error *e);
void echo_stop(Echo *echo);

/* One call, with a string as long as a job's, and its answer. */
int echo_call(Echo *echo, const char *text, Error *e);

/* So many calls, `in_flight` at a time. */
int echo_call_many(Echo *echo, const char *text, size_t calls, size_t in_flight, Error *e);
