/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "engine/ctl/client.h"

#include "engine/base/json.h"
#include "engine/base/strv.h"
#include "engine/ctl/bus_json.h"

#include <fcntl.h>
#include <string.h>

static int call_job(sd_bus *bus, const char *path, const char *method, sd_bus_message **ret, Error *e,
                    const char *types, ...)
{
        _cleanup_message_ sd_bus_message *call = NULL;
        va_list ap;
        int r = sd_bus_message_new_method_call(bus, &call, ENGINE_NAME, path, ENGINE_JOB, method);

        if (r >= 0) {
                va_start(ap, types);
                r = sd_bus_message_appendv(call, types, ap);
                va_end(ap);
        }
        return r < 0 ? error_errno(e, r, "calling %s", method) : client_call_message(bus, call, ret, e);
}

const char *client_id_of(const char *path)
{
        return strrchr(path, '/') + 1;
}

int client_find_job(sd_bus *bus, const char *id, char **ret_path, Error *e)
{
        _cleanup_message_ sd_bus_message *reply = NULL;
        const char *path;
        int r;

        if (!*id)
                return error_set(e, -EINVAL, "an id is empty");
        if ((r = client_call(bus, &reply, e, "GetJob", "s", id)) < 0)
                return error_prefix(e, "%s", id), r;
        if ((r = sd_bus_message_read(reply, "o", &path)) < 0)
                return error_errno(e, r, "reading the answer");
        *ret_path = strdup(path);
        return *ret_path ? 0 : error_oom(e);
}

int client_report(sd_bus *bus, const char *path, json_object **ret, Error *e)
{
        _cleanup_message_ sd_bus_message *reply = NULL;
        const char *text;
        int r = call_job(bus, path, "Report", &reply, e, "u", 0);

        if (r < 0)
                return r;
        if ((r = sd_bus_message_read(reply, "s", &text)) < 0)
                return error_errno(e, r, "reading the answer");
        return json_parse_text(text, strlen(text), ret, e);
}

int client_attempt(sd_bus *bus, const char *path, uint32_t *ret, Error *e)
{
        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
        int r = sd_bus_get_property_trivial(bus, ENGINE_NAME, path, ENGINE_JOB, "Attempt", &error, 'u', ret);

        if (r < 0)
                return error_set(e, r, "%s", error.message ? error.message : strerror(-r));
        if (*ret == 0)
                *ret = 1;
        return 0;
}

int client_waiting(sd_bus *bus, const char *path, char **ret, Error *e)
{
        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
        int r = sd_bus_get_property_string(bus, ENGINE_NAME, path, ENGINE_JOB, "Waiting", &error, ret);

        return r < 0 ? error_set(e, r, "%s", error.message ? error.message : strerror(-r)) : 0;
}

int client_open_output(sd_bus *bus, const char *path, const char *stream, uint32_t attempt, Error *e)
{
        _cleanup_message_ sd_bus_message *reply = NULL;
        int fd, r = call_job(bus, path, "OpenOutput", &reply, e, "su", stream, attempt);

        if (r < 0)
                return r;
        if ((r = sd_bus_message_read(reply, "h", &fd)) < 0)
                return error_errno(e, r, "reading the answer");
        /* The message owns its own. */
        fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
        return fd < 0 ? error_errno(e, -errno, "output") : fd;
}

/* Times that have not come are null, and what is JSON by itself becomes it. */
static void finish_job(json_object *job)
{
        static const char *const times[] = {"submitted_usec", "started_usec", "finished_usec", "due_usec"};
        static const char *const documents[] = {"spec", "report"};

        for (size_t i = 0; i < ELEMENTS(times); i++)
                if (json_member(job, times[i]) && json_number(job, times[i]) == 0)
                        json_object_object_add(job, times[i], NULL);
        for (size_t i = 0; i < ELEMENTS(documents); i++) {
                const char *text = json_text(job, documents[i]);
                json_object *parsed = NULL;
                if (text) {
                        json_parse_text(text, strlen(text), &parsed, NULL);
                        json_object_object_add(job, documents[i], parsed);
                }
        }
}

/* The members of an array, by state: one key, whether it was a property or listed; and none for other jobs. */
static void finish_array(json_object *job)
{
        json_object *members = json_member(job, "members");

        if (json_object_is_type(members, json_type_object) && json_object_object_length(members) > 0)
                json_object_object_add(job, "array", json_object_get(members));
        json_object_object_del(job, "members");
}

int client_show_job(sd_bus *bus, const char *path, json_object **ret, Error *e)
{
        _cleanup_json_ json_object *job = NULL, *report = NULL;
        int r = client_properties(bus, path, ENGINE_JOB, &job, e);

        if (r < 0 || (r = client_report(bus, path, &report, e)) < 0)
                return r;
        finish_job(job);
        finish_array(job);
        json_object_object_add(job, "report", take(report));
        *ret = take(job);
        return 0;
}

int client_list_jobs(sd_bus *bus, char *const *filter, uint32_t limit, char **cursor, json_object **ret, Error *e)
{
        _cleanup_message_ sd_bus_message *call = NULL, *reply = NULL;
        _cleanup_json_ json_object *jobs = NULL;
        const char *next;
        int r = client_new_call(bus, "ListJobs", &call);

        if (r >= 0)
                r = sd_bus_message_open_container(call, 'a', "{sv}");
        for (size_t i = 0; r >= 0 && filter && filter[i]; i += 2)
                r = sd_bus_message_append(call, "{sv}", filter[i], "s", filter[i + 1]);
        if (r >= 0)
                r = sd_bus_message_close_container(call);
        if (r >= 0)
                r = sd_bus_message_append(call, "su", *cursor, limit);
        if (r < 0)
                return r == -EINVAL ? error_set(e, r, "a word is not UTF-8") : error_errno(e, r, "listing jobs");
        if ((r = client_call_message(bus, call, &reply, e)) < 0)
                return r;
        if ((r = client_read(reply, "aa{sv}s", &jobs, e)) < 0)
                return r;
        if ((r = sd_bus_message_read(reply, "s", &next)) < 0)
                return error_errno(e, r, "reading the answer");
        for (size_t i = 0; i < json_object_array_length(jobs); i++)
                finish_job(json_object_array_get_idx(jobs, i));
        free(*cursor);
        *cursor = strdup(next);
        *ret = take(jobs);
        return *cursor ? 0 : error_oom(e);
}
