/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "engine/worker/link.h"

#include "engine/base/clock.h"
#include "engine/base/fd.h"
#include "engine/base/log.h"

#include <string.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <sys/un.h>

#define RETRY_MIN_USEC (10 * USEC_PER_MSEC)
#define RETRY_MAX_USEC (200 * USEC_PER_MSEC)

typedef struct Outgoing {
        STAILQ_ENTRY(Outgoing) next;
        Packer packed;
} Outgoing;

struct Link {
        sd_event *event;
        struct sockaddr_un address;
        const char *name;
        const LinkEvents *events;
        void *userdata;
        int socket; /* -1: not connected */
        WorkerPhase phase;
        sd_event_source *io, *retry;
        uint64_t retry_usec; /* the pause before the next attempt to connect */
        STAILQ_HEAD(, Outgoing) waiting; /* for room in the socket: at most a few for each attempt of ours */
};

static int give_up(Link *l, int r, const char *what)
{
        log_error("%s: %s", what, strerror(-r));
        return sd_event_exit(l->event, 1);
}

static void forget_waiting(Link *l)
{
        while (!STAILQ_EMPTY(&l->waiting)) {
                Outgoing *o = STAILQ_FIRST(&l->waiting);
                STAILQ_REMOVE_HEAD(&l->waiting, next);
                packer_done(&o->packed);
                free(o);
        }
}

static int try_to_connect(Link *l);

static int on_retry(sd_event_source *source _unused_, uint64_t usec _unused_, void *userdata)
{
        Link *l = userdata;

        l->retry = sd_event_source_disable_unref(l->retry);
        return try_to_connect(l);
}

/* Twice as long each time, since most are back soon. */
static int retry_later(Link *l)
{
        int r = sd_event_add_time_relative(l->event, &l->retry, CLOCK_MONOTONIC, l->retry_usec, RETRY_MIN_USEC,
                                           on_retry, l);

        l->retry_usec = l->retry_usec * 2 < RETRY_MAX_USEC ? l->retry_usec * 2 : RETRY_MAX_USEC;
        return r < 0 ? give_up(l, r, "event loop") : 0;
}

static int disconnect(Link *l)
{
        l->io = sd_event_source_disable_unref(l->io);
        l->socket = close_fd(l->socket);
        forget_waiting(l);
        if (l->phase == PHASE_WORK)
                l->retry_usec = RETRY_MIN_USEC;
        l->phase = PHASE_CONNECTED;
        l->events->lost(l->userdata);
        return retry_later(l);
}

/* ---- sending ---- */

/* False when the socket is full, or broken: then its end of file is what we hear of next. */
static bool send_now(Link *l, const Packer *p)
{
        return send_message(l->socket, p->data, p->size, NULL, 0) != -EAGAIN;
}

static void send_waiting(Link *l)
{
        while (!STAILQ_EMPTY(&l->waiting)) {
                Outgoing *o = STAILQ_FIRST(&l->waiting);
                if (!send_now(l, &o->packed))
                        return;
                STAILQ_REMOVE_HEAD(&l->waiting, next);
                packer_done(&o->packed);
                free(o);
        }
        sd_event_source_set_io_events(l->io, EPOLLIN);
}

static void send_packed(Link *l, const WorkerMessage *message)
{
        _cleanup_packer_ Packer p = {0};

        worker_message_pack(&p, message);
        if (!p.failed && STAILQ_EMPTY(&l->waiting) && send_now(l, &p))
                return;
        Outgoing *o = p.failed ? NULL : malloc(sizeof *o);
        if (!o) {
                give_up(l, -ENOMEM, "a message for the supervisor");
                return;
        }
        *o = (Outgoing){.packed = p};
        p = (Packer){0};
        STAILQ_INSERT_TAIL(&l->waiting, o, next);
        sd_event_source_set_io_events(l->io, EPOLLIN | EPOLLOUT);
}

void link_send(Link *l, const WorkerMessage *message)
{
        if (link_is_up(l))
                send_packed(l, message);
}

