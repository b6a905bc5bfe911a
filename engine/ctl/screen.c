/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "engine/ctl/screen.h"

#include "engine/base/fd.h"
#include "engine/base/strv.h"
#include "engine/ctl/width.h"

#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>

/* The alternate screen, without a cursor; and back. */
#define ENTER "\033[?1049h\033[?25l\033[2J"
#define LEAVE "\033[0m\033[?25h\033[?1049l"
/* What is between them, a terminal that knows it shows as one picture; others pass over it. */
#define BEGIN_PICTURE "\033[?2026h"
#define END_PICTURE "\033[?2026l"

#define ROWS_DEFAULT 24
#define COLUMNS_DEFAULT 80

struct Screen {
        struct termios before;
        size_t rows, columns;
        char **shown; /* a line each, as they stand there; NULL: not known */
        bool entered;
};

static const int fatal_signals[] = {SIGINT,  SIGTERM, SIGHUP, SIGQUIT, SIGABRT,
                                    SIGSEGV, SIGBUS,  SIGFPE, SIGILL,  SIGPIPE};

/* For the signals: a handler gets nothing else to know the terminal by. */
static const struct termios *terminal_before;

static void give_back(const struct termios *before)
{
        ssize_t n = write(1, LEAVE, sizeof LEAVE - 1);

        (void)n; /* there is nobody to tell */
        tcsetattr(0, TCSAFLUSH, before);
}

/* The default action follows, since the handler is for one signal alone. */
static void on_fatal_signal(int signal_number)
{
        if (terminal_before)
                give_back(terminal_before);
        raise(signal_number);
}

static void catch_signals(void)
{
        struct sigaction action = {.sa_handler = on_fatal_signal, .sa_flags = SA_RESETHAND};

        for (size_t i = 0; i < ELEMENTS(fatal_signals); i++)
                sigaction(fatal_signals[i], &action, NULL);
}

void screen_resize(Screen *s)
{
        struct winsize size;

        if (ioctl(1, TIOCGWINSZ, &size) < 0 || size.ws_row == 0 || size.ws_col == 0)
                size = (struct winsize){.ws_row = ROWS_DEFAULT, .ws_col = COLUMNS_DEFAULT};
        s->rows = size.ws_row;
        s->columns = size.ws_col;
        s->shown = strv_free(s->shown);
}

size_t screen_rows(const Screen *s)
{
        return s->rows;
}

void screen_enter(Screen *s)
{
        struct termios raw = s->before;

        /* Keys come at once and are not shown; those that make signals still do. */
        raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
        raw.c_cc[VMIN] = 1;
        raw.c_cc[VTIME] = 0;
        terminal_before = &s->before;
        tcsetattr(0, TCSAFLUSH, &raw);
        write_full(1, ENTER, sizeof ENTER - 1);
        s->entered = true;
        screen_resize(s);
}

void screen_leave(Screen *s)
{
        if (!s->entered)
                return;
        give_back(&s->before);
        terminal_before = NULL;
        s->entered = false;
}

int screen_open(Screen **ret, Error *e)
{
        Screen *s = calloc(1, sizeof *s);

        if (!s)
                return error_oom(e);
        if (tcgetattr(0, &s->before) < 0) {
                free(s);
                return error_errno(e, -errno, "standard input");
        }
        catch_signals();
        screen_enter(s);
        *ret = s;
        return 0;
}

Screen *screen_free(Screen *s)
{
        screen_leave(s);
        strv_free(s->shown);
        free(s);
        return NULL;
}

static void write_line(FILE *f, const Screen *s, size_t row, const char *line)
{
        size_t fits = width_fit(line, s->columns);

        fprintf(f, "\033[%zu;1H%.*s\033[0m%s", row + 1, (int)fits, line, width_of(line) < s->columns ? "\033[K" : "");
}

/* The lines that stand there otherwise. */
static void write_changes(FILE *f, const Screen *s, char *const *lines)
{
        size_t n = strv_length(lines), n_shown = strv_length(s->shown);

        fputs(BEGIN_PICTURE, f);
        if (!s->shown)
                fputs("\033[0m\033[2J", f);
        for (size_t row = 0; row < s->rows; row++) {
                const char *line = row < n ? lines[row] : "", *before = row < n_shown ? s->shown[row] : "";
                if (strcmp(line, before) != 0)
                        write_line(f, s, row, line);
        }
        fputs(END_PICTURE, f);
}

int screen_show(Screen *s, char *const *lines)
{
        _cleanup_free_ char *picture = NULL;
        _cleanup_strv_ char **copy = NULL;
        size_t size;
        FILE *f = open_memstream(&picture, &size);

        if (!f || strv_copy(lines, &copy) < 0) {
                if (f)
                        fclose(f);
                return -ENOMEM;
        }
        write_changes(f, s, lines);
        if (fclose(f) != 0)
                return -ENOMEM;
        strv_free(s->shown);
        s->shown = take(copy);
        return write_full(1, picture, size);
}
