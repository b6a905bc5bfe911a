/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* skepctl wait: until all jobs have ended. Each call waits for some of them, the first that have not: all have to end
 * anyway, and a hundred thousand ids in every call would be most of the work. Of the others signals tell: when their
 * turn comes, the supervisor may have forgotten them, since it keeps only so many that have ended. */

#include "engine/base/id.h"
#include "engine/base/json.h"
#include "engine/base/strv.h"
#include "engine/ctl/client.h"
#include "engine/ctl/commands.h"
#include "engine/ctl/ids.h"
#include "engine/ctl/print.h"
#include "engine/ctl/progress.h"

#include <search.h>
#include <string.h>

#define WAIT_USEC (UINT64_C(20) * 1000000)      /* under the default timeout of calls */
#define WAIT_SHOWN_USEC (UINT64_C(1) * 1000000) /* where one sees how far it is */
#define AT_ONCE 500

typedef struct Awaited {
        const char *id;
        bool ended;
} Awaited;

typedef struct Waiting {
        sd_bus *bus;
        Awaited *jobs;            /* each once */
        size_t n, first, n_ended; /* those before `first` have ended */
        void *by_id;              /* tsearch(3) */
        bool all_succeeded, json;
        int unwritten; /* a negative errno: why standard output takes no more */
        Progress progress;
} Waiting;

static int compare_ids(const void *a, const void *b)
{
        return strcmp(((const Awaited *)a)->id, ((const Awaited *)b)->id);
}

/* At once: who reads it may have something to do for each of them. */
static void print_ended(Waiting *w, const char *id, const char *state)
{
        _cleanup_json_ json_object *object = json_object_new_object();

        json_add_string(object, "id", id);
        json_add_string(object, "state", state);
        if (isatty(1))
                progress_clear(&w->progress);
        print_json(stdout, object);
        if (fflush(stdout) != 0)
                w->unwritten = -errno;
}

static void take_off(Waiting *w, const char *id, const char *state)
{
        const Awaited wanted = {.id = id};
        Awaited **found = tfind(&wanted, &w->by_id, compare_ids);

        if (!found || (*found)->ended)
                return;
        (*found)->ended = true;
        w->n_ended++;
        w->all_succeeded &= strcmp(state, "succeeded") == 0;
        if (w->json)
                print_ended(w, id, state);
        while (w->first < w->n && w->jobs[w->first].ended)
                w->first++;
}

static int on_finished(sd_bus_message *m, void *userdata, sd_bus_error *error _unused_)
{
        const char *id, *state;

        if (sd_bus_message_read(m, "ss", &id, &state) >= 0)
                take_off(userdata, id, state);
        return 0;
}

/* Without, it works as well, as long as nothing is forgotten: so a supervisor that knows no signals will do. */
static void subscribe(Waiting *w)
{
        if (sd_bus_match_signal(w->bus, NULL, NULL, ENGINE_PATH, ENGINE_MANAGER, "JobFinished", on_finished, w) >= 0)
                client_call(w->bus, NULL, NULL, "Subscribe", "");
}

static int append_ids(const Waiting *w, sd_bus_message *call)
{
        int r = sd_bus_message_open_container(call, 'a', "s");

        for (size_t i = w->first, n = 0; r >= 0 && i < w->n && n < AT_ONCE; i++)
                if (!w->jobs[i].ended) {
                        r = sd_bus_message_append(call, "s", w->jobs[i].id);
                        n++;
                }
        return r < 0 ? r : sd_bus_message_close_container(call);
}

/* Takes in the signals that have come. */
static int take_signals(Waiting *w)
{
        int r;

        while ((r = sd_bus_process(w->bus, NULL)) > 0)
                ;
        return r;
}

/* The supervisor says that it does not know one of them, and not which. It may have forgotten it since we asked: then
 * the signal of its end has come before this answer. */
static int find_unknown(Waiting *w, int code, Error *e)
{
        size_t before = w->n_ended;
        int r = take_signals(w);

        if (r >= 0 && w->n_ended == before)
                r = code;
        for (size_t i = w->first, n = 0; r < 0 && i < w->n && n < AT_ONCE; i++) {
                _cleanup_error_ Error own = ERROR_NULL;
                _cleanup_free_ char *path = NULL;
                if (w->jobs[i].ended)
                        continue;
                n++;
                if (client_find_job(w->bus, w->jobs[i].id, &path, &own) < 0 && take_signals(w) >= 0 &&
                    !w->jobs[i].ended)
                        return error_set(e, code, "%s", error_text(&own));
        }
        return w->n_ended == before ? code : 0;
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
                return sd_bus_is_open(w->bus) > 0 ? find_unknown(w, r, e) : r;
        r = sd_bus_message_enter_container(reply, 'a', "(ss)");
        while (r >= 0 && (r = sd_bus_message_read(reply, "(ss)", &id, &state)) > 0)
                take_off(w, id, state);
        if (r < 0)
                return error_errno(e, r, "reading the answer");
        return take_signals(w);
}

/* What is shorter than an id is looked up, so that the answers are known by it. */
static int complete_ids(Waiting *w, char **ids, Error *e)
{
        for (size_t i = 0; ids[i]; i++) {
                _cleanup_free_ char *path = NULL;
                int r;
                if (!id_is_valid(ids[i])) {
                        if ((r = client_find_job(w->bus, ids[i], &path, e)) < 0)
                                return r;
                        free(ids[i]);
                        ids[i] = strdup(client_id_of(path));
                        if (!ids[i])
                                return error_oom(e);
                }
                Awaited *job = &w->jobs[w->n], **known;
                *job = (Awaited){.id = ids[i]};
                known = tsearch(job, &w->by_id, compare_ids);
                if (!known)
                        return error_oom(e);
                w->n += *known == job;
        }
        return 0;
}

static int wait_for_all(Waiting *w, const char *address, Error *e)
{
        int r = 0;

        subscribe(w);
        while (r >= 0 && w->first < w->n) {
                r = wait_once(w, w->progress.enabled ? WAIT_SHOWN_USEC : WAIT_USEC, e);
                if (r < 0) {
                        progress_clear(&w->progress);
                        if ((r = client_reconnect(address, r, NULL, NULL, &w->bus, e)) >= 0)
                                subscribe(w);
                }
                if (r >= 0 && w->unwritten < 0)
                        r = error_errno(e, w->unwritten, "standard output");
                progress_show(&w->progress, w->n_ended, w->n);
        }
        progress_clear(&w->progress);
        return r;
}

static void nothing(void *job _unused_)
{
}

int command_wait(const Context *context, int argc, char **argv, Error *e)
{
        _cleanup_strv_ char **ids = NULL;
        Waiting w = {.all_succeeded = true, .json = context->json, .progress = progress_begin("wait")};
        int r = ids_read(argc, argv, &ids, e);

        if (r < 0)
                return r;
        w.jobs = calloc(strv_length(ids) + 1, sizeof *w.jobs);
        if (!w.jobs)
                return error_oom(e);
        r = client_connect(context->address, &w.bus, e);
        if (r >= 0 && ids)
                r = complete_ids(&w, ids, e);
        if (r >= 0)
                r = wait_for_all(&w, context->address, e);
        sd_bus_flush_close_unref(w.bus);
        tdestroy(w.by_id, nothing);
        free(w.jobs);
        return r < 0 ? r : w.all_succeeded ? 0 : 1;
}
