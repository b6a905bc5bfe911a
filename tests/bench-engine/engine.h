/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "engine/base/error.h"

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* An engine that is measured: `skepd --embedded` of this tree, with a state directory of its own. */
typedef struct Engine {
        pid_t pid; /* 0: not running */
        char *folder, *socket, *address; /* owned */
        const char *missing;             /* for --allow-missing; borrowed */
        uint64_t start_usec;             /* from its start until it said that it is ready */
} Engine;

/* Starts one whose state is in FOLDER/NAME, and waits until it is ready. After engine_stop() it may be started again, on
 * the same state. */
int engine_new(Engine *engine, const char *folder, const char *name, const char *missing, Error *e);
int engine_start(Engine *engine, Error *e);
void engine_stop(Engine *engine);
void engine_done(Engine *engine);

/* What a process, or all that come of it by its program's name, hold and do. */
typedef struct Usage {
        uint64_t rss_bytes, wakeups; /* wake-ups: the voluntary context switches of all threads so far */
        size_t processes;
} Usage;

/* The supervisor; `program` NULL: itself, else those of its descendants that run it ("skep-worker"). */
void engine_usage(const Engine *engine, const char *program, Usage *ret);
