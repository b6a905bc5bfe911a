/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "engine/supervisor/porter.h"

#include "engine/base/clock.h"
#include "engine/base/fd.h"
#include "engine/supervisor/blob_copy.h"

#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define FDS_MAX 253 /* of a message: SCM_MAX_FD, include/net/scm.h */
#define CHUNK ((size_t)64 << 10)
#define ORDER_MAX ((size_t)32 << 10)
#define RESULT_MAX ((size_t)32 << 10)

typedef enum PorterOrder {
        ORDER_TAKE,
        ORDER_COPY,
} PorterOrder;

typedef struct PorterAnswer {
        int error;
        size_t n_fds;
} PorterAnswer;

struct Porter {
        Porter *next;
        Porters *porters;
        uid_t uid;
        bool of_bus;
        pid_t pid; /* 0: it is gone */
        int wire;
        size_t n_fds;
        bool unwanted; /* it goes with its process */
        sd_event_source *answer, *child;
        PorterTook took; /* one of the two, while it is asked for something */
        PorterCopied copied;
        void *userdata;
};

struct Porters {
        sd_event *event;
        int directory;
        Copy *copies;
        Porter *list;
};

/* ---- in the porter ---- */

typedef struct PorterLoad {
        int fds[2 * FDS_MAX]; /* more than a message may have are not closed before that is said */
        size_t n;
} PorterLoad;

static int take_in(PorterLoad *load, int socket, size_t size)
{
        static char chunk[CHUNK];

        while (size > 0) {
                size_t room = FDS_MAX;
                ssize_t n = receive_message(socket, chunk, size < sizeof chunk ? size : sizeof chunk, load->fds + load->n, &room);
                if (n <= 0)
                        return n < 0 ? (int)n : -ECONNRESET;
                load->n += room;
                if (load->n > FDS_MAX)
                        return -EMSGSIZE;
                size -= (size_t)n;
        }
        return 0;
}

static void copy(const PorterLoad *load, const Porters *porters, Unpacker *order, int wire)
{
        const uint64_t serial = unpack_number(order), count = unpack_number(order), n = unpack_number(order);
        JailInput inputs[JAIL_INPUTS_MAX];
        _cleanup_packer_ Packer p = {0};

        for (size_t i = 0; i < n && i < JAIL_INPUTS_MAX; i++) {
                const char *name = unpack_string(order);
                uint64_t index = unpack_number(order);
                if (!name || index >= load->n)
                        return;
                inputs[i] = (JailInput){name, load->fds[index]};
        }
        if (unpack_end(order) < 0)
                return;
        blob_copy_all(porters->directory, inputs, n, porters->copies, &porters->copies[count], serial, &p);
        if (!p.failed && p.size <= RESULT_MAX)
                send(wire, p.data, p.size, MSG_NOSIGNAL);
}

/* A stranger's descriptor is closed by the end of the process alone, when all is said. The socket never waits for that: a message
 * bus would take the supervisor for alive, and keep its name from the next one. */
static _Noreturn void serve(int wire, const Porters *porters)
{
        PorterLoad load = {.n = 0};
        char text[ORDER_MAX];
        ssize_t n;

        for (;;) {
                int socket = -1;
                size_t n_sockets = 1;
                if ((n = receive_message(wire, text, sizeof text, &socket, &n_sockets)) <= 0)
                        break;
                Unpacker order = {.next = text, .left = (size_t)n};
                if (unpack_number(&order) != ORDER_TAKE) {
                        copy(&load, porters, &order, wire);
                        break;
                }
                PorterAnswer answer = {.error = take_in(&load, socket, unpack_number(&order))};
                close_fd(socket);
                answer.n_fds = load.n;
                if (send(wire, &answer, sizeof answer, MSG_NOSIGNAL) < 0)
                        break;
        }
        /* What the end of a process closes is closed when it has been through with all. */
        close(wire);
        _exit(0);
}

/* ---- in the supervisor ---- */

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
        char data[RESULT_MAX];
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

static size_t count(const Porters *porters, uid_t uid)
{
        size_t n = 0;

        for (const Porter *p = porters->list; p; p = p->next)
                n += uid == PORTER_NOBODY ? p->of_bus : p->uid == uid;
        return n;
}

size_t porters_fds(const Porters *porters, uid_t uid)
{
        size_t n = 0;

        for (const Porter *p = porters->list; p; p = p->next)
                n += p->uid == uid && !p->unwanted ? p->n_fds : 0;
        return n;
}

