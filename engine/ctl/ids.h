/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "engine/base/error.h"

#include <stddef.h>

/* A strv that grows to a hundred thousand of them: strv_add() walks over all that are there. */
typedef struct IdList {
        char **ids; /* for strv_free() */
        size_t n, room;
} IdList;

int id_list_add(IdList *list, const char *id, Error *e);

/* The jobs that a command is about: the words behind its name, and for "-" those on standard input, one a line, so
 * that `skepctl list --ids | skepctl cancel -` works with more than a command line holds. The strv is the caller's; it
 * is NULL where standard input has none: then nothing is to be done. Error: -EINVAL none is named, or an empty one. */
int ids_read(int argc, char **argv, char ***ret, Error *e);
