/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "engine/supervisor/job_log.h"

#include "engine/base/json.h"
#include "engine/base/name.h"
#include "engine/supervisor/job_report.h"

#include <inttypes.h>
#include <string.h>

#define MESSAGE_MAX 400

LogFields job_log_fields(const Job *job, LogEvent event, const char *worker)
{
        return (LogFields){.event = event,
                           .job = job->id.text,
                           .tenant = job->tenant->name,
                           .policy = job->policy_name,
                           .worker = worker};
}

void job_log_started(const Job *job, const char *worker)
{
        const LogFields fields = job_log_fields(job, LOG_EVENT_JOB_STARTED, worker);

        log_message(LOG_LEVEL_INFO, &fields, "job %s of %s runs on worker %s", fields.job, fields.tenant, worker);
}

static const char *get_text(json_object *report, const char *key)
{
        json_object *value = NULL;

        json_object_object_get_ex(report, key, &value);
        return value ? json_object_get_string(value) : NULL;
}

/* The report may quote what the job has written. */
static void print_failure(FILE *sentence, json_object *report, JailReason reason)
{
        const char *code = reason == JAIL_EXITED ? get_text(report, "exit_code") : NULL;
        const char *message = get_text(report, "message");
        _cleanup_free_ char *text = message ? text_escape(message, MESSAGE_MAX) : NULL;

        fprintf(sentence, "failed (%s%s%s)", jail_reason_name(reason), code ? " with " : "", code ? code : "");
        if (text)
                fprintf(sentence, ": %s", text);
}

void job_log_ended(const Job *job)
{
        _cleanup_json_ json_object *report = NULL;
        _cleanup_free_ char *text = NULL;
        LogFields fields = job_log_fields(job, LOG_EVENT_JOB_ENDED, NULL);
        size_t size;

        if (log_get_level() < LOG_LEVEL_INFO)
                return;
        /* Of one that has succeeded the report says nothing more than that; and they are the many. */
        bool well = job->state == JOB_SUCCEEDED;
        if (!well && job->report)
                json_parse_text(job->report, strlen(job->report), &report, NULL);
        fields.worker = job->ran_on ? job->ran_on : get_text(report, "worker");
        JailReason reason = well ? JAIL_EXITED : job_report_reason(report);
        fields.reason = jail_reason_name(reason);
        FILE *sentence = open_memstream(&text, &size);
        if (!sentence)
                return;
        if (job->state == JOB_FAILED)
                print_failure(sentence, report, reason);
        else
                fputs(job->state == JOB_CANCELLED ? "been cancelled" : "succeeded", sentence);
        if (fclose(sentence) == 0)
                log_message(LOG_LEVEL_INFO, &fields, "job %s of %s has %s", fields.job, fields.tenant, text);
}
