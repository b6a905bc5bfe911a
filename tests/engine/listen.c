/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* listen ADDRESS [no-subscribe]: subscribes to the engine's signals, prints "listening", and then each signal that comes,
 * a line each: its member, and its numbers and strings. Ends when the connection does. */

#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <systemd/sd-bus.h>

static int on_signal(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
        const char *text;
        uint32_t number;

        (void)userdata;
        (void)error;
        printf("%s", sd_bus_message_get_member(m));
        while (sd_bus_message_read(m, "u", &number) > 0)
                printf(" %u", number);
        while (sd_bus_message_read(m, "s", &text) > 0)
                printf(" %s", text);
        putchar('\n');
        fflush(stdout);
        return 0;
}

int main(int argc, char **argv)
{
        sd_bus_error error = SD_BUS_ERROR_NULL;
        sd_bus *bus = NULL;
        int r;

        if (argc < 2)
                return 2;
        if ((r = sd_bus_new(&bus)) >= 0 && (r = sd_bus_set_address(bus, argv[1])) >= 0 &&
            (r = sd_bus_set_bus_client(bus, 1)) >= 0 && (r = sd_bus_start(bus)) >= 0 &&
            (r = sd_bus_add_match(bus, NULL, "type='signal',path_namespace='/org/skep/Engine1'", on_signal, NULL)) >= 0 &&
            argc < 3)
                r = sd_bus_call_method(bus, "org.skep.Engine1", "/org/skep/Engine1", "org.skep.Engine1.Manager",
                                       "Subscribe", &error, NULL, NULL);
        if (r < 0) {
                printf("%s\n", error.message ? error.message : strerror(-r));
                return 1;
        }
        puts("listening");
        fflush(stdout);
        while ((r = sd_bus_process(bus, NULL)) >= 0)
                if (r == 0 && (r = sd_bus_wait(bus, UINT64_MAX)) < 0)
                        break;
        sd_bus_close_unref(bus);
        return 0;
}
