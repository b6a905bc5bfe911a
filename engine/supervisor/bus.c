/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "engine/supervisor/bus.h"

#include "engine/base/clock.h"
#include "engine/base/fd.h"
#include "engine/base/log.h"
#include "engine/base/strv.h"

#include <inttypes.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#define QUEUED_PER_CLIENT 64 /* answers that it has not read */

/* A call that is answered later. */
typedef struct Pending {
        struct Pending *next;
        BusClient *client;
        sd_bus_message *message;
        Submission *submission; /* or, for Wait: */
        char **ids;
        sd_event_source *timeout;
} Pending;

struct BusClient {
        BusClient *next;
        Bus *owner;
        sd_bus *bus;
        uid_t uid;
        Caller caller;
        BusJob job;
        Pending *pending;
        size_t n_pending;
        sd_event_source *gone;
};

struct Bus {
        sd_event *event;
        Supervisor *supervisor;
        int listener;
        char *path;
        struct stat bound; /* what we bound at that path */
        sd_event_source *accepting;
        BusClient *clients;
        size_t n_clients;
        uint64_t serial; /* of the names that Hello gives */
};

/* ---- errors ---- */

typedef struct ErrorName {
        int code;
        const char *name;
} ErrorName;

static const ErrorName error_names[] = {
        {ENOENT, "org.skep.Engine1.Error.NoSuchPolicy"}, {EPERM, "org.skep.Engine1.Error.PolicyDenied"},
        {ENOSPC, "org.skep.Engine1.Error.QueueFull"},    {EBUSY, "org.skep.Engine1.Error.QueueFull"},
        {ESHUTDOWN, "org.skep.Engine1.Error.Paused"},    {EFBIG, "org.skep.Engine1.Error.QuotaExceeded"},
        {EDQUOT, "org.skep.Engine1.Error.QuotaExceeded"}, {EIO, "org.skep.Engine1.Error.StoreFailed"},
        {EEXIST, "org.skep.Engine1.Error.IdempotencyConflict"},
        {ETIMEDOUT, "org.skep.Engine1.Error.BadSpec"},   {ENOSYS, "org.skep.Engine1.Error.BadSpec"},
        {EINVAL, "org.skep.Engine1.Error.BadSpec"},      {ERANGE, "org.skep.Engine1.Error.BadSpec"},
};

int bus_reply_error(sd_bus_message *message, const Error *e)
{
        const char *name = SD_BUS_ERROR_FAILED;

        for (size_t i = 0; i < ELEMENTS(error_names); i++)
                if (error_names[i].code == -e->code)
                        name = error_names[i].name;
        return sd_bus_reply_method_errorf(message, name, "%s", error_text(e));
}

/* ---- calls that are answered later ---- */

static const Config *bus_config(const BusClient *client)
{
        return supervisor_config(client->owner->supervisor);
}

static void pending_free(Pending *p)
{
        for (Pending **at = &p->client->pending; *at; at = &(*at)->next)
                if (*at == p) {
                        *at = p->next;
                        p->client->n_pending--;
                        break;
                }
        sd_event_source_disable_unref(p->timeout);
        sd_bus_message_unref(p->message);
        strv_free(p->ids);
        free(p);
}

static Pending *pending_new(BusClient *client, sd_bus_message *message)
{
        Pending *p = client->n_pending < bus_config(client)->clients.calls ? calloc(1, sizeof *p) : NULL;

        if (!p)
                return NULL;
        *p = (Pending){.next = client->pending, .client = client, .message = sd_bus_message_ref(message)};
        client->pending = p;
        client->n_pending++;
        return p;
}

/* Answers a Wait with those of its jobs that have ended; nothing where none has, unless it is late. */
static bool answer_wait(Pending *p, bool late)
{
        const Caller caller = bus_client_caller(p->client);
        sd_bus_message *reply = NULL;
        bool any = false;
        int r = sd_bus_message_new_method_return(p->message, &reply);

        if (r >= 0)
                r = sd_bus_message_open_container(reply, 'a', "(ss)");
        for (size_t i = 0; r >= 0 && p->ids && p->ids[i]; i++) {
                Job *job;
                if (supervisor_find(p->client->owner->supervisor, &caller, p->ids[i], &job) < 0 ||
                    !job_state_is_final(job->state))
                        continue;
                any = true;
                r = sd_bus_message_append(reply, "(ss)", job->id.text, job_state_name(job->state));
        }
        if (r >= 0)
                r = sd_bus_message_close_container(reply);
        if (r >= 0 && (any || late))
                r = sd_bus_send(p->client->bus, reply, NULL);
        sd_bus_message_unref(reply);
        return r < 0 || any || late;
}

