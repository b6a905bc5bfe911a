/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "engine/ctl/client.h"

#include "engine/base/strv.h"

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
                return r == -EINVAL ? error_set(e, r, "a word of the job is not UTF-8")
                                    : error_errno(e, r, "submitting");
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
