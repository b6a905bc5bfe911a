/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "engine/supervisor/porter.h"

#include "engine/base/clock.h"
#include "engine/base/fd.h"
#include "engine/base/pack.h"
#include "engine/supervisor/nursery.h"
#include "engine/supervisor/porter_protocol.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define AGAIN_USEC (100 * USEC_PER_MSEC)
#define CLOSED_AT_ONCE 64

struct Porter {
        Porter *next;
        Porters *porters;
        uid_t uid;
        bool of_bus, of_nobody; /* when it was asked for */
        NurseryRequest request;
        bool unborn; /* it is asked for */
        pid_t pid;   /* 0: unborn, or gone */
        int wire;
        int kept; /* what it is to have to its end, until it has it */
        size_t n_fds;
        bool unwanted; /* it goes with its process */
        sd_event_source *answer, *child;
        PorterTook took; /* one of the two, while it is asked for something */
        PorterCopied copied;
        void *userdata;
        int socket; /* borrowed: from which it is to take so many bytes, once it is born */
        size_t size;
};

/* A socket that waits for a process to close it. */
typedef struct Unclosed {
        STAILQ_ENTRY(Unclosed) entry;
        uid_t uid;
        bool of_bus;
        int socket;
} Unclosed;

struct Porters {
        sd_event *event;
        Nursery *nursery;
        Copy *copies;
        Porter *list;
        STAILQ_HEAD(, Unclosed) unclosed;
        sd_event_source *again; /* they are looked at */
};

static void forget(Porter *p)
{
        for (Porter **at = &p->porters->list; *at; at = &(*at)->next)
                if (*at == p) {
                        *at = p->next;
                        break;
                }
        sd_event_source_disable_unref(p->answer);
        sd_event_source_disable_unref(p->child);
        close_fd(p->wire);
        close_fd(p->kept);
        free(p);
}

/* Whoever is told may free it. */
static void tell(Porter *p, const char *data, ssize_t size)
{
        PorterAnswer answer = {.error = -EIO};
        PorterTook took = take(p->took);
        PorterCopied copied = take(p->copied);

        if (took && size == (ssize_t)sizeof answer)
                memcpy(&answer, data, sizeof answer);
        if (took)
                p->n_fds = answer.n_fds;
        if (took)
                took(answer.error, p->userdata);
        else if (copied)
                copied(data, size > 0 ? (size_t)size : 0, p->userdata);
}

static void hear(Porter *p)
{
        char data[PORTER_RESULT_MAX];
        ssize_t n = recv(p->wire, data, sizeof data, MSG_DONTWAIT);

        if (n < 0 && (errno == EAGAIN || errno == EINTR))
                return;
        /* It is ending, and does nothing more. */
        if (n <= 0)
                p->answer = sd_event_source_disable_unref(p->answer);
        tell(p, data, n);
}

static int on_answer(sd_event_source *source _unused_, int fd _unused_, uint32_t events _unused_, void *userdata)
{
        hear(userdata);
        return 0;
}

static int on_gone(sd_event_source *source _unused_, const siginfo_t *info _unused_, void *userdata)
{
        Porter *p = userdata;

        p->pid = 0;
        if (p->unwanted)
                forget(p);
        else if (p->took || p->copied)
                hear(p);
        return 0;
}

/* `times`: there may be so many times as many. */
static int check_number(const Porters *porters, uid_t uid, bool of_bus, size_t times, Error *e)
{
        size_t own = 0, bus = 0, nobody = 0;

        for (const Porter *p = porters->list; p; p = p->next) {
                own += p->uid == uid;
                bus += p->of_bus;
                nobody += p->of_nobody;
        }
        if (uid != PORTER_NOBODY && own >= times * PORTERS_PER_USER)
                return error_set(e, -EDQUOT, "%zu messages of user %u with descriptors have not been done with", own, uid);
        if (of_bus && bus >= times * PORTERS_OF_BUS)
                return error_set(e, -EBUSY, "%zu messages with descriptors have not been done with", bus);
        if (uid == PORTER_NOBODY && nobody >= times * PORTERS_OF_NOBODY)
                return error_set(e, -EDQUOT, "%zu messages with descriptors, of users that were not known, have not been done with", nobody);
        return 0;
}

size_t porters_fds(const Porters *porters, uid_t uid)
{
        size_t n = 0;

        for (const Porter *p = porters->list; p; p = p->next)
                n += p->uid == uid && !p->unwanted ? p->n_fds : 0;
        return n;
}

