/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The gate between what a client, or a message bus, sends and sd-bus: one message at a time passes, when it has come whole, so
 * that it is known what it has brought. sd-bus reads one end of a socket pair.
 *
 * Nor does sd-bus see a descriptor: it would close them in the event loop's thread, and that may take for ever. Everything is looked
 * at before it is taken, and what brings descriptors is taken by a porter (porter.h); sd-bus gets as many placeholders, whose
 * values say which they stand for. */

#include "engine/supervisor/bus_frame.h"
#include "engine/supervisor/bus_private.h"

#include "engine/base/clock.h"
#include "engine/base/fd.h"

#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#define LINE_MAX_BYTES 1024                 /* of the authentication */
#define MESSAGE_MAX_BYTES (UINT64_C(1) << 27) /* the D-Bus specification, "Message Format" */
#define ROOM_MIN ((size_t)4 << 10)
#define SMALL_BYTES ((size_t)64 << 10)  /* so much is not held against a user's other connections, and passes at once */
#define AGAIN_USEC (100 * USEC_PER_MSEC)
#define AGAIN_USER 600
#define AGAIN_BUS 2
#define PORTER_USEC UINT64_C(800)        /* so often one is forked for a user, in the mean, */
#define CREDIT_USEC (50 * USEC_PER_MSEC) /* but at first, and after a pause, as many as there are in this time */
#define FDS_MAX 253                     /* SCM_MAX_FD, include/net/scm.h */

struct BusGate {
        BusLink *link;
        BusUser *user; /* on whose account; NULL: a message bus, which has bounds of its own */
        BusGateEnded ended;
        int socket, inner; /* `inner`: our end of the pair */
        sd_event_source *source;
        bool greeted;            /* messages come now */
        char *data;              /* a message that has not come whole; before: a line */
        size_t have, room, size; /* `size` 0: not yet known */
        size_t taking;           /* so many bytes by a porter, at this moment */
        sd_event_source *again;  /* there was none: so many times already */
        unsigned waited;
        bool has_turn; /* a porter is due for this message, now or after a while */
        BusLoad load;
};

/* ---- what is held ---- */

static void forget_data(BusGate *g)
{
        if (g->user)
                g->user->unfinished_bytes -= g->room;
        bus_load_done(&g->load);
        free(g->data);
        g->data = NULL;
        g->have = g->room = g->size = 0;
}

static int make_room(BusGate *g, size_t size, Error *e)
{
        const uint64_t most = supervisor_config(g->link->owner->supervisor)->clients.memory_bytes;
        BusUser *user = g->user;
        char *data = realloc(g->data, size);

        if (!data)
                return error_oom(e);
        if (user)
                user->unfinished_bytes += size - g->room;
        g->data = data;
        g->room = size;
        if (user && size > SMALL_BYTES && user->unfinished_bytes > most)
                return error_set(e, -EDQUOT, "unfinished messages of user %u take more than %" PRIu64 " bytes", user->uid, most);
        return 0;
}

void bus_load_done(BusLoad *load)
{
        if (load->porter)
                porter_free(load->porter);
        *load = (BusLoad){0};
}

/* Descriptors that no method asks for are closed at once, since the message would be kept with them as long as its call waits. */
int bus_load_check(const BusLink *link, sd_bus_message *m)
{
        const char *member = sd_bus_message_get_member(m);

        if (link->load->n_fds == 0 || sd_bus_message_is_method_call(m, NULL, NULL) <= 0 ||
            (link->load->n_fds <= JAIL_INPUTS_MAX && member && (strcmp(member, "Submit") == 0 || strcmp(member, "AddInput") == 0)))
                return 0;
        int r = sd_bus_reply_method_errorf(m, SD_BUS_ERROR_LIMITS_EXCEEDED,
                                           "descriptors come with calls of Submit and AddInput alone, for at most %d inputs",
                                           JAIL_INPUTS_MAX);
        return r < 0 ? r : 1;
}

/* ---- placeholders ---- */

