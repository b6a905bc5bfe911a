/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <string.h>

/* How two absolute paths lie to each other, by their texts alone: without "." and "..", repeated slashes or a slash at the
 * end, and whatever links there may be. */

/* Whether it lies in the directory, however deep; a directory does not lie in itself. */
static inline bool path_is_below(const char *path, const char *dir)
{
        size_t n = strcmp(dir, "/") == 0 ? 0 : strlen(dir);

        return strncmp(path, dir, n) == 0 && path[n] == '/' && path[n + 1] != '\0';
}

static inline bool path_is_at_or_below(const char *path, const char *dir)
{
        return strcmp(path, dir) == 0 || path_is_below(path, dir);
}
