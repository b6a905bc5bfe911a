/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "engine/supervisor/job.h"

/* Reports as the engine keeps them: the jail's, and what only the engine knows. The first four return JSON that the caller owns,
 * NULL when out of memory. `worker` may be NULL. */

char *job_report_complete(json_object *report, const Job *job, const char *worker);
/* The report of an attempt that no jail could report on. */
char *job_report_own(const Job *job, JailReason reason, const char *message, const char *worker);

/* The report of an array that has ended: of `first`, the first member that did not succeed, or of success, and with what
 * was put together. */
char *job_report_array(const Job *array, const Job *first, uint64_t files_bytes, const char *message);

/* That of a job which has the result of another, from the cache. */
char *job_report_cached(json_object *report, uint64_t attempt, const char *origin);

/* The final state that a report means. */
JobState job_report_state(json_object *report);

/* So many bytes the archive of what the job has left in /output has had; 0: none, or its report does not say. */
uint64_t job_report_files_bytes(const Job *job);

/* The processor time that it tells of; 0 where that was not measured. */
uint64_t job_report_cpu_usec(json_object *report);

/* Why it ended; what cannot be read counts as lost. */
JailReason job_report_reason(json_object *report);
