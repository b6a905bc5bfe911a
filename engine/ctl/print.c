/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "engine/ctl/print.h"

#include "engine/base/fd.h"
#include "engine/base/name.h"
#include "engine/ctl/bus_json.h"

#include <inttypes.h>
#include <string.h>

#define TEXT_MAX 4000

void print_json(FILE *f, json_object *object)
{
        const char *text =
                json_object_to_json_string_ext(object, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE);

        /* JSON lets DEL and the second set of control characters stand as they are. */
        for (const char *at = text ? text : "null"; *at; at++) {
                if (*at == '\177')
                        fputs("\\u007f", f);
                else if ((unsigned char)at[0] == 0xc2 && (unsigned char)at[1] >= 0x80 && (unsigned char)at[1] < 0xa0)
                        fprintf(f, "\\u00%02x", (unsigned char)*++at);
                else
                        fputc(*at, f);
        }
        fputc('\n', f);
}

int print_out(Error *e)
{
        int r = flush_stdout();

        return r == -EPIPE ? 1 : r < 0 ? error_errno(e, r, "standard output") : 0;
}

void print_text(const char *text)
{
        _cleanup_free_ char *escaped = text_escape(text ? text : "-", TEXT_MAX);

        puts(escaped ? escaped : "");
}

const char *state_colour(const char *state)
{
        static const struct {
                const char *state, *colour;
        } colours[] = {
                {"succeeded", "32"}, {"failed", "31"}, {"running", "33"},  {"starting", "33"}, {"backoff", "35"},
                {"cancelled", "2"},  {"ready", "32"},  {"draining", "35"}, {"gone", "31"},
        };

        for (size_t i = 0; state && i < ELEMENTS(colours); i++)
                if (strcmp(colours[i].state, state) == 0)
                        return colours[i].colour;
        return NULL;
}

bool obeys_sequences(int fd)
{
        const char *term = getenv("TERM");

        return isatty(fd) && term && *term && strcmp(term, "dumb") != 0;
}

bool has_colours(int fd)
{
        const char *none = getenv("NO_COLOR");

        return obeys_sequences(fd) && !(none && *none);
}

const char *ending_text(json_object *report, char buffer[static 48])
{
        const char *reason = json_text(report, "reason");

        if (!reason)
                return NULL;
        if (strcmp(reason, "exited") == 0) {
                uint64_t code = json_number(report, "exit_code");
                if (code == 0)
                        return reason;
                snprintf(buffer, 48, "exit %" PRIu64, code);
                return buffer;
        }
        if (strcmp(reason, "signalled") == 0) {
                int number = (int)json_number(report, "signal");
                const char *name = sigabbrev_np(number);
                if (name)
                        snprintf(buffer, 48, "SIG%s", name);
                else
                        snprintf(buffer, 48, "signal %d", number);
                return buffer;
        }
        return reason;
}
