/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "engine/base/error.h"

#include <json-c/json.h>
#include <stdbool.h>
#include <systemd/sd-bus.h>

/* The supervisor, as a client sees it. Answers come as JSON (bus_json.h). */

#define ENGINE_NAME "org.skep.Engine1"
#define ENGINE_PATH "/org/skep/Engine1"
#define ENGINE_MANAGER "org.skep.Engine1.Manager"
#define ENGINE_JOB "org.skep.Engine1.Job"
#define ENGINE_WORKER "org.skep.Engine1.Worker"
#define PRIVATE_SOCKET "/run/skep/engine.sock"

/* Connects to `address` (a D-Bus address or the path of a socket), else $SKEP_ADDRESS, else the system bus, else the
 * private socket. The caller owns `*ret`. Error: -ENOTCONN, with what was tried. */
int client_connect(const char *address, sd_bus **ret, Error *e);

/* Whether it is a path; else it is a D-Bus address. */
bool client_is_path(const char *address);

/* A supervisor that is restarted or upgraded comes back: when `code` says that the connection has gone, tries for a
 * while to get another in its place, as long as `leave` (NULL: no signal that waits to be taken) does not say otherwise. Error:
 * `code` or -ENOTCONN. */
int client_reconnect(const char *address, int code, bool (*leave)(void *userdata), void *userdata, sd_bus **bus, Error *e);

/* Calls a method of the manager; as sd_bus_call_method(), with the error as a sentence. `*ret` may be NULL. */
int client_call(sd_bus *bus, sd_bus_message **ret, Error *e, const char *method, const char *types, ...);
int client_call_message(sd_bus *bus, sd_bus_message *call, sd_bus_message **ret, Error *e);
/* The same for what may take any time. */
int client_call_patiently(sd_bus *bus, sd_bus_message *call, sd_bus_message **ret, Error *e);
/* A call of the manager's that is to be filled in. */
int client_new_call(sd_bus *bus, const char *method, sd_bus_message **ret);
/* For the answer of an asynchronous call: 0, or a negative errno with its sentence. */
int client_answer(sd_bus_message *reply, Error *e);

/* The first value of an answer, which the caller owns. Error: -EBADMSG, it has not these types. */
int client_read(sd_bus_message *reply, const char *types, json_object **ret, Error *e);

/* All properties of an interface, as one object. The caller owns it. */
int client_properties(sd_bus *bus, const char *path, const char *interface, json_object **ret, Error *e);
/* What a method of the manager without arguments answers, which has these types. The caller owns it. */
int client_get(sd_bus *bus, const char *method, const char *types, json_object **ret, Error *e);

/* The workers, an array of their properties in the order of their names. The caller owns it. */
int client_workers(sd_bus *bus, json_object **ret, Error *e);

/* The object path of a job, by its id or an unambiguous start of it. Owned by the caller. */
int client_find_job(sd_bus *bus, const char *id, char **ret_path, Error *e);
/* The id in such a path. */
const char *client_id_of(const char *path);

/* A job as one JSON object, with `spec` and `report`. The caller owns it. */
int client_show_job(sd_bus *bus, const char *path, json_object **ret, Error *e);

/* One page of jobs, an array of objects with `report` and without `spec`, which the caller owns. `filter`: pairs of a
 * key and a value, as ListJobs takes them; a strv. `*cursor`, which is replaced, becomes where the next page begins, ""
 * at the end. */
int client_list_jobs(sd_bus *bus, char *const *filter, uint32_t limit, char **cursor, json_object **ret, Error *e);

/* The report of the last attempt; JSON null before. */
int client_report(sd_bus *bus, const char *path, json_object **ret, Error *e);

/* A descriptor of what an attempt (0: the last) has written; owned by the caller. Returns it, or a negative errno. */
int client_open_output(sd_bus *bus, const char *path, const char *stream, uint32_t attempt, Error *e);

/* Why it does not run yet, "" where it does; owned by the caller. */
int client_waiting(sd_bus *bus, const char *path, char **ret, Error *e);

/* The attempt that runs, or was the last; at least 1. */
int client_attempt(sd_bus *bus, const char *path, uint32_t *ret, Error *e);

/* Submits one job. Inputs are pairs of a name and a descriptor, which are borrowed. */
typedef struct ClientInput {
        const char *name;
        int fd;
} ClientInput;
int client_submit(sd_bus *bus, const char *spec, const ClientInput *inputs, size_t n, char **ret_path, Error *e);

/* Submits so many jobs, all or none, with the same inputs. Adds their ids to `*ids`. */
int client_submit_batch(sd_bus *bus, const char *const *specs, size_t n_specs, const ClientInput *inputs, size_t n,
                        char ***ids, Error *e);

static inline void messagep(sd_bus_message **m)
{
        sd_bus_message_unref(*m);
}
#define _cleanup_message_ _cleanup_(messagep)
#define _cleanup_bus_ _cleanup_(sd_bus_flush_close_unrefp)
