/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "engine/base/error.h"
#include "engine/ctl/stream.h"

#include <stdbool.h>
#include <systemd/sd-bus.h>

/* Shows a job's output on our own standard output and error. */
typedef struct FollowOptions {
        const char *address; /* of the supervisor, should it have to be found again */
        StreamOptions stream;
        bool only[2];          /* of the two streams this one, if any is set */
        bool cancel_on_signal; /* Ctrl-C ends the job; else it ends the following alone */
} FollowOptions;

/* As it comes, until the job has ended and all of it is there: from the attempt that is the last now, over those that
 * follow it. `*bus` may have become another connection. `*ret_interrupted`: a signal came. */
int follow_job(sd_bus **bus, const char *path, const FollowOptions *options, bool *ret_interrupted, Error *e);

/* What an attempt (0: the last) has written up to now. */
int show_output(sd_bus **bus, const char *path, uint32_t attempt, const FollowOptions *options, Error *e);