static int on_wait_timeout(sd_event_source *source _unused_, uint64_t usec _unused_, void *userdata)
{
        answer_wait(userdata, true);
        pending_free(userdata);
        return 0;
}

int bus_client_add_wait(BusClient *client, sd_bus_message *message, char **ids, uint64_t timeout_usec)
{
        Pending *p = pending_new(client, message);

        if (!p) {
                strv_free(ids);
                return sd_bus_reply_method_errorf(message, SD_BUS_ERROR_LIMITS_EXCEEDED,
                                                  "at most %" PRIu64 " calls may wait on one connection",
                                                  bus_config(client)->clients.calls);
        }
        p->ids = ids;
        if (answer_wait(p, timeout_usec == 0)) {
                pending_free(p);
                return 1;
        }
        /* What lies beyond the clock's range waits for ever. */
        int r = timeout_usec > UINT64_MAX / 4
                        ? 0
                        : sd_event_add_time_relative(client->owner->event, &p->timeout, CLOCK_MONOTONIC, timeout_usec, 0,
                                                     on_wait_timeout, p);
        if (r < 0)
                pending_free(p);
        return r < 0 ? r : 1;
}

void bus_client_add_submission(BusClient *client, Submission *submission, sd_bus_message *message)
{
        Pending *p = pending_new(client, message);

        if (!p) {
                submission_drop(submission);
                sd_bus_reply_method_errorf(message, SD_BUS_ERROR_LIMITS_EXCEEDED,
                                           "at most %" PRIu64 " calls may wait on one connection",
                                                  bus_config(client)->clients.calls);
                return;
        }
        p->submission = submission;
}

void bus_client_submitted(BusClient *client, const sd_bus_message *message)
{
        for (Pending *p = client->pending; p; p = p->next)
                if (p->message == message) {
                        pending_free(p);
                        return;
                }
}

static void on_finished(const Job *job, void *userdata)
{
        Bus *bus = userdata;

        for (BusClient *client = bus->clients; client; client = client->next)
                for (Pending *p = client->pending, *next; p; p = next) {
                        next = p->next;
                        if (!p->ids || !strv_contains(p->ids, job->id.text))
                                continue;
                        if (answer_wait(p, false))
                                pending_free(p);
                }
}

static const SupervisorEvents supervisor_events = {.finished = on_finished};

/* ---- a bus where there is none ---- */

static int method_hello(sd_bus_message *m, void *userdata, sd_bus_error *error _unused_)
{
        BusClient *client = userdata;
        char name[32];

        snprintf(name, sizeof name, ":1.%" PRIu64, ++client->owner->serial);
        return sd_bus_reply_method_return(m, "s", name);
}

static int method_nothing(sd_bus_message *m, void *userdata _unused_, sd_bus_error *error _unused_)
{
        return sd_bus_reply_method_return(m, NULL);
}

static int method_has_owner(sd_bus_message *m, void *userdata _unused_, sd_bus_error *error _unused_)
{
        const char *name;
        int r = sd_bus_message_read(m, "s", &name);

        return r < 0 ? r : sd_bus_reply_method_return(m, "b", strcmp(name, "org.skep.Engine1") == 0);
}

static int method_owner(sd_bus_message *m, void *userdata _unused_, sd_bus_error *error _unused_)
{
        const char *name;
        int r = sd_bus_message_read(m, "s", &name);

        if (r < 0)
                return r;
        if (strcmp(name, "org.skep.Engine1") != 0)
                return sd_bus_reply_method_errorf(m, SD_BUS_ERROR_NAME_HAS_NO_OWNER, "%s is not here", name);
        return sd_bus_reply_method_return(m, "s", ":1.0");
}

