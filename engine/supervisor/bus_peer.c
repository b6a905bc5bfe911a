/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A connection to the private socket, once its client is known. What the client sends goes to sd-bus through a gate: a message
 * at a time, when it has come whole. By itself, sd-bus would take in up to 128 MiB of a message before anybody else sees of it,
 * and read more calls from who does not read the answers. So it is here that is known how much a client makes us hold.
 *
 * sd-bus has one end of a socket pair to read from, and the client's socket to write to. Its authentication only passes through,
 * to the line that ends it: who the client is, the kernel has said. */

#include "engine/supervisor/bus_frame.h"
#include "engine/supervisor/bus_private.h"

#include "engine/base/fd.h"

#include <inttypes.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#define LINE_MAX_BYTES 1024             /* of the authentication */
#define ROOM_MIN ((size_t)4 << 10)
#define SMALL_BYTES ((size_t)64 << 10)  /* so much is not held against a user's other connections, and passes at once */
#define FDS_MAX 253                     /* SCM_MAX_FD, include/net/scm.h */

struct BusPeer {
        BusClient *client;
        int socket;                /* sd-bus owns it */
        int gate;                  /* our end of the pair */
        sd_event_source *io, *due; /* `due`: for sd-bus */
        bool greeted;              /* messages come now */
        char *data;                /* a message that has not come whole; before: a line */
        size_t have, room, size;   /* `size` 0: not yet known */
        int fds[FDS_MAX];
        size_t n_fds;
        bool came; /* sd-bus has handled a message */
};

/* ---- what is held ---- */

static void forget_data(BusPeer *p)
{
        p->client->user->unfinished_bytes -= p->room;
        p->client->user->unfinished_fds -= p->n_fds;
        close_many(p->fds, p->n_fds);
        free(p->data);
        p->data = NULL;
        p->have = p->room = p->size = p->n_fds = 0;
}

static int make_room(BusPeer *p, size_t size, Error *e)
{
        const uint64_t most = supervisor_config(p->client->own.owner->supervisor)->clients.memory_bytes;
        BusUser *user = p->client->user;
        char *data = realloc(p->data, size);

        if (!data)
                return error_oom(e);
        user->unfinished_bytes += size - p->room;
        p->data = data;
        p->room = size;
        if (size > SMALL_BYTES && user->unfinished_bytes > most)
                return error_set(e, -EDQUOT, "unfinished messages of user %u take more than %" PRIu64 " bytes", user->uid, most);
        return 0;
}

size_t bus_peer_message_bytes(const BusPeer *p)
{
        return p->size;
}

size_t bus_peer_message_fds(const BusPeer *p)
{
        return p->n_fds;
}

/* ---- to sd-bus ---- */

static bool may_bring(const sd_bus_message *m, size_t n_fds)
{
        const char *member = sd_bus_message_get_member((sd_bus_message *)m);

        return n_fds == 0 || (n_fds <= JAIL_INPUTS_MAX && member &&
                              (strcmp(member, "Submit") == 0 || strcmp(member, "AddInput") == 0));
}

/* Before each message: who asks and does not read the answers is ended. Descriptors that no method asks for are closed with the
 * message, which would be kept with them as long as its call waits. Handled is 1 here, also where no answer is wanted. */
static int on_message(sd_bus_message *m, void *userdata, sd_bus_error *error _unused_)
{
        BusLink *link = userdata;

        link->peer->came = true;
        if (!bus_client_reads(link->client))
                return 1;
        if (sd_bus_message_is_method_call(m, NULL, NULL) <= 0 || may_bring(m, link->peer->n_fds))
                return 0;
        int r = sd_bus_reply_method_errorf(m, SD_BUS_ERROR_LIMITS_EXCEEDED,
                                           "descriptors come with calls of Submit and AddInput alone, for at most %d inputs",
                                           JAIL_INPUTS_MAX);
        return r < 0 ? r : 1;
}

/* Until it has read all that there is, or has handled a message. One that closes is not looked after any more: sd-bus would
 * close the descriptor, which the event loop still has. */
static int process(BusPeer *p)
{
        sd_bus *bus = p->client->own.bus;
        int r;

        p->came = false;
        do
                r = sd_bus_process(bus, NULL);
        while (r > 0 && !p->came && sd_bus_is_open(bus) > 0);
        return r >= 0 && sd_bus_is_open(bus) <= 0 ? -ECONNRESET : r;
}

