/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/bench-engine/client.h"

#include "engine/base/clock.h"

#include <string.h>

#define NAME "org.skep.Engine1"
#define PATH "/org/skep/Engine1"
#define MANAGER "org.skep.Engine1.Manager"
#define CALL_USEC (120 * USEC_PER_SECOND)

struct Client {
        sd_bus *bus;
        const ClientEvents *events;
        void *userdata;
};

static int on_finished(sd_bus_message *m, void *userdata, sd_bus_error *error _unused_)
{
        Client *c = userdata;
        const char *id, *state;
        int r = sd_bus_message_read(m, "ss", &id, &state);

        if (r >= 0)
                c->events->finished(c, id, state, c->userdata);
        return r;
}

int client_call(Client *c, const char *method, Error *e)
{
        sd_bus_error error = SD_BUS_ERROR_NULL;
        int r = sd_bus_call_method(c->bus, NAME, PATH, MANAGER, method, &error, NULL, NULL);

        if (r < 0)
                error_set(e, r, "%s: %s", method, error.message ? error.message : strerror(-r));
        sd_bus_error_free(&error);
        return r;
}

int client_new(sd_event *event, const Engine *engine, const ClientEvents *events, void *userdata, Client **ret,
               Error *e)
{
        _cleanup_client_ Client *c = calloc(1, sizeof *c);
        int r;

        if (!c)
                return error_oom(e);
        *c = (Client){.events = events, .userdata = userdata};
        if ((r = sd_bus_new(&c->bus)) < 0 || (r = sd_bus_set_address(c->bus, engine->address)) < 0 ||
            (r = sd_bus_set_bus_client(c->bus, 1)) < 0 || (r = sd_bus_start(c->bus)) < 0 ||
            (r = sd_bus_set_exit_on_disconnect(c->bus, 1)) < 0 ||
            (r = sd_bus_attach_event(c->bus, event, SD_EVENT_PRIORITY_NORMAL)) < 0 ||
            (events->finished &&
             (r = sd_bus_match_signal(c->bus, NULL, NULL, PATH, MANAGER, "JobFinished", on_finished, c)) < 0))
                return error_errno(e, r, "%s", engine->address);
        if (events->finished && (r = client_call(c, "Subscribe", e)) < 0)
                return r;
        *ret = take(c);
        return 0;
}

Client *client_free(Client *c)
{
        if (c->bus) {
                sd_bus_detach_event(c->bus);
                sd_bus_close_unref(c->bus);
        }
        free(c);
        return NULL;
}

/* ---- submitting ---- */

static int on_submitted(sd_bus_message *m, void *userdata, sd_bus_error *error _unused_)
{
        const sd_bus_error *refused = sd_bus_message_get_error(m);
        const char *id = NULL;
        Client *c = userdata;

        if (refused)
                fprintf(stderr, "bench-engine: a submission was refused: %s\n", refused->message);
        else if (sd_bus_message_has_signature(m, "as") ? sd_bus_message_enter_container(m, 'a', "s") < 0 : 0)
                return 0;
        if (!refused && sd_bus_message_read_basic(m, 's', &id) < 0)
                id = NULL;
        c->events->submitted(c, id, c->userdata);
        return 1;
}

static int send_call(Client *c, sd_bus_message *call, int r, Error *e)
{
        if (r >= 0)
                r = sd_bus_call_async(c->bus, NULL, call, on_submitted, c, CALL_USEC);
        sd_bus_message_unref(call);
        return r < 0 ? error_errno(e, r, "submitting") : 0;
}

int client_submit(Client *c, const char *spec, Error *e)
{
        sd_bus_message *call = NULL;
        int r = sd_bus_message_new_method_call(c->bus, &call, NAME, PATH, MANAGER, "Submit");

        if (r >= 0)
                r = sd_bus_message_append(call, "sa(sh)", spec, 0);
        return send_call(c, call, r, e);
}

int client_submit_batch(Client *c, const char *const *specs, size_t n, Error *e)
{
        sd_bus_message *call = NULL;
        int r = sd_bus_message_new_method_call(c->bus, &call, NAME, PATH, MANAGER, "SubmitBatch");

        if (r >= 0)
                r = sd_bus_message_open_container(call, 'a', "(sa(ss))");
        for (size_t i = 0; r >= 0 && i < n; i++)
                r = sd_bus_message_append(call, "(sa(ss))", specs[i], 0);
        if (r >= 0)
                r = sd_bus_message_close_container(call);
        return send_call(c, call, r, e);
}

/* ---- on a connection of its own ---- */

static int ask(const Engine *engine, const char *method, const char *property, uint32_t *ret, Error *e)
{
        static const ClientEvents nothing = {0};
        _cleanup_client_ Client *client = NULL;
        sd_event *event = NULL;
        int r = sd_event_new(&event);

        r = r < 0 ? error_errno(e, r, "event loop") : client_new(event, engine, &nothing, NULL, &client, e);
        if (r >= 0 && method)
                r = client_call(client, method, e);
        else if (r >= 0 && (r = sd_bus_get_property_trivial(client->bus, NAME, PATH, MANAGER, property, NULL, 'u', ret)) < 0)
                error_errno(e, r, "reading %s", property);
        if (client)
                client = client_free(client);
        sd_event_unref(event);
        return r;
}

int engine_call(const Engine *engine, const char *method, Error *e)
{
        return ask(engine, method, NULL, NULL, e);
}

int engine_count(const Engine *engine, const char *property, uint32_t *ret, Error *e)
{
        return ask(engine, NULL, property, ret, e);
}
