/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/bench-engine/echo.h"

#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

#define PATH "/"
#define INTERFACE "org.example.Echo"

static int method_echo(sd_bus_message *m, void *userdata _unused_, sd_bus_error *error _unused_)
{
        const char *text;
        int r = sd_bus_message_read(m, "s", &text);

        return r < 0 ? r : sd_bus_reply_method_return(m, "s", "01jzzzzzzzzzzzzzzzzzzzzzzz");
}

static const sd_bus_vtable vtable[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_METHOD("Echo", "s", "s", method_echo, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_VTABLE_END,
};

static _Noreturn void serve(int fd)
{
        sd_event *event;
        sd_id128_t id;
        sd_bus *bus;

        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (sd_event_new(&event) < 0 || sd_id128_randomize(&id) < 0 || sd_bus_new(&bus) < 0 ||
            sd_bus_set_fd(bus, fd, fd) < 0 || sd_bus_set_server(bus, 1, id) < 0 || sd_bus_start(bus) < 0 ||
            sd_bus_add_object_vtable(bus, NULL, PATH, INTERFACE, vtable, NULL) < 0 ||
            sd_bus_attach_event(bus, event, SD_EVENT_PRIORITY_NORMAL) < 0)
                _exit(1);
        sd_event_loop(event);
        _exit(0);
}

int echo_start(Echo *echo, Error *e)
{
        int pair[2], r;

        if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) < 0)
                return error_errno(e, -errno, "socketpair");
        if ((echo->pid = fork()) == 0) {
                close(pair[1]);
                serve(pair[0]);
        }
        close(pair[0]);
        if (echo->pid < 0 || (r = sd_bus_new(&echo->bus)) < 0) {
                close(pair[1]);
                return error_set(e, -ENOMEM, "a peer cannot be started");
        }
        if ((r = sd_bus_set_fd(echo->bus, pair[1], pair[1])) < 0 || (r = sd_bus_start(echo->bus)) < 0)
                return error_errno(e, r, "sd-bus");
        return 0;
}

void echo_stop(Echo *echo)
{
        if (echo->bus)
                sd_bus_close_unref(echo->bus);
        if (echo->pid > 0) {
                kill(echo->pid, SIGKILL);
                waitpid(echo->pid, NULL, 0);
        }
        *echo = (Echo){0};
}

int echo_call(Echo *echo, const char *text, Error *e)
{
        int r = sd_bus_call_method(echo->bus, NULL, PATH, INTERFACE, "Echo", NULL, NULL, "s", text);

        return r < 0 ? error_errno(e, r, "sd-bus") : 0;
}

static int on_answer(sd_bus_message *m _unused_, void *userdata, sd_bus_error *error _unused_)
{
        (*(size_t *)userdata)++;
        return 1;
}

int echo_call_many(Echo *echo, const char *text, size_t calls, size_t in_flight, Error *e)
{
        size_t sent = 0, answered = 0;
        int r = 0;

        while (r >= 0 && answered < calls) {
                for (; r >= 0 && sent < calls && sent - answered < in_flight; sent++)
                        r = sd_bus_call_method_async(echo->bus, NULL, NULL, PATH, INTERFACE, "Echo", on_answer, &answered,
                                                     "s", text);
                if (r >= 0 && (r = sd_bus_process(echo->bus, NULL)) == 0)
                        r = sd_bus_wait(echo->bus, UINT64_MAX);
        }
        return r < 0 ? error_errno(e, r, "sd-bus") : 0;
}
