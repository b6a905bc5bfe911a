/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* skepctl status: what a job is, where it stands, and what became of it. */

#include "engine/base/clock.h"
#include "engine/base/json.h"
#include "engine/base/name.h"
#include "engine/base/strv.h"
#include "engine/ctl/amount.h"
#include "engine/ctl/bus_json.h"
#include "engine/ctl/client.h"
#include "engine/ctl/commands.h"
#include "engine/ctl/ids.h"
#include "engine/ctl/print.h"
#include "engine/ctl/report_text.h"

#include <inttypes.h>
#include <stdarg.h>
#include <string.h>

#define TEXT_MAX 2000

static void print_line(const char *label, const char *format, ...) _printf_(2, 3);
static void print_line(const char *label, const char *format, ...)
{
        _cleanup_free_ char *text = NULL;
        va_list ap;

        va_start(ap, format);
        int n = vasprintf(&text, format, ap);
        va_end(ap);
        _cleanup_free_ char *escaped = n < 0 ? NULL : text_escape(text, TEXT_MAX);
        printf("%-12s %s\n", label, escaped ? escaped : "");
}

static void print_state(const Context *context, json_object *job)
{
        const char *state = json_text(job, "state"), *colour = context->colour ? state_colour(state) : NULL;
        json_object *report = json_member(job, "report");
        char buffer[48];
        const char *ending = json_number(job, "finished_usec") ? ending_text(report, buffer) : NULL;
        _cleanup_free_ char *state_escaped = name_escape(state ? state : "-"),
                            *ending_escaped = name_escape(ending ? ending : "");

        printf("%-12s %s%s%s%s%s", "state", colour ? "\033[" : "", colour ? colour : "", colour ? "m" : "",
               state_escaped ? state_escaped : "", colour ? "\033[0m" : "");
        /* One that was held while it ran, and has ended, is as it was then; and stays as it is. */
        if (!json_number(job, "finished_usec") && json_object_get_boolean(json_member(job, "held")))
                fputs(", held: skepctl release lets it start", stdout);
        /* That one which has succeeded has exited goes without saying. */
        if (ending && strcmp(state ? state : "", ending) != 0 && strcmp(ending, "exited") != 0)
                printf(" (%s)", ending_escaped ? ending_escaped : "");
        putchar('\n');
        if (json_text(report, "message"))
                print_line("why", "%s", json_text(report, "message"));
}

static void print_time(const Context *context, json_object *job, const char *label, const char *key, const char *since,
                       const char *words)
{
        uint64_t at = json_number(job, key), before = since ? json_number(job, since) : 0;

        if (!at)
                return;
        if (before && at >= before)
                print_line(label, "%s, %s %s", amount_time(at, context->utc).text, words,
                           amount_duration(at - before).text);
        else
                print_line(label, "%s", amount_time(at, context->utc).text);
}

static void print_times(const Context *context, json_object *job)
{
        uint64_t now = realtime_usec(), due = json_number(job, "due_usec");

        print_time(context, job, "submitted", "submitted_usec", NULL, NULL);
        print_time(context, job, "started", "started_usec", "submitted_usec", "after");
        if (json_number(job, "started_usec"))
                print_time(context, job, "finished", "finished_usec", "started_usec", "after");
        else
                print_time(context, job, "finished", "finished_usec", "submitted_usec", "after");
        if (due)
                print_line("next attempt", "%s%s%s", amount_time(due, context->utc).text, due > now ? ", in " : "",
                           due > now ? amount_duration(due - now).text : "");
}

/* Words that a shell would take as they are stay so; others are quoted, so that one sees where they end. */
static char *command_text(json_object *command)
{
        _cleanup_strv_ char **words = NULL;

        for (size_t i = 0; i < json_object_array_length(command); i++) {
                const char *word = json_object_get_string(json_object_array_get_idx(command, i));
                bool plain = word && *word &&
                             strspn(word, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                          "0123456789_./:=@%+,-") == strlen(word);
                if (strv_addf(&words, plain ? "%s" : "'%s'", word ? word : "") < 0)
                        return NULL;
        }
        return words ? strv_join(words, " ") : NULL;
}

