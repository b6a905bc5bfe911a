/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A porter: the process that has a stranger's descriptors (porter.h). It is a part of skep-nursery, not of skepd. */

#include "engine/supervisor/porter_protocol.h"

#include "engine/base/fd.h"
#include "engine/supervisor/blob_copy.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#define FDS_MAX 253 /* of a message: SCM_MAX_FD, include/net/scm.h */
#define CHUNK ((size_t)64 << 10)

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

static void copy(const PorterLoad *load, Unpacker *order, int wire, int directory, Copy *copies)
{
        const uint64_t serial = unpack_number(order), count = unpack_number(order), n = unpack_number(order);
        JailInput inputs[JAIL_INPUTS_MAX];
        _cleanup_packer_ Packer p = {0};

        if (count >= COPIES_MAX || n > JAIL_INPUTS_MAX)
                return;
        for (size_t i = 0; i < n; i++) {
                const char *name = unpack_string(order);
                uint64_t index = unpack_number(order);
                if (!name || index >= load->n)
                        return;
                inputs[i] = (JailInput){name, load->fds[index]};
        }
        if (unpack_end(order) < 0)
                return;
        blob_copy_all(directory, inputs, n, copies, &copies[count], serial, &p);
        if (!p.failed && p.size <= PORTER_RESULT_MAX)
                send(wire, p.data, p.size, MSG_NOSIGNAL);
}

/* A stranger's descriptor is closed by the end of the process alone, when all is said. The socket that is taken from never waits for
 * that: a message bus would take the supervisor for alive, and keep its name from the next one. */
void porter_serve(int wire, int directory, Copy *copies)
{
        PorterLoad load = {.n = 0};
        char text[PORTER_ORDER_MAX];

        for (;;) {
                int socket = -1;
                size_t n_sockets = 1;
                ssize_t n = receive_message(wire, text, sizeof text, &socket, &n_sockets);
                if (n <= 0)
                        break;
                Unpacker order = {.next = text, .left = (size_t)n};
                uint64_t what = unpack_number(&order);
                if (what == ORDER_COPY) {
                        copy(&load, &order, wire, directory, copies);
                        break;
                }
                if (what != ORDER_TAKE)
                        continue;
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
