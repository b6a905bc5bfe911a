/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "engine/ctl/client.h"

#include "engine/base/strv.h"

#include "engine/base/json.h"

#include <fcntl.h>
#include <string.h>

#define PRIVATE_SOCKET "/run/skep/engine.sock"
#define CALL_TIMEOUT_USEC (UINT64_C(120) * 1000000) /* inputs are copied before the answer comes */

static int connect_address(const char *address, sd_bus **ret)
{
        _cleanup_free_ char *text = NULL;
        sd_bus *bus = NULL;
        int r;

        if (!strchr(address, ':') && asprintf(&text, "unix:path=%s", address) < 0)
                return -ENOMEM;
        if ((r = sd_bus_new(&bus)) < 0)
                return r;
        if ((r = sd_bus_set_address(bus, text ? text : address)) < 0 || (r = sd_bus_set_bus_client(bus, 1)) < 0 ||
            (r = sd_bus_negotiate_fds(bus, 1)) < 0 || (r = sd_bus_start(bus)) < 0) {
                sd_bus_unref(bus);
                return r;
        }
        *ret = bus;
        return 0;
}

int client_connect(const char *address, sd_bus **ret, Error *e)
{
        int r;

        if (!address || !*address)
                address = getenv("SKEP_ADDRESS");
        if (address && *address) {
                r = connect_address(address, ret);
                return r < 0 ? error_set(e, -ENOTCONN, "the supervisor is not reached at %s: %s", address,
                                           strerror(-r))
                             : 0;
        }
        if (sd_bus_open_system(ret) >= 0) {
                /* The bus is of use only if the engine is on it. */
                r = sd_bus_call_method(*ret, "org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus",
                                       "GetNameOwner", NULL, NULL, "s", ENGINE_NAME);
                if (r >= 0)
                        return 0;
                *ret = sd_bus_unref(*ret);
        }
        r = connect_address(PRIVATE_SOCKET, ret);
        return r < 0 ? error_set(e, -ENOTCONN,
                                 "the supervisor is not reached: neither on the system bus nor at %s (%s); is skepd "
                                 "running? Another place is named by --address or $SKEP_ADDRESS",
                                 PRIVATE_SOCKET, strerror(-r))
                     : 0;
}

static int call_failed(int r, sd_bus_error *error, Error *e)
{
        if (error->message)
                error_set(e, r, "%s", error->message);
        else
                error_errno(e, r, "calling the supervisor");
        sd_bus_error_free(error);
        return r;
}

int client_call_message(sd_bus *bus, sd_bus_message *call, sd_bus_message **ret, Error *e)
{
        sd_bus_error error = SD_BUS_ERROR_NULL;
        int r = sd_bus_call(bus, call, CALL_TIMEOUT_USEC, &error, ret);

        return r < 0 ? call_failed(r, &error, e) : 0;
}

int client_call(sd_bus *bus, sd_bus_message **ret, Error *e, const char *method, const char *types, ...)
{
        _cleanup_message_ sd_bus_message *call = NULL;
        va_list ap;
        int r = sd_bus_message_new_method_call(bus, &call, ENGINE_NAME, ENGINE_PATH, ENGINE_MANAGER, method);

        if (r >= 0) {
                va_start(ap, types);
                r = sd_bus_message_appendv(call, types, ap);
                va_end(ap);
        }
        return r < 0 ? error_errno(e, r, "calling %s", method) : client_call_message(bus, call, ret, e);
}

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
        int r = client_call(bus, &reply, e, "GetJob", "s", id);

        if (r < 0)
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
        sd_bus_error error = SD_BUS_ERROR_NULL;
        int r = sd_bus_get_property_trivial(bus, ENGINE_NAME, path, ENGINE_JOB, "Attempt", &error, 'u', ret);

        if (r < 0)
                return call_failed(r, &error, e);
        if (*ret == 0)
                *ret = 1;
        return 0;
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

static int add_property(json_object *object, sd_bus_message *reply, const char *name)
{
        static const struct {
                const char *property, *key;
        } shown[] = {
                {"Id", "id"},
                {"Name", "name"},
                {"State", "state"},
                {"Tenant", "tenant"},
                {"Policy", "policy"},
                {"Attempt", "attempt"},
                {"Priority", "priority"},
                {"SubmittedUSec", "submitted_usec"},
                {"StartedUSec", "started_usec"},
                {"FinishedUSec", "finished_usec"},
                {"Spec", "spec"},
        };
        const char *type, *key = NULL, *text;
        uint64_t big;
        uint32_t number;
        int r = sd_bus_message_peek_type(reply, NULL, &type);

        for (size_t i = 0; i < ELEMENTS(shown); i++)
                if (strcmp(shown[i].property, name) == 0)
                        key = shown[i].key;
        if (r < 0 || !key)
                return r < 0 ? r : sd_bus_message_skip(reply, "v");
        switch (type[0]) {
        case 's':
                if ((r = sd_bus_message_read(reply, "v", "s", &text)) < 0)
                        return r;
                if (strcmp(key, "spec") == 0) {
                        json_object *spec = NULL;
                        json_parse_text(text, strlen(text), &spec, NULL);
                        json_object_object_add(object, key, spec);
                } else {
                        json_add_string(object, key, text);
                }
                return 0;
        case 't':
                if ((r = sd_bus_message_read(reply, "v", "t", &big)) < 0)
                        return r;
                json_add_number(object, key, big ? big : UINT64_MAX); /* 0: not yet */
                return 0;
        case 'u':
                if ((r = sd_bus_message_read(reply, "v", "u", &number)) < 0)
                        return r;
                json_add_number(object, key, number);
                return 0;
        default:
                return sd_bus_message_skip(reply, "v");
        }
}

