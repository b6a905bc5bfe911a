/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* skep-worker: runs jobs in jails for the supervisor that it connects to; several at a time, from one event loop. */

#include "engine/base/fd.h"
#include "engine/base/log.h"
#include "engine/base/options.h"
#include "engine/worker/run.h"

#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>

typedef struct Worker {
        sd_event *event;
        Runs *runs;
        int socket;
        bool welcome, stopping;
} Worker;

static void send_to_supervisor(Worker *w, const Packer *p)
{
        int r = p->failed ? -ENOMEM : send_message(w->socket, p->data, p->size, NULL, 0);

        if (r < 0)
                sd_event_exit(w->event, 1);
}

static void end_when_idle(Worker *w)
{
        if (w->stopping && runs_count(w->runs) == 0)
                sd_event_exit(w->event, 0);
}

static void on_started(const char *job, uint64_t attempt, void *userdata)
{
        _cleanup_packer_ Packer p = {0};

        pack_number(&p, WORKER_STARTED);
        pack_string(&p, job);
        pack_number(&p, attempt);
        send_to_supervisor(userdata, &p);
}

static void on_ended(const char *job, uint64_t attempt, const char *report, void *userdata)
{
        _cleanup_packer_ Packer p = {0};
        Worker *w = userdata;

        pack_number(&p, WORKER_REPORT);
        pack_string(&p, job);
        pack_number(&p, attempt);
        pack_string(&p, report);
        send_to_supervisor(w, &p);
        end_when_idle(w);
}

static const RunsEvents runs_events = {.started = on_started, .ended = on_ended};

static int take_policy(Worker *w, Unpacker *u, int fd, Error *e)
{
        const char *name = unpack_string(u);
        const void *text;
        size_t size;
        int r = unpack_end(u);

        if (r >= 0)
                r = map_file(fd, WORKER_DOCUMENT_MAX, &text, &size);
        if (r < 0)
                return error_errno(e, r, "a policy of the supervisor");
        _cleanup_free_ char *copy = strndup(text ? text : "", size);
        munmap((void *)text, size);
        return copy ? runs_add_policy(w->runs, name ? name : "", copy, e) : error_oom(e);
}

static int take_run(Worker *w, Unpacker *u, int *fds, size_t n_fds, Error *e)
{
        const void *order;
        size_t size;
        int r = unpack_end(u);

        if (r >= 0)
                r = map_file(fds[RUN_ORDER], WORKER_DOCUMENT_MAX, &order, &size);
        if (r < 0)
                return error_errno(e, r, "a run order of the supervisor");
        r = runs_start(w->runs, order, size, fds, n_fds);
        munmap((void *)order, size);
        return r < 0 ? error_errno(e, r, "a run order of the supervisor") : 0;
}

static int take_message(Worker *w, const char *data, size_t size, int *fds, size_t n_fds, Error *e)
{
        Unpacker u = {.next = data, .left = size};
        WorkerMessage kind = (WorkerMessage)unpack_number(&u);
        const char *job;

        if (!worker_message_allowed(kind, SIDE_SUPERVISOR, size) || w->welcome == (kind == WORKER_WELCOME))
                return error_set(e, -EPROTO, "message %d of the supervisor is out of turn", kind);
        switch (kind) {
        case WORKER_WELCOME:
                if (unpack_number(&u) != WORKER_VERSION)
                        return error_set(e, -EPROTO, "the supervisor speaks another version");
                w->welcome = true;
                return 0;
        case WORKER_POLICY:
                return n_fds == 1 ? take_policy(w, &u, fds[0], e) : error_set(e, -EPROTO, "a policy without its text");
        case WORKER_RUN:
                return n_fds >= RUN_INPUTS ? take_run(w, &u, fds, n_fds, e)
                                           : error_set(e, -EPROTO, "a run order without its descriptors");
        case WORKER_CANCEL:
                job = unpack_string(&u);
                if (job)
                        runs_cancel(w->runs, job);
                return 0;
        case WORKER_STOP:
                w->stopping = true;
                end_when_idle(w);
                return 0;
        default:
                return error_set(e, -EPROTO, "message %d of the supervisor is unknown", kind);
        }
}

