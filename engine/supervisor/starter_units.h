/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "engine/supervisor/config.h"
#include "engine/supervisor/pool.h"

#include <systemd/sd-bus.h>

/* Workers as units: skep-worker@N.service of the systemd that runs this host. */
typedef struct UnitStarter UnitStarter;

/* Connects to systemd. The configuration must live as long. Errors: -ENOTCONN, with what to do. */
int unit_starter_new(sd_event *event, const Config *config, UnitStarter **ret, Error *e);
UnitStarter *unit_starter_free(UnitStarter *starter); /* returns NULL */
DEFINE_CLEANUP(UnitStarter, unit_starter_free)

const PoolStarter *unit_starter_interface(const UnitStarter *starter);