static int read_properties(json_object *object, sd_bus_message *reply)
{
        const char *name;
        int r = sd_bus_message_enter_container(reply, 'a', "{sv}");

        while (r >= 0 && (r = sd_bus_message_enter_container(reply, 'e', "sv")) > 0) {
                r = sd_bus_message_read(reply, "s", &name);
                if (r >= 0)
                        r = add_property(object, reply, name);
                if (r >= 0)
                        r = sd_bus_message_exit_container(reply);
        }
        return r;
}

int client_show_job(sd_bus *bus, const char *path, json_object **ret, Error *e)
{
        _cleanup_message_ sd_bus_message *reply = NULL;
        _cleanup_json_ json_object *object = json_object_new_object(), *report = NULL;
        sd_bus_error error = SD_BUS_ERROR_NULL;
        int r = sd_bus_call_method(bus, ENGINE_NAME, path, "org.freedesktop.DBus.Properties", "GetAll", &error, &reply,
                                   "s", ENGINE_JOB);

        if (r < 0)
                return call_failed(r, &error, e);
        if (!object)
                return error_oom(e);
        if ((r = read_properties(object, reply)) < 0)
                return error_errno(e, r, "reading the answer");
        if ((r = client_report(bus, path, &report, e)) < 0)
                return r;
        json_object_object_add(object, "report", take(report));
        *ret = take(object);
        return 0;
}

int client_submit(sd_bus *bus, const char *spec, const ClientInput *inputs, size_t n, char **ret_path, Error *e)
{
        _cleanup_message_ sd_bus_message *call = NULL, *reply = NULL;
        const char *id, *path;
        int r = sd_bus_message_new_method_call(bus, &call, ENGINE_NAME, ENGINE_PATH, ENGINE_MANAGER, "Submit");

        if (r >= 0)
                r = sd_bus_message_append(call, "s", spec);
        if (r >= 0)
                r = sd_bus_message_open_container(call, 'a', "(sh)");
        for (size_t i = 0; r >= 0 && i < n; i++)
                r = sd_bus_message_append(call, "(sh)", inputs[i].name, inputs[i].fd);
        if (r >= 0)
                r = sd_bus_message_close_container(call);
        if (r < 0)
                return r == -EINVAL ? error_set(e, r, "a word of the job is not UTF-8") : error_errno(e, r, "submitting");
        if ((r = client_call_message(bus, call, &reply, e)) < 0)
                return r;
        if ((r = sd_bus_message_read(reply, "so", &id, &path)) < 0)
                return error_errno(e, r, "reading the answer");
        *ret_path = strdup(path);
        return *ret_path ? 0 : error_oom(e);
}

static int add_inputs(sd_bus *bus, const ClientInput *inputs, size_t n, char ***digests, Error *e)
{
        for (size_t i = 0; i < n; i++) {
                _cleanup_message_ sd_bus_message *reply = NULL;
                const char *digest;
                int r = client_call(bus, &reply, e, "AddInput", "h", inputs[i].fd);
                if (r >= 0 && (r = sd_bus_message_read(reply, "s", &digest)) < 0)
                        error_errno(e, r, "reading an answer");
                if (r >= 0 && strv_add(digests, digest) < 0)
                        r = error_oom(e);
                if (r < 0)
                        return error_prefix(e, "input \"%s\"", inputs[i].name), r;
        }
        return 0;
}

static int append_job(sd_bus_message *call, const char *spec, const ClientInput *inputs, size_t n, char *const *digests)
{
        int r = sd_bus_message_open_container(call, 'r', "sa(ss)");

        if (r >= 0)
                r = sd_bus_message_append(call, "s", spec);
        if (r >= 0)
                r = sd_bus_message_open_container(call, 'a', "(ss)");
        for (size_t i = 0; r >= 0 && i < n; i++)
                r = sd_bus_message_append(call, "(ss)", inputs[i].name, digests[i]);
        if (r >= 0)
                r = sd_bus_message_close_container(call);
        return r < 0 ? r : sd_bus_message_close_container(call);
}

int client_submit_batch(sd_bus *bus, const char *const *specs, size_t n_specs, const ClientInput *inputs, size_t n,
                        char ***ids, Error *e)
{
        _cleanup_message_ sd_bus_message *call = NULL, *reply = NULL;
        _cleanup_strv_ char **digests = NULL, **answer = NULL;
        int r = add_inputs(bus, inputs, n, &digests, e);

        if (r < 0)
                return r;
        r = sd_bus_message_new_method_call(bus, &call, ENGINE_NAME, ENGINE_PATH, ENGINE_MANAGER, "SubmitBatch");
        if (r >= 0)
                r = sd_bus_message_open_container(call, 'a', "(sa(ss))");
        for (size_t i = 0; r >= 0 && i < n_specs; i++)
                r = append_job(call, specs[i], inputs, n, digests);
        if (r >= 0)
                r = sd_bus_message_close_container(call);
        if (r < 0)
                return error_errno(e, r, "writing the jobs");
        if ((r = client_call_message(bus, call, &reply, e)) < 0)
                return r;
        if ((r = sd_bus_message_read_strv(reply, &answer)) < 0)
                return error_errno(e, r, "reading an answer");
        for (size_t i = 0; answer && answer[i]; i++)
                if (strv_add(ids, answer[i]) < 0)
                        return error_oom(e);
        return 0;
}
