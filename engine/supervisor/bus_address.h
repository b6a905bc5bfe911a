/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Connects to the first Unix socket of a D-Bus address ("unix:path=/run/x;unix:abstract=y,guid=…") that takes us; nobody is waited
 * for. Returns a descriptor, or a negative errno: -EPROTONOSUPPORT where an entry is of another kind, which is left to sd-bus.
 * Source: the D-Bus specification, "Server Addresses". */
int bus_address_connect(const char *address);
