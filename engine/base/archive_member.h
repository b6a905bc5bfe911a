/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "engine/base/error.h"

#include <archive.h>
#include <archive_entry.h>
#include <stdint.h>

/* One member of a tar archive that somebody hostile may have made: what everything that reads or writes them has in common. */

static inline void read_freep(struct archive **a)
{
        archive_read_free(*a);
}

static inline void write_freep(struct archive **a)
{
        archive_write_free(*a);
}

/* The parts of a member's path, a strv that the caller owns; none of "./" itself. Errors: -EINVAL where it leads out:
 * an absolute path, a "..". -ELOOP deeper than ARCHIVE_DEPTH_MAX. */
int member_split_path(const char *path, char ***ret, Error *e);

/* Writes the content of the member that `a` stands at into an empty file. `path` is for sentences. What was written
 * is added to `*bytes`. Errors: -E2BIG more than `max_bytes` then, or a size that says so; -EINVAL a broken archive. */
int member_write(struct archive *a, struct archive_entry *entry, int fd, const char *path, uint64_t *bytes,
                 uint64_t max_bytes, Error *e);
