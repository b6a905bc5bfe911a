/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "engine/base/input.h"
#include "jail/jail.h"

/* The command line of skep-jail. */
typedef struct Options {
        const char *policy, *chdir, *report, *output, *cgroup;
        char **environment;
        char **command; /* in argv */
        JailLimits limits;
        JailLayers allow_missing;
        Input inputs[JAIL_INPUTS_MAX];
        size_t n_inputs;
        JailBind binds[JAIL_BINDS_MAX]; /* their descriptors are owned */
        size_t n_binds;
        bool done; /* help or version was asked for, and printed */
} Options;

#define OPTIONS_NULL ((Options){.policy = "python", .limits = jail_limits_none})

/* Errors: -EINVAL and others, with a sentence that names the option. */
int options_parse(int argc, char **argv, Options *options, Error *e);
void options_done(Options *options);