static const sd_bus_vtable driver_vtable[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_METHOD("Hello", "", "s", method_hello, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD("AddMatch", "s", "", method_nothing, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD("RemoveMatch", "s", "", method_nothing, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD("NameHasOwner", "s", "b", method_has_owner, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD("GetNameOwner", "s", "s", method_owner, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_VTABLE_END,
};

/* ---- clients ---- */

static void client_free(BusClient *client)
{
        for (BusClient **at = &client->owner->clients; *at; at = &(*at)->next)
                if (*at == client) {
                        *at = client->next;
                        client->owner->n_clients--;
                        break;
                }
        while (client->pending) {
                if (client->pending->submission)
                        submission_drop(client->pending->submission);
                pending_free(client->pending);
        }
        sd_event_source_disable_unref(client->gone);
        if (client->bus) {
                sd_bus_detach_event(client->bus);
                sd_bus_close_unref(client->bus);
        }
        caller_done(&client->caller);
        free(client);
}

static int on_gone(sd_event_source *source _unused_, void *userdata)
{
        client_free(userdata);
        return 0;
}

/* Not here: the connection is in the middle of telling us. */
static int on_disconnected(sd_bus_message *m _unused_, void *userdata, sd_bus_error *error _unused_)
{
        BusClient *client = userdata;

        return client->gone ? 0 : sd_event_add_defer(client->owner->event, &client->gone, on_gone, client);
}

/* Before each message: a client that asks and does not read its answers would make them pile up here. */
static int on_message(sd_bus_message *m _unused_, void *userdata, sd_bus_error *error)
{
        BusClient *client = userdata;
        uint64_t waiting = 0;

        if (sd_bus_get_n_queued_write(client->bus, &waiting) < 0 || waiting <= QUEUED_PER_CLIENT)
                return 0;
        on_disconnected(NULL, client, error);
        return 1;
}

Supervisor *bus_client_supervisor(BusClient *client)
{
        return client->owner->supervisor;
}

Caller bus_client_caller(const BusClient *client)
{
        return client->caller;
}

BusJob *bus_client_job(BusClient *client)
{
        return &client->job;
}

/* The supplementary groups of the other end, as the kernel has them. */
static int read_groups(int fd, gid_t **ret, size_t *n, Error *e)
{
        socklen_t size = 0;

        *ret = NULL;
        if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, NULL, &size) < 0 && errno != ERANGE)
                return error_errno(e, -errno, "reading the groups of a client");
        *ret = malloc(size + 1);
        if (!*ret)
                return error_oom(e);
        if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, *ret, &size) < 0)
                return error_errno(e, -errno, "reading the groups of a client");
        *n = size / sizeof **ret;
        return 0;
}

static int resolve_client(BusClient *client, int fd, Error *e)
{
        _cleanup_free_ gid_t *groups = NULL;
        struct ucred peer;
        socklen_t size = sizeof peer;
        size_t n = 0;

        if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0)
                return error_errno(e, -errno, "reading the credentials of a client");
        int r = read_groups(fd, &groups, &n, e);
        if (r < 0)
                return r;
        const Credentials credentials = {peer.uid, peer.gid, groups, n};
        return tenants_resolve(supervisor_tenants(client->owner->supervisor), &credentials, &client->caller, e);
}

static int start_client(BusClient *client, int fd)
{
        sd_id128_t id;
        int r;

        if ((r = sd_id128_randomize(&id)) < 0 || (r = sd_bus_new(&client->bus)) < 0)
                return r;
        if ((r = sd_bus_set_fd(client->bus, fd, fd)) < 0)
                return r;
        /* From here on the descriptor is the connection's. */
        if ((r = sd_bus_set_server(client->bus, 1, id)) < 0 || (r = sd_bus_negotiate_fds(client->bus, 1)) < 0 ||
            (r = sd_bus_start(client->bus)) < 0 ||
            (r = sd_bus_add_object_vtable(client->bus, NULL, "/org/freedesktop/DBus", "org.freedesktop.DBus",
                                          driver_vtable, client)) < 0 ||
            (r = sd_bus_add_object_vtable(client->bus, NULL, BUS_PATH, BUS_MANAGER, bus_manager_vtable, client)) < 0 ||
            (r = sd_bus_add_fallback_vtable(client->bus, NULL, BUS_JOB_PATH, BUS_JOB, bus_job_vtable, bus_job_find,
                                            client)) < 0 ||
            (r = sd_bus_add_filter(client->bus, NULL, on_message, client)) < 0 ||
            (r = sd_bus_match_signal(client->bus, NULL, NULL, "/org/freedesktop/DBus/Local",
                                     "org.freedesktop.DBus.Local", "Disconnected", on_disconnected, client)) < 0 ||
            (r = sd_bus_attach_event(client->bus, client->owner->event, SD_EVENT_PRIORITY_NORMAL)) < 0)
                return r;
        return 0;
}

