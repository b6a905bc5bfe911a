/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "engine/supervisor/job_report.h"

#include "engine/base/json.h"

#include <string.h>

#define CPU_USEC_MAX (INT64_C(1) << 50)

char *job_report_complete(json_object *report, const Job *job, const char *worker)
{
        json_add_number(report, "attempt", job->attempt);
        json_add_bool(report, "cached", false);
        json_add_string(report, "worker", worker);
        return strdup(json_object_to_json_string_ext(report, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE));
}

char *job_report_array(const Job *array, const Job *first, uint64_t files_bytes, const char *message)
{
        static const char *const keys[] = {"exit_code", "signal"};
        _cleanup_json_ json_object *report = NULL, *own = NULL;
        JailReason reason = JAIL_EXITED;

        if (first && first->report && json_parse_text(first->report, strlen(first->report), &report, NULL) >= 0)
                reason = job_report_reason(report);
        _cleanup_free_ char *text = job_report_own(array, reason, message, NULL);
        if (!text || json_parse_text(text, strlen(text), &own, NULL) < 0)
                return NULL;
        if (!first)
                json_add_number(own, "exit_code", 0);
        for (size_t i = 0; first && i < ELEMENTS(keys); i++) {
                json_object *value = NULL;
                if (json_object_object_get_ex(report, keys[i], &value))
                        json_object_object_add(own, keys[i], json_object_get(value));
        }
        json_add_number(own, "files_bytes", files_bytes);
        return job_report_complete(own, array, NULL);
}

char *job_report_cached(json_object *report, uint64_t attempt, const char *origin)
{
        json_add_number(report, "attempt", attempt);
        json_add_bool(report, "cached", true);
        json_add_string(report, "cached_from", origin);
        return strdup(json_object_to_json_string_ext(report, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE));
}

char *job_report_own(const Job *job, JailReason reason, const char *message, const char *worker)
{
        JailReport report;

        jail_report_init(&report);
        report.reason = reason;
        report.message = (char *)message;
        report.denied_complete = false;
        if (job->policy)
                snprintf(report.policy_digest, sizeof report.policy_digest, "%s", jail_policy_digest(job->policy));
        _cleanup_json_ json_object *object = jail_report_to_json(&report);
        if (!object)
                return NULL;
        /* It was not started, or how is not known here. */
        json_add_string(object, "start", NULL);
        return job_report_complete(object, job, worker);
}

JailReason job_report_reason(json_object *report)
{
        json_object *name = NULL;
        JailReason reason;

        json_object_object_get_ex(report, "reason", &name);
        return name && jail_reason_parse(json_object_get_string(name), &reason) ? reason : JAIL_LOST;
}

uint64_t job_report_cpu_usec(json_object *report)
{
        static const char *const keys[] = {"cpu_user_usec", "cpu_system_usec"};
        uint64_t sum = 0;

        for (size_t i = 0; i < ELEMENTS(keys); i++) {
                json_object *value = NULL;
                json_object_object_get_ex(report, keys[i], &value);
                int64_t usec = json_object_is_type(value, json_type_int) ? json_object_get_int64(value) : 0;
                /* A worker that is wrong about this shall not ruin a tenant. */
                sum += usec > 0 && usec < CPU_USEC_MAX ? (uint64_t)usec : 0;
        }
        return sum;
}

uint64_t job_report_files_bytes(const Job *job)
{
        _cleanup_json_ json_object *report = NULL;
        json_object *bytes = NULL;

        if (!job->report || json_parse_text(job->report, strlen(job->report), &report, NULL) < 0 ||
            !json_object_object_get_ex(report, "files_bytes", &bytes))
                return 0;
        int64_t n = json_object_get_int64(bytes);
        return n > 0 ? (uint64_t)n : 0;
}

JobState job_report_state(json_object *report)
{
        json_object *reason = NULL, *code = NULL;

        json_object_object_get_ex(report, "reason", &reason);
        json_object_object_get_ex(report, "exit_code", &code);
        const char *name = reason ? json_object_get_string(reason) : "";
        if (strcmp(name, jail_reason_name(JAIL_CANCELLED)) == 0)
                return JOB_CANCELLED;
        bool well = strcmp(name, jail_reason_name(JAIL_EXITED)) == 0 && code && json_object_get_int(code) == 0;
        return well ? JOB_SUCCEEDED : JOB_FAILED;
}
