/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "engine/base/cleanup.h"

#include <stdbool.h>

/* Messages of a daemon: to the journal with fields, or as lines on standard error. Only the edges of programs call this:
 * library code returns its errors. */

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
        LOG_TARGET_JOURNAL, /* with fields; where no journal is, on standard error with its priority, sd-daemon(3) */
} LogTarget;

/* What operators act on. Each has a message id, by which it is found (journalctl MESSAGE_ID=...) and explained
 * (journalctl -x): units/skep.catalog. */
typedef enum LogEvent {
        LOG_EVENT_NONE,
        LOG_EVENT_JOB_STARTED,
        LOG_EVENT_JOB_ENDED,
        LOG_EVENT_WORKER_NOT_STARTED,
        LOG_EVENT_WORKER_DIED,
        LOG_EVENT_WORKER_EXPELLED,
        LOG_EVENT_WORKER_LEFT,
        LOG_EVENT_POOL_SIZED,
        LOG_EVENT_CONFIGURED,
        LOG_EVENT_NOT_CONFIGURED,
        LOG_EVENT_POLICY_NOTED,
        LOG_EVENT_STORE_FAILING,
        LOG_EVENT_NO_ROOM,
        LOG_EVENT_NO_STARTS,
        LOG_EVENT_LOAD_NOT_KEPT,
        LOG_EVENT_NO_MESSAGE_BUS,
        LOG_EVENT_NO_POLKIT,
        LOG_EVENT_NO_SYSTEMD,
        LOG_EVENT_OLD_SYSTEMD,
        LOG_EVENT_NO_LIMITS,
        LOG_EVENT_TROUBLE_OVER,
        LOG_EVENT_CLIENT_REFUSED,
        LOG_EVENT_MAX,
} LogEvent;

/* What a message is about; what is NULL is left out. */
typedef struct LogFields {
        LogEvent event;
        const char *job, *tenant, *policy, *worker, *reason;
} LogFields;

/* `program` stands before each line, unless the journal takes them. */
void log_open(const char *program);
/* This process is a worker: that is a field of all its messages. Borrowed. */
void log_set_worker(const char *name);

/* `fields` may be NULL. What strangers have written in `format`'s arguments is escaped by the caller. */
void log_message(LogLevel level, const LogFields *fields, const char *format, ...) _printf_(3, 4);

/* Less important messages are left out; at the start, those for debugging. */
void log_set_level(LogLevel most);
LogLevel log_get_level(void);
void log_set_target(LogTarget target);
LogTarget log_get_target(void); /* never LOG_TARGET_AUTO */

const char *log_level_name(LogLevel level);
/* Returns false where there is no such level. */
bool log_level_parse(const char *name, LogLevel *ret);

#define log_error(...) log_message(LOG_LEVEL_ERROR, NULL, __VA_ARGS__)
#define log_warning(...) log_message(LOG_LEVEL_WARNING, NULL, __VA_ARGS__)
#define log_info(...) log_message(LOG_LEVEL_INFO, NULL, __VA_ARGS__)
