/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Nothing is polled by a clock while an attempt runs: inotify tells of output, the supervisor answers a call when the
 * job has ended, and a descriptor of ours says when it takes more. When an attempt has ended (its files are closed),
 * what comes of it is asked for in short intervals: the end of the job, or another attempt. */

#include "engine/ctl/follow.h"

#include "engine/base/clock.h"
#include "engine/base/fd.h"
#include "engine/ctl/attempt_output.h"
#include "engine/ctl/client.h"
#include "engine/ctl/progress.h"

#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/signalfd.h>

#define WAIT_USEC (20 * USEC_PER_SECOND) /* under the default timeout of calls */
#define WAIT_SHORT_USEC (50 * USEC_PER_MSEC)
#define WAIT_BETWEEN_USEC USEC_PER_SECOND /* the most, between two attempts */
#define INDEX_LATE_MSEC 250               /* output that the index does not tell of by then is shown without */

typedef struct Follow {
        sd_bus *bus;
        const char *path;
        const FollowOptions *options;
        AttemptOutput output;
        uint32_t next; /* the attempt that runs now, if it is not that of `output` */
        Stream own[2], *streams[2];
        int inotify_fd, signal_fd;
        bool ended, interrupted;
        bool asked;         /* a call of Wait is under way */
        bool look;          /* it was answered, and the job has not ended */
        uint64_t wait_usec; /* how long the next call waits */
        bool tell;          /* why it does not run yet, on a terminal */
        Progress progress;
        int error; /* of a call */
        sd_bus_slot *waiting;
} Follow;

static int on_waited(sd_bus_message *reply, void *userdata, sd_bus_error *error _unused_)
{
        Follow *f = userdata;
        const sd_bus_error *problem = sd_bus_message_get_error(reply);
        const char *id, *state;
        int r;

        f->waiting = sd_bus_slot_unref(f->waiting);
        f->asked = false;
        if (problem) {
                f->error = -sd_bus_error_get_errno(problem);
                return 0;
        }
        r = sd_bus_message_enter_container(reply, 'a', "(ss)");
        if (r >= 0)
                r = sd_bus_message_read(reply, "(ss)", &id, &state);
        f->ended = r > 0;
        f->look = r == 0;
        f->error = r < 0 ? r : 0;
        return 0;
}

static int ask_to_wait(Follow *f)
{
        int r = sd_bus_call_method_async(f->bus, &f->waiting, ENGINE_NAME, ENGINE_PATH, ENGINE_MANAGER, "Wait",
                                         on_waited, f, "ast", 1, client_id_of(f->path), f->wait_usec);

        f->asked = r >= 0;
        if (f->wait_usec < WAIT_USEC)
                f->wait_usec = f->wait_usec * 2 < WAIT_BETWEEN_USEC ? f->wait_usec * 2 : WAIT_BETWEEN_USEC;
        return r;
}

static void cancel(const Follow *f)
{
        sd_bus_call_method_async(f->bus, NULL, ENGINE_NAME, ENGINE_PATH, ENGINE_MANAGER, "Cancel", NULL, NULL, "s",
                                 client_id_of(f->path));
}

static void take_signal(Follow *f)
{
        struct signalfd_siginfo info;

        if (read(f->signal_fd, &info, sizeof info) <= 0)
                return;
        if (!f->options->cancel_on_signal || f->interrupted)
                f->ended = true; /* we do not wait for what comes of it */
        else if (f->bus)
                cancel(f);
        else
                fprintf(stderr, "skepctl: the job is cancelled when that is there\n");
        f->interrupted = true;
}

/* A file that is closed by its writer may be the end of the attempt. */
static void take_changes(Follow *f)
{
        char events[4096] __attribute__((aligned(__alignof__(struct inotify_event))));
        bool closed = false;
        ssize_t n;

        while ((n = read(f->inotify_fd, events, sizeof events)) > 0)
                for (char *at = events; at < events + n;) {
                        const struct inotify_event *event = (void *)at;
                        closed |= (event->mask & IN_CLOSE_WRITE) != 0;
                        at += sizeof *event + event->len;
                }
        if (!closed || !f->asked || f->wait_usec < WAIT_USEC)
                return;
        f->waiting = sd_bus_slot_unref(f->waiting);
        f->asked = false;
        f->look = true;
        f->wait_usec = WAIT_SHORT_USEC;
}

/* Says why the job does not run yet, as long as it does not. */
static int tell_why(Follow *f, Error *e)
{
        _cleanup_free_ char *why = NULL;
        int r = client_waiting(f->bus, f->path, &why, e);

        if (r < 0)
                return r;
        if (*why) {
                progress_say(&f->progress, why);
                return 0;
        }
        progress_clear(&f->progress);
        f->tell = false;
        f->wait_usec = WAIT_USEC;
        return 0;
}

