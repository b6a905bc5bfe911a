/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "tests/bench-engine/client.h"
#include "tests/bench-engine/engine.h"
#include "tests/bench/samples.h"

/* Jobs for an engine by one client, which hears of the end of each. */

/* One batch of `n`; from its submission to the last report. */
int load_batch(const Engine *engine, const char *spec, size_t n, uint64_t *ret_usec, Error *e);

/* One job, to an engine that does nothing else; from its submission to the report. */
int load_one(const Engine *engine, const char *spec, Samples *latency, Error *e);

/* Resumes an engine that is paused and has more than `total` jobs, until so many have ended; then it is paused again. */
int load_drain(const Engine *engine, size_t total, uint64_t *ret_usec, Error *e);

/* `total` jobs that arrive at random, `rate` a second on average, whatever the engine does: an open load. Each latency
 * counts from the moment when the job was to arrive. */
int load_open(const Engine *engine, const char *spec, size_t total, double rate, Samples *latency, Error *e);
