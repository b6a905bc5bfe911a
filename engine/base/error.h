/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "engine/base/cleanup.h"

#include <errno.h>

/* What went wrong, for a person: a negative errno for the program, and one sentence that names the thing and the
 * way out. Library code fills it in and returns; the edge of a program prints it once. */
typedef struct Error {
        int code;   /* negative errno, 0 while nothing is wrong */
        char *text; /* owned */
} Error;

#define ERROR_NULL ((Error){0})

/* Sets the sentence (freeing an earlier one) and returns `code`, so that `return error_set(e, -EINVAL, …)` reads in
 * one line. `e` may be NULL. */
int error_set(Error *e, int code, const char *format, ...) _printf_(3, 4);

/* The same, with ": " and the name of the errno appended. */
int error_errno(Error *e, int code, const char *format, ...) _printf_(3, 4);

/* Puts "prefix: " before the sentence; nothing happens while there is none. Returns the error's code. */
int error_prefix(Error *e, const char *format, ...) _printf_(2, 3);

static inline int error_oom(Error *e)
{
        return error_set(e, -ENOMEM, "out of memory");
}

/* The sentence; never NULL. */
const char *error_text(const Error *e);

void error_clear(Error *e);

#define _cleanup_error_ _cleanup_(error_clear)
