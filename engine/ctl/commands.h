/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "engine/base/error.h"

#include <stdbool.h>

/* What every command gets. */
typedef struct Context {
        const char *address;
        bool json, utc;
        bool colour; /* standard output is a terminal that has colours */
} Context;

/* The commands: argv[0] is the command's own name. Each returns an exit status, or a negative errno with a sentence. */
int command_act(const Context *context, int argc, char **argv, Error *e);    /* cancel, hold, ...: of jobs */
int command_govern(const Context *context, int argc, char **argv, Error *e); /* pause, scale, ...: of the engine */
int command_forecast(const Context *context, int argc, char **argv, Error *e);
int command_backup(const Context *context, int argc, char **argv, Error *e);
int command_config(const Context *context, int argc, char **argv, Error *e);
int command_doctor(const Context *context, int argc, char **argv, Error *e);
int command_events(const Context *context, int argc, char **argv, Error *e);
int command_list(const Context *context, int argc, char **argv, Error *e);
int command_logs(const Context *context, int argc, char **argv, Error *e);
int command_output(const Context *context, int argc, char **argv, Error *e);
int command_policies(const Context *context, int argc, char **argv, Error *e);
int command_pool(const Context *context, int argc, char **argv, Error *e);
int command_run(const Context *context, int argc, char **argv, Error *e);
int command_status(const Context *context, int argc, char **argv, Error *e);
int command_submit(const Context *context, int argc, char **argv, Error *e);
int command_top(const Context *context, int argc, char **argv, Error *e);
int command_wait(const Context *context, int argc, char **argv, Error *e);

#define STATUS_NO_JOB 125
