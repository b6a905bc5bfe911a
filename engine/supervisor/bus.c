/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Start and end of the D-Bus interface, what stands on every connection, and what the supervisor tells it. */

#include "engine/supervisor/bus_private.h"

#include "engine/base/clock.h"
#include "engine/base/log.h"
#include "engine/base/name.h"

#include <string.h>

#define ERROR_TEXT_MAX 4000
#define LAST_USEC USEC_PER_SECOND /* at the end, for clients to take what they were answered */

/* ---- answers ---- */

typedef struct ErrorName {
        int code;
        const char *name;
} ErrorName;

static const ErrorName error_names[] = {
        {ENOENT, BUS_ERROR("NoSuchPolicy")},
        {EPERM, BUS_ERROR("PolicyDenied")},
        {ENOSPC, BUS_ERROR("QueueFull")},
        {EBUSY, BUS_ERROR("QueueFull")},
        {ESHUTDOWN, BUS_ERROR("Paused")},
        {EFBIG, BUS_ERROR("QuotaExceeded")},
        {EDQUOT, BUS_ERROR("QuotaExceeded")},
        {EIO, BUS_ERROR("StoreFailed")},
        {EEXIST, BUS_ERROR("IdempotencyConflict")},
        {ETIMEDOUT, BUS_ERROR("BadSpec")},
        {ENOSYS, BUS_ERROR("BadSpec")},
        {EINVAL, BUS_ERROR("BadSpec")},
        {ERANGE, BUS_ERROR("BadSpec")},
        {EAGAIN, BUS_ERROR("QueueFull")},
        {ENOMEM, SD_BUS_ERROR_NO_MEMORY},
};

/* It may name a file of the operator's, whose name no message can have. */
int bus_reply_error_as(sd_bus_message *message, const char *name, const Error *e)
{
        const char *text = error_text(e);
        _cleanup_free_ char *shown = name_is_printable(text) ? NULL : text_escape(text, ERROR_TEXT_MAX);

        return sd_bus_reply_method_errorf(message, name, "%s", shown ? shown : text);
}

int bus_reply_error(sd_bus_message *message, const Error *e)
{
        const char *name = SD_BUS_ERROR_FAILED;

        for (size_t i = 0; i < ELEMENTS(error_names); i++)
                if (error_names[i].code == -e->code)
                        name = error_names[i].name;
        return bus_reply_error_as(message, name, e);
}

int bus_reply_strings(sd_bus_message *message, char *const *texts)
{
        sd_bus_message *reply = NULL;
        int r = sd_bus_message_new_method_return(message, &reply);

        if (r >= 0)
                r = sd_bus_message_append_strv(reply, (char **)texts);
        if (r >= 0)
                r = sd_bus_send(NULL, reply, NULL);
        sd_bus_message_unref(reply);
        return r < 0 ? r : 1;
}

/* ---- what the supervisor tells ---- */

static void on_admitted(const Job *job, void *userdata)
{
        bus_signal_job_new(userdata, job);
}

static void on_finished(Job *job, void *userdata)
{
        bus_pending_finished(job);
        bus_signal_job_finished(userdata, job);
}

static void on_worker_changed(const PoolWorker *worker, PoolChange change, void *userdata)
{
        bus_worker_changed(userdata, worker, change);
}

static void on_reloaded(void *userdata)
{
        static const char *const changed[] = {"PoolMinimum", "PoolMaximum", "PoolTarget", NULL};

        bus_clients_resolve(userdata);
        bus_signal_changed(userdata, changed);
}

static void on_scaled(const ScalingDecision *decision, void *userdata)
{
        bus_signal_scaled(userdata, decision);
}

static const SupervisorEvents supervisor_events = {.scaled = on_scaled,
                                                   .admitted = on_admitted,
                                                   .finished = on_finished,
                                                   .reloaded = on_reloaded,
                                                   .worker_changed = on_worker_changed};

/* ---- start and end ---- */

int bus_link_add_objects(BusLink *link)
{
        int r;

        if ((r = sd_bus_add_object_vtable(link->bus, NULL, BUS_PATH, BUS_MANAGER, bus_manager_vtable, link)) < 0 ||
            (r = sd_bus_add_fallback_vtable(link->bus, NULL, BUS_JOB_PATH, BUS_JOB, bus_job_vtable, bus_job_find,
                                            link)) < 0 ||
            (r = sd_bus_add_fallback_vtable(link->bus, NULL, BUS_WORKER_PATH, BUS_WORKER, bus_worker_vtable,
                                            bus_worker_find, link)) < 0 ||
            (r = sd_bus_add_node_enumerator(link->bus, NULL, BUS_WORKER_PATH, bus_worker_enumerate, link)) < 0 ||
            (r = sd_bus_add_object_manager(link->bus, NULL, BUS_PATH)) < 0 ||
            (r = sd_bus_add_object_vtable(link->bus, NULL, "/org/freedesktop/LogControl1",
                                          "org.freedesktop.LogControl1", bus_log_vtable, link)) < 0)
                return r;
        return 0;
}

int bus_new(sd_event *event, const BusOptions *options, Supervisor *supervisor, Bus **ret, Error *e)
{
        _cleanup_(bus_freep) Bus *bus = calloc(1, sizeof *bus);

        if (!bus)
                return error_oom(e);
        *bus = (Bus){.event = event, .supervisor = supervisor, .listener = -1, .reserve = -1, .connection = -1};
        STAILQ_INIT(&bus->passed);
        int r = bus_socket_open(bus, options->is_private, e);
        if (r >= 0 && options->message_bus)
                r = bus_message_bus_open(bus, options->address, e);
        if (r < 0)
                return r;
        supervisor_set_events(supervisor, &supervisor_events, bus);
        *ret = take(bus);
        return 0;
}

int bus_failure(const Bus *bus, Error *e)
{
        return bus->failure.code < 0 ? error_set(e, bus->failure.code, "%s", error_text(&bus->failure)) : 0;
}

/* Not sd_bus_flush(), which waits until the other end has taken everything, or has said who it is. */
void bus_link_flush(BusLink *link, uint64_t until_usec)
{
        uint64_t waiting, now;

        while (link->bus && sd_bus_is_ready(link->bus) > 0 && sd_bus_get_n_queued_write(link->bus, &waiting) >= 0 &&
               waiting > 0 && (now = monotonic_usec()) < until_usec)
                if (sd_bus_process(link->bus, NULL) == 0)
                        sd_bus_wait(link->bus, until_usec - now);
}

Bus *bus_free(Bus *bus)
{
        const uint64_t until_usec = monotonic_usec() + LAST_USEC;

        supervisor_set_events(bus->supervisor, NULL, NULL);
        while (bus->clients) {
                bus_link_flush(&bus->clients->own, until_usec);
                bus_client_free(bus->clients);
        }
        bus_message_bus_close(bus, until_usec);
        bus_socket_close(bus);
        free(bus);
        return NULL;
}
