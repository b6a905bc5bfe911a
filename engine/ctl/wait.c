/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* skepctl wait: until all jobs have ended. Each call waits for some of them, the first that have not: all have to end
 * anyway, and a hundred thousand ids in every call would be most of the work. */

#include "engine/base/id.h"
#include "engine/base/strv.h"
#include "engine/ctl/client.h"
#include "engine/ctl/commands.h"
#include "engine/ctl/ids.h"
#include "engine/ctl/progress.h"

#include <string.h>

#define WAIT_USEC (UINT64_C(20) * 1000000) /* under the default timeout of calls */
#define AT_ONCE 500

typedef struct Waiting {
        sd_bus *bus;
        char **ids;
        size_t n, first; /* those before have ended */
        size_t n_ended;
        bool all_succeeded;
} Waiting;

/* Takes an id off the list: the entry is empty then. It stands within AT_ONCE of the first, and may do so twice. */
static void take_off(Waiting *w, const char *id)
{
        for (size_t i = w->first, seen = 0; i < w->n && seen < AT_ONCE; i++) {
                if (!*w->ids[i])
                        continue;
                seen++;
                if (strcmp(w->ids[i], id) == 0) {
                        *w->ids[i] = '\0';
                        w->n_ended++;
                }
        }
        while (w->first < w->n && !*w->ids[w->first])
                w->first++;
}

static int append_ids(const Waiting *w, sd_bus_message *call)
{
        int r = sd_bus_message_open_container(call, 'a', "s");

        for (size_t i = w->first, n = 0; r >= 0 && i < w->n && n < AT_ONCE; i++)
                if (*w->ids[i]) {
                        r = sd_bus_message_append(call, "s", w->ids[i]);
                        n++;
                }
        return r < 0 ? r : sd_bus_message_close_container(call);
}

static int wait_once(Waiting *w, uint64_t timeout_usec, Error *e)
{
        _cleanup_message_ sd_bus_message *call = NULL, *reply = NULL;
        const char *id, *state;
        int r = client_new_call(w->bus, "Wait", &call);

        if (r >= 0)
                r = append_ids(w, call);
        if (r >= 0)
                r = sd_bus_message_append(call, "t", timeout_usec);
        if (r < 0)
                return error_errno(e, r, "waiting");
        if ((r = client_call_message(w->bus, call, &reply, e)) < 0)
                return r;
        r = sd_bus_message_enter_container(reply, 'a', "(ss)");
        while (r >= 0 && (r = sd_bus_message_read(reply, "(ss)", &id, &state)) > 0) {
                w->all_succeeded &= strcmp(state, "succeeded") == 0;
                take_off(w, id);
        }
        return r < 0 ? error_errno(e, r, "reading the answer") : 0;
}

/* What is shorter than an id is looked up, so that the answers are known by it. */
static int complete_ids(Waiting *w, Error *e)
{
        for (size_t i = 0; i < w->n; i++) {
                _cleanup_free_ char *path = NULL;
                int r;
                if (id_is_valid(w->ids[i]))
                        continue;
                if ((r = client_find_job(w->bus, w->ids[i], &path, e)) < 0)
                        return r;
                free(w->ids[i]);
                w->ids[i] = strdup(client_id_of(path));
                if (!w->ids[i])
                        return error_oom(e);
        }
        return 0;
}

static int wait_for_all(Waiting *w, const char *address, Error *e)
{
        Progress progress = progress_begin("wait");
        int r = complete_ids(w, e);

        while (r >= 0 && w->first < w->n) {
                r = wait_once(w, progress.enabled ? WAIT_USEC / 20 : WAIT_USEC, e);
                if (r < 0) {
                        progress_clear(&progress);
                        r = client_reconnect(address, r, &w->bus, e);
                }
                progress_show(&progress, w->n_ended, w->n);
        }
        progress_clear(&progress);
        return r;
}

int command_wait(const Context *context, int argc, char **argv, Error *e)
{
        Waiting w = {.all_succeeded = true};
        int r = ids_read(argc, argv, &w.ids, e);

        w.n = strv_length(w.ids);
        if (r >= 0)
                r = client_connect(context->address, &w.bus, e);
        if (r >= 0)
                r = wait_for_all(&w, context->address, e);
        sd_bus_flush_close_unref(w.bus);
        for (size_t i = 0; i < w.n; i++)
                free(w.ids[i]);
        free(w.ids);
        return r < 0 ? r : w.all_succeeded ? 0 : 1;
}
