/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* systemd ADDRESS VERSION: stands in for systemd on a private bus. It is of that version, and knows no unit. */

#include "tests/engine/stand_in.h"

static int method_start_unit(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
        (void)m;
        (void)userdata;
        return sd_bus_error_set(error, "org.freedesktop.systemd1.NoSuchUnit", "there is no such unit");
}

static int method_subscribe(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
        (void)userdata;
        (void)error;
        return sd_bus_reply_method_return(m, "");
}

static int property_version(sd_bus *bus, const char *path, const char *interface, const char *property,
                            sd_bus_message *reply, void *userdata, sd_bus_error *error)
{
        (void)bus;
        (void)path;
        (void)interface;
        (void)property;
        (void)error;
        return sd_bus_message_append(reply, "s", userdata);
}

static const sd_bus_vtable vtable[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_METHOD("StartUnit", "ss", "o", method_start_unit, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD("Subscribe", "", "", method_subscribe, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_PROPERTY("Version", "s", property_version, 0, SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_VTABLE_END,
};

int main(int argc, char **argv)
{
        if (argc < 3)
                return 2;
        return stand_in(argv[1], "org.freedesktop.systemd1", "/org/freedesktop/systemd1", "org.freedesktop.systemd1.Manager",
                        vtable, argv[2]);
}
