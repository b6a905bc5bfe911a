/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* org.skep.Engine1.Job: objects that are found when somebody asks for them. */

#include "engine/supervisor/bus_private.h"

#include "engine/base/json.h"
#include "engine/supervisor/array.h"

#include <string.h>

int bus_job_find(sd_bus *bus _unused_, const char *path, const char *interface _unused_, void *userdata,
                 void **ret_found, sd_bus_error *error _unused_)
{
        const char *id = path + strlen(BUS_JOB_PATH);
        BusLink *link = userdata;

        if (*id != '/' || !id_is_valid(id + 1))
                return 0;
        link->job = job_table_get(supervisor_jobs(bus_supervisor(link)), id + 1);
        if (!link->job || !link->client || !bus_client_may_see(link->client, link->job))
                return 0;
        *ret_found = link;
        return 1;
}

static int method_report(sd_bus_message *m, void *userdata, sd_bus_error *error _unused_)
{
        const BusLink *link = userdata;
        const Job *job = link->job;
        uint32_t attempt;
        int r = sd_bus_message_read(m, "u", &attempt);

        if (r < 0)
                return r;
        if (attempt > job->attempt)
                return sd_bus_reply_method_errorf(m, BUS_ERROR("NoSuchJob"), "job %s has no attempt %u", job->id.text,
                                                  attempt);
        _cleanup_error_ Error e = ERROR_NULL;
        _cleanup_free_ char *report = NULL;
        if (supervisor_report(bus_supervisor(link), job, attempt, &report, &e) < 0)
                return sd_bus_reply_method_errorf(m, BUS_ERROR("StoreFailed"), "%s", error_text(&e));
        return sd_bus_reply_method_return(m, "s", report ? report : "null");
}

static int method_open_output(sd_bus_message *m, void *userdata, sd_bus_error *error _unused_)
{
        const BusLink *link = userdata;
        const Job *job = link->job;
        OutputStream stream;
        const char *name;
        uint32_t attempt;
        int r = sd_bus_message_read(m, "su", &name, &attempt);

        if (r < 0)
                return r;
        if (output_stream_parse(name, &stream) < 0)
                return sd_bus_reply_method_errorf(m, SD_BUS_ERROR_INVALID_ARGS,
                                                  "there is no such stream; there are stdout, stderr, files and index");
        _cleanup_close_ int fd = supervisor_open_output(bus_supervisor(link), job, stream, attempt);
        if (fd == -ENOENT)
                return sd_bus_reply_method_errorf(m, BUS_ERROR("NoSuchJob"), "job %s has no attempt %u", job->id.text,
                                                  attempt);
        if (fd == -ENODATA)
                return sd_bus_reply_method_errorf(m, BUS_ERROR("StoreFailed"),
                                                  "what job %s has left is not in the state directory any more", job->id.text);
        if (fd < 0)
                return sd_bus_reply_method_errorf(m, BUS_ERROR("StoreFailed"), "the output of job %s: %s", job->id.text,
                                                  strerror(-fd));
        return sd_bus_reply_method_return(m, "h", fd);
}

static const char *text_property(const Job *job, const char *name)
{
        if (strcmp(name, "Id") == 0)
                return job->id.text;
        if (strcmp(name, "Name") == 0)
                return job->spec.name ? job->spec.name : "";
        if (strcmp(name, "State") == 0)
                return job_state_name(job->state);
        if (strcmp(name, "Tenant") == 0)
                return job->tenant->name;
        return job->policy_name;
}

static int get_text(sd_bus *bus _unused_, const char *path _unused_, const char *interface _unused_,
                    const char *property, sd_bus_message *reply, void *userdata, sd_bus_error *error _unused_)
{
        return sd_bus_message_append(reply, "s", text_property(((BusLink *)userdata)->job, property));
}

/* Environment and standard input may hold secrets: whoever has the right to look after the jobs of others sees the
 * rest. */
static int get_spec(sd_bus *bus _unused_, const char *path _unused_, const char *interface _unused_,
                    const char *property _unused_, sd_bus_message *reply, void *userdata, sd_bus_error *error _unused_)
{
        const BusLink *link = userdata;
        const char *text = link->job->spec.text;
        _cleanup_json_ json_object *spec = NULL;

        if (caller_is_owner(&link->client->caller, link->job->tenant->name))
                return sd_bus_message_append(reply, "s", text);
        int r = json_parse_text(text, strlen(text), &spec, NULL);
        if (r < 0)
                return r;
        json_object_object_del(spec, "environment");
        json_object_object_del(spec, "stdin");
        return sd_bus_message_append(
                reply, "s",
                json_object_to_json_string_ext(spec, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE));
}

static int get_number(sd_bus *bus _unused_, const char *path _unused_, const char *interface _unused_,
                      const char *property, sd_bus_message *reply, void *userdata, sd_bus_error *error _unused_)
{
        const Job *job = ((BusLink *)userdata)->job;

        return sd_bus_message_append(reply, "u",
                                     (uint32_t)(strcmp(property, "Attempt") == 0 ? job->attempt : job->spec.priority));
}

static int get_held(sd_bus *bus _unused_, const char *path _unused_, const char *interface _unused_,
                    const char *property _unused_, sd_bus_message *reply, void *userdata, sd_bus_error *error _unused_)
{
        return sd_bus_message_append(reply, "b", (int)((BusLink *)userdata)->job->held);
}

