/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "engine/ctl/width.h"

#include <locale.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>

void width_init(void)
{
        /* Names are UTF-8 whatever the user's environment says, or leaves out. */
        if (!setlocale(LC_CTYPE, "") || MB_CUR_MAX < 4)
                setlocale(LC_CTYPE, "C.UTF-8");
}

/* The length of a colour's sequence, "\033[...m"; 0 where there is none. */
static size_t colour_length(const char *text)
{
        size_t n = text[0] == '\033' && text[1] == '[' ? 2 + strspn(text + 2, "0123456789;") : 0;

        return n > 0 && text[n] == 'm' ? n + 1 : 0;
}

/* Walks over the text until `columns` are full. Returns the bytes, and the columns that they take. */
static size_t walk(const char *text, size_t columns, size_t *ret_columns)
{
        size_t left = strlen(text), used = 0;
        const char *at = text;
        mbstate_t state = {0};

        while (left > 0) {
                wchar_t character;
                size_t colour = colour_length(at);
                if (colour > 0) {
                        at += colour;
                        left -= colour;
                        continue;
                }
                size_t n = mbrtowc(&character, at, left, &state);
                if (n == 0 || n == (size_t)-1 || n == (size_t)-2) {
                        /* Not in this locale: a byte is a column. */
                        state = (mbstate_t){0};
                        character = L'?';
                        n = 1;
                }
                int width = wcwidth(character);
                width = width < 0 ? 1 : width;
                if (used + (size_t)width > columns)
                        break;
                used += (size_t)width;
                at += n;
                left -= n;
        }
        *ret_columns = used;
        return (size_t)(at - text);
}

size_t width_of(const char *text)
{
        size_t columns;

        walk(text, (size_t)-1, &columns);
        return columns;
}

size_t width_fit(const char *text, size_t columns)
{
        size_t used;

        return walk(text, columns, &used);
}
