/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The commands that change something and have nothing to show, but with --json: a method each. Those of jobs are called
 * for each of them, many at a time; one that is refused does not keep the others from being done. */

#include "engine/base/json.h"
#include "engine/base/name.h"
#include "engine/base/size.h"
#include "engine/base/strv.h"
#include "engine/ctl/bus_json.h"
#include "engine/ctl/client.h"
#include "engine/ctl/commands.h"
#include "engine/ctl/ids.h"
#include "engine/ctl/print.h"
#include "engine/ctl/progress.h"

#include <string.h>

#define WORKERS_MAX 100000 /* the supervisor has a limit of its own */
#define IN_FLIGHT 32       /* at most: the supervisor lets go of who lets more answers lie */

typedef struct Action {
        const char *command, *method;
} Action;

static const Action actions[] = {
        {"cancel", "Cancel"}, {"hold", "Hold"}, {"release", "Release"}, {"requeue", "Requeue"}, {"rm", "Forget"},
};

static const Action governing[] = {
        {"pause", "Pause"}, {"resume", "Resume"}, {"drain", "Drain"}, {"reload", "Reload"}, {"scale", "Scale"},
};

typedef struct Acting Acting;

typedef struct Asked {
        Acting *acting;
        const char *id;
        struct Asked *next; /* of those that are asked again */
} Asked;

struct Acting {
        sd_bus *bus;
        Asked *jobs, *again;
        size_t n, n_begun, n_answered, n_refused;
        size_t under_way, in_flight; /* so many, and at most */
        bool json;
        Progress progress;
};

static const char *method_of(const Action *action, const char *command)
{
        while (strcmp(action->command, command) != 0)
                action++;
        return action->method;
}

static void print_outcome(Acting *acting, const char *id, const char *why)
{
        _cleanup_json_ json_object *object = json_object_new_object();

        json_add_string(object, "id", id);
        json_add_string(object, "error", why);
        if (isatty(1))
                progress_clear(&acting->progress);
        print_json(stdout, object);
}

/* `why`: it was refused. */
static void note_outcome(Acting *acting, const char *id, const char *why)
{
        acting->n_answered++;
        if (acting->json)
                print_outcome(acting, id, why);
        if (!why)
                return;
        _cleanup_free_ char *shown = name_escape(id), *text = text_escape(why, 1000);
        acting->n_refused++;
        progress_clear(&acting->progress);
        fprintf(stderr, "skepctl: %s: %s\n", shown ? shown : "", text ? text : "");
}

static int on_answer(sd_bus_message *reply, void *userdata, sd_bus_error *error _unused_)
{
        _cleanup_error_ Error e = ERROR_NULL;
        Asked *asked = userdata;
        Acting *acting = asked->acting;

        acting->under_way--;
        /* The operator permits fewer at a time (clients.calls) than there were: then so many as were taken. */
        if (acting->under_way > 0 &&
            sd_bus_error_has_name(sd_bus_message_get_error(reply), SD_BUS_ERROR_LIMITS_EXCEEDED)) {
                acting->in_flight = acting->under_way;
                asked->next = acting->again;
                acting->again = asked;
                return 0;
        }
        int r = client_answer(reply, &e);
        note_outcome(acting, asked->id, r < 0 ? error_text(&e) : NULL);
        return 0;
}

static int ask_next(Acting *acting, const char *method, Error *e)
{
        Asked *asked = acting->again ? acting->again : &acting->jobs[acting->n_begun];
        int r = sd_bus_call_method_async(acting->bus, NULL, ENGINE_NAME, ENGINE_PATH, ENGINE_MANAGER, method, on_answer,
                                         asked, "s", asked->id);

        if (r < 0 && r != -EINVAL)
                return error_errno(e, r, "%s", method);
        if (acting->again)
                acting->again = asked->next;
        else
                acting->n_begun++;
        if (r >= 0) {
                acting->under_way++;
                return 0;
        }
        /* No message can have it, nor JSON. */
        _cleanup_free_ char *shown = name_escape(asked->id);
        note_outcome(acting, shown ? shown : "", "an id that is not UTF-8");
        return 0;
}

