/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/engine/stand_in.h"

#include <stdio.h>
#include <string.h>

int stand_in(const char *address, const char *name, const char *path, const char *interface, const sd_bus_vtable *vtable,
             void *userdata)
{
        sd_bus *bus = NULL;
        int r;

        if ((r = sd_bus_new(&bus)) < 0 || (r = sd_bus_set_address(bus, address)) < 0 ||
            (r = sd_bus_set_bus_client(bus, 1)) < 0 || (r = sd_bus_start(bus)) < 0 ||
            (r = sd_bus_add_object_vtable(bus, NULL, path, interface, vtable, userdata)) < 0 ||
            (r = sd_bus_request_name(bus, name, 0)) < 0) {
                fprintf(stderr, "%s\n", strerror(-r));
                return 1;
        }
        puts("ready");
        fflush(stdout);
        while ((r = sd_bus_process(bus, NULL)) >= 0)
                if (r == 0 && (r = sd_bus_wait(bus, UINT64_MAX)) < 0)
                        break;
        sd_bus_close_unref(bus);
        return 0;
}
