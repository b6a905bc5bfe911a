/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "engine/scaler/cli/replay.h"

/* A command gets its own arguments (its name is the first), and returns the program's exit status or a negative errno
 * with a sentence. */
int command_replay(int argc, char **argv, Error *e);
int command_compare(int argc, char **argv, Error *e);

/* What both understand. */
typedef struct ReplayOptions {
        ScalerSettings settings;
        double capacity; /* jobs a minute and worker; 0: found by the trace */
        const char *csv, *svg;
        bool json, help;
} ReplayOptions;

#define HELD_OUT 0.6 /* where the part of a trace begins that forecasts are judged by */

/* Reads the command line and the trace. Returns 1 when the help was asked for and printed, 0, or a negative errno. */
int replay_options_read(ReplayOptions *options, bool replay, int argc, char **argv, Trace *trace, const char **ret_file,
                        Error *e);

/* To a file, or to standard output ("-"). */
int text_write(const char *file, const char *text, Error *e);
