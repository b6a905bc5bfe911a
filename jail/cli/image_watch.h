/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "engine/base/error.h"

#include <stdbool.h>
#include <stdint.h>

/* What the program that unpacks an archive takes of the disk, seen from outside of its jail: it keeps to --disk and --files
 * by itself, unless the archive has taken it over. Then it may write to its tree for as long as its time goes, in files
 * that have no name, and fill the disk with nothing but names.
 *
 * What it has written the kernel counts (/proc/PID/io: its policy lets it map no file, so that there is no other way),
 * and what it takes is asked of the tree and of its descriptors, when it could be too much since that was last asked. */

typedef struct ImageUse {
        uint64_t written;       /* by it, in all */
        uint64_t bytes, names;  /* that it has */
        uint64_t disk_bytes, disk_inodes; /* used on the whole file system, by anybody */
} ImageUse;

typedef struct ImageWatch {
        int program, root, archive;    /* the caller's; by the first two it is found, the third is not its own */
        uint64_t max_bytes, max_names; /* that it may have at a time */
        int process;                   /* /proc/PID; -1: not found yet */
        uint64_t seen_usec;  /* when the kernel last told of it */
        uint64_t next_usec;  /* not to take stock again before */
        ImageUse last;
} ImageWatch;

/* How often to look. */
#define IMAGE_WATCH_MSEC 100

/* `max_bytes`, `max_files`: what the tree may have in the end. */
void image_watch_begin(int program, int root, int archive, uint64_t max_bytes, uint64_t max_files, ImageWatch *ret);
void image_watch_done(ImageWatch *watch);
#define _cleanup_image_watch_ _cleanup_(image_watch_done)

/* Errors: -EDQUOT it has more than it may, or hides what it has; -EACCES it cannot be watched. It is to be ended then. */
int image_watch_look(ImageWatch *watch, Error *e);
