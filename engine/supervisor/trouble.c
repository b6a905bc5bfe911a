/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "engine/supervisor/trouble.h"

#include "engine/base/log.h"

#include <stdarg.h>
#include <string.h>

static const struct {
        LogLevel level;
        LogEvent event;
        const char *over;
} kinds[TROUBLE_KIND_MAX] = {
        [TROUBLE_MESSAGE_BUS] = {LOG_LEVEL_WARNING, LOG_EVENT_NO_MESSAGE_BUS, "the message bus is there again"},
        [TROUBLE_POLKIT] = {LOG_LEVEL_WARNING, LOG_EVENT_NO_POLKIT, "polkit is there again"},
        [TROUBLE_SYSTEMD] = {LOG_LEVEL_ERROR, LOG_EVENT_NO_SYSTEMD, "systemd can be reached again"},
        [TROUBLE_OLD_SYSTEMD] = {LOG_LEVEL_WARNING, LOG_EVENT_OLD_SYSTEMD, "systemd is not too old any more"},
        [TROUBLE_LIMITS] = {LOG_LEVEL_WARNING, LOG_EVENT_NO_LIMITS, "limits of jobs can be held again"},
        [TROUBLE_STORE] = {LOG_LEVEL_ERROR, LOG_EVENT_STORE_FAILING, "the store can be written again"},
        [TROUBLE_ROOM] = {LOG_LEVEL_ERROR, LOG_EVENT_NO_ROOM, "there is room again for what jobs have left"},
        [TROUBLE_STARTS] = {LOG_LEVEL_ERROR, LOG_EVENT_NO_STARTS, "jobs can be handed to workers again"},
        [TROUBLE_LOAD] = {LOG_LEVEL_WARNING, LOG_EVENT_LOAD_NOT_KEPT, "the load is kept for forecasts again"},
};

void troubles_done(Troubles *t)
{
        for (TroubleKind kind = 0; kind < TROUBLE_KIND_MAX; kind++)
                free(t->texts[kind]);
}

void trouble_begin(Troubles *t, TroubleKind kind, const char *format, ...)
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
        if (t->texts[kind] && strcmp(t->texts[kind], text) == 0)
                return;
        log_message(kinds[kind].level, &(LogFields){.event = kinds[kind].event}, "%s", text);
        free(t->texts[kind]);
        t->texts[kind] = take(text);
}

bool trouble_end(Troubles *t, TroubleKind kind)
{
        if (!t->texts[kind])
                return false;
        log_message(LOG_LEVEL_INFO, &(LogFields){.event = LOG_EVENT_TROUBLE_OVER}, "%s", kinds[kind].over);
        free(t->texts[kind]);
        t->texts[kind] = NULL;
        return true;
}
