/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What goes beyond one's own jobs: root may; others ask polkit, which asks whoever sits there. Only clients of the
 * message bus have a name that polkit knows; on the private socket it is the user that counts. The call waits
 * meanwhile, and is begun anew when polkit has said yes. */

#include "engine/supervisor/bus_private.h"

#include "engine/base/clock.h"

#include <string.h>

#define ASK_USEC (5 * 60 * USEC_PER_SECOND)      /* somebody may have to find his password */
#define OPERATOR_USEC (5 * 60 * USEC_PER_SECOND) /* as long as polkit itself keeps an authorization */

#define MANAGE_JOBS "org.skep.engine1.manage-jobs"

/* Whoever may not see a job does not learn that there is one; nor does he of a tenant. */
static const struct {
        const char *id, *error, *refusal;
} actions[BUS_ACTION_MAX] = {
        [ACTION_MANAGE_JOBS] = {MANAGE_JOBS, BUS_ERROR("NoSuchJob"), "there is no such job"},
        [ACTION_LIST_TENANT] = {MANAGE_JOBS, SD_BUS_ERROR_ACCESS_DENIED,
                                "tenant: only who acts for it, root, and whom polkit lets, may list its jobs"},
        [ACTION_MANAGE_POOL] = {"org.skep.engine1.manage-pool", SD_BUS_ERROR_ACCESS_DENIED,
                                "only root, and whom polkit lets, may manage the engine's pool"},
        [ACTION_CONFIGURE] = {"org.skep.engine1.configure", SD_BUS_ERROR_ACCESS_DENIED,
                              "only root, and whom polkit lets, may configure the engine or copy its state"},
};

static bool is_about_jobs(BusAction action)
{
        return action == ACTION_MANAGE_JOBS || action == ACTION_LIST_TENANT;
}

static int refuse(sd_bus_message *m, BusAction action)
{
        return sd_bus_reply_method_errorf(m, actions[action].error, "%s", actions[action].refusal);
}

static bool read_answer(sd_bus_message *reply)
{
        int authorized = 0;

        return !sd_bus_message_is_method_error(reply, NULL) &&
               sd_bus_message_enter_container(reply, 'r', "bba{ss}") >= 0 &&
               sd_bus_message_read(reply, "b", &authorized) >= 0 && authorized;
}

/* Where it is not there, or does not answer, that is a no, and something for the operator to know. */
static void note_polkit(Supervisor *supervisor, sd_bus_message *reply)
{
        const sd_bus_error *error = sd_bus_message_get_error(reply);

        if (!error)
                trouble_end(supervisor_troubles(supervisor), TROUBLE_POLKIT);
        else
                trouble_begin(supervisor_troubles(supervisor), TROUBLE_POLKIT,
                              "polkit does not answer (%s), so that nobody but root may manage the engine or see the jobs "
                              "of others: install and start polkitd",
                              error->name);
}

static int on_answer(sd_bus_message *reply, void *userdata, sd_bus_error *error _unused_)
{
        BusPending *p = userdata;
        BusClient *client = p->client;
        BusLink *link = client->link;

        note_polkit(bus_supervisor(link), reply);
        sd_bus_message *m = sd_bus_message_ref(p->message);
        sd_bus_error failure = SD_BUS_ERROR_NULL;
        sd_bus_message_handler_t again = p->again;
        BusAction action = p->action;
        BusLoad load = {.bytes = p->bytes, .n_fds = p->fds};

        bus_pending_free(p);
        if (!read_answer(reply)) {
                refuse(m, action);
        } else {
                if (is_about_jobs(action))
                        client->operator_until_usec = monotonic_usec() + OPERATOR_USEC;
                link->client = client;
                link->load = &load;
                link->granted = 1U << action;
                int r = sd_bus_message_rewind(m, 1);
                if (r >= 0)
                        r = again(m, link, &failure);
                if (r < 0 || sd_bus_error_is_set(&failure))
                        sd_bus_reply_method_errno(m, r, &failure);
                link->granted = 0;
                link->load = NULL;
                link->client = NULL;
        }
        sd_bus_error_free(&failure);
        sd_bus_message_unref(m);
        return 1;
}

static int ask(BusPending *p)
{
        sd_bus *bus = p->client->link->bus;
        sd_bus_message *call = NULL;
        uint32_t interactive = sd_bus_message_get_allow_interactive_authorization(p->message) > 0;
        int r = sd_bus_message_new_method_call(bus, &call, "org.freedesktop.PolicyKit1",
                                               "/org/freedesktop/PolicyKit1/Authority",
                                               "org.freedesktop.PolicyKit1.Authority", "CheckAuthorization");

        if (r >= 0)
                r = sd_bus_message_append(call, "(sa{sv})sa{ss}us", "system-bus-name", 1, "name", "s",
                                          p->client->sender->name, actions[p->action].id, 0, interactive, "");
        if (r >= 0)
                r = sd_bus_call_async(bus, &p->slot, call, on_answer, p, ASK_USEC);
        sd_bus_message_unref(call);
        return r;
}

int bus_authorize(BusLink *link, sd_bus_message *m, BusAction action, sd_bus_message_handler_t again)
{
        BusClient *client = link->client;

        if (client->caller.root || link->granted & (1U << action))
                return 1;
        if (is_about_jobs(action) && monotonic_usec() < client->operator_until_usec)
                return 1;
        if (link->peer)
                return refuse(m, action) < 0 ? -EIO : 0;
        BusPending *p = bus_pending_new(client, m);
        if (!p)
                return 0;
        p->action = action;
        p->again = again;
        int r = ask(p);
        if (r < 0)
                bus_pending_free(p);
        return r < 0 ? r : 0;
}
