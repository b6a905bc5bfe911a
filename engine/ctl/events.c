/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* skepctl events: which jobs have come and which have ended, in the order of time. What was is read from the jobs
 * themselves, as long as they are known; what comes is told by the supervisor's signals, which carry ids alone: the
 * rest is asked for. */

#include "engine/base/clock.h"
#include "engine/base/json.h"
#include "engine/base/options.h"
#include "engine/base/size.h"
#include "engine/ctl/amount.h"
#include "engine/ctl/bus_json.h"
#include "engine/ctl/client.h"
#include "engine/ctl/commands.h"
#include "engine/ctl/print.h"
#include "engine/ctl/since.h"
#include "engine/ctl/table.h"

#include <string.h>

#define PAGE_JOBS 500
#define NUMBER_DEFAULT 100
#define NUMBER_FOLLOWING 10 /* shown of the past, where what comes is the point */
#define NUMBER_MAX 1000000

typedef struct EventsOptions {
        bool follow;
        uint64_t number, since_usec;
} EventsOptions;

typedef struct Event {
        uint64_t usec;
        bool finished;    /* else submitted */
        json_object *job; /* owned */
} Event;

typedef struct Events {
        const Context *context;
        sd_bus *bus;
        Table *table;
        Event *past; /* those that were shown first: a signal may tell of them again */
        size_t n, room, wanted;
        uint64_t last_usec; /* of the newest that was shown, and when the following began */
        int error;          /* while following */
} Events;

static int take_number(const Option *option _unused_, const char *value, void *target, Error *e)
{
        return count_parse(value, 0, NUMBER_MAX, &((EventsOptions *)target)->number, e);
}

static int take_since(const Option *option _unused_, const char *value, void *target, Error *e)
{
        return since_parse(value, &((EventsOptions *)target)->since_usec, e);
}

static const Option options_table[] = {
        {"follow", NULL, NULL, option_set_flag, offsetof(EventsOptions, follow)},
        {"f", NULL, NULL, option_set_flag, offsetof(EventsOptions, follow)},
        {"number", "N", NULL, take_number, 0},
        {"n", "N", NULL, take_number, 0},
        {"since", "TIME", NULL, take_since, 0},
};

static const TableColumn columns[] = {
        {"TIME", false}, {"EVENT", false}, {"ID", false}, {"REASON", false}, {"TENANT", false}, {"NAME", false},
};

/* ---- printing ---- */

static void print_json_form(uint64_t usec, bool finished, json_object *job)
{
        static const char *const keys[] = {"id", "name", "tenant"};
        _cleanup_json_ json_object *object = json_object_new_object();

        json_add_number(object, "time_usec", usec);
        json_add_string(object, "event", finished ? "finished" : "submitted");
        for (size_t i = 0; i < ELEMENTS(keys); i++)
                json_add_string(object, keys[i], json_text(job, keys[i]));
        if (finished) {
                json_add_string(object, "state", json_text(job, "state"));
                json_add_string(object, "reason", json_text(json_member(job, "report"), "reason"));
        }
        print_json(stdout, object);
}

static int print_event(Events *v, uint64_t usec, bool finished, json_object *job)
{
        const char *state = json_text(job, "state");
        char buffer[48];

        if (usec > v->last_usec)
                v->last_usec = usec;
        if (v->context->json) {
                print_json_form(usec, finished, job);
                return 0;
        }
        table_add(v->table, amount_time(usec, v->context->utc).text, NULL);
        table_add(v->table, finished ? state : "submitted", finished ? state_colour(state) : NULL);
        table_add(v->table, json_text(job, "id"), NULL);
        table_add(v->table, finished ? ending_text(json_member(job, "report"), buffer) : NULL, NULL);
        table_add(v->table, json_text(job, "tenant"), NULL);
        table_add(v->table, json_text(job, "name"), NULL);
        return table_flush(v->table);
}

/* ---- the past ---- */

static int compare_times(const void *a, const void *b)
{
        const Event *x = a, *y = b;

        return x->usec < y->usec ? -1 : x->usec > y->usec;
}

/* Only the newest are kept, so that it takes no more memory when there are many. */
static void keep_newest(Events *v)
{
        if (v->n == 0)
                return;
        qsort(v->past, v->n, sizeof *v->past, compare_times);
        if (v->n <= v->wanted)
                return;
        size_t excess = v->n - v->wanted;
        for (size_t i = 0; i < excess; i++)
                json_object_put(v->past[i].job);
        memmove(v->past, v->past + excess, v->wanted * sizeof *v->past);
        v->n = v->wanted;
}

static int add_past(Events *v, json_object *job, const char *key, bool finished, uint64_t since_usec)
{
        uint64_t usec = json_number(job, key);

        if (!usec || usec < since_usec)
                return 0;
        if (v->n == v->room)
                keep_newest(v);
        if (v->n == v->room) {
                size_t room = v->room ? 2 * v->room : 64;
                Event *larger = reallocarray(v->past, room, sizeof *larger);
                if (!larger)
                        return -ENOMEM;
                v->past = larger;
                v->room = room;
        }
        v->past[v->n++] = (Event){usec, finished, json_object_get(job)};
        return 0;
}

