/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The caller's side: the launcher's socket, and the job's output.
 *
 * One epoll descriptor carries the socket and the pipes of all jails, so that the caller has one thing to poll. A jail
 * has ended for the caller when the launcher has said so and both its pipes are read to their end. */

#include "engine/base/fd.h"
#include "engine/base/places.h"
#include "jail/call.h"
#include "jail/cgroup.h"
#include "jail/client.h"
#include "jail/ids.h"
#include "jail/plan.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

#define READ_AT_ONCE ((size_t)64 << 10)
#define EVENTS_AT_ONCE 64
#define OUTPUT_BYTES_MAX (UINT64_C(16) << 30) /* of a jail without a limit of its own */
#define OUTPUT_FILES_MAX (UINT64_C(1) << 20)
#define CALLS_AT_ONCE 1024 /* more than any socket holds */

/* ---- starting and ending the launcher ---- */

static int spawn_launcher(const char *program, int socket_fd, int held_fd, pid_t *ret)
{
        char *argv[] = {(char *)"skep-launcher", NULL}, *envp[] = {NULL};
        posix_spawn_file_actions_t actions;
        posix_spawnattr_t attributes;
        sigset_t none, all;
        /* Where none that is moved comes to lie on another. A copy of our own would do harm: who closes one of the
         * descriptors of a file loses his own locks on it; fcntl(2). */
        int aside = (socket_fd > held_fd ? socket_fd : held_fd) + LAUNCHER_HELD_FD;
        int r = posix_spawn_file_actions_init(&actions);

        if (r != 0)
                return -r;
        r = posix_spawnattr_init(&attributes);
        if (r == 0) {
                sigemptyset(&none);
                sigfillset(&all);
                posix_spawnattr_setsigmask(&attributes, &none);
                posix_spawnattr_setsigdefault(&attributes, &all);
                /* A session of its own: a Ctrl-C is for the caller, who then says what shall happen. */
                posix_spawnattr_setflags(&attributes,
                                         POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
                if (held_fd > 0)
                        posix_spawn_file_actions_adddup2(&actions, held_fd, aside);
                posix_spawn_file_actions_adddup2(&actions, socket_fd, LAUNCHER_SOCKET_FD);
                posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
                posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
                if (held_fd > 0)
                        posix_spawn_file_actions_adddup2(&actions, aside, LAUNCHER_HELD_FD);
                posix_spawn_file_actions_addclosefrom_np(&actions, held_fd > 0 ? LAUNCHER_HELD_FD + 1 : LAUNCHER_HELD_FD);
                r = posix_spawn(ret, program, &actions, &attributes, argv, envp);
                posix_spawnattr_destroy(&attributes);
        }
        posix_spawn_file_actions_destroy(&actions);
        return -r;
}

static int greet(JailLauncher *l, const char *cgroup, Error *e)
{
        _cleanup_packer_ Packer p = {0};
        char data[LAUNCHER_MESSAGE_MAX];

        pack_number(&p, LAUNCHER_INIT);
        pack_number(&p, LAUNCHER_VERSION);
        pack_string(&p, cgroup);
        int r = p.failed ? -ENOMEM : send_message(l->socket, p.data, p.size, NULL, 0);
        if (r >= 0 && l->here)
                l->methods->dispatch(l->here, 0);
        ssize_t n = r < 0 ? r : receive_message(l->socket, data, sizeof data, NULL, NULL);
        if (n <= 0)
                return error_set(e, n < 0 ? (int)n : -ECONNRESET, "skep-launcher ended before it was ready");

        Unpacker u = {.next = data, .left = (size_t)n};
        uint64_t kind = unpack_number(&u);
        const char *base = NULL, *why;
        if (kind == LAUNCHER_READY) {
                l->host.cgroup = unpack_number(&u) != 0;
                l->host.controllers = (unsigned)unpack_number(&u);
                l->host.ids = (IdsKind)unpack_number(&u);
                l->sweep = unpack_number(&u) != 0;
                base = unpack_string(&u);
        }
        why = unpack_string(&u);
        r = -(int)unpack_number(&u);
        if (unpack_end(&u) < 0)
                return error_set(e, -EPROTO, "skep-launcher answered with something else");
        if (kind == LAUNCHER_REFUSED)
                return error_set(e, r < 0 ? r : -EPROTO, "%s", why ? why : "skep-launcher refused");
        l->cgroup = base ? strdup(base) : NULL;
        l->no_cgroup = why ? strdup(why) : NULL;
        l->host.landlock_abi = host_landlock_abi();
        l->host.no_cgroup = l->no_cgroup;
        return 0;
}

int jail_launcher_new(const JailLauncherOptions *options, JailLauncher **ret, Error *e)
{
        _cleanup_launcher_ JailLauncher *l = calloc(1, sizeof *l);
        _cleanup_free_ char *beside = NULL;
        const char *program = options->program;
        _cleanup_close_ int theirs = -1;
        int sockets[2];

        if (!l)
                return error_oom(e);
        l->socket = l->epoll = -1;
        l->buffer = malloc(READ_AT_ONCE);
        if (!l->buffer)
                return error_oom(e);
        if (!options->here && !program && !(program = beside = place_program("skep-launcher", e)))
                return -ENOMEM;
        if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets) < 0)
                return error_errno(e, -errno, "making a socket");
        l->socket = sockets[0];
        l->methods = options->here;
        theirs = sockets[1];
        int r = options->here ? options->here->new(take_fd(theirs), &l->here) : spawn_launcher(program, theirs, options->held_fd, &l->pid);
        if (r < 0)
                return error_errno(e, r, "starting %s", options->here ? "the launcher" : program);
        theirs = close_fd(theirs);
        r = greet(l, options->cgroup, e);
        if (r < 0)
                return r;
        struct epoll_event event = {.events = EPOLLIN, .data.u64 = KEY_SOCKET},
                           event_here = {.events = EPOLLIN, .data.u64 = KEY_HERE};
        l->epoll = epoll_create1(EPOLL_CLOEXEC);
        if (l->epoll < 0 || fcntl(l->socket, F_SETFL, O_NONBLOCK) < 0 ||
            epoll_ctl(l->epoll, EPOLL_CTL_ADD, l->socket, &event) < 0 ||
            (l->here && epoll_ctl(l->epoll, EPOLL_CTL_ADD, l->methods->fd(l->here), &event_here) < 0))
                return error_errno(e, -errno, "watching the launcher");
        *ret = take(l);
        return 0;
}