/* Is there another attempt by now? Then the next one is followed, once all of this one has been shown: also where it has ended
 * meanwhile, and another runs. */
static int look_for_attempt(Follow *f, Error *e)
{
        uint32_t attempt;
        int r = client_attempt(f->bus, f->path, &attempt, e);

        f->look = false;
        if (r >= 0 && attempt != f->output.attempt)
                f->next = attempt > f->output.attempt ? f->output.attempt + 1 : attempt;
        return r >= 0 && f->tell ? tell_why(f, e) : r;
}

static int begin_next(Follow *f, Error *e)
{
        uint32_t attempt = f->next;

        fprintf(stderr, "skepctl: the job is run again; the output of attempt %u:\n", attempt);
        f->next = 0;
        f->look = true; /* whether that one runs */
        f->wait_usec = WAIT_USEC;
        return attempt_output_open(&f->output, f->bus, f->path, attempt, f->inotify_fd, e);
}

static bool leaves(void *userdata)
{
        take_signal(userdata);
        return ((Follow *)userdata)->ended;
}

static int reconnect(Follow *f, int code, Error *e)
{
        /* Calls that were under way end as if they had not been answered in time. */
        if (sd_bus_is_open(f->bus) <= 0)
                code = -ENOTCONN;
        f->waiting = sd_bus_slot_unref(f->waiting);
        f->asked = false;
        f->error = 0;
        f->look = true; /* much may have happened meanwhile */
        int r = client_reconnect(f->options->address, code, leaves, f, &f->bus, e);
        if (f->ended) {
                error_clear(e);
                return 0;
        }
        /* The one that was asked to may have ended before it was done. */
        if (r >= 0 && f->interrupted)
                cancel(f);
        return r < 0 && !e->code ? error_errno(e, r, "following the job") : r;
}

/* Everything that is there for us of the supervisor. */
static int talk(Follow *f, Error *e)
{
        int r;

        while ((r = sd_bus_process(f->bus, NULL)) > 0)
                ;
        if (r >= 0)
                r = f->error;
        if (r >= 0 && !f->ended && f->look)
                r = look_for_attempt(f, e);
        if (r >= 0 && !f->ended && !f->asked)
                r = ask_to_wait(f);
        if (r < 0)
                r = reconnect(f, r, e);
        return f->ended ? 0 : r;
}

static bool is_waiting(const Stream *stream)
{
        return stream && sink_waiting(&stream->sink) > 0;
}

/* How long poll() may wait for the bus: its calls have a timeout. */
static int bus_timeout_msec(const Follow *f)
{
        uint64_t until_usec, now = monotonic_usec();

        if (f->ended || sd_bus_get_timeout(f->bus, &until_usec) <= 0 || until_usec == UINT64_MAX)
                return -1;
        return until_usec > now ? (int)((until_usec - now) / 1000) + 1 : 0;
}

/* One of our own outputs: that it takes more, if something waits for that, and that its reader has gone. */
static struct pollfd poll_of(const Stream *stream)
{
        if (!stream || stream->sink.broken)
                return (struct pollfd){.fd = -1};
        return (struct pollfd){.fd = stream->sink.fd, .events = is_waiting(stream) ? POLLOUT : 0};
}

/* Returns 0 when nothing came in time. */
static int wait_for_something(Follow *f, bool late)
{
        int events = sd_bus_get_events(f->bus), timeout = late ? INDEX_LATE_MSEC : bus_timeout_msec(f);
        struct pollfd fds[] = {
                {.fd = f->ended ? -1 : sd_bus_get_fd(f->bus), .events = (short)(events < 0 ? POLLIN : events)},
                {.fd = f->inotify_fd, .events = POLLIN},
                {.fd = f->signal_fd, .events = POLLIN},
                poll_of(f->streams[0]),
                poll_of(f->streams[1]),
        };
        int n = poll(fds, ELEMENTS(fds), timeout);

        if (n < 0)
                return errno == EINTR ? 1 : -errno;
        if (fds[1].revents)
                take_changes(f);
        if (fds[2].revents)
                take_signal(f);
        for (int i = 0; i < 2; i++)
                if (fds[3 + i].revents & (POLLERR | POLLHUP))
                        f->streams[i]->sink.broken = true;
        return n;
}

/* Who only looks on does not look on for a reader that has gone: as in `skepctl logs -f ID | head -1`. */
static bool reader_has_gone(const Follow *f)
{
        for (int i = 0; i < 2; i++)
                if (!f->options->cancel_on_signal && f->streams[i] && f->streams[i]->sink.broken)
                        return true;
        return false;
}

