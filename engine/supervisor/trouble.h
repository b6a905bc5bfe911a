/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "engine/base/cleanup.h"

#include <stdbool.h>

/* What of the host keeps a part of the engine from working, while the rest goes on. It is said once in the log when it
 * begins, and when it is over; as long as it lasts, the engine has it among its properties. */

typedef enum TroubleKind {
        TROUBLE_MESSAGE_BUS,
        TROUBLE_POLKIT,
        TROUBLE_SYSTEMD,
        TROUBLE_OLD_SYSTEMD,
        TROUBLE_LIMITS,
        TROUBLE_STORE,
        TROUBLE_ROOM,
        TROUBLE_STARTS,
        TROUBLE_LOAD,
        TROUBLE_KIND_MAX,
} TroubleKind;

typedef struct Troubles {
        char *texts[TROUBLE_KIND_MAX]; /* owned; NULL: all is well */
} Troubles;

void troubles_done(Troubles *troubles);

/* The sentence says what does not work, why, and the way out. One that is the same as before is not said again. */
void trouble_begin(Troubles *troubles, TroubleKind kind, const char *format, ...) _printf_(3, 4);
/* False where there was none. */
bool trouble_end(Troubles *troubles, TroubleKind kind);