/* ---- a porter ---- */

/* One that is gone has closed its end. There is room for what is said to it, since it is asked for one thing at a time. */
static int order(const Porter *p, const Packer *packed, const int *socket)
{
        return packed->failed ? -ENOMEM : send_message(p->wire, packed->data, packed->size, socket, socket ? 1 : 0);
}

static int order_with_socket(const Porter *p, PorterOrder what, size_t size, int socket)
{
        _cleanup_packer_ Packer packed = {0};

        pack_number(&packed, what);
        if (what == ORDER_TAKE)
                pack_number(&packed, size);
        return order(p, &packed, &socket);
}

static int watch(Porter *p)
{
        int r = sd_event_add_child(p->porters->event, &p->child, p->pid, WEXITED, on_gone, p);

        return r < 0 ? r : sd_event_add_io(p->porters->event, &p->answer, p->wire, EPOLLIN, on_answer, p);
}

/* ---- sockets to close ---- */

static int on_again(sd_event_source *source, uint64_t usec _unused_, void *userdata)
{
        Porters *porters = userdata;
        Unclosed *u;

        /* Those for which there is none come to the end of the list. */
        for (size_t n = 0; n < CLOSED_AT_ONCE && (u = STAILQ_FIRST(&porters->unclosed)); n++) {
                STAILQ_REMOVE_HEAD(&porters->unclosed, entry);
                porters_close(porters, u->uid, u->of_bus, u->socket);
                free(u);
        }
        if (STAILQ_EMPTY(&porters->unclosed))
                return 0;
        int r = sd_event_source_set_time_relative(source, AGAIN_USEC);
        return r < 0 ? r : sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

/* What happens to it if not even this can be done: it stays open, and nobody waits for it. */
static void close_later(Porters *porters, uid_t uid, bool of_bus, int socket)
{
        Unclosed *u = calloc(1, sizeof *u);

        if (!u)
                return;
        *u = (Unclosed){.uid = uid, .of_bus = of_bus, .socket = socket};
        if (!porters->again)
                sd_event_add_time_relative(porters->event, &porters->again, CLOCK_MONOTONIC, AGAIN_USEC, 0, on_again, porters);
        else if (STAILQ_EMPTY(&porters->unclosed) && sd_event_source_set_time_relative(porters->again, AGAIN_USEC) >= 0)
                sd_event_source_set_enabled(porters->again, SD_EVENT_ONESHOT);
        STAILQ_INSERT_TAIL(&porters->unclosed, u, entry);
}

/* ---- birth ---- */

static void end(Porter *p)
{
        p->answer = sd_event_source_disable_unref(p->answer);
        p->wire = close_fd(p->wire);
        porter_stop(p);
        if (p->pid == 0)
                forget(p);
}

/* What it was to do meanwhile. The nursery has its wire no more, and so never a stranger's socket. */
static void on_born(pid_t pid, void *userdata)
{
        Porter *p = userdata;
        int r = pid < 0 ? pid : 0;

        p->unborn = false;
        p->pid = pid < 0 ? 0 : pid;
        if (r >= 0 && (r = watch(p)) < 0) {
                p->child = sd_event_source_disable_unref(p->child);
                kill(pid, SIGKILL);
                waitpid(pid, NULL, 0);
                p->pid = 0;
        }
        if (p->kept >= 0 && (r < 0 || order_with_socket(p, ORDER_KEEP, 0, p->kept) < 0))
                close_later(p->porters, p->uid, p->of_bus, take_fd(p->kept));
        p->kept = close_fd(p->kept);
        if (p->unwanted) {
                end(p);
                return;
        }
        if (r >= 0 && p->took)
                r = order_with_socket(p, ORDER_TAKE, p->size, p->socket);
        /* Nothing was taken. */
        const PorterAnswer answer = {.error = -ECHILD};
        if (r < 0)
                tell(p, (const char *)&answer, sizeof answer);
}

static int start(Porters *porters, uid_t uid, bool of_bus, size_t times, int kept, Porter **ret, Error *e)
{
        int wires[2], r = check_number(porters, uid, of_bus, times, e);

        if (r < 0)
                return r;
        Porter *p = calloc(1, sizeof *p);
        if (!p)
                return error_oom(e);
        if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, wires) < 0) {
                free(p);
                return error_errno(e, -errno, "taking descriptors");
        }
        *p = (Porter){.next = porters->list,
                      .porters = porters,
                      .uid = uid,
                      .of_bus = of_bus,
                      .of_nobody = uid == PORTER_NOBODY,
                      .request = {.born = on_born, .userdata = p},
                      .unborn = true,
                      .wire = wires[0],
                      .kept = -1};
        porters->list = p;
        r = nursery_ask(porters->nursery, &p->request, wires[1], e);
        close(wires[1]);
        if (r < 0) {
                forget(p);
                return r;
        }
        p->kept = kept;
        *ret = p;
        return 0;
}