static int loop(Follow *f, Error *e)
{
        bool whole = false;
        int r;

        for (;;) {
                if (!f->ended && (r = talk(f, e)) < 0)
                        return r;
                if (attempt_output_has_more(&f->output, f->streams) || f->ended)
                        progress_clear(&f->progress);
                if (attempt_output_pass(&f->output, f->streams, whole || f->ended || f->next) < 0)
                        return error_oom(e);
                bool full = is_waiting(f->streams[0]) || is_waiting(f->streams[1]);
                bool more = attempt_output_has_more(&f->output, f->streams);
                /* After a signal, a reader that is stuck is not waited for. */
                if (f->ended && (f->interrupted || (!full && !more && !f->next)))
                        return 0;
                if (!f->ended && reader_has_gone(f))
                        return 0;
                if (f->next && !more && (r = begin_next(f, e)) < 0)
                        return r;
                if ((f->ended || f->next) && !full)
                        continue;
                if ((r = wait_for_something(f, more && !full)) < 0)
                        return error_errno(e, r, "waiting");
                whole = r == 0 && more;
        }
}

static int show_last(Follow *f)
{
        int r = 0;

        for (int i = 0; r >= 0 && i < 2; i++)
                if (f->streams[i] && (r = stream_end(f->streams[i])) >= 0)
                        sink_flush(&f->streams[i]->sink);
        return r;
}

/* Output that our own reader did not take, other than by going away. */
static int sink_failed(const Follow *f, Error *e)
{
        for (int i = 0; i < 2; i++)
                if (f->streams[i] && f->streams[i]->sink.error < 0)
                        return error_errno(e, f->streams[i]->sink.error, "writing the output");
        return 0;
}

static int prepare(Follow *f, bool follow, Error *e)
{
        bool all = !f->options->only[0] && !f->options->only[1];

        for (int i = 0; i < 2; i++) {
                if (!all && !f->options->only[i])
                        continue;
                f->streams[i] = &f->own[i];
                if (stream_init(f->streams[i], i + 1, &f->options->stream) < 0)
                        return error_oom(e);
        }
        signal(SIGPIPE, SIG_IGN);
        f->signal_fd = open_end_signals();
        if (follow)
                f->inotify_fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
        if (f->signal_fd < 0 || (follow && f->inotify_fd < 0))
                return error_errno(e, -errno, "watching the output");
        return 0;
}

static int run(Follow *f, bool follow, uint32_t attempt, Error *e)
{
        int r = prepare(f, follow, e);

        f->tell = follow && f->progress.enabled;
        if (f->tell)
                f->wait_usec = WAIT_BETWEEN_USEC;
        if (r >= 0 && attempt == 0)
                r = client_attempt(f->bus, f->path, &attempt, e);
        if (r >= 0)
                r = attempt_output_open(&f->output, f->bus, f->path, attempt, f->inotify_fd, e);
        if (r >= 0 && f->options->stream.stamps && !follow && !attempt_output_is_indexed(&f->output) &&
            attempt_output_has_more(&f->output, f->streams))
                return error_set(e, -ENODATA, "no times were kept of this output");
        f->ended = !follow;
        if (r >= 0 && !follow)
                attempt_output_end_here(&f->output);
        if (r >= 0)
                r = loop(f, e);
        /* The job may have ended while its last attempt was not yet the one that is shown. */
        while (r >= 0 && follow && f->ended && !f->interrupted && (r = look_for_attempt(f, e)) >= 0) {
                const bool last = !f->next;
                if ((r = loop(f, e)) >= 0 && last)
                        break;
        }
        if (r >= 0 && show_last(f) < 0)
                return error_oom(e);
        return r < 0 ? r : sink_failed(f, e);
}

static int do_follow(sd_bus **bus, const char *path, bool follow, uint32_t attempt, const FollowOptions *options,
                     bool *ret_interrupted, Error *e)
{
        Follow f = {.bus = *bus,
                    .path = path,
                    .options = options,
                    .output = ATTEMPT_OUTPUT_NULL,
                    .inotify_fd = -1,
                    .signal_fd = -1,
                    .wait_usec = WAIT_USEC,
                    .progress = progress_begin("waiting")};
        int r = run(&f, follow, attempt, e);

        progress_clear(&f.progress);
        if (ret_interrupted)
                *ret_interrupted = f.interrupted;
        sd_bus_slot_unref(f.waiting);
        attempt_output_close(&f.output);
        for (int i = 0; i < 2; i++)
                if (f.streams[i])
                        stream_done(f.streams[i]);
        close_fd(f.inotify_fd);
        close_fd(f.signal_fd);
        *bus = f.bus;
        return r;
}

int follow_job(sd_bus **bus, const char *path, const FollowOptions *options, bool *ret_interrupted, Error *e)
{
        return do_follow(bus, path, true, 0, options, ret_interrupted, e);
}

int show_output(sd_bus **bus, const char *path, uint32_t attempt, const FollowOptions *options, Error *e)
{
        return do_follow(bus, path, false, attempt, options, NULL, e);
}
