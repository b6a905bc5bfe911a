/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "engine/supervisor/pool.h"

/* Workers as processes that we start ourselves. */
typedef struct EmbeddedStarter {
        PoolStarter starter;
        char *program;               /* path of skep-worker */
        uint64_t orphan_grace_usec; /* so long it stays without a supervisor and without a job */
} EmbeddedStarter;

int embedded_starter_init(EmbeddedStarter *starter, uint64_t orphan_grace_usec, Error *e);
void embedded_starter_done(EmbeddedStarter *starter);