static void print_spec(json_object *job)
{
        json_object *spec = json_member(job, "spec"), *command = json_member(spec, "command"),
                    *limits = json_member(spec, "limits"), *retry = json_member(spec, "retry");
        uint64_t attempt = json_number(job, "attempt");

        if (json_object_is_type(command, json_type_array)) {
                _cleanup_free_ char *text = command_text(command);
                print_line("command", "%s", text ? text : "");
        }
        print_line("tenant", "%s", json_text(job, "tenant") ? json_text(job, "tenant") : "-");
        print_line("policy", "%s", json_text(job, "policy") ? json_text(job, "policy") : "-");
        print_line("priority", "%" PRIu64, json_number(job, "priority"));
        if (limits)
                print_line("limits", "%s", json_object_to_json_string_ext(limits, JSON_C_TO_STRING_NOSLASHESCAPE));
        if (json_text(spec, "deadline"))
                print_line("deadline", "not started within %s, it fails", json_text(spec, "deadline"));
        if (json_number(retry, "attempts"))
                print_line("attempt", "%" PRIu64 " of %" PRIu64, attempt, json_number(retry, "attempts"));
        else if (attempt)
                print_line("attempt", "%" PRIu64, attempt);
}

/* Of an array, how many of its members are in which state. */
static void print_members(json_object *job)
{
        json_object *array = json_member(job, "array");
        _cleanup_strv_ char **parts = NULL;

        if (!json_object_is_type(array, json_type_object))
                return;
        json_object_object_foreach(array, state, count)
                strv_addf(&parts, "%" PRIu64 " %s", json_object_get_uint64(count), state);
        _cleanup_free_ char *text = parts ? strv_join(parts, ", ") : NULL;
        print_line("members", "%s (skepctl list --array %s)", text ? text : "-",
                   json_text(job, "id") ? json_text(job, "id") : "ID");
}

/* Whom it waits for: the states of those that it is to run after. */
static int print_awaited(sd_bus *bus, json_object *job)
{
        json_object *after = json_member(json_member(job, "spec"), "after");

        if (!json_object_is_type(after, json_type_object))
                return 0;
        json_object_object_foreach(after, name, id)
        {
                _cleanup_json_ json_object *parent = NULL;
                _cleanup_free_ char *path = NULL;
                const char *text = json_object_is_type(id, json_type_string) ? json_object_get_string(id) : "";
                bool found = client_find_job(bus, text, &path, NULL) >= 0 &&
                             client_properties(bus, path, ENGINE_JOB, &parent, NULL) >= 0;
                print_line("after", "%s: %s (%s)", name, text,
                           found && json_text(parent, "state") ? json_text(parent, "state") : "forgotten");
        }
        return 0;
}

static void print_job(const Context *context, sd_bus *bus, json_object *job)
{
        json_object *report = json_member(job, "report");

        print_line("id", "%s", json_text(job, "id") ? json_text(job, "id") : "-");
        if (json_text(job, "name") && *json_text(job, "name"))
                print_line("name", "%s", json_text(job, "name"));
        print_state(context, job);
        if (json_text(job, "waiting") && *json_text(job, "waiting"))
                print_line("waits", "%s", json_text(job, "waiting"));
        print_members(job);
        print_awaited(bus, job);
        print_times(context, job);
        print_spec(job);
        if (report) {
                /* Another attempt runs by now. */
                if (json_number(report, "attempt") < json_number(job, "attempt"))
                        print_line("report", "of attempt %" PRIu64, json_number(report, "attempt"));
                _cleanup_strv_ char **lines = report_lines(report);
                for (size_t i = 0; lines && lines[i]; i += 2)
                        print_line(lines[i], "%s", lines[i + 1]);
        }
}

int command_status(const Context *context, int argc, char **argv, Error *e)
{
        _cleanup_strv_ char **ids = NULL;
        _cleanup_bus_ sd_bus *bus = NULL;
        int r;

        if ((r = ids_read(argc, argv, &ids, e)) < 0 || (r = client_connect(context->address, &bus, e)) < 0)
                return r;
        for (size_t i = 0; ids && ids[i]; i++) {
                _cleanup_json_ json_object *job = NULL;
                _cleanup_free_ char *path = NULL;
                if ((r = client_find_job(bus, ids[i], &path, e)) < 0 || (r = client_show_job(bus, path, &job, e)) < 0)
                        return r;
                if (context->json) {
                        print_json(stdout, job);
                        continue;
                }
                if (i > 0)
                        putchar('\n');
                print_job(context, bus, job);
        }
        return 0;
}
