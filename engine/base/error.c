/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "engine/base/error.h"

#include <stdarg.h>
#include <string.h>

static char *format_text(const char *format, va_list ap)
{
        char *text = NULL;

        if (vasprintf(&text, format, ap) < 0)
                return NULL;
        return text;
}

static void replace(Error *e, int code, char *text)
{
        free(e->text);
        e->text = text;
        e->code = code;
}

int error_set(Error *e, int code, const char *format, ...)
{
        va_list ap;

        if (!e)
                return code;
        va_start(ap, format);
        char *text = format_text(format, ap);
        va_end(ap);
        replace(e, code, text);
        return code;
}

int error_errno(Error *e, int code, const char *format, ...)
{
        va_list ap;

        if (!e)
                return code;
        va_start(ap, format);
        _cleanup_free_ char *what = format_text(format, ap);
        va_end(ap);
        return error_set(e, code, "%s: %s", what ? what : "out of memory", strerror(-code));
}

int error_prefix(Error *e, const char *format, ...)
{
        va_list ap;

        if (!e || !e->text)
                return e ? e->code : 0;
        va_start(ap, format);
        _cleanup_free_ char *prefix = format_text(format, ap);
        va_end(ap);
        _cleanup_free_ char *text = take(e->text);
        return error_set(e, e->code, "%s: %s", prefix ? prefix : "", text);
}

const char *error_text(const Error *e)
{
        if (e->text)
                return e->text;
        return e->code ? strerror(-e->code) : "no error";
}

void error_clear(Error *e)
{
        free(e->text);
        *e = ERROR_NULL;
}
