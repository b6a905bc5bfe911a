/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "engine/supervisor/nursery.h"

#include "engine/base/clock.h"
#include "engine/base/fd.h"
#include "engine/base/log.h"
#include "engine/base/places.h"
#include "engine/base/spawn.h"
#include "engine/supervisor/porter_protocol.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>

#define AGAIN_USEC (100 * USEC_PER_MSEC) /* one that ends at once is not started all the time */
#define LAST_MSEC 1000 /* at the end, for what it was asked for */

struct Nursery {
        sd_event *event;
        int directory, copies, memory;
        pid_t *youngest, answered; /* in that memory; and of which we have heard last */
        pid_t pid;
        int socket; /* -1: there is none */
        sd_event_source *answer;
        uint64_t started_usec;
        STAILQ_HEAD(NurseryRequests, NurseryRequest) requests;
};

/* ---- what it says ---- */

static void answer_first(Nursery *n, pid_t pid)
{
        NurseryRequest *request = STAILQ_FIRST(&n->requests);

        STAILQ_REMOVE_HEAD(&n->requests, entry);
        if (pid > 0)
                n->answered = pid;
        request->born(pid, request->userdata);
}

/* 1: it has answered. 0: not yet. -ECONNRESET: it does not any more. */
static int hear(Nursery *n)
{
        NurseryAnswer answer;
        ssize_t size;

        /* ECONNRESET: receive_message(). */
        do
                size = n->socket < 0 ? 0 : recv(n->socket, &answer, sizeof answer, MSG_DONTWAIT);
        while (size < 0 && errno == ECONNRESET);
        if (size < 0 && (errno == EAGAIN || errno == EINTR))
                return 0;
        if (size != (ssize_t)sizeof answer || STAILQ_EMPTY(&n->requests))
                return -ECONNRESET;
        answer_first(n, answer.pid);
        return 1;
}

/* It ends at once, since it has nothing that would not let it. */
static void end(Nursery *n)
{
        struct NurseryRequests unheard = STAILQ_HEAD_INITIALIZER(unheard);
        NurseryRequest *request;

        n->answer = sd_event_source_disable_unref(n->answer);
        if (n->pid > 0) {
                kill(n->pid, SIGKILL);
                while (waitpid(n->pid, NULL, 0) < 0 && errno == EINTR)
                        ;
        }
        n->pid = 0;
        while (hear(n) > 0)
                ;
        n->socket = close_fd(n->socket);
        /* It forks one after the other: at most the first of those that are left was forked. */
        if (!STAILQ_EMPTY(&n->requests) && *n->youngest != n->answered)
                answer_first(n, *n->youngest);
        STAILQ_CONCAT(&unheard, &n->requests);
        while ((request = STAILQ_FIRST(&unheard))) {
                STAILQ_REMOVE_HEAD(&unheard, entry);
                request->born(-ECHILD, request->userdata);
        }
}

static int on_answer(sd_event_source *source _unused_, int fd _unused_, uint32_t events _unused_, void *userdata)
{
        Nursery *n = userdata;
        int r;

        while ((r = hear(n)) > 0)
                ;
        if (r < 0 && n->socket >= 0) {
                log_warning("skep-nursery has ended: another one is started when it is needed");
                end(n);
        }
        return 0;
}

/* ---- start and end ---- */

static int start(Nursery *n, Error *e)
{
        _cleanup_free_ char *program = place_program("skep-nursery", e);
        const uint64_t now = monotonic_usec();
        char *argv[] = {(char *)"skep-nursery", (char *)SKEP_VERSION, NULL};
        int pair[2];

        if (!program)
                return -ENOMEM;
        if (n->started_usec && now < n->started_usec + AGAIN_USEC)
                return error_set(e, -EAGAIN, "%s has just ended", program);
        n->started_usec = now;
        if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
                return error_errno(e, -errno, "starting %s", program);
        n->socket = pair[0];
        const int fds[] = {pair[1], n->directory, n->copies, n->memory};
        _Static_assert(ELEMENTS(fds) == NURSERY_FDS_END - NURSERY_SOCKET_FD, "what it has");
        int r = spawn_with_fds(program, argv, fds, ELEMENTS(fds), &n->pid);
        close(pair[1]);
        if (r >= 0 && fcntl(n->socket, F_SETFL, O_NONBLOCK) < 0)
                r = -errno;
        if (r >= 0)
                r = sd_event_add_io(n->event, &n->answer, n->socket, EPOLLIN, on_answer, n);
        if (r < 0)
                end(n);
        return r < 0 ? error_errno(e, r, "starting %s", program) : 0;
}

int nursery_ask(Nursery *n, NurseryRequest *request, int wire, Error *e)
{
        int r = n->socket >= 0 ? 0 : start(n, e);

        if (r < 0)
                return r;
        if ((r = send_message(n->socket, "", 1, &wire, 1)) < 0)
                return error_errno(e, r, "asking skep-nursery for a process");
        STAILQ_INSERT_TAIL(&n->requests, request, entry);
        return 0;
}

static int share_memory(Nursery *n)
{
        void *memory;

        if ((n->memory = memfd_create("youngest", MFD_CLOEXEC)) < 0 || ftruncate(n->memory, sizeof *n->youngest) < 0 ||
            (memory = mmap(NULL, sizeof *n->youngest, PROT_READ | PROT_WRITE, MAP_SHARED, n->memory, 0)) == MAP_FAILED)
                return -errno;
        n->youngest = memory;
        return 0;
}

static Nursery *discard(Nursery *n)
{
        if (n->youngest)
                munmap(n->youngest, sizeof *n->youngest);
        close_fd(n->memory);
        free(n);
        return NULL;
}

int nursery_new(sd_event *event, int directory, int copies, Nursery **ret, Error *e)
{
        Nursery *n = calloc(1, sizeof *n);

        if (!n)
                return error_oom(e);
        *n = (Nursery){.event = event, .directory = directory, .copies = copies, .memory = -1, .socket = -1};
        STAILQ_INIT(&n->requests);
        int r = share_memory(n);
        r = r < 0 ? error_errno(e, r, "memory for skep-nursery") : start(n, e);
        if (r < 0)
                discard(n);
        else
                *ret = n;
        return r;
}

Nursery *nursery_free(Nursery *n)
{
        struct pollfd socket = {.fd = n->socket, .events = POLLIN};

        while (!STAILQ_EMPTY(&n->requests) && poll(&socket, 1, LAST_MSEC) > 0 && hear(n) > 0)
                ;
        end(n);
        return discard(n);
}