static int make_placeholders(int *fds, size_t n)
{
        for (size_t i = 0; i < n; i++)
                if ((fds[i] = eventfd((unsigned)i + 1, EFD_CLOEXEC | EFD_NONBLOCK)) < 0) {
                        int r = -errno;
                        close_many(fds, i);
                        return r;
                }
        return 0;
}

/* What is read is put back: it may be named twice. */
int bus_placeholder_index(int fd, size_t *ret)
{
        uint64_t value;

        if (read(fd, &value, sizeof value) != (ssize_t)sizeof value || write(fd, &value, sizeof value) != (ssize_t)sizeof value)
                return -EIO;
        *ret = (size_t)value - 1;
        return 0;
}

/* ---- to sd-bus ---- */

/* Until it has read all that there is; where messages are one client's, until it has handled one. A connection that closes, be it
 * because somebody could not be answered, is not looked after any more: sd-bus would close the descriptor, which the event loop
 * still has, and a process that is just being forked, too. */
int bus_gate_process(BusGate *g)
{
        BusLink *link = g->link;
        int r = 1;

        link->came = false;
        while (r > 0 && !(link->came && g->user)) {
                if (sd_bus_is_open(link->bus) <= 0)
                        return -ECONNRESET;
                r = sd_bus_process(link->bus, NULL);
                bus_sender_done(link);
        }
        return r >= 0 && sd_bus_is_open(link->bus) <= 0 ? -ECONNRESET : r;
}

static int pass(BusGate *g, const char *data, size_t size, size_t n_placeholders)
{
        int placeholders[FDS_MAX], r = make_placeholders(placeholders, n_placeholders);

        /* As in do_without(). */
        if (r < 0)
                return g->user ? r : 0;
        for (size_t at = 0, n; r >= 0 && at < size; at += n) {
                n = size - at < SMALL_BYTES ? size - at : SMALL_BYTES;
                r = send_message(g->inner, data + at, n, placeholders, at == 0 ? n_placeholders : 0);
                if (at == 0)
                        close_many(placeholders, n_placeholders);
                if (r >= 0)
                        r = bus_gate_process(g);
        }
        return r;
}

/* ---- what comes ---- */

static int refuse(const BusGate *g, int code, const char *what, Error *e)
{
        return g->user ? error_set(e, code, "user %u %s", g->user->uid, what) : error_set(e, code, "the message bus %s", what);
}

/* The next bytes, which stay where they are, and whether descriptors come with them. ECONNRESET: receive_message(). */
static ssize_t see(int socket, char *bytes, size_t size, bool *ret_brings)
{
        struct iovec iov = {.iov_base = bytes, .iov_len = size};
        struct msghdr message = {.msg_iov = &iov, .msg_iovlen = 1};
        ssize_t n;

        do
                n = recvmsg(socket, &message, MSG_PEEK | MSG_DONTWAIT);
        while (n < 0 && (errno == EINTR || errno == ECONNRESET));
        *ret_brings = message.msg_flags & MSG_CTRUNC;
        return n < 0 ? -errno : n == 0 ? -ECONNRESET : n;
}

/* Exactly to the end of a line, and no further: what stands behind the last one is a message. */
static int take_line(BusGate *g, Error *e)
{
        char seen[LINE_MAX_BYTES];
        bool brings;
        ssize_t n = see(g->socket, seen, sizeof seen, &brings);

        if (n <= 0)
                return n == -EAGAIN ? 0 : (int)n;
        /* No line of a server begins so. */
        if (!g->user && g->have == 0 && (seen[0] == 'l' || seen[0] == 'B')) {
                g->greeted = true;
                return 0;
        }
        const char *end = memchr(seen, '\n', (size_t)n);
        size_t size = end ? (size_t)(end - seen) + 1 : (size_t)n;
        int r = g->room >= g->have + size ? 0 : make_room(g, g->have + size, e);
        if (brings && see(g->socket, seen, size, &brings) != (ssize_t)size)
                r = -EIO;
        if (r >= 0 && (g->have + size > LINE_MAX_BYTES || brings))
                r = refuse(g, -EMSGSIZE, "says what is no greeting", e);
        if (r < 0)
                return r;
        n = recv(g->socket, g->data + g->have, size, MSG_DONTWAIT);
        r = n == (ssize_t)size ? pass(g, g->data + g->have, size, 0) : -EIO;
        g->have += size;
        if (r < 0 || !end)
                return r;
        g->greeted = g->user && g->have == strlen("BEGIN\r\n") && memcmp(g->data, "BEGIN\r\n", g->have) == 0;
        forget_data(g);
        return g->greeted && sd_bus_is_ready(g->link->bus) <= 0 ? -ECONNRESET : 0;
}

