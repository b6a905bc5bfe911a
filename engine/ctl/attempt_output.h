/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "engine/base/error.h"
#include "engine/ctl/stream.h"

#include <systemd/sd-bus.h>

/* What one attempt of a job has written and writes: two streams, and an index that says in which order, and when. An
 * attempt without an index (its worker was older) is shown a stream at a time. */
typedef struct AttemptOutput {
        uint32_t attempt;
        int files[2], index;   /* owned */
        uint64_t passed[2];    /* so far each stream was passed on */
        uint64_t index_passed; /* and so far the index */
        uint64_t until[2], index_until; /* UINT64_MAX: as long as they grow */
} AttemptOutput;

#define ATTEMPT_OUTPUT_NULL                                                                                            \
        ((AttemptOutput){.files = {-1, -1}, .index = -1, .until = {UINT64_MAX, UINT64_MAX}, .index_until = UINT64_MAX})

/* Opens those of an attempt (0: the last); what was open before is closed. With `inotify_fd`, changes are told there.
 */
int attempt_output_open(AttemptOutput *output, sd_bus *bus, const char *path, uint32_t attempt, int inotify_fd,
                        Error *e);
void attempt_output_close(AttemptOutput *output);

/* What is written from now on is not passed on: of a job that writes faster than somebody reads, that would have no end. */
void attempt_output_end_here(AttemptOutput *output);

/* Passes on what is there, as far as the streams take it. Without `whole`, what the index does not tell of yet waits
 * for that. A stream that is not wanted is NULL. -ENOMEM. */
int attempt_output_pass(AttemptOutput *output, Stream *const streams[2], bool whole);

/* There is something that was not passed on. */
bool attempt_output_has_more(const AttemptOutput *output, Stream *const streams[2]);
/* There is an index with something in it. */
bool attempt_output_is_indexed(const AttemptOutput *output);
