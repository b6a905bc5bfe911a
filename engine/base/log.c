/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "engine/base/log.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#define SD_JOURNAL_SUPPRESS_LOCATION /* it would be this file, for each message */
#include <systemd/sd-journal.h>

/* The one piece of state that belongs to the process as a whole: where its messages go. */
static struct {
        const char *program, *worker;
        LogTarget target;
        bool has_journal;
        LogLevel most;
} log_state = {.program = "skep", .target = LOG_TARGET_CONSOLE, .most = LOG_LEVEL_INFO};

static const char *const level_names[LOG_LEVEL_MAX] = {
        [LOG_LEVEL_EMERGENCY] = "emerg", [LOG_LEVEL_ALERT] = "alert",   [LOG_LEVEL_CRITICAL] = "crit",
        [LOG_LEVEL_ERROR] = "err",       [LOG_LEVEL_WARNING] = "warning", [LOG_LEVEL_NOTICE] = "notice",
        [LOG_LEVEL_INFO] = "info",       [LOG_LEVEL_DEBUG] = "debug",
};

static const char *const event_ids[LOG_EVENT_MAX] = {
        [LOG_EVENT_JOB_STARTED] = "8d37f8ae477b47e185d22d724444bb5f",
        [LOG_EVENT_JOB_ENDED] = "5886e93f14524a4ba5d2396631a8d40f",
        [LOG_EVENT_WORKER_NOT_STARTED] = "6751ca1111b54b46bba180f47a2b2766",
        [LOG_EVENT_WORKER_DIED] = "ba90e933f7c64767836e556efe6d1695",
        [LOG_EVENT_WORKER_EXPELLED] = "1c77575ac1b14d1fa36b1045c3915c1e",
        [LOG_EVENT_WORKER_LEFT] = "0570f1ba6060475fa9bc75244e331270",
        [LOG_EVENT_POOL_SIZED] = "41841f376b6241a08b1ea1066d51361f",
        [LOG_EVENT_CONFIGURED] = "76704c3c68b9468ab81b08ec53491452",
        [LOG_EVENT_NOT_CONFIGURED] = "ccd0a7e75b2847e191ad07b9de38a929",
        [LOG_EVENT_POLICY_NOTED] = "37abfb99a3d444dfb593b0243570f49c",
        [LOG_EVENT_STORE_FAILING] = "171f4365bfeb47389a3419c53122327c",
        [LOG_EVENT_NO_ROOM] = "3185e545e44c47698e9ae8d3cbe48ba3",
        [LOG_EVENT_NO_STARTS] = "2fea989e59c446a19d616a3f7536bb56",
        [LOG_EVENT_LOAD_NOT_KEPT] = "88512ce33aba4f0782d5ff938172e7c5",
        [LOG_EVENT_NO_MESSAGE_BUS] = "c49c90543bc0427c894c8ce48e7b4b76",
        [LOG_EVENT_NO_POLKIT] = "bd37de4e45fd41f0a469bc7c3e468592",
        [LOG_EVENT_NO_SYSTEMD] = "8b1b78dc34264e058b015306963c283a",
        [LOG_EVENT_OLD_SYSTEMD] = "b5e3f20a0f4c4cd1af34f6c394a13573",
        [LOG_EVENT_NO_LIMITS] = "6f945c5ddabc483aa16d915e04b72bce",
        [LOG_EVENT_TROUBLE_OVER] = "380daa7893a54ed3981b9da3eaf4f06e",
        [LOG_EVENT_CLIENT_REFUSED] = "ac79ff96cf1544b9a712881a89243851",
};

void log_open(const char *program)
{
        log_state.program = program;
        log_set_target(LOG_TARGET_AUTO);
}

void log_set_worker(const char *name)
{
        log_state.worker = name;
}

/* The variable is inherited, also by who has given his children another standard error: systemd.exec(5). */
static bool is_journal(const char *stream)
{
        char own[48];
        struct stat st;

        if (!stream || fstat(STDERR_FILENO, &st) < 0)
                return false;
        snprintf(own, sizeof own, "%ju:%ju", (uintmax_t)st.st_dev, (uintmax_t)st.st_ino);
        return strcmp(own, stream) == 0;
}

void log_set_target(LogTarget target)
{
        if (target == LOG_TARGET_AUTO)
                target = is_journal(getenv("JOURNAL_STREAM")) ? LOG_TARGET_JOURNAL : LOG_TARGET_CONSOLE;
        log_state.target = target;
        /* Asked here, since what is sent to a journal that is not there is lost without an error. */
        log_state.has_journal = access("/run/systemd/journal/socket", W_OK) == 0;
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

/* ---- messages ---- */

static const struct {
        const char *name;
        size_t offset;
} field_names[] = {
        {"SKEP_JOB", offsetof(LogFields, job)},       {"SKEP_TENANT", offsetof(LogFields, tenant)},
        {"SKEP_POLICY", offsetof(LogFields, policy)}, {"SKEP_WORKER", offsetof(LogFields, worker)},
        {"SKEP_REASON", offsetof(LogFields, reason)},
};

#define ENTRY_MAX (ELEMENTS(field_names) + 4)

typedef struct Entry {
        char *fields[ENTRY_MAX]; /* owned */
        size_t n;
} Entry;

static void entry_done(Entry *entry)
{
        for (size_t i = 0; i < entry->n; i++)
                free(entry->fields[i]);
}

static void add(Entry *entry, const char *name, const char *value)
{
        if (value && asprintf(&entry->fields[entry->n], "%s=%s", name, value) >= 0)
                entry->n++;
}

static int send_to_journal(LogLevel level, const LogFields *fields, const char *text)
{
        _cleanup_(entry_done) Entry entry = {0};
        struct iovec parts[ENTRY_MAX];
        const char priority[2] = {(char)('0' + level), '\0'};

        add(&entry, "MESSAGE", text);
        add(&entry, "PRIORITY", priority);
        add(&entry, "SYSLOG_IDENTIFIER", log_state.program);
        add(&entry, "MESSAGE_ID", event_ids[fields->event]);
        for (size_t i = 0; i < ELEMENTS(field_names); i++)
                add(&entry, field_names[i].name,
                    *(const char *const *)((const char *)fields + field_names[i].offset));
        for (size_t i = 0; i < entry.n; i++)
                parts[i] = (struct iovec){entry.fields[i], strlen(entry.fields[i])};
        return sd_journal_sendv(parts, (int)entry.n);
}

void log_message(LogLevel level, const LogFields *given, const char *format, ...)
{
        LogFields fields = given ? *given : (LogFields){0};
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
        if (!fields.worker)
                fields.worker = log_state.worker;
        if (log_state.target != LOG_TARGET_JOURNAL)
                fprintf(stderr, "%s: %s\n", log_state.program, text);
        else if (!log_state.has_journal || send_to_journal(level, &fields, text) < 0)
                fprintf(stderr, "<%d>%s\n", level, text);
}