Jail *jail_free(Jail *j)
{
        for (int i = 0; i < 2; i++)
                close_fd(j->streams[i].fd);
        close_fd(j->output);
        close_fd(j->calls);
        root_source_done(&j->root);
        jail_report_done(&j->report);
        free(j);
        return NULL;
}

/* What a launcher that was killed could not do itself. Its jails' processes have got their end, and take a moment. */
static void tidy_after_death(const JailLauncher *l)
{
        const struct timespec moment = {.tv_nsec = 2000000};

        for (int i = 0; i < 500 && l->cgroup && cgroup_sweep(l->cgroup) > 0; i++)
                nanosleep(&moment, NULL);
}

JailLauncher *jail_launcher_free(JailLauncher *l)
{
        l->socket = close_fd(l->socket); /* the launcher kills what runs, tidies up, and ends */
        if (l->here) {
                while (l->methods->dispatch(l->here, -1))
                        ;
                l->here = l->methods->free(l->here);
        }
        if (l->pid > 0)
                while (waitpid(l->pid, NULL, 0) < 0 && errno == EINTR)
                        ;
        /* Of a launcher within this process, which has not died, the next one removes what is left. */
        if (l->dead || (l->sweep && !l->methods))
                tidy_after_death(l);
        while (l->jails) {
                Jail *j = l->jails;
                l->jails = j->next;
                jail_free(j);
        }
        warm_policies_done(l);
        close_fd(l->epoll);
        free(l->cgroup);
        free(l->no_cgroup);
        free(l->unpack_filter);
        free(l->buffer);
        free(l);
        return NULL;
}

int jail_launcher_fd(const JailLauncher *l)
{
        return l->epoll;
}

/* ---- a jail's end ---- */

static void finish_when_done(Jail *j)
{
        JailLauncher *l = j->launcher;

        if (!j->ended || j->streams[0].fd >= 0 || j->streams[1].fd >= 0)
                return;
        for (Jail **at = &l->jails; *at; at = &(*at)->next)
                if (*at == j) {
                        *at = j->next;
                        break;
                }
        j->report.stdout_bytes = j->streams[0].bytes;
        j->report.stderr_bytes = j->streams[1].bytes;
        j->events->ended(j, &j->report, j->userdata);
        jail_free(j);
}

