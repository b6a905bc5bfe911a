/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "engine/base/error.h"

/* "NAME=PATH" of a command line: an input of a job, opened with the rights of whoever typed it. */
typedef struct Input {
        char *name; /* owned */
        int fd;     /* owned; a regular file: that of the path, or a tar archive of the directory where NAME ends in "/" */
} Input;

/* Errors: -EINVAL a bad name, or a path that is neither a regular file nor (with "/") a directory; as of open(2). */
int input_open(const char *assignment, Input *ret, Error *e);
void input_done(Input *input);

/* Whether output_unpack() could write there, without making anything: before a job runs whose results would be lost. */
int output_check_place(const char *path, Error *e);
/* The same for a file that is to be written. */
int output_check_file(const char *path, Error *e);

/* Unpacks a tar archive of a job's /output below the directory `path`, which is made if it is not there. Only plain
 * files and directories are taken. */
int output_unpack(int archive_fd, const char *path, Error *e);