static int pass(BusPeer *p, const char *data, size_t size)
{
        int r = 0;

        for (size_t at = 0, n; r >= 0 && at < size; at += n) {
                n = size - at < SMALL_BYTES ? size - at : SMALL_BYTES;
                r = send_message(p->gate, data + at, n, p->fds, at == 0 ? p->n_fds : 0);
                if (r >= 0)
                        r = process(p);
        }
        return r;
}

/* ---- from the client ---- */

/* Exactly to the end of a line, and no further: what stands behind the last one is a message. */
static int take_line(BusPeer *p, Error *e)
{
        char seen[LINE_MAX_BYTES];
        ssize_t n = recv(p->socket, seen, sizeof seen, MSG_PEEK);

        if (n <= 0)
                return n == 0 ? -ECONNRESET : errno == EAGAIN ? 0 : -errno;
        const char *end = memchr(seen, '\n', (size_t)n);
        size_t size = end ? (size_t)(end - seen) + 1 : (size_t)n;
        int r = p->room >= p->have + size ? 0 : make_room(p, p->have + size, e);
        if (r >= 0 && p->have + size > LINE_MAX_BYTES)
                r = error_set(e, -EMSGSIZE, "user %u says what is no greeting", p->client->user->uid);
        if (r < 0)
                return r;
        n = recv(p->socket, p->data + p->have, size, 0);
        r = n == (ssize_t)size ? pass(p, p->data + p->have, size) : -EIO;
        p->have += size;
        if (r < 0 || !end)
                return r;
        p->greeted = p->have == strlen("BEGIN\r\n") && memcmp(p->data, "BEGIN\r\n", p->have) == 0;
        forget_data(p);
        return p->greeted && sd_bus_is_ready(p->client->own.bus) <= 0 ? -ECONNRESET : 0;
}

static int take_header(BusPeer *p, Error *e)
{
        const uint64_t most = supervisor_config(p->client->own.owner->supervisor)->clients.message_bytes;
        uint64_t size;

        if (bus_frame_size((const uint8_t *)p->data, &size) < 0)
                return error_set(e, -EBADMSG, "user %u sends what is no message", p->client->user->uid);
        if (size > most)
                return error_set(e, -EMSGSIZE, "a message of user %u is larger than %" PRIu64 " bytes",
                                 p->client->user->uid, most);
        p->size = size;
        return 0;
}

/* Whoever closes a socket last would wait as long as its owner has said (SO_LINGER, socket(7)): that could be us. What is no
 * socket says so. */
static void never_linger(int fd)
{
        const struct linger none = {0};

        setsockopt(fd, SOL_SOCKET, SO_LINGER, &none, sizeof none);
}

/* More than a method may have are refused by an answer, once the message is whole; so many of one user's wait for that. */
static int receive(BusPeer *p, size_t size, Error *e)
{
        BusUser *user = p->client->user;
        size_t room = FDS_MAX - p->n_fds;
        ssize_t n = receive_message(p->socket, p->data + p->have, size, p->fds + p->n_fds, &room);

        if (n == -EAGAIN)
                return 0;
        if (n <= 0)
                return n < 0 ? (int)n : -ECONNRESET;
        for (size_t i = 0; i < room; i++)
                never_linger(p->fds[p->n_fds + i]);
        p->n_fds += room;
        p->have += (size_t)n;
        user->unfinished_fds += room;
        if (p->n_fds > JAIL_INPUTS_MAX && user->unfinished_fds > BUS_FDS_PER_USER)
                return error_set(e, -EDQUOT, "unfinished messages of user %u have more than %d descriptors", user->uid,
                                 BUS_FDS_PER_USER);
        return 1;
}

static int take_message(BusPeer *p, Error *e)
{
        int r = p->room == 0 ? make_room(p, ROOM_MIN, e) : 0;

        if (r >= 0 && p->size == 0) {
                r = receive(p, BUS_FRAME_HEADER_BYTES - p->have, e);
                if (r <= 0 || p->have < BUS_FRAME_HEADER_BYTES)
                        return r;
                r = take_header(p, e);
        }
        /* A header that says much brings nothing yet. */
        if (r >= 0 && p->have == p->room && p->have < p->size)
                r = make_room(p, p->size < 2 * p->room ? p->size : 2 * p->room, e);
        if (r >= 0)
                r = receive(p, (p->size < p->room ? p->size : p->room) - p->have, e);
        if (r < 0 || p->have < p->size)
                return r;
        r = pass(p, p->data, p->size);
        forget_data(p);
        return r;
}

