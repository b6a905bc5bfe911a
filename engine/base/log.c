/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "engine/base/log.h"

#include <stdarg.h>
#include <string.h>

/* The one piece of state that belongs to the process as a whole: where its standard error goes. */
static struct {
        const char *program;
        LogTarget target;
        LogLevel most;
} log_state = {"skep", LOG_TARGET_CONSOLE, LOG_LEVEL_INFO};

static const char *const level_names[LOG_LEVEL_MAX] = {
        [LOG_LEVEL_EMERGENCY] = "emerg", [LOG_LEVEL_ALERT] = "alert",   [LOG_LEVEL_CRITICAL] = "crit",
        [LOG_LEVEL_ERROR] = "err",       [LOG_LEVEL_WARNING] = "warning", [LOG_LEVEL_NOTICE] = "notice",
        [LOG_LEVEL_INFO] = "info",       [LOG_LEVEL_DEBUG] = "debug",
};

void log_open(const char *program)
{
        log_state.program = program;
        log_set_target(LOG_TARGET_AUTO);
}

void log_set_target(LogTarget target)
{
        if (target == LOG_TARGET_AUTO)
                target = getenv("JOURNAL_STREAM") ? LOG_TARGET_JOURNAL : LOG_TARGET_CONSOLE;
        log_state.target = target;
}

LogTarget log_get_target(void)
{
        return log_state.target;
}

void log_set_level(LogLevel most)
{
        log_state.most = most;
}

LogLevel log_get_level(void)
{
        return log_state.most;
}

const char *log_level_name(LogLevel level)
{
        return level_names[level];
}

bool log_level_parse(const char *name, LogLevel *ret)
{
        for (LogLevel level = 0; level < LOG_LEVEL_MAX; level++)
                if (strcmp(level_names[level], name) == 0) {
                        *ret = level;
                        return true;
                }
        return false;
}

void log_message(LogLevel level, const char *format, ...)
{
        _cleanup_free_ char *text = NULL;
        va_list ap;

        if (level > log_state.most)
                return;
        va_start(ap, format);
        int r = vasprintf(&text, format, ap);
        va_end(ap);
        if (r < 0) {
                text = NULL;
                return;
        }
        if (log_state.target == LOG_TARGET_JOURNAL)
                fprintf(stderr, "<%d>%s\n", level, text);
        else
                fprintf(stderr, "%s: %s\n", log_state.program, text);
}
