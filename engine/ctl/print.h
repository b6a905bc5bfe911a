/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "engine/base/error.h"

#include <json-c/json.h>
#include <stdbool.h>
#include <stdio.h>

/* What is printed for programs and for people alike. */

/* One object as one line. Characters that a terminal would obey are written as JSON escapes. */
void print_json(FILE *f, json_object *object);

/* A text of the supervisor's as one line, with what a terminal would obey escaped; "-" for NULL. */
void print_text(const char *text);

/* Has what was printed go out now. Returns 0; 1 where its reader has gone, who has seen enough, so that nothing more is to be
 * shown; or a negative errno. */
int print_out(Error *e);

/* The colour of a job's or worker's state, for table_add(); NULL for none. */
const char *state_colour(const char *state);

/* Whether a descriptor is a terminal that something can be drawn on: one of which $TERM says nothing, or "dumb", shows
 * the sequences for that as they are. */
bool obeys_sequences(int fd);

/* Whether it is one that shows colours, and $NO_COLOR is not set. */
bool has_colours(int fd);

/* How a job has ended, shortly: "exit 3", "SIGSEGV", "oom"; NULL where it has not. In `buffer`, or constant. */
const char *ending_text(json_object *report, char buffer[static 48]);
