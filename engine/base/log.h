/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "engine/base/cleanup.h"

#include <stdbool.h>

/* Messages of a daemon, on standard error. Only the edges of programs call this: library code returns its errors. */

/* Those of syslog(3). */
typedef enum LogLevel {
        LOG_LEVEL_EMERGENCY,
        LOG_LEVEL_ALERT,
        LOG_LEVEL_CRITICAL,
        LOG_LEVEL_ERROR,
        LOG_LEVEL_WARNING,
        LOG_LEVEL_NOTICE,
        LOG_LEVEL_INFO,
        LOG_LEVEL_DEBUG,
        LOG_LEVEL_MAX,
} LogLevel;

typedef enum LogTarget {
        LOG_TARGET_AUTO,    /* what standard error is connected to */
        LOG_TARGET_CONSOLE, /* the program's name before each line */
        LOG_TARGET_JOURNAL, /* its priority instead, sd-daemon(3) */
} LogTarget;

/* `program` stands before each line, unless the journal takes them. */
void log_open(const char *program);
void log_message(LogLevel level, const char *format, ...) _printf_(2, 3);

/* Less important messages are left out; at the start, those for debugging. */
void log_set_level(LogLevel most);
LogLevel log_get_level(void);
void log_set_target(LogTarget target);
LogTarget log_get_target(void); /* never LOG_TARGET_AUTO */

const char *log_level_name(LogLevel level);
/* Returns false where there is no such level. */
bool log_level_parse(const char *name, LogLevel *ret);

#define log_error(...) log_message(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warning(...) log_message(LOG_LEVEL_WARNING, __VA_ARGS__)
#define log_info(...) log_message(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...) log_message(LOG_LEVEL_DEBUG, __VA_ARGS__)
