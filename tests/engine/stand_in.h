/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <systemd/sd-bus.h>

/* For a program that stands in for a service on a private bus: has the name there, with one object; says "ready"; and serves until
 * it is ended or the bus has gone. Returns the status to exit with. */
int stand_in(const char *address, const char *name, const char *path, const char *interface, const sd_bus_vtable *vtable,
             void *userdata);
