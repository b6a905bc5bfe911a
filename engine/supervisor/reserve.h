/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>

/* Room on the disk that is kept beside the store, and given up when the disk is full and the store cannot even be
 * opened: SQLite needs some pages for that. So a supervisor that is restarted then starts, and says what is wrong. */

/* Takes the room, if there is so much. `path` is the store's. */
void reserve_keep(const char *path);

/* False: there is none. */
bool reserve_give_up(const char *path);
