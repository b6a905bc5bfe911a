/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "engine/base/input.h"

#include <json-c/json.h>
#include <stdbool.h>

/* The options that describe a job, for the commands that take them. They become the JSON that a file would have; what
 * is wrong with a value, the supervisor says. */

#define CTL_INPUTS_MAX 16

typedef struct JobOptions {
        json_object *spec; /* owned */
        Input inputs[CTL_INPUTS_MAX];
        size_t n_inputs;
        const char *output;
        const char *address; /* options of every command, which may stand here too */
        bool json, utc;
} JobOptions;

/* Parses the options. With `command`, up to the first word that is none, since the command's own follow; else all, and
 * the other words are moved to the end. Returns the index of the first of those. */
int job_options_parse(int argc, char **argv, bool command, JobOptions *options, Error *e);
void job_options_done(JobOptions *options);
