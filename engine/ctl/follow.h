/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "engine/base/error.h"

#include <stdbool.h>
#include <systemd/sd-bus.h>

/* Shows a job's output as it comes, on our own standard output and error, until the job has ended and all of it is
 * there. */
typedef struct FollowOptions {
        bool cancel_on_signal; /* Ctrl-C ends the job; else it ends the following alone */
} FollowOptions;

/* `*ret_interrupted`: a signal came. */
int follow_job(sd_bus *bus, const char *path, const FollowOptions *options, bool *ret_interrupted, Error *e);

/* What is there now. */
int show_output(sd_bus *bus, const char *path, Error *e);