int porter_new(Porters *porters, uid_t uid, bool of_bus, Porter **ret, Error *e)
{
        return start(porters, uid, of_bus, 1, -1, ret, e);
}

int porter_to_refuse(Porters *porters, uid_t uid, bool of_bus, Porter **ret, Error *e)
{
        return start(porters, uid, of_bus, 2, -1, ret, e);
}

void porters_close(Porters *porters, uid_t uid, bool of_bus, int socket)
{
        Porter *p;

        if (start(porters, uid, of_bus, 2, socket, &p, NULL) >= 0)
                porter_free(p);
        else
                close_later(porters, uid, of_bus, socket);
}

/* The process is on the account until it is gone. */
Porter *porter_free(Porter *p)
{
        p->took = NULL;
        p->copied = NULL;
        p->unwanted = true;
        if (!p->unborn)
                end(p);
        return NULL;
}

void porter_stop(Porter *p)
{
        if (p->pid > 0)
                kill(p->pid, SIGKILL);
}

void porter_belongs_to(Porter *p, uid_t uid)
{
        p->uid = uid;
}

size_t porter_n_fds(const Porter *p)
{
        return p->n_fds;
}

int porter_take(Porter *p, int socket, size_t size, PorterTook took, void *userdata)
{
        int r = p->unborn ? 0 : order_with_socket(p, ORDER_TAKE, size, socket);

        if (r < 0)
                return r;
        p->socket = socket;
        p->size = size;
        p->took = took;
        p->userdata = userdata;
        return 0;
}

int porter_copy(Porter *p, const PorterInput *inputs, size_t n, const Copy *count, uint64_t serial, PorterCopied copied, void *userdata)
{
        _cleanup_packer_ Packer packed = {0};

        pack_number(&packed, ORDER_COPY);
        pack_number(&packed, serial);
        pack_number(&packed, (uint64_t)(count - p->porters->copies));
        pack_number(&packed, n);
        for (size_t i = 0; i < n; i++) {
                pack_string(&packed, inputs[i].name);
                pack_number(&packed, inputs[i].index);
        }
        int r = order(p, &packed, NULL);
        if (r < 0)
                return r;
        p->copied = copied;
        p->userdata = userdata;
        return 0;
}

/* ---- all of them ---- */

int porters_new(sd_event *event, int directory, Copy *copies, int copies_fd, Porters **ret, Error *e)
{
        Porters *porters = calloc(1, sizeof *porters);

        if (!porters)
                return error_oom(e);
        *porters = (Porters){.event = event, .copies = copies};
        STAILQ_INIT(&porters->unclosed);
        int r = nursery_new(event, directory, copies_fd, &porters->nursery, e);
        if (r < 0)
                free(porters);
        else
                *ret = porters;
        return r;
}

Porters *porters_free(Porters *porters)
{
        const struct timespec moment = {.tv_nsec = 10 * 1000000};
        const uint64_t until = monotonic_usec() + USEC_PER_SECOND;

        nursery_free(porters->nursery);
        for (Porter *p = porters->list; p; p = p->next)
                porter_stop(p);
        while (porters->list) {
                Porter *p = porters->list;
                /* One that cannot be killed yet ends when its file answers, and leaves what the next start removes. */
                while (p->pid > 0 && waitpid(p->pid, NULL, WNOHANG) == 0 && p->copied && monotonic_usec() < until)
                        nanosleep(&moment, NULL);
                forget(p);
        }
        /* The end of this process closes their sockets, and waits for less than who closes them. */
        for (Unclosed *u; (u = STAILQ_FIRST(&porters->unclosed)); free(u))
                STAILQ_REMOVE_HEAD(&porters->unclosed, entry);
        sd_event_source_disable_unref(porters->again);
        free(porters);
        return NULL;
}
