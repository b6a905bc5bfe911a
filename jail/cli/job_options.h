/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "engine/base/input.h"
#include "engine/base/options.h"
#include "jail/jail.h"

/* What the command line says of a job in a jail. */
typedef struct JobOptions {
        const char *policy, *chdir, *report, *output, *cgroup;
        char *root; /* owned */
        char **environment;
        char **command; /* in argv */
        JailLimits limits;
        JailLayers allow_missing;
        Input inputs[JAIL_INPUTS_MAX];
        size_t n_inputs;
        JailBind binds[JAIL_BINDS_MAX]; /* their descriptors are owned */
        size_t n_binds;
        bool trace_denied, help;
} JobOptions;

#define JOB_OPTIONS_MORE_MAX 8

/* Fills `*ret`, in which the caller has put what holds without an option. `more`: what a command takes beside, with
 * offsets in a struct that starts with the JobOptions. Errors: -EINVAL and others, with a sentence that names the option;
 * what was read before one is freed all the same, and `report` is there wherever it stands. */
int job_options_parse(int argc, char **argv, const Option *more, size_t n_more, JobOptions *ret, Error *e);
void job_options_done(JobOptions *options);

/* The root of a job under this policy. */
const char *job_options_root(const JobOptions *options, const JailPolicy *policy);

/* That there is a command, or a root that may have one: an image. Error: -EINVAL. */
int job_options_check_command(const JobOptions *options, const JailPolicy *policy, Error *e);
void job_options_help(void);

/* For --root: a `char *` member, owned, that gets a name as it is, and what has a slash as an absolute path. */
int option_set_root(const Option *option, const char *value, void *target, Error *e);
