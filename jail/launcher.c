/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The launcher: makes jails for one program, keeps the time of each (wall and CPU limits), sees the end of each, takes
 * its accounts, removes its cgroup, and reports. When its socket closes, for whatever reason, it ends every jail.
 *
 * As a rule it is a small process of its own without threads, since forking is what it does, which holds nothing of its
 * caller but one socket, and outlives it by the time that it takes to remove the jails. A program that is itself small
 * and runs one jail has it inside (launcher_here), which saves a process and the way to and from it; what would be left
 * when that program is killed, a watchdog removes. The protocol: plan.h. */

#include "jail/launcher.h"

#include "engine/base/clock.h"
#include "engine/base/fd.h"
#include "jail/running_jail.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>

#define EVENTS_AT_ONCE 64

void launcher_send(Launcher *l, Packer *p, const int *fds, size_t n_fds)
{
        if (!p->failed && send_message(l->socket, p->data, p->size, fds, n_fds) < 0)
                l->closing = true;
}

int launcher_watch(Launcher *l, int fd, void *whose)
{
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = whose};

        return epoll_ctl(l->epoll, EPOLL_CTL_ADD, fd, &event) < 0 ? -errno : 0;
}

/* ---- the caller's socket ---- */

static void greet(Launcher *l, Unpacker *u)
{
        _cleanup_packer_ Packer p = {0};
        _cleanup_error_ Error e = ERROR_NULL;
        _cleanup_free_ char *base = NULL;
        uint64_t version = unpack_number(u);
        const char *chosen = unpack_string(u);
        int r = 0;

        if (unpack_end(u) < 0)
                r = error_set(&e, -EPROTO, "the launcher was greeted with something else");
        else if (version != LAUNCHER_VERSION)
                r = error_set(&e, -EPROTO, "skep-launcher is of another version than the program that started it");
        /* Without a cgroup there are jails still, if the operator allows it: the caller decides. A group that was
         * named, though, is meant. */
        int made = r < 0 ? r : cgroup_choose(chosen, &base, &e);
        if (made >= 0) {
                made = cgroup_tree_make(base, &l->cgroups, &e);
                if (l->here)
                        watchdog_start(&l->watchdog, &l->cgroups);
        }
        if (made < 0 && chosen)
                r = made;
        pack_number(&p, r < 0 ? LAUNCHER_REFUSED : LAUNCHER_READY);
        if (r >= 0) {
                pack_number(&p, l->cgroups.fd >= 0);
                pack_number(&p, l->cgroups.controllers);
                pack_number(&p, ids_kind());
                pack_number(&p, l->cgroups.holds_launcher);
                pack_string(&p, l->cgroups.path);
        }
        pack_string(&p, e.text);
        pack_number(&p, (uint64_t)-r);
        launcher_send(l, &p, NULL, 0);
}

static void close_down(Launcher *l)
{
        epoll_ctl(l->epoll, EPOLL_CTL_DEL, l->socket, NULL);
        l->closing = true;
        for (RunningJail *j = l->jails; j; j = j->next)
                running_jail_kill(j, JAIL_CANCELLED);
}

static void start(Launcher *l, Unpacker *u, int *fds, size_t n_fds)
{
        uint64_t id = unpack_number(u), kind = unpack_number(u);

        if (unpack_end(u) >= 0)
                running_jail_start(l, id, kind, fds, n_fds);
}

static void caller_message(Launcher *l)
{
        char data[LAUNCHER_MESSAGE_MAX];
        int fds[START_FDS_MAX];
        size_t n_fds = ELEMENTS(fds);
        ssize_t n = receive_message(l->socket, data, sizeof data, fds, &n_fds);

        if (n == -EINTR || n == -EAGAIN)
                return;
        if (n <= 0) {
                close_down(l);
                return;
        }
        Unpacker u = {.next = data, .left = (size_t)n};
        switch (unpack_number(&u)) {
        case LAUNCHER_INIT:
                greet(l, &u);
                break;
        case LAUNCHER_START:
                start(l, &u, fds, n_fds);
                break;
        case LAUNCHER_KEEP: {
                uint64_t number = unpack_number(&u), wanted = unpack_number(&u);
                if (number > 0 && unpack_end(&u) >= 0)
                        warm_keep(l, number, wanted, n_fds > 0 ? fds[0] : -1);
                break;
        }
        case LAUNCHER_CANCEL: {
                uint64_t id = unpack_number(&u);
                for (RunningJail *j = l->jails; j; j = j->next)
                        if (j->id == id)
                                running_jail_kill(j, JAIL_CANCELLED);
                break;
        }
        }
        close_many(fds, n_fds);
}

int launcher_fd(const Launcher *l)
{
        return l->epoll;
}

bool launcher_dispatch(Launcher *l, int timeout_msec)
{
        struct epoll_event events[EVENTS_AT_ONCE];
        int n = epoll_wait(l->epoll, events, EVENTS_AT_ONCE, timeout_msec);

        if (n < 0 && errno != EINTR)
                return false;
        for (int i = 0; i < n; i++) {
                uint64_t struck;
                if (events[i].data.ptr == &l->socket)
                        caller_message(l);
                else if (events[i].data.ptr == &l->timer)
                        l->timer_usec = read(l->timer, &struck, sizeof struck) > 0 ? USEC_INFINITY : l->timer_usec;
                else
                        running_jail_event(l, events[i].data.ptr);
        }
        if (l->closing)
                close_down(l);
        clocks_check(l);
        return !l->closing || l->jails;
}

int launcher_new(int socket_fd, bool here, Launcher **ret)
{
        Launcher *l = malloc(sizeof *l);

        if (!l) {
                close(socket_fd);
                return -ENOMEM;
        }
        *l = (Launcher){
                .socket = socket_fd,
                .epoll = epoll_create1(EPOLL_CLOEXEC),
                .timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK),
                .loadavg = open("/proc/loadavg", O_RDONLY | O_CLOEXEC),
                .timer_usec = USEC_INFINITY,
                .here = here,
                .own_ipc = !here && unshare(CLONE_NEWIPC) >= 0,
                .watchdog = WATCHDOG_NULL,
                .cgroups = CGROUP_TREE_NULL,
                .next_ids = (uint32_t)getpid() * 64,
        };
        if (l->epoll < 0 || l->timer < 0 || launcher_watch(l, l->socket, &l->socket) < 0 || launcher_watch(l, l->timer, &l->timer) < 0) {
                int r = -errno;
                launcher_free(l);
                return r;
        }
        *ret = l;
        return 0;
}

Launcher *launcher_free(Launcher *l)
{
        warm_done(l);
        networks_done(&l->networks);
        kept_ids_done(&l->ids);
        watchdog_dismiss(&l->watchdog);
        /* It has been begun where we live. */
        if (l->cgroups.holds_launcher)
                watchdog_end(&l->watchdog);
        cgroup_tree_remove(&l->cgroups);
        close_fd(l->loadavg);
        close_fd(l->timer);
        close_fd(l->epoll);
        close_fd(l->socket);
        watchdog_end(&l->watchdog);
        free(l);
        return NULL;
}

static int here_new(int socket_fd, Launcher **ret)
{
        return launcher_new(socket_fd, true, ret);
}

const JailLauncherHere launcher_here = {
        .new = here_new,
        .fd = launcher_fd,
        .dispatch = launcher_dispatch,
        .free = launcher_free,
};
