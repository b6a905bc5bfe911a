/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "engine/base/error.h"

#include <stdbool.h>
#include <stdint.h>

/* Trees as tar archives, in both directions, for trees and archives that somebody hostile has made: what is read is
 * opened without following a link, waiting for a FIFO or crossing a mount; what is written stays below the directory
 * that was given. Plain files and directories; symbolic links only where the rules admit them. */

typedef struct ArchiveRules {
        bool symlinks;       /* links are packed and unpacked as links; otherwise see below */
        bool no_times;       /* for archives that are compared: equal trees give equal ones */
        uint64_t max_bytes;  /* of all files together */
        uint64_t max_entries;
} ArchiveRules;

#define ARCHIVE_DEPTH_MAX 128

/* Writes the tree below `dir_fd` as a GNU tar to `out_fd`. Links (where not admitted), devices, FIFOs and sockets are
 * left out; `*ret_skipped` (may be NULL) is a sentence about them, which the caller owns, or NULL. Files keep only "executable" of
 * their mode.
 * Errors: -E2BIG over a limit, with the name of the entry; -ELOOP deeper than ARCHIVE_DEPTH_MAX; others as of the
 * system call, with the path. */
int archive_pack(int dir_fd, int out_fd, const ArchiveRules *rules, char **ret_skipped, Error *e);

/* Unpacks a tar archive (any of ustar, pax, GNU; not compressed) read from `in_fd` below `dir_fd`.
 * Errors: -EINVAL not a tar archive, or an entry that is absolute, has "..", or is of a kind that the rules do not
 * admit; -E2BIG over a limit. What was unpacked before the error stays: the caller throws the directory away. */
int archive_unpack(int in_fd, int dir_fd, const ArchiveRules *rules, Error *e);

/* An archive whose tree becomes a directory of another archive. */
typedef struct ArchivePart {
        int fd;             /* -1, or closed when it has been read */
        char directory[24]; /* one path component */
} ArchivePart;

/* Writes one archive to `out_fd` of several that archive_pack() made. `next` gives one after the other: 1, or 0 when there
 * are no more, or a negative errno. Of the rules, `max_entries` counts: for all together, with their directories.
 * Errors: -E2BIG over it; -EINVAL one is broken, or has something that archive_pack() does not write; that of `next`; others
 * as of the system call. */
int archive_join(int out_fd, const ArchiveRules *rules, int (*next)(ArchivePart *ret, void *userdata), void *userdata);
