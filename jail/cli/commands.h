/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "engine/base/error.h"

/* The commands of skep-jail: argv[0] is the command's name, or the program's. Each returns the status to exit with, or
 * a negative errno with its sentence, which becomes status 125. */

#define STATUS_NO_JAIL 125

/* Says a sentence on standard error. What it is about may have been named by a stranger: no control characters get there. */
void command_say(const char *sentence);

int command_run(int argc, char **argv, Error *e);
int command_learn(int argc, char **argv, Error *e);
int command_explain(int argc, char **argv, Error *e);
int command_doctor(int argc, char **argv, Error *e);
int command_image(int argc, char **argv, Error *e);
