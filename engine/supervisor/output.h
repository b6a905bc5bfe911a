/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "engine/base/error.h"
#include "engine/base/id.h"

#include <stdbool.h>
#include <stdint.h>

/* What attempts at jobs have written: state/jobs/<id>/<attempt>/{stdout,stderr,files,index}. The files are readable
 * for everybody in a directory that nobody can enter, so that a descriptor that was handed out can be watched, and not be opened
 * again for writing. What nothing was written to is not there. `index` says when which piece of the two streams came: engine/worker/files.h. */

typedef enum OutputStream { OUTPUT_STDOUT, OUTPUT_STDERR, OUTPUT_FILES, OUTPUT_INDEX, OUTPUT_STREAM_MAX } OutputStream;

/* -EINVAL where there is no such stream. */
int output_stream_parse(const char *name, OutputStream *ret);

/* Opens the directory of all jobs in the state directory, or makes it. Returns a descriptor, or a negative errno. */
int output_directory_new(const char *state_directory, Error *e);

/* Opens a file for one who reads. One that is not there is made for the worker to write to, or (`ended`) stands for nothing
 * that was written. Returns a descriptor, or a negative errno. */
int output_open(int directory, const Id *job, uint64_t attempt, OutputStream stream, bool ended);

/* Opens the directory of an attempt, or makes it. Returns a descriptor or a negative errno. */
int output_open_folder(int directory, const Id *job, uint64_t attempt);

/* Before an attempt: one of the same number may have been begun, and forgotten in a crash. Whoever has its files keeps
 * them. */
void output_clear(int directory, const Id *job, uint64_t attempt);

/* An attempt has ended without a report: what stands for its /output may be half of it. Whoever has that keeps it. */
void output_drop_files(int directory, const Id *job, uint64_t attempt);

/* Gives another job the same files; a copy of those that somebody has opened before it wrote them. Errors: -EEXIST it has
 * written some; -E2BIG one is too large to be copied; then it has none of them. */
int output_link(int directory, const Id *from, uint64_t from_attempt, const Id *to, uint64_t to_attempt);

/* Whether it has left something that is still there. */
bool output_is_there(int directory, const Id *job);

/* What an attempt has left, in bytes: in one of the files, in all. */
uint64_t output_file_size(int directory, const Id *job, uint64_t attempt, OutputStream stream);
uint64_t output_size(int directory, const Id *job, uint64_t attempt);
/* How much of the disk one of the files has taken; not more than its size, and less where the file system compresses. */
uint64_t output_file_room(int directory, const Id *job, uint64_t attempt, OutputStream stream);

void output_remove(int directory, const Id *job);

/* Removes what belongs to none of the jobs that are kept. */
void output_sweep(int directory, bool (*is_kept)(const char *id, const void *userdata), const void *userdata);