static int take_header(BusGate *g, Error *e)
{
        const uint64_t most = g->user ? supervisor_config(g->link->owner->supervisor)->clients.message_bytes : MESSAGE_MAX_BYTES;
        uint64_t size;

        if (bus_frame_size((const uint8_t *)g->data, &size) < 0)
                return refuse(g, -EBADMSG, "sends what is no message", e);
        if (size > most && g->user)
                return error_set(e, -EMSGSIZE, "a message of user %u is larger than %" PRIu64 " bytes", g->user->uid, most);
        if (size > most)
                return refuse(g, -EMSGSIZE, "sends a message that is too large", e);
        g->size = size;
        return 0;
}

/* So much more has been taken. */
static int took(BusGate *g, size_t n)
{
        g->have += n;
        if (g->have < g->size || g->size == 0)
                return 0;
        g->load.bytes = g->size;
        const bool sound = g->load.n_fds > 0 && bus_frame_is_sound((const uint8_t *)g->data, g->load.n_fds);
        /* It is refused, and what it has brought was not for us, or is gone. */
        if ((g->load.n_fds > 0 && !sound) || g->load.refused)
                bus_frame_bring_none((uint8_t *)g->data);
        int r = pass(g, g->data, g->size, sound && !g->load.refused ? g->load.n_fds : 0);
        forget_data(g);
        return r;
}

/* ---- descriptors ---- */

/* More than a method may have are refused by an answer, once the message is whole; so many of one user's wait for that. */
static int check_fds(const BusGate *g, Error *e)
{
        if (g->user && g->load.n_fds > JAIL_INPUTS_MAX &&
            porters_fds(supervisor_porters(g->link->owner->supervisor), g->user->uid) > BUS_FDS_PER_USER)
                return error_set(e, -EDQUOT, "messages of user %u that are not done with have more than %d descriptors",
                                 g->user->uid, BUS_FDS_PER_USER);
        return 0;
}

static int on_again(sd_event_source *source _unused_, uint64_t usec _unused_, void *userdata)
{
        BusGate *g = userdata;

        return sd_event_source_set_enabled(g->source, SD_EVENT_ON);
}

static int look_again_later(BusGate *g, uint64_t usec)
{
        sd_event *event = g->link->owner->event;
        int r = g->again ? sd_event_source_set_time_relative(g->again, usec)
                         : sd_event_add_time_relative(event, &g->again, CLOCK_MONOTONIC, usec, 1, on_again, g);

        if (r >= 0)
                r = sd_event_source_set_enabled(g->again, SD_EVENT_ONESHOT);
        return r < 0 ? r : sd_event_source_set_enabled(g->source, SD_EVENT_OFF);
}

/* `seen` bytes of the message are there. */
static int start_porter(BusGate *g, size_t seen, Error *e)
{
        Porters *porters = supervisor_porters(g->link->owner->supervisor);
        const uid_t uid = g->user ? g->user->uid : bus_sender_uid(g->link, bus_frame_sender((const uint8_t *)g->data, seen));
        int r = g->load.refused ? porter_to_refuse(porters, uid, !g->user, &g->load.porter, e)
                                : porter_new(porters, uid, !g->user, &g->load.porter, e);

        if (r >= 0)
                g->has_turn = false;
        return r;
}

