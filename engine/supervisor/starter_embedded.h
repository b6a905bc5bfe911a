/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "engine/supervisor/config.h"
#include "engine/supervisor/pool.h"

/* Workers as processes that we start ourselves. */
typedef struct EmbeddedStarter {
        PoolStarter starter;
        char *program; /* path of skep-worker */
        const Config *config;
} EmbeddedStarter;

/* `config` is borrowed. */
int embedded_starter_init(EmbeddedStarter *starter, const Config *config, Error *e);
void embedded_starter_done(EmbeddedStarter *starter);