static int act(Acting *acting, const char *method, Error *e)
{
        while (acting->n_answered < acting->n) {
                int r;
                while ((acting->again || acting->n_begun < acting->n) && acting->under_way < acting->in_flight)
                        if ((r = ask_next(acting, method, e)) < 0)
                                return r;
                while ((r = sd_bus_process(acting->bus, NULL)) > 0)
                        ;
                progress_show(&acting->progress, acting->n_answered, acting->n);
                if (r >= 0 && acting->under_way == 0)
                        continue;
                if (r >= 0)
                        r = sd_bus_wait(acting->bus, UINT64_MAX);
                if (r < 0 && r != -EINTR)
                        return error_set(e, r, "the supervisor has ended: %zu of %zu were done", acting->n_answered,
                                         acting->n);
        }
        return 0;
}

int command_act(const Context *context, int argc, char **argv, Error *e)
{
        _cleanup_strv_ char **ids = NULL;
        _cleanup_free_ Asked *jobs = NULL;
        _cleanup_bus_ sd_bus *bus = NULL;
        int r;

        if ((r = ids_read(argc, argv, &ids, e)) < 0 || (r = client_connect(context->address, &bus, e)) < 0)
                return r;
        Acting acting = {.bus = bus,
                         .n = strv_length(ids),
                         .in_flight = IN_FLIGHT,
                         .json = context->json,
                         .progress = progress_begin(argv[0])};
        acting.jobs = jobs = calloc(acting.n + 1, sizeof *jobs);
        if (!jobs)
                return error_oom(e);
        for (size_t i = 0; i < acting.n; i++)
                jobs[i] = (Asked){&acting, ids[i], NULL};
        r = act(&acting, method_of(actions, argv[0]), e);
        progress_clear(&acting.progress);
        return r < 0 ? r : acting.n_refused ? STATUS_NO_JOB : 0;
}

/* Reload() names what has changed and is taken up only by the next supervisor. */
static int print_later(const Context *context, sd_bus_message *reply, Error *e)
{
        _cleanup_json_ json_object *keys = NULL, *whole = json_object_new_object();
        int r = client_read(reply, "as", &keys, e);

        if (r < 0)
                return r;
        if (context->json) {
                json_object_object_add(whole, "needs_restart", json_object_get(keys));
                print_json(stdout, whole);
                return 0;
        }
        for (size_t i = 0; i < json_object_array_length(keys); i++) {
                _cleanup_free_ char *key = name_escape(json_object_get_string(json_object_array_get_idx(keys, i)));
                printf("%s: changed, and taken up when skepd is restarted\n", key ? key : "");
        }
        return 0;
}

/* What is so now, whichever of them was asked for. */
static int print_state(sd_bus *bus, Error *e)
{
        static const char *const keys[] = {"paused", "draining", "scaler", "pool_target"};
        _cleanup_json_ json_object *engine = NULL, *whole = json_object_new_object();
        int r = client_properties(bus, ENGINE_PATH, ENGINE_MANAGER, &engine, e);

        if (r < 0)
                return r;
        for (size_t i = 0; i < ELEMENTS(keys); i++)
                json_object_object_add(whole, keys[i], json_object_get(json_member(engine, keys[i])));
        print_json(stdout, whole);
        return 0;
}

int command_govern(const Context *context, int argc, char **argv, Error *e)
{
        const char *method = method_of(governing, argv[0]);
        _cleanup_message_ sd_bus_message *reply = NULL;
        _cleanup_bus_ sd_bus *bus = NULL;
        bool scale = strcmp(argv[0], "scale") == 0, mode = scale && argc == 2 && *argv[1] >= 'a' && *argv[1] <= 'z';
        uint64_t workers;
        int r;

        if (scale && argc != 2)
                return error_set(e, -EINVAL, "how many workers? skepctl scale N, or skepctl scale predictive");
        if (!scale && argc > 1)
                return error_set(e, -EINVAL, "%s: skepctl %s takes no words", argv[1], argv[0]);
        if ((scale && !mode && (r = count_parse(argv[1], 0, WORKERS_MAX, &workers, e)) < 0) ||
            (r = client_connect(context->address, &bus, e)) < 0)
                return r;
        r = mode    ? client_call(bus, &reply, e, "SetScaler", "s", argv[1])
            : scale ? client_call(bus, &reply, e, method, "u", (uint32_t)workers)
                    : client_call(bus, &reply, e, method, "");
        if (r < 0)
                return r;
        if (strcmp(method, "Reload") == 0)
                return print_later(context, reply, e);
        return context->json ? print_state(bus, e) : 0;
}