static void on_took(int error, void *userdata);

/* Until they are taken, nothing more is looked at. */
static int begin_taking(BusGate *g, size_t n, Error *e)
{
        int r = porter_take(g->load.porter, g->socket, n, on_took, g);

        if (r < 0)
                return error_errno(e, r, "taking descriptors");
        g->taking = n;
        return sd_event_source_set_enabled(g->source, SD_EVENT_OFF);
}

/* A message bus is everybody's, and goes on. What the message has brought goes with a process all the same, if there is one for that:
 * whose end waits for no socket. */
static int refuse_message(BusGate *g, size_t n, const char *why, Error *e)
{
        const bool was_refused = g->load.refused;

        bus_say_refused(g->link->owner, e);
        error_clear(e);
        g->load.refused = why;
        if (!was_refused && start_porter(g, g->have + n, NULL) >= 0)
                return begin_taking(g, n, e);
        ssize_t lost = recv(g->socket, g->data + g->have, n, MSG_DONTWAIT);
        return lost == (ssize_t)n ? took(g, n) : -EIO;
}

/* There is no porter at this moment. Later there may be one; on a bus nobody waits for who has too many, and where there was none for
 * one message, the next one does not wait for it anew. In the end one client's connection ends, and a message of many's is refused. */
static int do_without(BusGate *g, size_t n, int r, Error *e)
{
        const bool too_many = r == -EDQUOT;

        if (g->waited < (g->user ? AGAIN_USER : AGAIN_BUS) && (g->user || !too_many)) {
                error_clear(e);
                g->waited++;
                return look_again_later(g, AGAIN_USEC);
        }
        if (g->user)
                return r;
        return refuse_message(g, n,
                              too_many ? "as many of your messages with descriptors as there may be have not been done with; try again"
                                       : "no process can take descriptors at this moment; try again",
                              e);
}

static int has_taken(BusGate *g, size_t n, int error, Error *e)
{
        int r = error < 0 && error != -ECHILD ? error : sd_event_source_set_enabled(g->source, SD_EVENT_ON);

        if (r >= 0 && error == -ECHILD) {
                g->load.porter = porter_free(g->load.porter);
                error_set(e, error, "descriptors of a message cannot be taken: no process could be forked for them");
                return do_without(g, n, error, e);
        }
        g->waited = 0;
        if (g->load.refused)
                g->load.porter = porter_free(g->load.porter);
        else
                g->load.n_fds = porter_n_fds(g->load.porter);
        if (r >= 0)
                r = check_fds(g, e);
        return r < 0 ? r : took(g, n);
}

static void on_took(int error, void *userdata)
{
        _cleanup_error_ Error e = ERROR_NULL;
        BusGate *g = userdata;
        size_t n = g->taking;

        g->taking = 0;
        if (g->user && g->link->client->gone)
                return;
        if (has_taken(g, n, error, &e) < 0)
                g->ended(g->link, &e);
}

/* Each porter takes the processors its time, which others wait: how long it is until this message has its turn among those of its user. */
static uint64_t await_turn(BusGate *g)
{
        const uint64_t now = monotonic_usec(), earliest = now - CREDIT_USEC;

        if (!g->user || g->has_turn)
                return 0;
        if (g->user->porters_due_usec < earliest)
                g->user->porters_due_usec = earliest;
        const uint64_t due = g->user->porters_due_usec;
        g->user->porters_due_usec += PORTER_USEC;
        g->has_turn = true;
        return due > now ? due - now : 0;
}

static int let_porter_take(BusGate *g, size_t n, Error *e)
{
        const uint64_t wait_usec = g->load.porter ? 0 : await_turn(g);
        int r = 0;

        if (wait_usec > 0)
                return look_again_later(g, wait_usec);
        if (!g->load.porter)
                r = start_porter(g, g->have + n, e);
        return r < 0 ? do_without(g, n, r, e) : begin_taking(g, n, e);
}

/* ---- messages ---- */

