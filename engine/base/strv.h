/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "engine/base/cleanup.h"

#include <stdbool.h>
#include <stddef.h>

/* Lists of strings: NULL-terminated arrays that own their strings; NULL is an empty list. */

char **strv_free(char **list); /* returns NULL */
DEFINE_CLEANUP(char *, strv_free)
#define _cleanup_strv_ _cleanup_(strv_freep)

size_t strv_length(char *const *list);
bool strv_contains(char *const *list, const char *text);

/* Adds a copy. Returns 0 or -ENOMEM; then the list is as it was. It looks for the end of the list each time: what a stranger can
 * make long is not made so. */
int strv_add(char ***list, const char *text);
/* Adds a string made by `format`. */
int strv_addf(char ***list, const char *format, ...) _printf_(2, 3);
/* Adds a copy of every string of `more` that is not there yet. */
int strv_add_new(char ***list, char *const *more);
/* Removes every string equal to `text`. */
void strv_remove(char **list, const char *text);
int strv_copy(char *const *list, char ***ret);
/* Splits at a separator; empty parts are left out. */
int strv_split(const char *text, char separator, char ***ret);
/* "a, b, c"; owned by the caller. */
char *strv_join(char *const *list, const char *separator);

/* Sets NAME=value in an environment list, replacing what has the name. */
int environment_set(char ***list, const char *name, const char *value);
/* The value of a name, or NULL. */
const char *environment_get(char *const *list, const char *name);
