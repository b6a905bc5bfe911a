/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* skepctl status, list, wait, cancel, logs, output: what is there, for people and for programs. */

#include "engine/base/input.h"
#include "engine/base/json.h"
#include "engine/base/name.h"
#include "engine/base/strv.h"
#include "engine/ctl/client.h"
#include "engine/ctl/commands.h"
#include "engine/ctl/follow.h"

#include <string.h>
#include <time.h>

#define WAIT_USEC (UINT64_C(20) * 1000000)
#define LIST_PAGE 500

static const char *text_of(json_object *object, const char *key)
{
        json_object *value = NULL;

        json_object_object_get_ex(object, key, &value);
        return value ? json_object_get_string(value) : NULL;
}

/* Owned by the caller. What a job controls may hold anything that a terminal would obey. */
static char *shown(json_object *object, const char *key)
{
        const char *text = text_of(object, key);

        return name_escape(text && *text ? text : "-");
}

static const char *format_time(json_object *object, const char *key, bool utc, char buffer[static 32])
{
        json_object *value = NULL;
        struct tm parts;

        json_object_object_get_ex(object, key, &value);
        if (!value)
                return "-";
        time_t seconds = (time_t)(json_object_get_int64(value) / 1000000);
        if (utc)
                gmtime_r(&seconds, &parts);
        else
                localtime_r(&seconds, &parts);
        strftime(buffer, 32, utc ? "%Y-%m-%d %H:%M:%SZ" : "%Y-%m-%d %H:%M:%S", &parts);
        return buffer;
}

static const char *colour_of(const char *state)
{
        if (!isatty(1))
                return "";
        if (strcmp(state, "succeeded") == 0)
                return "\033[32m";
        if (strcmp(state, "failed") == 0)
                return "\033[31m";
        return strcmp(state, "running") == 0 ? "\033[33m" : "";
}

static const char *colour_end(const char *colour)
{
        return *colour ? "\033[0m" : "";
}

/* ---- status ---- */

static void print_report(json_object *report)
{
        static const char *const keys[] = {"reason",           "exit_code", "signal",    "message",
                                           "start",            "worker",    "wall_usec", "cpu_user_usec",
                                           "cpu_system_usec",  "memory_peak_bytes",      "denied_syscalls",
                                           "not_enforced"};

        for (size_t i = 0; i < ELEMENTS(keys); i++) {
                _cleanup_free_ char *value = shown(report, keys[i]);
                printf("  %-18s %s\n", keys[i], value ? value : "");
        }
}

static void print_job(json_object *job, bool utc)
{
        static const char *const keys[] = {"id", "name", "state", "tenant", "policy", "priority", "attempt"};
        char buffer[32];
        json_object *report = NULL;

        for (size_t i = 0; i < ELEMENTS(keys); i++) {
                _cleanup_free_ char *value = shown(job, keys[i]);
                const char *colour = strcmp(keys[i], "state") == 0 && value ? colour_of(value) : "";
                printf("%-20s %s%s%s\n", keys[i], colour, value ? value : "", colour_end(colour));
        }
        printf("%-20s %s\n", "submitted", format_time(job, "submitted_usec", utc, buffer));
        printf("%-20s %s\n", "started", format_time(job, "started_usec", utc, buffer));
        printf("%-20s %s\n", "finished", format_time(job, "finished_usec", utc, buffer));
        if (json_object_object_get_ex(job, "report", &report) && report) {
                printf("report\n");
                print_report(report);
        }
}

int command_status(const Context *context, int argc, char **argv, Error *e)
{
        _cleanup_bus_ sd_bus *bus = NULL;
        int r;

        if (argc < 2)
                return error_set(e, -EINVAL, "which job? skepctl status ID...");
        if ((r = client_connect(context->address, &bus, e)) < 0)
                return r;
        for (int i = 1; i < argc; i++) {
                _cleanup_json_ json_object *job = NULL;
                _cleanup_free_ char *path = NULL;
                if ((r = client_find_job(bus, argv[i], &path, e)) < 0 ||
                    (r = client_show_job(bus, path, &job, e)) < 0)
                        return r;
                if (context->json)
                        printf("%s\n", json_object_to_json_string_ext(job, JSON_C_TO_STRING_PLAIN |
                                                                                   JSON_C_TO_STRING_NOSLASHESCAPE));
                else
                        print_job(job, context->utc);
        }
        return 0;
}

