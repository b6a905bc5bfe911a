/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Nothing is polled by a clock: inotify tells of output, the supervisor answers a call when the job has ended, and a
 * descriptor of ours says when it takes more. */

#include "engine/ctl/follow.h"

#include "engine/base/fd.h"
#include "engine/base/sink.h"
#include "engine/ctl/client.h"

#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/signalfd.h>

#define CHUNK ((size_t)64 << 10)
#define WAIT_USEC (UINT64_C(20) * 1000000) /* under the default timeout of calls */

typedef struct Follow {
        sd_bus *bus;
        const char *path;
        uint32_t attempt; /* whose output it is */
        int files[2];
        Sink sinks[2];
        bool ended, interrupted;
        int error; /* of a call */
        sd_bus_slot *waiting;
        char *buffer;
} Follow;

static int ask_to_wait(Follow *f);

static int on_waited(sd_bus_message *reply, void *userdata, sd_bus_error *error _unused_)
{
        Follow *f = userdata;
        const sd_bus_error *problem = sd_bus_message_get_error(reply);
        const char *id, *state;
        int r;

        f->waiting = sd_bus_slot_unref(f->waiting);
        if (problem) {
                f->error = -sd_bus_error_get_errno(problem);
                return 0;
        }
        r = sd_bus_message_enter_container(reply, 'a', "(ss)");
        if (r >= 0)
                r = sd_bus_message_read(reply, "(ss)", &id, &state);
        if (r > 0)
                f->ended = true;
        else
                r = ask_to_wait(f);
        f->error = r < 0 ? r : 0;
        return 0;
}

static int ask_to_wait(Follow *f)
{
        return sd_bus_call_method_async(f->bus, &f->waiting, ENGINE_NAME, ENGINE_PATH, ENGINE_MANAGER, "Wait",
                                        on_waited, f, "ast", 1, client_id_of(f->path), WAIT_USEC);
}

/* Passes on what the files hold, as far as our own readers take it. True when one has more than that. */
static bool pass_on(Follow *f)
{
        bool more = false;

        for (int i = 0; i < 2; i++) {
                Sink *sink = &f->sinks[i];
                sink_flush(sink);
                while (!sink->broken && sink_waiting(sink) < SINK_HIGH) {
                        ssize_t n = read_full(f->files[i], f->buffer, CHUNK);
                        if (n <= 0)
                                break;
                        if (sink_add(sink, f->buffer, (size_t)n) < 0)
                                sink->broken = true;
                }
                more |= sink_waiting(sink) > 0;
        }
        return more;
}

static int take_signal(Follow *f, int signal_fd, const FollowOptions *options)
{
        struct signalfd_siginfo info;

        if (read(signal_fd, &info, sizeof info) <= 0)
                return 0;
        bool again = f->interrupted;
        f->interrupted = true;
        if (!options->cancel_on_signal || again)
                f->ended = true; /* we do not wait for what comes of it */
        else
                return sd_bus_call_method_async(f->bus, NULL, ENGINE_NAME, ENGINE_PATH, ENGINE_MANAGER, "Cancel", NULL,
                                                NULL, "s", client_id_of(f->path));
        return 0;
}

static void drain_inotify(int fd)
{
        char events[4096];

        while (read(fd, events, sizeof events) > 0)
                ;
}

static int loop(Follow *f, int inotify_fd, int signal_fd, const FollowOptions *options)
{
        bool more = true;

        pass_on(f);
        /* After a signal, a reader that is stuck is not waited for. */
        while (!f->ended || (more && !f->interrupted)) {
                int r;
                while ((r = sd_bus_process(f->bus, NULL)) > 0)
                        ;
                if (r < 0 || f->error < 0)
                        return r < 0 ? r : f->error;
                more = pass_on(f);
                if (f->ended && (!more || f->interrupted))
                        break;
                int events = sd_bus_get_events(f->bus);
                struct pollfd fds[] = {
                        {.fd = sd_bus_get_fd(f->bus), .events = (short)(events < 0 ? POLLIN : events)},
                        {.fd = inotify_fd, .events = POLLIN},
                        {.fd = signal_fd, .events = POLLIN},
                        {.fd = sink_waiting(&f->sinks[0]) ? 1 : -1, .events = POLLOUT},
                        {.fd = sink_waiting(&f->sinks[1]) ? 2 : -1, .events = POLLOUT},
                };
                if (poll(fds, ELEMENTS(fds), -1) < 0 && errno != EINTR)
                        return -errno;
                if (fds[1].revents)
                        drain_inotify(inotify_fd);
                if (fds[2].revents && (r = take_signal(f, signal_fd, options)) < 0)
                        return r;
        }
        return 0;
}