static int take_message(BusGate *g, Error *e)
{
        /* A header that says much brings nothing yet. */
        const size_t doubled = g->room == 0 ? ROOM_MIN : 2 * g->room;
        int r = g->have < g->room ? 0 : make_room(g, g->size && g->size < doubled ? g->size : doubled, e);
        bool brings;

        if (r < 0)
                return r;
        ssize_t n = see(g->socket, g->data + g->have, g->room - g->have, &brings);
        if (n <= 0)
                return n == -EAGAIN ? 0 : (int)n;
        if (g->size == 0 && g->have + (size_t)n >= BUS_FRAME_HEADER_BYTES && (r = take_header(g, e)) < 0)
                return r;
        size_t wanted = g->size && g->size - g->have < (size_t)n ? g->size - g->have : (size_t)n;
        /* They may be those of what comes behind it. */
        if (brings && wanted < (size_t)n && see(g->socket, g->data + g->have, wanted, &brings) != (ssize_t)wanted)
                return -EIO;
        if (brings)
                return let_porter_take(g, wanted, e);
        n = recv(g->socket, g->data + g->have, wanted, MSG_DONTWAIT);
        return n == (ssize_t)wanted ? took(g, wanted) : -EIO;
}

int bus_gate_read(BusGate *g, Error *e)
{
        return g->taking > 0 ? 0 : g->greeted ? take_message(g, e) : take_line(g, e);
}

/* ---- start and end ---- */

int bus_gate_new(BusLink *link, BusUser *user, BusGateEnded ended, int *ret_input)
{
        BusGate *g = calloc(1, sizeof *g);
        int pair[2];

        if (!g)
                return -ENOMEM;
        if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) < 0) {
                free(g);
                return -errno;
        }
        *g = (BusGate){.link = link, .user = user, .ended = ended, .socket = -1, .inner = pair[1]};
        link->gate = g;
        link->load = &g->load;
        *ret_input = pair[0];
        return 0;
}

static void show_descriptors(int socket)
{
        static const int no = 0, yes = 1;

        /* Or all would look as if descriptors came with it. */
        setsockopt(socket, SOL_SOCKET, SO_PASSCRED, &no, sizeof no);
        setsockopt(socket, SOL_SOCKET, SO_PASSSEC, &no, sizeof no);
        /* Or a byte out of band is passed over by who looks, and dropped, with its descriptors, by who reads. */
        setsockopt(socket, SOL_SOCKET, SO_OOBINLINE, &yes, sizeof yes);
}

void bus_gate_open(BusGate *g, int socket, sd_event_source *source)
{
        g->socket = socket;
        g->source = source;
        show_descriptors(socket);
}

BusLoad *bus_gate_load(BusGate *g)
{
        return &g->load;
}

/* Nothing more comes to it once it is shut. Most have nothing, or a greeting. */
void bus_close_unread(Bus *bus, uid_t uid, bool of_bus, int socket)
{
        char seen[LINE_MAX_BYTES];
        bool brings = false;
        int unread = 0;

        show_descriptors(socket);
        shutdown(socket, SHUT_RDWR);
        if (ioctl(socket, FIONREAD, &unread) >= 0 &&
            (unread == 0 || (see(socket, seen, sizeof seen, &brings) == unread && !brings)))
                close(socket);
        else
                porters_close(supervisor_porters(bus->supervisor), uid, of_bus, socket);
}

void bus_gate_close(BusGate *g)
{
        int socket = g->socket < 0 ? -1 : fcntl(g->socket, F_DUPFD_CLOEXEC, 3);

        if (socket >= 0)
                bus_close_unread(g->link->owner, g->user ? g->user->uid : PORTER_NOBODY, !g->user, socket);
}

void bus_gate_shut(BusGate *g)
{
        g->inner = close_fd(g->inner);
}

BusGate *bus_gate_free(BusGate *g)
{
        sd_event_source_disable_unref(g->again);
        forget_data(g);
        close_fd(g->inner);
        free(g);
        return NULL;
}
