/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "engine/base/log.h"

#include <stdarg.h>

/* The one piece of state that belongs to the process as a whole: where its standard error goes. */
static const char *log_program = "skep";
static int log_to_journal;

void log_open(const char *program)
{
        log_program = program;
        log_to_journal = getenv("JOURNAL_STREAM") != NULL;
}

void log_message(LogLevel level, const char *format, ...)
{
        _cleanup_free_ char *text = NULL;
        va_list ap;

        va_start(ap, format);
        int r = vasprintf(&text, format, ap);
        va_end(ap);
        if (r < 0) {
                text = NULL;
                return;
        }
        if (log_to_journal)
                fprintf(stderr, "<%d>%s\n", level, text);
        else
                fprintf(stderr, "%s: %s\n", log_program, text);
}