bool link_is_up(const Link *l)
{
        return l->socket >= 0 && l->phase >= PHASE_WELCOME;
}

/* ---- receiving ---- */

static int take_welcome(Link *l, const WorkerMessage *m, Error *e)
{
        if (m->version != WORKER_VERSION)
                return error_set(e, -EPROTO, "the supervisor speaks another version of the protocol");
        l->phase = PHASE_WELCOME;
        l->events->welcome(l->userdata);
        l->phase = PHASE_WORK;
        return 0;
}

static int take_message(Link *l, const char *data, size_t size, int *fds, size_t n_fds, Error *e)
{
        WorkerMessage m;
        uint64_t version = l->phase == PHASE_WORK ? WORKER_VERSION : 0;
        int r = worker_message_read(data, size, n_fds, SIDE_SUPERVISOR, l->phase, version, &m, e);

        if (r >= 0)
                r = m.kind == WORKER_WELCOME ? take_welcome(l, &m, e) : l->events->message(&m, fds, n_fds, l->userdata, e);
        free(m.attempts);
        return r;
}

static int on_supervisor(sd_event_source *source _unused_, int fd, uint32_t events, void *userdata)
{
        _cleanup_error_ Error e = ERROR_NULL;
        Link *l = userdata;
        char data[WORKER_MESSAGE_MAX];
        int fds[RUN_FDS_MAX];
        size_t n_fds = ELEMENTS(fds);

        if (events & EPOLLOUT)
                send_waiting(l);
        ssize_t n = receive_message(fd, data, sizeof data, fds, &n_fds);
        if (n == -EAGAIN)
                return 0;
        if (n == -EMSGSIZE)
                return give_up(l, (int)n, "a message of the supervisor");
        if (n <= 0)
                return disconnect(l);
        int r = take_message(l, data, (size_t)n, fds, n_fds, &e);
        close_many(fds, n_fds);
        if (r < 0) {
                log_error("%s", error_text(&e));
                return sd_event_exit(l->event, 1);
        }
        return 0;
}

static int try_to_connect(Link *l)
{
        int r;

        l->socket = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (l->socket < 0)
                return give_up(l, -errno, "socket");
        if (connect(l->socket, (struct sockaddr *)&l->address, sizeof l->address) < 0) {
                l->socket = close_fd(l->socket);
                return retry_later(l);
        }
        r = sd_event_add_io(l->event, &l->io, l->socket, EPOLLIN, on_supervisor, l);
        if (r < 0)
                return give_up(l, r, "event loop");
        send_packed(l, &(WorkerMessage){.kind = WORKER_HELLO,
                                        .oldest = WORKER_VERSION,
                                        .version = WORKER_VERSION,
                                        .name = l->name});
        l->phase = PHASE_GREETED;
        return 0;
}

/* ---- start and end ---- */

int link_new(sd_event *event, const char *path, const char *name, const LinkEvents *events, void *userdata, Link **ret,
             Error *e)
{
        Link *l = calloc(1, sizeof *l);

        if (!l)
                return error_oom(e);
        *l = (Link){.event = event,
                    .address.sun_family = AF_UNIX,
                    .name = name,
                    .events = events,
                    .userdata = userdata,
                    .socket = -1,
                    .retry_usec = RETRY_MIN_USEC};
        STAILQ_INIT(&l->waiting);
        if (strlen(path) >= sizeof l->address.sun_path) {
                link_free(l);
                return error_set(e, -ENAMETOOLONG, "%s: the path of a socket may have %zu characters", path,
                                 sizeof l->address.sun_path - 1);
        }
        memcpy(l->address.sun_path, path, strlen(path));
        *ret = l;
        try_to_connect(l);
        return 0;
}

Link *link_free(Link *l)
{
        sd_event_source_disable_unref(l->retry);
        sd_event_source_disable_unref(l->io);
        forget_waiting(l);
        close_fd(l->socket);
        free(l);
        return NULL;
}