/* `socket`: it has that, too, until it ends; or -1. */
static int start(Porter *p, int socket, int wire)
{
        const pid_t parent = getpid();

        p->pid = fork();
        if (p->pid == 0) {
                int keep[] = {wire, p->porters->directory, socket};
                /* The next supervisor removes what is left of copies, and gives the same temporary names. */
                prctl(PR_SET_PDEATHSIG, SIGKILL);
                if (getppid() != parent)
                        _exit(1);
                close_others(keep, socket < 0 ? ELEMENTS(keep) - 1 : ELEMENTS(keep));
                serve(wire, p->porters);
        }
        if (p->pid < 0)
                return -errno;
        int r = sd_event_add_child(p->porters->event, &p->child, p->pid, WEXITED, on_gone, p);
        if (r >= 0)
                r = sd_event_add_io(p->porters->event, &p->answer, p->wire, EPOLLIN, on_answer, p);
        if (r < 0) {
                kill(p->pid, SIGKILL);
                waitpid(p->pid, NULL, 0);
        }
        return r;
}

static int start_another(Porters *porters, uid_t uid, int socket, size_t most, Porter **ret, Error *e)
{
        int wires[2];

        if (count(porters, uid) >= most)
                return error_set(e, -EDQUOT, "%zu messages with descriptors have not been done with%s", most,
                                 uid == PORTER_NOBODY ? "" : ", all of one user");
        Porter *p = calloc(1, sizeof *p);
        if (!p)
                return error_oom(e);
        if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, wires) < 0) {
                free(p);
                return error_errno(e, -errno, "taking descriptors");
        }
        *p = (Porter){.next = porters->list, .porters = porters, .uid = uid, .of_bus = uid == PORTER_NOBODY, .wire = wires[0]};
        porters->list = p;
        int r = start(p, socket, wires[1]);
        close(wires[1]);
        if (r < 0) {
                forget(p);
                return error_errno(e, r, "taking descriptors");
        }
        *ret = p;
        return 0;
}

int porter_new(Porters *porters, uid_t uid, Porter **ret, Error *e)
{
        return start_another(porters, uid, -1, uid == PORTER_NOBODY ? PORTERS_OF_BUS : PORTERS_PER_USER, ret, e);
}

Porter *porter_to_close(Porters *porters, uid_t uid, int socket)
{
        const size_t most = 2 * (uid == PORTER_NOBODY ? (size_t)PORTERS_OF_BUS : PORTERS_PER_USER);
        Porter *p;

        return start_another(porters, uid, socket, most, &p, NULL) < 0 ? NULL : p;
}

/* The process is on the account until it is gone. */
Porter *porter_free(Porter *p)
{
        p->took = NULL;
        p->copied = NULL;
        p->unwanted = true;
        p->answer = sd_event_source_disable_unref(p->answer);
        p->wire = close_fd(p->wire);
        porter_stop(p);
        if (p->pid == 0)
                forget(p);
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

/* One that is gone has closed its end. There is room for what is said to it, since it is asked for one thing at a time. */
static int order(Porter *p, const Packer *packed, const int *socket, void *userdata)
{
        int r = packed->failed ? -ENOMEM : send_message(p->wire, packed->data, packed->size, socket, socket ? 1 : 0);

        if (r >= 0)
                p->userdata = userdata;
        return r;
}

int porter_take(Porter *p, int socket, size_t size, PorterTook took, void *userdata)
{
        _cleanup_packer_ Packer packed = {0};

        pack_number(&packed, ORDER_TAKE);
        pack_number(&packed, size);
        int r = order(p, &packed, &socket, userdata);
        if (r >= 0)
                p->took = took;
        return r;
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
        int r = order(p, &packed, NULL, userdata);
        if (r >= 0)
                p->copied = copied;
        return r;
}

int porters_new(sd_event *event, int directory, Copy *copies, Porters **ret)
{
        Porters *porters = calloc(1, sizeof *porters);

        if (!porters)
                return -ENOMEM;
        *porters = (Porters){.event = event, .directory = directory, .copies = copies};
        *ret = porters;
        return 0;
}

Porters *porters_free(Porters *porters)
{
        const struct timespec moment = {.tv_nsec = 10 * 1000000};
        const uint64_t until = monotonic_usec() + USEC_PER_SECOND;

        for (Porter *p = porters->list; p; p = p->next)
                porter_stop(p);
        while (porters->list) {
                Porter *p = porters->list;
                /* One that cannot be killed yet ends when its file answers, and leaves what the next start removes. */
                while (p->pid > 0 && waitpid(p->pid, NULL, WNOHANG) == 0 && p->copied && monotonic_usec() < until)
                        nanosleep(&moment, NULL);
                forget(p);
        }
        free(porters);
        return NULL;
}