/* ---- list ---- */

static int read_listed(sd_bus_message *reply, json_object *job)
{
        const char *key, *type, *text;
        uint64_t big;
        uint32_t number;
        int r;

        while ((r = sd_bus_message_enter_container(reply, 'e', "sv")) > 0) {
                json_object *report = NULL;
                if ((r = sd_bus_message_read(reply, "s", &key)) < 0 ||
                    (r = sd_bus_message_peek_type(reply, NULL, &type)) < 0)
                        return r;
                if (strcmp(type, "s") == 0 && (r = sd_bus_message_read(reply, "v", "s", &text)) >= 0) {
                        if (strcmp(key, "report") == 0) {
                                json_parse_text(text, strlen(text), &report, NULL);
                                json_object_object_add(job, key, report);
                        } else {
                                json_add_string(job, key, text);
                        }
                } else if (strcmp(type, "t") == 0 && (r = sd_bus_message_read(reply, "v", "t", &big)) >= 0) {
                        json_add_number(job, key, big ? big : UINT64_MAX);
                } else if (strcmp(type, "u") == 0 && (r = sd_bus_message_read(reply, "v", "u", &number)) >= 0) {
                        json_add_number(job, key, number);
                } else if (r >= 0) {
                        r = sd_bus_message_skip(reply, "v");
                }
                if (r < 0 || (r = sd_bus_message_exit_container(reply)) < 0)
                        return r;
        }
        return r;
}

static void print_listed(const Context *context, json_object *job)
{
        char buffer[32];
        json_object *report = NULL;

        if (context->json) {
                printf("%s\n", json_object_to_json_string_ext(job, JSON_C_TO_STRING_PLAIN |
                                                                           JSON_C_TO_STRING_NOSLASHESCAPE));
                return;
        }
        json_object_object_get_ex(job, "report", &report);
        _cleanup_free_ char *name = shown(job, "name"), *tenant = shown(job, "tenant");
        const char *state = text_of(job, "state"), *reason = report ? text_of(report, "reason") : NULL,
                   *colour = colour_of(state ? state : "");
        printf("%-26s  %s%-9s%s  %-12s  %-19s  %-12s  %s\n", text_of(job, "id"), colour, state ? state : "-",
               colour_end(colour), reason ? reason : "-", format_time(job, "submitted_usec", context->utc, buffer),
               tenant ? tenant : "-", name ? name : "-");
}

/* One page. `*cursor` becomes where the next begins, "" at the end. */
static int list_page(sd_bus *bus, const Context *context, const char *state, char **cursor, Error *e)
{
        _cleanup_message_ sd_bus_message *call = NULL, *reply = NULL;
        const char *next;
        int r = sd_bus_message_new_method_call(bus, &call, ENGINE_NAME, ENGINE_PATH, ENGINE_MANAGER, "ListJobs");

        if (r >= 0)
                r = state ? sd_bus_message_append(call, "a{sv}", 1, "state", "s", state)
                          : sd_bus_message_append(call, "a{sv}", 0);
        if (r >= 0)
                r = sd_bus_message_append(call, "su", *cursor, LIST_PAGE);
        if (r < 0)
                return error_errno(e, r, "listing jobs");
        if ((r = client_call_message(bus, call, &reply, e)) < 0)
                return r;
        if (!context->json && !**cursor)
                printf("%-26s  %-9s  %-12s  %-19s  %-12s  %s\n", "ID", "STATE", "REASON", "SUBMITTED", "TENANT", "NAME");
        r = sd_bus_message_enter_container(reply, 'a', "a{sv}");
        while (r >= 0 && (r = sd_bus_message_enter_container(reply, 'a', "{sv}")) > 0) {
                _cleanup_json_ json_object *job = json_object_new_object();
                if ((r = read_listed(reply, job)) < 0)
                        break;
                print_listed(context, job);
                r = sd_bus_message_exit_container(reply);
        }
        if (r >= 0)
                r = sd_bus_message_exit_container(reply);
        if (r >= 0)
                r = sd_bus_message_read(reply, "s", &next);
        if (r < 0)
                return error_errno(e, r, "reading the answer");
        free(*cursor);
        *cursor = strdup(next);
        return *cursor ? 0 : error_oom(e);
}