static void forget_past(Events *v)
{
        for (size_t i = 0; i < v->n; i++)
                json_object_put(v->past[i].job);
        v->n = 0;
}

/* A job that came before may have ended since: so all of them are looked through. */
static int read_past(Events *v, uint64_t since_usec, Error *e)
{
        _cleanup_free_ char *cursor = strdup("");
        int r;

        if (!cursor)
                return error_oom(e);
        forget_past(v);
        do {
                _cleanup_json_ json_object *jobs = NULL;
                if ((r = client_list_jobs(v->bus, NULL, PAGE_JOBS, &cursor, &jobs, e)) < 0)
                        return r;
                for (size_t i = 0; i < json_object_array_length(jobs); i++) {
                        json_object *job = json_object_array_get_idx(jobs, i);
                        if (add_past(v, job, "submitted_usec", false, since_usec) < 0 ||
                            add_past(v, job, "finished_usec", true, since_usec) < 0)
                                return error_oom(e);
                }
        } while (*cursor);
        keep_newest(v);
        for (size_t i = 0; i < v->n; i++)
                if (print_event(v, v->past[i].usec, v->past[i].finished, v->past[i].job) < 0)
                        return error_oom(e);
        return 0;
}

/* ---- what comes ---- */

static bool was_shown(const Events *v, const char *id, bool finished)
{
        for (size_t i = 0; i < v->n; i++) {
                const char *shown = json_text(v->past[i].job, "id");
                if (v->past[i].finished == finished && shown && strcmp(shown, id) == 0)
                        return true;
        }
        return false;
}

static int on_signal(sd_bus_message *m, void *userdata, sd_bus_error *error _unused_)
{
        _cleanup_json_ json_object *job = NULL;
        _cleanup_free_ char *path = NULL;
        Events *v = userdata;
        bool finished = strcmp(sd_bus_message_get_member(m), "JobFinished") == 0;
        const char *id;

        if (sd_bus_message_read(m, "s", &id) < 0 || was_shown(v, id, finished))
                return 0;
        /* It may be forgotten already; then there is nothing more to say of it. */
        if (client_find_job(v->bus, id, &path, NULL) < 0 || client_show_job(v->bus, path, &job, NULL) < 0)
                return 0;
        v->error = print_event(v, json_number(job, finished ? "finished_usec" : "submitted_usec"), finished, job);
        return 0;
}

static int subscribe(Events *v, Error *e)
{
        static const char *const members[] = {"JobNew", "JobFinished"};
        int r = 0;

        for (size_t i = 0; r >= 0 && i < ELEMENTS(members); i++)
                r = sd_bus_match_signal(v->bus, NULL, NULL, ENGINE_PATH, ENGINE_MANAGER, members[i], on_signal, v);
        return r < 0 ? error_errno(e, r, "listening for signals") : client_call(v->bus, NULL, e, "Subscribe", "");
}

static int follow(Events *v, Error *e)
{
        int r;

        for (;;) {
                while ((r = sd_bus_process(v->bus, NULL)) > 0)
                        ;
                int shown = print_out(e);
                if (shown != 0)
                        return shown < 0 ? shown : 0;
                if (v->error < 0)
                        return error_errno(e, v->error, "printing");
                if (r >= 0)
                        r = sd_bus_wait(v->bus, UINT64_MAX);
                if (r >= 0 || r == -EINTR)
                        continue;
                /* What has come and ended meanwhile is shown as well. */
                v->wanted = NUMBER_MAX;
                if ((r = client_reconnect(v->context->address, r, NULL, NULL, &v->bus, e)) < 0 || (r = subscribe(v, e)) < 0 ||
                    (r = read_past(v, v->last_usec + 1, e)) < 0)
                        return r;
        }
}

static int show(Events *v, const EventsOptions *o, Error *e)
{
        int r = client_connect(v->context->address, &v->bus, e);

        v->table = table_new(columns, ELEMENTS(columns), v->context->colour);
        if (!v->table)
                return error_oom(e);
        /* Before what was is read, so that nothing is missed between. What was before and is not shown now, is not by the
         * next supervisor either. */
        v->last_usec = realtime_usec();
        if (r >= 0 && o->follow)
                r = subscribe(v, e);
        if (r >= 0)
                r = read_past(v, o->since_usec, e);
        return r >= 0 && o->follow ? follow(v, e) : r;
}

int command_events(const Context *context, int argc, char **argv, Error *e)
{
        EventsOptions o = {.number = UINT64_MAX};
        Events v = {.context = context};
        int r = options_read(options_table, ELEMENTS(options_table), argc, argv, false, &o, e);

        if (r >= 0 && r < argc)
                r = error_set(e, -EINVAL, "%s: skepctl events takes no words", argv[r]);
        if (r < 0)
                return r;
        v.wanted = o.number != UINT64_MAX ? o.number
                   : o.since_usec         ? NUMBER_MAX
                   : o.follow             ? NUMBER_FOLLOWING
                                          : NUMBER_DEFAULT;
        r = show(&v, &o, e);
        forget_past(&v);
        free(v.past);
        if (v.table)
                table_free(v.table);
        sd_bus_flush_close_unref(v.bus);
        return r;
}
