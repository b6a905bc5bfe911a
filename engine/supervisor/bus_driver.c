/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* org.freedesktop.DBus for those who connect to the socket: as much of a bus as programs expect. */

#include "engine/supervisor/bus_private.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static int method_hello(sd_bus_message *m, void *userdata, sd_bus_error *error _unused_)
{
        BusLink *link = userdata;
        char name[32];

        snprintf(name, sizeof name, ":1.%" PRIu64, ++link->owner->serial);
        return sd_bus_reply_method_return(m, "s", name);
}

static int method_nothing(sd_bus_message *m, void *userdata _unused_, sd_bus_error *error _unused_)
{
        return sd_bus_reply_method_return(m, NULL);
}

static int method_has_owner(sd_bus_message *m, void *userdata _unused_, sd_bus_error *error _unused_)
{
        const char *name;
        int r = sd_bus_message_read(m, "s", &name);

        return r < 0 ? r : sd_bus_reply_method_return(m, "b", strcmp(name, BUS_NAME) == 0);
}

static int method_owner(sd_bus_message *m, void *userdata _unused_, sd_bus_error *error _unused_)
{
        const char *name;
        int r = sd_bus_message_read(m, "s", &name);

        if (r < 0)
                return r;
        if (strcmp(name, BUS_NAME) != 0)
                return sd_bus_reply_method_errorf(m, SD_BUS_ERROR_NAME_HAS_NO_OWNER, "that name is not here");
        return sd_bus_reply_method_return(m, "s", ":1.0");
}

const sd_bus_vtable bus_driver_vtable[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_METHOD("Hello", "", "s", method_hello, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD("AddMatch", "s", "", method_nothing, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD("RemoveMatch", "s", "", method_nothing, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD("NameHasOwner", "s", "b", method_has_owner, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD("GetNameOwner", "s", "s", method_owner, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_VTABLE_END,
};