static int on_supervisor(sd_event_source *source _unused_, int fd, uint32_t events _unused_, void *userdata)
{
        _cleanup_error_ Error e = ERROR_NULL;
        Worker *w = userdata;
        char data[WORKER_MESSAGE_MAX];
        int fds[RUN_FDS_MAX];
        size_t n_fds = ELEMENTS(fds);
        ssize_t n = receive_message(fd, data, sizeof data, fds, &n_fds);

        if (n == -EAGAIN)
                return 0;
        if (n <= 0)
                return sd_event_exit(w->event, 0); /* the supervisor has gone, and its jobs with it */
        int r = take_message(w, data, (size_t)n, fds, n_fds, &e);
        close_many(fds, n_fds);
        if (r < 0) {
                log_error("%s", error_text(&e));
                return sd_event_exit(w->event, 1);
        }
        return 0;
}

static int connect_to(const char *path, Error *e)
{
        struct sockaddr_un address = {.sun_family = AF_UNIX};
        _cleanup_close_ int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

        if (strlen(path) >= sizeof address.sun_path)
                return error_set(e, -ENAMETOOLONG, "%s: the path of a socket may have %zu characters", path,
                                 sizeof address.sun_path - 1);
        memcpy(address.sun_path, path, strlen(path));
        if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address) < 0)
                return error_errno(e, -errno, "%s", path);
        return take_fd(fd);
}

static void say_hello(Worker *w, const char *name)
{
        _cleanup_packer_ Packer p = {0};

        pack_number(&p, WORKER_HELLO);
        pack_number(&p, WORKER_VERSION_MIN);
        pack_number(&p, WORKER_VERSION);
        pack_string(&p, name);
        send_to_supervisor(w, &p);
}

static int run(const char *socket_path, const char *name, Error *e)
{
        Worker w = {.socket = -1};
        sigset_t set;
        int r = sd_event_default(&w.event);

        if (r < 0)
                return error_errno(e, r, "event loop");
        sigemptyset(&set);
        sigaddset(&set, SIGTERM);
        sigprocmask(SIG_BLOCK, &set, NULL);
        /* Ctrl-C is for the supervisor, which then tells us. */
        signal(SIGINT, SIG_IGN);
        signal(SIGPIPE, SIG_IGN);
        r = runs_new(w.event, &runs_events, &w, &w.runs, e);
        if (r >= 0)
                r = w.socket = connect_to(socket_path, e);
        if (r >= 0 && ((r = sd_event_add_signal(w.event, NULL, SIGTERM, NULL, NULL)) < 0 ||
                       (r = sd_event_add_io(w.event, NULL, w.socket, EPOLLIN, on_supervisor, &w)) < 0))
                error_errno(e, r, "event loop");
        if (r >= 0) {
                say_hello(&w, name);
                r = sd_event_loop(w.event);
        }
        if (w.runs)
                runs_free(w.runs);
        close_fd(w.socket);
        sd_event_unref(w.event);
        return r;
}

typedef struct WorkerOptions {
        const char *socket, *name;
} WorkerOptions;

static const Option options_table[] = {
        {"socket", "PATH", NULL, option_set_string, offsetof(WorkerOptions, socket)},
        {"name", "NAME", NULL, option_set_string, offsetof(WorkerOptions, name)},
};

int main(int argc, char **argv)
{
        WorkerOptions options = {.name = "1"};
        _cleanup_error_ Error e = ERROR_NULL;

        open_missing_stdio();
        log_open("skep-worker");
        int r = options_read(options_table, ELEMENTS(options_table), argc, argv, false, &options, &e);
        if (r < 0 || !options.socket) {
                log_error("%s", r < 0 ? error_text(&e) : "it is started by skepd, with --socket PATH and --name NAME");
                return 125;
        }
        r = run(options.socket, options.name, &e);
        if (e.code < 0)
                log_error("%s", error_text(&e));
        return r < 0 ? 1 : r;
}
