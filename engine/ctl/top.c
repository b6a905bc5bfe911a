/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* skepctl top: the engine as it is now, once a second. On a terminal it is a picture that changes, with keys; else as
 * many pictures as were asked for, or one; with --json an object each. */

#include "engine/base/clock.h"
#include "engine/base/json.h"
#include "engine/base/options.h"
#include "engine/base/size.h"
#include "engine/base/strv.h"
#include "engine/ctl/client.h"
#include "engine/ctl/commands.h"
#include "engine/ctl/engine_view.h"
#include "engine/ctl/print.h"
#include "engine/ctl/screen.h"

#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>

#define INTERVAL_USEC USEC_PER_SECOND

typedef struct TopOptions {
        uint64_t number; /* 0: without end */
        bool numbered;
} TopOptions;

typedef struct Top {
        const Context *context;
        sd_bus *bus;
        EngineView view;
        Screen *screen; /* NULL: no terminal */
        JobOrder order;
        int signal_fd;
        bool quit, now;
} Top;

static int take_number(const Option *option _unused_, const char *value, void *target, Error *e)
{
        TopOptions *o = target;

        o->numbered = true;
        return count_parse(value, 1, UINT32_MAX, &o->number, e);
}

static const Option options_table[] = {
        {"number", "N", NULL, take_number, 0},
        {"n", "N", NULL, take_number, 0},
};

/* ---- on a terminal ---- */

/* In the last row stands what the keys do. */
static int draw(Top *t)
{
        _cleanup_strv_ char **lines = engine_view_lines(&t->view, t->order, t->context->colour, t->context->utc);
        size_t rows = screen_rows(t->screen), n = strv_length(lines), left_out = n >= rows ? n - rows + 1 : 0;
        _cleanup_strv_ char **picture = NULL;
        int r = lines ? 0 : -ENOMEM;

        for (size_t i = 0; r >= 0 && i + 1 < rows; i++)
                r = strv_add(&picture, i < n ? lines[i] : "");
        if (r >= 0 && left_out > 0)
                r = strv_addf(&picture, "%zu more lines   q quit   space look now   s jobs by %s", left_out,
                              job_order_name(t->order));
        else if (r >= 0)
                r = strv_addf(&picture, "q quit   space look now   s jobs by %s", job_order_name(t->order));
        return r < 0 ? r : screen_show(t->screen, picture);
}

static void take_keys(Top *t)
{
        char keys[64];
        ssize_t n = read(0, keys, sizeof keys);

        if (n <= 0)
                t->quit = true; /* the terminal has gone */
        for (ssize_t i = 0; i < n; i++)
                switch (keys[i]) {
                case 'q':
                case 4: /* Ctrl-D */
                        t->quit = true;
                        break;
                case 's':
                        t->order = (t->order + 1) % ORDER_MAX;
                        break;
                case ' ':
                        t->now = true;
                        break;
                }
}

/* Those that end the program give the terminal back by themselves (screen.c). */
static void take_signals(Top *t)
{
        struct signalfd_siginfo info;

        while (read(t->signal_fd, &info, sizeof info) == sizeof info) {
                if (info.ssi_signo == SIGTSTP) {
                        screen_leave(t->screen);
                        raise(SIGSTOP);
                        screen_enter(t->screen);
                } else {
                        screen_resize(t->screen);
                }
        }
}

static int watch_signals(Top *t, Error *e)
{
        sigset_t set;

        sigemptyset(&set);
        sigaddset(&set, SIGWINCH);
        sigaddset(&set, SIGTSTP);
        sigprocmask(SIG_BLOCK, &set, NULL);
        t->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
        return t->signal_fd < 0 ? error_errno(e, -errno, "signals") : 0;
}