/* ---- in the event loop ---- */

static void end(BusPeer *p, int r, Error *e)
{
        if (e->code < 0)
                bus_say_refused(p->client->own.owner, e);
        if (r < 0)
                bus_client_end(p->client);
}

static int on_io(sd_event_source *source _unused_, int fd _unused_, uint32_t events, void *userdata)
{
        _cleanup_error_ Error e = ERROR_NULL;
        BusPeer *p = userdata;
        int r = 0;

        if (p->client->gone)
                return 0;
        if (events & EPOLLOUT)
                r = process(p);
        else if (events & (EPOLLIN | EPOLLHUP | EPOLLERR))
                r = p->greeted ? take_message(p, &e) : take_line(p, &e);
        end(p, r, &e);
        return 0;
}

static int on_due(sd_event_source *source _unused_, uint64_t usec _unused_, void *userdata)
{
        _cleanup_error_ Error e = ERROR_NULL;
        BusPeer *p = userdata;

        if (!p->client->gone)
                end(p, process(p), &e);
        return 0;
}

/* Before each wait for events. */
static int on_prepare(sd_event_source *source, void *userdata)
{
        BusPeer *p = userdata;
        uint64_t due = UINT64_MAX;
        int r = p->client->gone ? -ENOTCONN : sd_bus_get_events(p->client->own.bus);

        /* Who does not read the answers is not asked for more. */
        if (r >= 0)
                r = sd_event_source_set_io_events(source, r & EPOLLOUT ? EPOLLOUT : EPOLLIN);
        if (r >= 0)
                r = sd_bus_get_timeout(p->client->own.bus, &due);
        if (r >= 0 && due != UINT64_MAX)
                r = sd_event_source_set_time(p->due, due);
        if (r >= 0)
                r = sd_event_source_set_enabled(p->due, due != UINT64_MAX ? SD_EVENT_ONESHOT : SD_EVENT_OFF);
        if (r < 0)
                bus_client_end(p->client);
        return 0;
}

/* ---- start and end ---- */

static int start_bus(BusLink *link, int input, int output)
{
        sd_id128_t id;
        int r;

        if ((r = sd_id128_randomize(&id)) < 0 || (r = sd_bus_new(&link->bus)) < 0)
                return r;
        /* Anonymous: whatever name the client gives itself, it is not looked at. */
        if ((r = sd_bus_set_server(link->bus, 1, id)) < 0 || (r = sd_bus_set_anonymous(link->bus, 1)) < 0 ||
            (r = sd_bus_negotiate_fds(link->bus, 1)) < 0 ||
            (r = sd_bus_add_object_vtable(link->bus, NULL, "/org/freedesktop/DBus", "org.freedesktop.DBus",
                                          bus_driver_vtable, link)) < 0 ||
            (r = bus_link_add_objects(link)) < 0 || (r = sd_bus_add_filter(link->bus, NULL, on_message, link)) < 0 ||
            (r = sd_bus_set_fd(link->bus, input, output)) < 0)
                return r;
        return 0;
}

int bus_peer_new(BusClient *client, int fd)
{
        BusLink *link = &client->own;
        sd_event *event = link->owner->event;
        BusPeer *p = calloc(1, sizeof *p);
        int pair[2], r;

        if (!p)
                return -ENOMEM;
        *p = (BusPeer){.client = client, .socket = fd, .gate = -1};
        link->peer = p;
        link->client = client;
        if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) < 0)
                return -errno;
        p->gate = pair[1];
        r = start_bus(link, pair[0], fd);
        if (r < 0) {
                close(pair[0]);
                return r;
        }
        /* From here on the descriptors are the connection's. */
        if ((r = sd_bus_start(link->bus)) < 0 || (r = sd_event_add_io(event, &p->io, fd, EPOLLIN, on_io, p)) < 0 ||
            (r = sd_event_add_time(event, &p->due, CLOCK_MONOTONIC, 0, 0, on_due, p)) < 0 ||
            (r = sd_event_source_set_enabled(p->due, SD_EVENT_OFF)) < 0 ||
            (r = sd_event_source_set_prepare(p->io, on_prepare)) < 0)
                bus_client_end(client);
        return 0;
}

BusPeer *bus_peer_free(BusPeer *p)
{
        sd_event_source_disable_unref(p->io);
        sd_event_source_disable_unref(p->due);
        sd_bus_close_unref(p->client->own.bus);
        forget_data(p);
        close_fd(p->gate);
        free(p);
        return NULL;
}