static int on_connect(sd_event_source *source _unused_, int listener, uint32_t events _unused_, void *userdata)
{
        Bus *bus = userdata;
        _cleanup_error_ Error e = ERROR_NULL;
        int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

        if (fd < 0)
                return 0;
        BusClient *client = bus->n_clients < supervisor_config(bus->supervisor)->clients.connections
                                    ? calloc(1, sizeof *client)
                                    : NULL;
        if (!client) {
                close(fd);
                return 0;
        }
        *client = (BusClient){.next = bus->clients, .owner = bus};
        bus->clients = client;
        bus->n_clients++;
        int r = resolve_client(client, fd, &e);
        if (r >= 0 && (r = start_client(client, fd)) < 0)
                error_errno(&e, r, "starting the connection");
        if (r < 0) {
                log_warning("a client cannot be served: %s", error_text(&e));
                if (!client->bus)
                        close(fd);
                client_free(client);
        }
        return 0;
}

/* ---- the socket ---- */

static int open_listener(const char *path, Error *e)
{
        static const char own[] = "/run/skep/";
        struct sockaddr_un address = {.sun_family = AF_UNIX};
        _cleanup_close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        struct stat st;

        if (strlen(path) >= sizeof address.sun_path)
                return error_set(e, -ENAMETOOLONG, "%s: the path of a socket may have %zu characters", path,
                                 sizeof address.sun_path - 1);
        memcpy(address.sun_path, path, strlen(path));
        if (strncmp(path, own, strlen(own)) == 0 && mkdir("/run/skep", 0755) < 0 && errno != EEXIST)
                return error_errno(e, -errno, "/run/skep");
        /* One that is left from before is replaced; one that somebody answers on, or another kind of file, is not. */
        if (fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof address) == 0)
                return error_set(e, -EADDRINUSE, "%s: another skepd answers there", path);
        close_fd(fd);
        fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (lstat(path, &st) == 0 && S_ISSOCK(st.st_mode))
                unlink(path);
        if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof address) < 0 || chmod(path, 0600) < 0 ||
            listen(fd, 128) < 0)
                return error_errno(e, -errno, "%s", path);
        return take_fd(fd);
}

int bus_new(sd_event *event, const char *socket_path, Supervisor *supervisor, Bus **ret, Error *e)
{
        _cleanup_(bus_freep) Bus *bus = calloc(1, sizeof *bus);

        if (!bus)
                return error_oom(e);
        *bus = (Bus){.event = event, .supervisor = supervisor, .listener = -1};
        int r = bus->listener = open_listener(socket_path, e);
        if (r < 0)
                return r;
        bus->path = strdup(socket_path);
        if (!bus->path)
                return error_oom(e);
        if (stat(bus->path, &bus->bound) < 0)
                return error_errno(e, -errno, "%s", socket_path);
        r = sd_event_add_io(event, &bus->accepting, bus->listener, EPOLLIN, on_connect, bus);
        if (r < 0)
                return error_errno(e, r, "%s", socket_path);
        supervisor_set_events(supervisor, &supervisor_events, bus);
        *ret = take(bus);
        return 0;
}

Bus *bus_free(Bus *bus)
{
        supervisor_set_events(bus->supervisor, NULL, NULL);
        while (bus->clients) {
                sd_bus_flush(bus->clients->bus);
                client_free(bus->clients);
        }
        sd_event_source_disable_unref(bus->accepting);
        close_fd(bus->listener);
        struct stat now;
        if (bus->path && stat(bus->path, &now) == 0 && now.st_ino == bus->bound.st_ino && now.st_dev == bus->bound.st_dev)
                unlink(bus->path);
        free(bus->path);
        free(bus);
        return NULL;
}
