/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "engine/base/error.h"

#include <stddef.h>

/* The jobs in a text: one JSON object, an array of them, or one after the other, as JSON lines are; with comments. Each
 * stays as it was written, for the supervisor to read, but is known to be JSON. */
typedef struct JobText {
        const char *start; /* in the text that was split */
        size_t size;
} JobText;

typedef struct JobTexts {
        JobText *jobs; /* owned */
        size_t n, room;
} JobTexts;

/* Splits a text of `size` bytes and a NUL, which must outlive the result. -EINVAL, with the line. */
int job_texts_split(const char *text, size_t size, JobTexts *ret, Error *e);
void job_texts_done(JobTexts *texts);

/* What is to be submitted for one of `n` jobs of a batch, the first of which is job `first` of the `all` in the file: in
 * "after", "#3" means the fourth job of the file, which is the fourth of the batch only in the first one. For those of
 * earlier batches the id is put, of `ids`. `*ret` is the caller's. -EINVAL: it names a job that comes in a later batch, or
 * that there is not. */
int job_text_for_batch(const JobText *job, size_t first, size_t n, size_t all, char *const *ids, char **ret, Error *e);