int command_list(const Context *context, int argc, char **argv, Error *e)
{
        _cleanup_bus_ sd_bus *bus = NULL;
        _cleanup_free_ char *cursor = strdup("");
        const char *state = NULL;
        int r;

        if (argc == 3 && strcmp(argv[1], "--state") == 0)
                state = argv[2];
        else if (argc == 2 && strncmp(argv[1], "--state=", 8) == 0)
                state = argv[1] + 8;
        else if (argc > 1)
                return error_set(e, -EINVAL, "%s: skepctl list [--state STATE]", argv[1]);
        if ((r = client_connect(context->address, &bus, e)) < 0)
                return r;
        do
                r = cursor ? list_page(bus, context, state, &cursor, e) : error_oom(e);
        while (r >= 0 && *cursor);
        return r < 0 ? r : 0;
}

/* ---- wait ---- */

static int wait_once(sd_bus *bus, char **ids, bool *all_succeeded, Error *e)
{
        _cleanup_message_ sd_bus_message *call = NULL, *reply = NULL;
        const char *id, *state;
        int r = sd_bus_message_new_method_call(bus, &call, ENGINE_NAME, ENGINE_PATH, ENGINE_MANAGER, "Wait");

        if (r >= 0)
                r = sd_bus_message_append_strv(call, ids);
        if (r >= 0)
                r = sd_bus_message_append(call, "t", WAIT_USEC);
        if (r < 0)
                return error_errno(e, r, "waiting");
        if ((r = client_call_message(bus, call, &reply, e)) < 0)
                return r;
        r = sd_bus_message_enter_container(reply, 'a', "(ss)");
        while (r >= 0 && (r = sd_bus_message_read(reply, "(ss)", &id, &state)) > 0) {
                *all_succeeded &= strcmp(state, "succeeded") == 0;
                strv_remove(ids, id);
        }
        return r < 0 ? error_errno(e, r, "reading the answer") : 0;
}

int command_wait(const Context *context, int argc, char **argv, Error *e)
{
        _cleanup_bus_ sd_bus *bus = NULL;
        _cleanup_strv_ char **ids = NULL;
        bool all_succeeded = true;
        int r;

        if (argc < 2)
                return error_set(e, -EINVAL, "for which jobs? skepctl wait ID...");
        if ((r = client_connect(context->address, &bus, e)) < 0)
                return r;
        for (int i = 1; i < argc; i++) {
                _cleanup_free_ char *path = NULL;
                if ((r = client_find_job(bus, argv[i], &path, e)) < 0)
                        return r;
                if (strv_add(&ids, client_id_of(path)) < 0)
                        return error_oom(e);
        }
        while (strv_length(ids) > 0)
                if ((r = wait_once(bus, ids, &all_succeeded, e)) < 0)
                        return r;
        return all_succeeded ? 0 : 1;
}

/* ---- the others ---- */

int command_logs(const Context *context, int argc, char **argv, Error *e)
{
        _cleanup_bus_ sd_bus *bus = NULL;
        _cleanup_free_ char *path = NULL;
        const FollowOptions options = {0};
        const char *id = NULL;
        bool follow = false;
        int r;

        for (int i = 1; i < argc; i++) {
                if (strcmp(argv[i], "-f") == 0 || strcmp(argv[i], "--follow") == 0)
                        follow = true;
                else if (!id && argv[i][0] != '-')
                        id = argv[i];
                else
                        return error_set(e, -EINVAL, "%s: skepctl logs [-f] ID", argv[i]);
        }
        if (!id)
                return error_set(e, -EINVAL, "of which job? skepctl logs [-f] ID");
        if ((r = client_connect(context->address, &bus, e)) < 0 || (r = client_find_job(bus, id, &path, e)) < 0)
                return r;
        return follow ? follow_job(bus, path, &options, NULL, e) : show_output(bus, path, e);
}

int command_output(const Context *context, int argc, char **argv, Error *e)
{
        _cleanup_bus_ sd_bus *bus = NULL;
        _cleanup_free_ char *path = NULL;
        int r;

        if (argc != 3)
                return error_set(e, -EINVAL, "skepctl output ID DIR");
        if ((r = client_connect(context->address, &bus, e)) < 0 || (r = client_find_job(bus, argv[1], &path, e)) < 0)
                return r;
        _cleanup_close_ int files = client_open_output(bus, path, "files", 0, e);
        return files < 0 ? files : output_unpack(files, argv[2], e);
}
