/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "engine/base/log.h"
#include "engine/supervisor/job.h"

/* What the log says of jobs: of each that it runs, and that it has ended; all else of a job is for its report. */

/* The fields of a message about a job; `worker` may be NULL. They point into the job. */
LogFields job_log_fields(const Job *job, LogEvent event, const char *worker);

void job_log_started(const Job *job, const char *worker);

/* The job has its final state and its report. */
void job_log_ended(const Job *job);
