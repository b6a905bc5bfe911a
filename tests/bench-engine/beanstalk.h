/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "engine/base/error.h"

#include <stddef.h>
#include <sys/types.h>

/* beanstalkd, the queue of jobs that answers when they are on the disk if it is told to: -b FOLDER -f 0. */
typedef struct Beanstalk {
        pid_t pid;
        char *socket; /* owned */
} Beanstalk;

/* -ENOENT: it is not installed. */
int beanstalk_start(Beanstalk *b, const char *folder, Error *e);
void beanstalk_stop(Beanstalk *b);

/* Puts `total` jobs from so many connections at once, each with `in_flight` puts under way. */
int beanstalk_put(const Beanstalk *b, const char *text, size_t total, size_t connections, size_t in_flight, Error *e);
