/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "engine/base/error.h"

#include <stdbool.h>
#include <stddef.h>

/* Names that callers choose, and that become file names, keys or parts of messages. */

#define NAME_SIZE_MAX 128

/* An input's name: one path component of printable UTF-8 without control characters, not "." or "..", with an
 * optional "/" at its end that marks a directory. Errors: -EINVAL with a sentence that shows the name escaped. */
int name_check_input(const char *name, Error *e);

/* A policy's, tenant's or job's name: letters, digits and "_.@+-", not starting with "." or "-". `what` says which. */
int name_check(const char *what, const char *name, Error *e);

/* The name of an environment variable: letters, digits and "_", not starting with a digit. */
int name_check_variable(const char *name, Error *e);

/* UTF-8 without control characters. */
bool name_is_printable(const char *text);

/* A copy in which control characters and bytes that are not UTF-8 stand as \xNN, for messages and terminals; at most
 * about NAME_SIZE_MAX bytes of the original. Owned by the caller; NULL when out of memory. */
char *name_escape(const char *text);
/* The same for longer texts, of about `max` bytes. */
char *text_escape(const char *text, size_t max);
/* The same between quotation marks, of which there are none within it. */
char *name_quote(const char *text);

/* How many bytes to take of a text that may have `max`, so that no character of UTF-8 is cut in two. */
size_t text_start(const char *text, size_t max);

/* Sets the sentence "\"name\": why", with the name escaped. Returns `code`. */
int name_error(int code, const char *name, const char *why, Error *e);
/* The same of a negative errno. */
int name_errno(int code, const char *name, Error *e);
