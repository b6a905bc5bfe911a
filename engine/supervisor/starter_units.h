/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "engine/supervisor/config.h"
#include "engine/supervisor/pool.h"
#include "engine/supervisor/trouble.h"

#include <systemd/sd-bus.h>

/* Workers as units: skep-worker@N.service of the systemd that runs this host. */
typedef struct UnitStarter UnitStarter;

/* Connects to systemd. Where it cannot be reached, that stands in `troubles`, and it is tried again for each start. The
 * configuration and the troubles must live as long. */
int unit_starter_new(sd_event *event, const Config *config, Troubles *troubles, UnitStarter **ret, Error *e);
UnitStarter *unit_starter_free(UnitStarter *starter); /* returns NULL */
DEFINE_CLEANUP(UnitStarter, unit_starter_free)

const PoolStarter *unit_starter_interface(const UnitStarter *starter);

/* The control group of a worker's unit, as systemd says; NULL: it has not said. */
const char *unit_starter_group(const UnitStarter *starter, const char *name);
