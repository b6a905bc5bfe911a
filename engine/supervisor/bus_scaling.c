/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What the scaler foresees and decides, for those who may call at all: how much is done here is no secret of a tenant.
 */

#include "engine/base/clock.h"
#include "engine/supervisor/bus_private.h"
#include "engine/supervisor/scaling.h"

#define BANDS_MAX 8
#define MINUTES_MAX (7 * 24 * 60)

int bus_method_forecast(sd_bus_message *m, void *userdata, sd_bus_error *error _unused_)
{
        const Scaling *scaling = supervisor_scaling(bus_supervisor(userdata));
        sd_bus_message *reply = NULL;
        ScalerBand bands[BANDS_MAX];
        uint32_t minutes;
        int r = sd_bus_message_read(m, "u", &minutes);

        if (r >= 0)
                r = sd_bus_message_new_method_return(m, &reply);
        if (r >= 0)
                r = sd_bus_message_open_container(reply, 'a', "(tddd)");
        size_t n = r < 0 ? 0 : scaling_bands(scaling, minutes, bands, BANDS_MAX);
        for (size_t i = 0; r >= 0 && i < n; i++)
                r = sd_bus_message_append(reply, "(tddd)",
                                          scaling_now_usec(scaling) +
                                                  (uint64_t)(bands[i].later_sec * (double)USEC_PER_SECOND),
                                          bands[i].p50, bands[i].p90, bands[i].p99);
        if (r >= 0)
                r = sd_bus_message_close_container(reply);
        if (r >= 0)
                r = sd_bus_message_send(reply);
        sd_bus_message_unref(reply);
        return r < 0 ? r : 1;
}

int bus_method_scaling_report(sd_bus_message *m, void *userdata, sd_bus_error *error _unused_)
{
        _cleanup_free_ char *text = NULL;
        uint32_t minutes;
        int r = sd_bus_message_read(m, "u", &minutes);

        if (r < 0)
                return r;
        text = scaling_report(supervisor_scaling(bus_supervisor(userdata)),
                              minutes < MINUTES_MAX ? minutes : MINUTES_MAX);
        return text ? sd_bus_reply_method_return(m, "s", text) : -ENOMEM;
}

int bus_method_set_scaler(sd_bus_message *m, void *userdata, sd_bus_error *error _unused_)
{
        _cleanup_error_ Error e = ERROR_NULL;
        BusLink *link = userdata;
        Scaling *scaling = supervisor_scaling(bus_supervisor(link));
        ScalerMode mode;
        const char *name;
        int r = bus_authorize(link, m, ACTION_MANAGE_POOL, bus_method_set_scaler);

        if (r <= 0)
                return r < 0 ? r : 1;
        if ((r = sd_bus_message_read(m, "s", &name)) < 0)
                return r;
        if (scaler_mode_parse(name, &mode, &e) < 0)
                return sd_bus_reply_method_errorf(m, SD_BUS_ERROR_INVALID_ARGS, "the scaler %s", error_text(&e));
        scaling_set_mode(scaling, mode, pool_size(supervisor_pool(bus_supervisor(link))).target);
        return sd_bus_reply_method_return(m, NULL);
}

int bus_get_scaler(sd_bus *bus _unused_, const char *path _unused_, const char *interface _unused_,
                   const char *property _unused_, sd_bus_message *reply, void *userdata, sd_bus_error *error _unused_)
{
        return sd_bus_message_append(reply, "s",
                                     scaler_mode_name(scaling_mode(supervisor_scaling(bus_supervisor(userdata)))));
}