static int open_files(Follow *f, int inotify_fd, Error *e)
{
        static const char *const streams[] = {"stdout", "stderr"};
        int r = client_attempt(f->bus, f->path, &f->attempt, e);

        if (r < 0)
                return r;
        for (int i = 0; i < 2; i++) {
                char link[32];
                close_fd(f->files[i]);
                f->files[i] = client_open_output(f->bus, f->path, streams[i], f->attempt, e);
                if (f->files[i] < 0)
                        return f->files[i];
                snprintf(link, sizeof link, "/proc/self/fd/%d", f->files[i]);
                if (inotify_fd >= 0 && inotify_add_watch(inotify_fd, link, IN_MODIFY) < 0)
                        return error_errno(e, -errno, "watching the output");
        }
        return 0;
}

/* Output that our own reader did not take, other than by going away. */
static int sink_failed(const Follow *f, Error *e)
{
        for (int i = 0; i < 2; i++)
                if (f->sinks[i].error < 0)
                        return error_errno(e, f->sinks[i].error, "writing the output");
        return 0;
}

static int run(Follow *f, bool follow, const FollowOptions *options, Error *e)
{
        _cleanup_close_ int inotify_fd = -1, signal_fd = -1;
        sigset_t set;

        f->buffer = malloc(CHUNK);
        if (!f->buffer)
                return error_oom(e);
        sink_init(&f->sinks[0], 1);
        sink_init(&f->sinks[1], 2);
        signal(SIGINT, SIG_DFL); /* a shell starts what it puts in the background without it */
        signal(SIGPIPE, SIG_IGN);
        sigemptyset(&set);
        sigaddset(&set, SIGINT);
        sigaddset(&set, SIGTERM);
        sigaddset(&set, SIGHUP);
        sigprocmask(SIG_BLOCK, &set, NULL);
        signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
        if (follow)
                inotify_fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
        if (signal_fd < 0 || (follow && inotify_fd < 0))
                return error_errno(e, -errno, "watching the output");
        int r = open_files(f, inotify_fd, e);
        if (r < 0)
                return r;
        f->ended = !follow;
        if (follow && (r = ask_to_wait(f)) < 0)
                return error_errno(e, r, "waiting for the job");
        r = loop(f, inotify_fd, signal_fd, options);
        while (r >= 0 && follow && !f->interrupted) {
                uint32_t attempt;
                if ((r = client_attempt(f->bus, f->path, &attempt, e)) < 0)
                        return r;
                if (attempt == f->attempt)
                        return sink_failed(f, e);
                /* Its worker died, and the job was run again: that output counts. */
                fprintf(stderr, "skepctl: the job was lost and run again; the output of attempt %u:\n", attempt);
                if ((r = open_files(f, inotify_fd, e)) < 0)
                        return r;
                r = loop(f, inotify_fd, signal_fd, options);
        }
        if (r < 0)
                return error_set(e, r, "the supervisor has ended, or its connection broke (%s)", strerror(-r));
        return sink_failed(f, e);
}

static int do_follow(sd_bus *bus, const char *path, bool follow, const FollowOptions *options, bool *ret_interrupted,
                     Error *e)
{
        Follow f = {.bus = bus, .path = path, .files = {-1, -1}};
        int r = run(&f, follow, options, e);

        if (ret_interrupted)
                *ret_interrupted = f.interrupted;
        sd_bus_slot_unref(f.waiting);
        close_many(f.files, 2);
        sink_done(&f.sinks[0]);
        sink_done(&f.sinks[1]);
        free(f.buffer);
        return r;
}

int follow_job(sd_bus *bus, const char *path, const FollowOptions *options, bool *ret_interrupted, Error *e)
{
        return do_follow(bus, path, true, options, ret_interrupted, e);
}

int show_output(sd_bus *bus, const char *path, Error *e)
{
        const FollowOptions options = {0};

        return do_follow(bus, path, false, &options, NULL, e);
}