static void take_outcome(Jail *j, const Outcome *o, const char *text)
{
        JailReport *r = &j->report;

        r->reason = o->reason;
        r->warm = o->warm;
        r->exit_code = o->exit_code;
        r->signal = o->signal;
        r->setup_usec = o->setup_usec;
        r->wall_usec = o->wall_usec;
        r->cpu_user_usec = o->cpu_user_usec;
        r->cpu_system_usec = o->cpu_system_usec;
        r->memory_peak_bytes = o->memory_peak_bytes;
        r->pids_peak = o->pids_peak;
        r->io_read_bytes = o->io_read_bytes;
        r->io_write_bytes = o->io_write_bytes;
        r->memory_pressure_usec = o->memory_pressure_usec;
        r->cpu_pressure_usec = o->cpu_pressure_usec;
        r->io_pressure_usec = o->io_pressure_usec;
        memcpy(r->denied, o->denied, sizeof r->denied);
        j->steps = o->steps;
        r->denied_complete = o->denied_complete;
        r->left_running = o->left_running;
        if (text) {
                free(r->message);
                r->message = strdup(text);
        }
        j->ended = true;
}

/* ---- output ---- */

void jail_hold_output(Jail *j, int stream, bool hold)
{
        Stream *s = &j->streams[stream - 1];
        struct epoll_event event = {.events = EPOLLIN, .data.u64 = stream_key(j, stream - 1)};

        if (s->fd < 0 || s->held == hold || (hold && j->ended))
                return;
        s->held = hold;
        /* Taken out, since a pipe whose writers have gone would wake us for nothing. */
        epoll_ctl(j->launcher->epoll, hold ? EPOLL_CTL_DEL : EPOLL_CTL_ADD, s->fd, &event);
}

void jail_close_output(Jail *j, int stream)
{
        Stream *s = &j->streams[stream - 1];

        s->fd = close_fd(s->fd);
        s->held = false;
}

uint64_t jail_output_limit(const Jail *j)
{
        return j->output_limit;
}

static Jail *find_jail(JailLauncher *l, uint64_t id)
{
        Jail *j = l->jails;

        while (j && j->id != id)
                j = j->next;
        return j;
}

/* ---- events ---- */

/* Reads once; at the end of the stream, closes it. Returns how much it was. */
static size_t take_output(Stream *s)
{
        Jail *j = s->jail;
        JailLauncher *l = j->launcher;
        ssize_t n = read(s->fd, l->buffer, READ_AT_ONCE);

        if (n < 0 && (errno == EINTR || errno == EAGAIN))
                return 0;
        if (n <= 0) {
                s->fd = close_fd(s->fd);
                return 0;
        }
        uint64_t used = j->streams[0].bytes + j->streams[1].bytes,
                 room = j->output_limit == JAIL_UNLIMITED ? UINT64_MAX : j->output_limit - used;
        size_t kept = (uint64_t)n < room ? (size_t)n : (size_t)room;
        if (kept < (size_t)n)
                j->report.truncated = true;
        s->bytes += kept;
        if (kept > 0)
                j->events->output(j, s == &j->streams[0] ? 1 : 2, l->buffer, kept, j->userdata);
        return (size_t)n;
}

/* Takes what the reaper has told. What is no call is left out: it is made of what a job controls. */
static void take_calls(Jail *j)
{
        char data[CALL_MESSAGE_MAX];

        for (int i = 0; i < CALLS_AT_ONCE && j->calls >= 0; i++) {
                ssize_t n = receive_message(j->calls, data, sizeof data, NULL, NULL);
                JailCall call;
                if (n == -EAGAIN)
                        return;
                if (n <= 0 && n != -EMSGSIZE)
                        j->calls = close_fd(j->calls);
                else if (n > 0 && call_unpack(data, (size_t)n, &call) >= 0 && j->events->call)
                        j->events->call(j, &call, j->userdata);
        }
}

/* Nothing of the jail writes any more: what is in the pipes is all. They are not read to their end, since the job may
 * have handed its end to somebody outside, through a socket that was bound into the jail. Nor are the reads counted: where
 * the job has made its pipe one of packets (O_DIRECT; pipe(2)), each gives one, however small. */
static void drain_streams(Jail *j)
{
        for (int i = 0; i < 2; i++) {
                Stream *s = &j->streams[i];
                int there = 0;
                if (s->fd >= 0)
                        ioctl(s->fd, FIONREAD, &there);
                for (size_t left = (size_t)there, n; left > 0 && s->fd >= 0; left -= n < left ? n : left)
                        if ((n = take_output(s)) == 0)
                                break;
                s->fd = close_fd(s->fd);
        }
}