static int get_waiting(sd_bus *bus _unused_, const char *path _unused_, const char *interface _unused_,
                       const char *property _unused_, sd_bus_message *reply, void *userdata,
                       sd_bus_error *error _unused_)
{
        const BusLink *link = userdata;
        _cleanup_free_ char *why = supervisor_why_waiting(bus_supervisor(link), link->job);

        return why ? sd_bus_message_append(reply, "s", why) : -ENOMEM;
}

static int get_time(sd_bus *bus _unused_, const char *path _unused_, const char *interface _unused_,
                    const char *property, sd_bus_message *reply, void *userdata, sd_bus_error *error _unused_)
{
        const Job *job = ((BusLink *)userdata)->job;
        bool due = property[0] == 'D';
        uint64_t usec = due                                      ? job->due_usec
                        : property[0] == 'F'                     ? job_end_is_stored(job) ? job->finished_usec : 0
                        : strcmp(property, "SubmittedUSec") == 0 ? job->submitted_usec
                                                                 : job->started_usec;

        if (due && job->state != JOB_BACKOFF)
                usec = 0;
        return sd_bus_message_append(reply, "t", usec);
}

/* How many members of an array are in which state; nothing of another job. */
static int append_members(sd_bus_message *m, const Job *job)
{
        int r = sd_bus_message_open_container(m, 'a', "{su}");

        for (JobState state = 0; r >= 0 && array_is_whole(job) && state < JOB_STATE_MAX; state++)
                if (job->array->in_state[state] > 0)
                        r = sd_bus_message_append(m, "{su}", job_state_name(state), (uint32_t)job->array->in_state[state]);
        return r < 0 ? r : sd_bus_message_close_container(m);
}

static int get_members(sd_bus *bus _unused_, const char *path _unused_, const char *interface _unused_,
                       const char *property _unused_, sd_bus_message *reply, void *userdata,
                       sd_bus_error *error _unused_)
{
        return append_members(reply, ((BusLink *)userdata)->job);
}

const sd_bus_vtable bus_job_vtable[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_METHOD_WITH_ARGS("Report", SD_BUS_ARGS("u", attempt), SD_BUS_RESULT("s", report), method_report,
                                SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("OpenOutput", SD_BUS_ARGS("s", stream, "u", attempt), SD_BUS_RESULT("h", file),
                                method_open_output, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_PROPERTY("Id", "s", get_text, 0, SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_PROPERTY("Name", "s", get_text, 0, SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_PROPERTY("State", "s", get_text, 0, 0),
        SD_BUS_PROPERTY("Tenant", "s", get_text, 0, SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_PROPERTY("Policy", "s", get_text, 0, SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_PROPERTY("Spec", "s", get_spec, 0, SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_PROPERTY("Attempt", "u", get_number, 0, 0),
        SD_BUS_PROPERTY("Priority", "u", get_number, 0, SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_PROPERTY("Held", "b", get_held, 0, 0),
        SD_BUS_PROPERTY("Members", "a{su}", get_members, 0, 0),
        SD_BUS_PROPERTY("Waiting", "s", get_waiting, 0, 0),
        SD_BUS_PROPERTY("SubmittedUSec", "t", get_time, 0, SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_PROPERTY("DueUSec", "t", get_time, 0, 0),
        SD_BUS_PROPERTY("StartedUSec", "t", get_time, 0, 0),
        SD_BUS_PROPERTY("FinishedUSec", "t", get_time, 0, 0),
        SD_BUS_VTABLE_END,
};

int bus_append_job(sd_bus_message *m, const Job *job)
{
        static const char *const texts[][2] = {
                {"id", "Id"}, {"name", "Name"}, {"state", "State"}, {"tenant", "Tenant"}, {"policy", "Policy"}};
        const bool stored = job_end_is_stored(job);
        int r = sd_bus_message_open_container(m, 'a', "{sv}");

        for (size_t i = 0; r >= 0 && i < ELEMENTS(texts); i++)
                r = sd_bus_message_append(m, "{sv}", texts[i][0], "s", text_property(job, texts[i][1]));
        if (r >= 0)
                r = sd_bus_message_append(m, "{sv}{sv}{sv}{sv}{sv}{sv}", "attempt", "u", (uint32_t)job->attempt,
                                          "priority", "u", (uint32_t)job->spec.priority, "submitted_usec", "t",
                                          job->submitted_usec, "started_usec", "t", job->started_usec, "finished_usec",
                                          "t", stored ? job->finished_usec : 0, "report", "s",
                                          stored && job->report ? job->report : "null");
        if (r >= 0 && array_is_whole(job)) {
                r = sd_bus_message_open_container(m, 'e', "sv");
                if (r >= 0)
                        r = sd_bus_message_append(m, "s", "array");
                if (r >= 0)
                        r = sd_bus_message_open_container(m, 'v', "a{su}");
                if (r >= 0)
                        r = append_members(m, job);
                if (r >= 0)
                        r = sd_bus_message_close_container(m);
                if (r >= 0)
                        r = sd_bus_message_close_container(m);
        }
        return r < 0 ? r : sd_bus_message_close_container(m);
}
