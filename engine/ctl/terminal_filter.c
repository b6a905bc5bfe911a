/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "engine/ctl/terminal_filter.h"

#include "engine/base/name.h"

#include <string.h>

typedef enum Verdict {
        VERDICT_SHOW,   /* kept[] is whole, and may be shown */
        VERDICT_ESCAPE, /* its first byte may not */
        VERDICT_MORE,   /* more of it is to come */
} Verdict;

#define ESC '\033'

/* "\033[...m" or "\033[K" and the like: numbers between. */
static Verdict judge_sequence(const char *kept, size_t n)
{
        if (n == 1)
                return VERDICT_MORE;
        if (kept[1] != '[')
                return VERDICT_ESCAPE;
        if (n == 2)
                return VERDICT_MORE;
        char last = kept[n - 1];
        if (last == 'm' || last == 'K')
                return VERDICT_SHOW;
        return (last >= '0' && last <= '9') || last == ';' || last == ':' ? VERDICT_MORE : VERDICT_ESCAPE;
}

static Verdict judge_character(const char *kept, size_t n)
{
        unsigned char first = (unsigned char)kept[0];
        size_t whole = first < 0x80 ? 1 : first < 0xc2 ? 0 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : first < 0xf5 ? 4 : 0;
        char character[5];

        if (whole == 0)
                return VERDICT_ESCAPE;
        if (n > 1 && (kept[n - 1] & 0xc0) != 0x80)
                return VERDICT_ESCAPE;
        if (n < whole)
                return VERDICT_MORE;
        if (first == '\n' || first == '\t' || first == '\r')
                return VERDICT_SHOW;
        memcpy(character, kept, n);
        character[n] = '\0';
        return first != 0 && name_is_printable(character) ? VERDICT_SHOW : VERDICT_ESCAPE;
}

static Verdict judge(const TerminalFilter *f)
{
        if (f->n_kept == sizeof f->kept)
                return VERDICT_ESCAPE; /* a sequence that has no end */
        return f->kept[0] == ESC ? judge_sequence(f->kept, f->n_kept) : judge_character(f->kept, f->n_kept);
}

static char *escape_byte(char *out, char byte)
{
        static const char hex[] = "0123456789abcdef";

        *out++ = '\\';
        *out++ = 'x';
        *out++ = hex[(unsigned char)byte >> 4];
        *out++ = hex[byte & 15];
        return out;
}

static char *show(TerminalFilter *f, char *out)
{
        memcpy(out, f->kept, f->n_kept);
        out += f->n_kept;
        if (f->kept[0] == ESC)
                f->coloured = true;
        f->n_kept = 0;
        return out;
}

static char *take_byte(TerminalFilter *f, char byte, char *out);

/* The first byte is shown as what it is; those behind it begin anew. */
static char *escape_first(TerminalFilter *f, char *out)
{
        char rest[sizeof f->kept];
        size_t n = f->n_kept - 1;

        out = escape_byte(out, f->kept[0]);
        memcpy(rest, f->kept + 1, n);
        f->n_kept = 0;
        for (size_t i = 0; i < n; i++)
                out = take_byte(f, rest[i], out);
        return out;
}

static char *take_byte(TerminalFilter *f, char byte, char *out)
{
        f->kept[f->n_kept++] = byte;
        switch (judge(f)) {
        case VERDICT_SHOW:
                return show(f, out);
        case VERDICT_ESCAPE:
                return escape_first(f, out);
        case VERDICT_MORE:
                break;
        }
        return out;
}

size_t terminal_filter_pass(TerminalFilter *f, const char *data, size_t size, char *out)
{
        char *start = out;

        for (size_t i = 0; i < size; i++)
                out = take_byte(f, data[i], out);
        return (size_t)(out - start);
}

size_t terminal_filter_end(TerminalFilter *f, char *out)
{
        static const char reset[] = "\033[0m";
        char *start = out;

        while (f->n_kept > 0)
                out = escape_first(f, out);
        if (f->coloured)
                out = mempcpy(out, reset, sizeof reset - 1);
        f->coloured = false;
        return (size_t)(out - start);
}