/* Until it is time to look again, or a key asks for that. */
static int wait_for_keys(Top *t, uint64_t until_usec, Error *e)
{
        struct pollfd fds[] = {{.fd = 0, .events = POLLIN}, {.fd = t->signal_fd, .events = POLLIN}};

        for (t->now = false; !t->quit && !t->now;) {
                uint64_t now = monotonic_usec();
                if (now >= until_usec)
                        return 0;
                int n = poll(fds, ELEMENTS(fds), (int)((until_usec - now + 999) / 1000));
                if (n < 0 && errno != EINTR)
                        return error_errno(e, -errno, "waiting");
                if (n <= 0)
                        continue;
                if (fds[1].revents)
                        take_signals(t);
                if (fds[0].revents)
                        take_keys(t);
                if (!t->quit && draw(t) < 0)
                        return error_set(e, -EIO, "the terminal cannot be written to");
        }
        return 0;
}

/* ---- elsewhere ---- */

/* As print_out(). */
static int print(Top *t, bool first, Error *e)
{
        if (t->context->json) {
                _cleanup_json_ json_object *whole = engine_view_json(&t->view);
                print_json(stdout, whole);
        } else {
                _cleanup_strv_ char **lines =
                        engine_view_lines(&t->view, t->order, t->context->colour, t->context->utc);
                if (!lines)
                        return error_oom(e);
                if (!first)
                        putchar('\n');
                for (size_t i = 0; lines[i]; i++)
                        puts(lines[i]);
        }
        return print_out(e);
}

static int look(Top *t, Error *e)
{
        int r = engine_view_take(&t->view, t->bus, e);

        if (r >= 0)
                return r;
        /* What it says of that would stand in the picture. */
        if (t->screen)
                screen_leave(t->screen);
        if ((r = client_reconnect(t->context->address, r, NULL, NULL, &t->bus, e)) < 0)
                return r;
        if (t->screen)
                screen_enter(t->screen);
        return engine_view_take(&t->view, t->bus, e);
}

static int show(Top *t, const TopOptions *o, Error *e)
{
        bool first = true;

        for (uint64_t n = 0; !t->quit && (o->number == 0 || n < o->number); n++) {
                uint64_t until_usec = monotonic_usec() + INTERVAL_USEC;
                int r = n > 0 ? look(t, e) : 0; /* the first was taken before */
                if (r < 0)
                        return r;
                if (!t->screen) {
                        if ((r = print(t, first, e)) != 0)
                                return r < 0 ? r : 0;
                        if (o->number == 0 || n + 1 < o->number)
                                sleep(INTERVAL_USEC / USEC_PER_SECOND);
                } else if ((r = draw(t)) < 0) {
                        return error_errno(e, r, "the terminal");
                } else if ((r = wait_for_keys(t, until_usec, e)) < 0) {
                        return r;
                }
                first = false;
        }
        return 0;
}

int command_top(const Context *context, int argc, char **argv, Error *e)
{
        Top t = {.context = context, .view = ENGINE_VIEW_NULL, .signal_fd = -1};
        bool live = !context->json && isatty(0) && obeys_sequences(1);
        TopOptions o = {0};
        int r = options_read(options_table, ELEMENTS(options_table), argc, argv, false, &o, e);

        if (r >= 0 && r < argc)
                r = error_set(e, -EINVAL, "%s: skepctl top takes no words", argv[r]);
        if (!o.numbered && !live && !context->json)
                o.number = 1;
        if (r >= 0)
                r = client_connect(context->address, &t.bus, e);
        /* Before anything is drawn: what is wrong is to be read. */
        if (r >= 0)
                r = engine_view_take(&t.view, t.bus, e);
        if (r >= 0 && live && (r = watch_signals(&t, e)) >= 0)
                r = screen_open(&t.screen, e);
        if (r >= 0)
                r = show(&t, &o, e);
        if (t.screen)
                screen_free(t.screen);
        close_fd(t.signal_fd);
        engine_view_done(&t.view);
        sd_bus_flush_close_unref(t.bus);
        return r < 0 ? r : 0;
}