static void launcher_message(JailLauncher *l, const char *data, size_t size, int *fds, size_t n_fds)
{
        Unpacker u = {.next = data, .left = size};
        uint64_t kind = unpack_number(&u), id = unpack_number(&u);
        size_t outcome_size;

        if (kind == LAUNCHER_WARM) {
                warm_policies_ready(l, id, (size_t)unpack_number(&u));
                close_many(fds, n_fds);
                return;
        }
        const void *bytes = unpack_bytes(&u, &outcome_size);
        const char *text = unpack_string(&u);
        Outcome outcome;
        Jail *j = find_jail(l, id);

        if (unpack_end(&u) < 0 || kind != LAUNCHER_ENDED || outcome_size != sizeof outcome || !j) {
                close_many(fds, n_fds);
                return;
        }
        memcpy(&outcome, bytes, sizeof outcome);
        j->output = n_fds > 0 ? fds[0] : -1;
        take_outcome(j, &outcome, text);
        take_calls(j);
        drain_streams(j);
        finish_when_done(j);
}

/* The launcher is gone, and with it the jails, but for their cgroups. */
static void launcher_lost(JailLauncher *l)
{
        l->dead = true;
        epoll_ctl(l->epoll, EPOLL_CTL_DEL, l->socket, NULL);
        if (l->cgroup)
                cgroup_sweep(l->cgroup);
        for (Jail *j = l->jails, *next; j; j = next) {
                next = j->next;
                if (!j->ended) {
                        j->ended = true;
                        j->report.reason = JAIL_LOST;
                        j->report.denied_complete = false;
                        j->report.message = strdup("the launcher of the jail has died");
                }
                finish_when_done(j);
        }
}

static void read_launcher(JailLauncher *l)
{
        char data[LAUNCHER_MESSAGE_MAX];

        for (;;) {
                int fds[1];
                size_t n_fds = 1;
                ssize_t n = receive_message(l->socket, data, sizeof data, fds, &n_fds);
                if (n == -EAGAIN)
                        return;
                if (n <= 0) {
                        launcher_lost(l);
                        return;
                }
                launcher_message(l, data, (size_t)n, fds, n_fds);
        }
}

static void send_waiting_cancels(JailLauncher *l)
{
        for (Jail *j = l->jails; j; j = j->next)
                if (j->cancel_waits)
                        jail_cancel(j);
}

int jail_launcher_dispatch(JailLauncher *l, Error *e)
{
        struct epoll_event events[EVENTS_AT_ONCE];
        int n = epoll_wait(l->epoll, events, EVENTS_AT_ONCE, 0);

        for (int i = 0; i < n; i++) {
                uint64_t key = events[i].data.u64;
                if (key == KEY_HERE)
                        l->methods->dispatch(l->here, 0);
                /* What it has to say is read at once, and not in another round. */
                if (key == KEY_HERE || key == KEY_SOCKET) {
                        read_launcher(l);
                        continue;
                }
                Jail *j = find_jail(l, key / STREAMS_PER_JAIL);
                if (j && key % STREAMS_PER_JAIL == STREAM_CALLS) {
                        take_calls(j);
                        continue;
                }
                Stream *s = j ? &j->streams[key % STREAMS_PER_JAIL] : NULL;
                if (s && s->fd >= 0 && !s->held) {
                        take_output(s);
                        finish_when_done(j);
                }
        }
        send_waiting_cancels(l);
        if (n < 0 && errno != EINTR)
                return error_errno(e, -errno, "waiting for jails");
        return l->dead ? error_set(e, -ECONNRESET, "the launcher of the jails has died") : 0;
}

void jail_cancel(Jail *j)
{
        _cleanup_packer_ Packer p = {0};

        pack_number(&p, LAUNCHER_CANCEL);
        pack_number(&p, j->id);
        j->cancel_waits = p.failed || send_message(j->launcher->socket, p.data, p.size, NULL, 0) == -EAGAIN;
}

int jail_output_directory(const Jail *j)
{
        return j->output;
}

uint64_t jail_output_bytes_max(const Jail *j)
{
        return j->disk_limit == JAIL_UNLIMITED ? OUTPUT_BYTES_MAX : j->disk_limit;
}

uint64_t jail_output_files_max(const Jail *j)
{
        return j->files_limit == JAIL_UNLIMITED ? OUTPUT_FILES_MAX : j->files_limit;
}
