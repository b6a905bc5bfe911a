/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "jail/ids.h"

#include <stdbool.h>

/* Namespaces that the launcher makes for a jail while the jail's first process is busy with its mounts: a network
 * namespace alone takes as long as all mounts together. Each returns a descriptor, or a negative errno. */

/* A user namespace in which the jail's ids are mapped; it belongs to this process's. */
int namespace_of_user(const Ids *ids, Error *e);

/* One that maps a single id of each kind: for id-mapped mounts. */
int namespace_of_owner(uint32_t uid, uint32_t gid, uint32_t to_uid, uint32_t to_gid);

/* A network namespace that has no device but its loopback, which is up or not. */
int namespace_of_network(bool loopback, Error *e);
