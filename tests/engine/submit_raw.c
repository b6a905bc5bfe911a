/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* submit-raw ADDRESS SPEC [NAME FD]...: calls Submit with whatever it is given, as a client would that is not ours.
 * Prints the id, or the error's name and sentence. */

#include <stdio.h>
#include <stdlib.h>
#include <systemd/sd-bus.h>

int main(int argc, char **argv)
{
        sd_bus_error error = SD_BUS_ERROR_NULL;
        sd_bus_message *call = NULL, *reply = NULL;
        sd_bus *bus = NULL;
        const char *id;
        int r;

        if (argc < 3)
                return 2;
        if ((r = sd_bus_new(&bus)) >= 0 && (r = sd_bus_set_address(bus, argv[1])) >= 0 &&
            (r = sd_bus_set_bus_client(bus, 1)) >= 0 && (r = sd_bus_negotiate_fds(bus, 1)) >= 0 &&
            (r = sd_bus_start(bus)) >= 0 &&
            (r = sd_bus_message_new_method_call(bus, &call, "org.skep.Engine1", "/org/skep/Engine1",
                                                "org.skep.Engine1.Manager", "Submit")) >= 0 &&
            (r = sd_bus_message_append(call, "s", argv[2])) >= 0)
                r = sd_bus_message_open_container(call, 'a', "(sh)");
        for (int i = 3; r >= 0 && i + 1 < argc; i += 2)
                r = sd_bus_message_append(call, "(sh)", argv[i], atoi(argv[i + 1]));
        if (r >= 0)
                r = sd_bus_message_close_container(call);
        if (r >= 0)
                r = sd_bus_call(bus, call, 0, &error, &reply);
        if (r >= 0)
                r = sd_bus_message_read(reply, "so", &id, NULL);
        if (r >= 0)
                puts(id);
        else
                printf("%s: %s\n", error.name ? error.name : "failed", error.message ? error.message : "");
        sd_bus_error_free(&error);
        sd_bus_message_unref(call);
        sd_bus_message_unref(reply);
        sd_bus_flush_close_unref(bus);
        return r < 0 ? 1 : 0;
}
