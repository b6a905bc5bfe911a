/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* org.freedesktop.LogControl1, for "systemctl service-log-level" and its like: for root to set. sd-bus could not tell who that is,
 * on the private socket (bus_peer.c). */

#include "engine/supervisor/bus_private.h"

#include "engine/base/log.h"

#include <string.h>

static int check_caller(const BusLink *link, sd_bus_error *error)
{
        if (link->client && link->client->credentials.uid == 0)
                return 0;
        return sd_bus_error_set(error, SD_BUS_ERROR_ACCESS_DENIED, "only root may set this");
}

static int get_level(sd_bus *bus _unused_, const char *path _unused_, const char *interface _unused_,
                     const char *property _unused_, sd_bus_message *reply, void *userdata _unused_,
                     sd_bus_error *error _unused_)
{
        return sd_bus_message_append(reply, "s", log_level_name(log_get_level()));
}

static int set_level(sd_bus *bus _unused_, const char *path _unused_, const char *interface _unused_,
                     const char *property _unused_, sd_bus_message *value, void *userdata, sd_bus_error *error)
{
        const char *name;
        LogLevel level;
        int r = check_caller(userdata, error);

        if (r >= 0)
                r = sd_bus_message_read(value, "s", &name);
        if (r < 0)
                return r;
        if (!log_level_parse(name, &level))
                return sd_bus_error_set(
                        error, SD_BUS_ERROR_INVALID_ARGS,
                        "there is no such level; there are emerg, alert, crit, err, warning, notice, info, debug");
        log_set_level(level);
        return 1;
}

static int get_target(sd_bus *bus _unused_, const char *path _unused_, const char *interface _unused_,
                      const char *property _unused_, sd_bus_message *reply, void *userdata _unused_,
                      sd_bus_error *error _unused_)
{
        return sd_bus_message_append(reply, "s", log_get_target() == LOG_TARGET_JOURNAL ? "journal" : "console");
}

static int set_target(sd_bus *bus _unused_, const char *path _unused_, const char *interface _unused_,
                      const char *property _unused_, sd_bus_message *value, void *userdata,
                      sd_bus_error *error)
{
        const char *name;
        int r = check_caller(userdata, error);

        if (r >= 0)
                r = sd_bus_message_read(value, "s", &name);
        if (r < 0)
                return r;
        if (strcmp(name, "auto") != 0 && strcmp(name, "console") != 0 && strcmp(name, "journal") != 0)
                return sd_bus_error_set(error, SD_BUS_ERROR_INVALID_ARGS,
                                        "there is no such target; there are auto, console and journal");
        log_set_target(name[0] == 'a' ? LOG_TARGET_AUTO : name[0] == 'c' ? LOG_TARGET_CONSOLE : LOG_TARGET_JOURNAL);
        return 1;
}

static int get_identifier(sd_bus *bus _unused_, const char *path _unused_, const char *interface _unused_,
                          const char *property _unused_, sd_bus_message *reply, void *userdata _unused_,
                          sd_bus_error *error _unused_)
{
        return sd_bus_message_append(reply, "s", "skepd");
}

const sd_bus_vtable bus_log_vtable[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_WRITABLE_PROPERTY("LogLevel", "s", get_level, set_level, 0, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_WRITABLE_PROPERTY("LogTarget", "s", get_target, set_target, 0, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_PROPERTY("SyslogIdentifier", "s", get_identifier, 0, SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_VTABLE_END,
};
