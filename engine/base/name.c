/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "engine/base/name.h"

#include <stdint.h>
#include <string.h>

/* The length of the UTF-8 sequence at `s`, or 0 where there is none (RFC 3629: no overlong forms, no surrogates). */
static size_t utf8_length(const unsigned char *s)
{
        size_t n = s[0] < 0x80 ? 1 : s[0] >= 0xc2 && s[0] < 0xe0 ? 2 : s[0] >= 0xe0 && s[0] < 0xf0 ? 3
                                                           : s[0] >= 0xf0 && s[0] < 0xf5           ? 4
                                                                                                   : 0;

        for (size_t i = 1; i < n; i++)
                if ((s[i] & 0xc0) != 0x80)
                        return 0;
        if ((s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] > 0x9f) || (s[0] == 0xf0 && s[1] < 0x90) ||
            (s[0] == 0xf4 && s[1] > 0x8f))
                return 0;
        return n;
}

/* C0, DEL, C1; and what has a terminal show text in another order than it stands (UAX #9), or on another line: U+061C,
 * U+200E, U+200F, U+2028 to U+202E, U+2066 to U+2069. */
static bool is_control(const unsigned char *s, size_t n)
{
        switch (n) {
        case 1:
                return s[0] < 0x20 || s[0] == 0x7f;
        case 2:
                return (s[0] == 0xc2 && s[1] < 0xa0) || (s[0] == 0xd8 && s[1] == 0x9c);
        case 3:
                return s[0] == 0xe2 && ((s[1] == 0x80 && (s[2] == 0x8e || s[2] == 0x8f || (s[2] >= 0xa8 && s[2] <= 0xae))) ||
                                        (s[1] == 0x81 && s[2] >= 0xa6 && s[2] <= 0xa9));
        default:
                return false;
        }
}

bool name_is_printable(const char *text)
{
        const unsigned char *s = (const unsigned char *)text;

        while (*s) {
                size_t n = utf8_length(s);
                if (n == 0 || is_control(s, n))
                        return false;
                s += n;
        }
        return true;
}

size_t text_start(const char *text, size_t max)
{
        size_t n = strnlen(text, max + 1);

        if (n <= max)
                return n;
        for (n = max; n > 0 && max - n < 3 && ((unsigned char)text[n] & 0xc0) == 0x80;)
                n--;
        return n;
}

static bool is_name_character(char c)
{
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
               (c && strchr("_.@+-", c));
}

/* `also`: further characters that do not stand as they are. */
static char *escape(const char *text, size_t max, const char *also)
{
        static const char hex[] = "0123456789abcdef";
        const unsigned char *s = (const unsigned char *)text;
        char *escaped = malloc(max * 4 + 8), *out = escaped;

        if (!escaped)
                return NULL;
        while (*s && (size_t)((const char *)s - text) < max) {
                size_t n = utf8_length(s);
                if (n > 0 && !is_control(s, n) && !strchr(also, *s)) {
                        memcpy(out, s, n);
                        out += n;
                        s += n;
                        continue;
                }
                *out++ = '\\';
                *out++ = 'x';
                *out++ = hex[*s >> 4];
                *out++ = hex[*s++ & 15];
        }
        if (*s)
                out = stpcpy(out, "…");
        *out = '\0';
        return escaped;
}

char *text_escape(const char *text, size_t max)
{
        return escape(text, max, "");
}

char *name_escape(const char *text)
{
        return escape(text, NAME_SIZE_MAX, "");
}

char *name_quote(const char *text)
{
        _cleanup_free_ char *escaped = escape(text, NAME_SIZE_MAX, "\"\\");
        char *quoted = NULL;

        return escaped && asprintf(&quoted, "\"%s\"", escaped) >= 0 ? quoted : NULL;
}

int name_error(int code, const char *name, const char *why, Error *e)
{
        _cleanup_free_ char *escaped = name_escape(name);

        return error_set(e, code, "\"%s\": %s", escaped ? escaped : "", why);
}

int name_errno(int code, const char *name, Error *e)
{
        return name_error(code, name, strerror(-code), e);
}

static int refuse(const char *what, const char *name, const char *why, Error *e)
{
        _cleanup_free_ char *escaped = name_escape(name);

        return error_set(e, -EINVAL, "%s \"%s\" %s", what, escaped ? escaped : "", why);
}

int name_check_input(const char *name, Error *e)
{
        size_t length = strlen(name);

        if (length > 0 && name[length - 1] == '/')
                length--;
        if (length == 0)
                return refuse("input name", name, "is empty", e);
        if (length > NAME_SIZE_MAX)
                return refuse("input name", name, "is longer than 128 bytes", e);
        if (memchr(name, '/', length))
                return refuse("input name", name, "has a \"/\" other than at its end: inputs have plain names", e);
        if (name[0] == '.' && (length == 1 || (length == 2 && name[1] == '.')))
                return refuse("input name", name, "is not a name: \".\" and \"..\" are refused", e);
        if (!name_is_printable(name))
                return refuse("input name", name, "has control characters or is not UTF-8", e);
        return 0;
}

int name_check(const char *what, const char *name, Error *e)
{
        if (!*name || strlen(name) > NAME_SIZE_MAX)
                return refuse(what, name, "must have 1 to 128 characters", e);
        for (const char *c = name; *c; c++)
                if (!is_name_character(*c))
                        return refuse(what, name, "may have only letters, digits and _ . @ + -", e);
        if (name[0] == '.' || name[0] == '-')
                return refuse(what, name, "must not start with \".\" or \"-\"", e);
        return 0;
}

int name_check_variable(const char *name, Error *e)
{
        const char *why = "is not a name of a variable: letters, digits and _, not starting with a digit";

        if (!*name || (name[0] >= '0' && name[0] <= '9'))
                return refuse("environment", name, why, e);
        for (const char *c = name; *c; c++)
                if (*c != '_' && (!is_name_character(*c) || strchr(".@+-", *c)))
                        return refuse("environment", name, why, e);
        return 0;
}
