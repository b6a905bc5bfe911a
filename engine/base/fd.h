/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "engine/base/cleanup.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Reads until `size` bytes are there or the file ends. Returns the number of bytes, or a negative errno. */
ssize_t read_full(int fd, void *buffer, size_t size);

/* Writes all of it. Returns 0 or a negative errno. */
int write_full(int fd, const void *data, size_t size);

/* Copies a file to one that is empty; by a clone, where the file system can share the bytes. -E2BIG, which no read or write
 * says: it has more than `limit`. */
int copy_file(int from, int to, uint64_t limit);
/* The same where the limit may change meanwhile: it is asked for at the beginning and after each piece, with what has been copied. */
typedef uint64_t (*CopyLimit)(uint64_t done, void *userdata);
int copy_file_within(int from, int to, CopyLimit limit, void *userdata);

/* Reads a whole file of at most `limit` bytes, and adds a NUL. The caller owns `*ret`; `ret_size` may be NULL.
 * Errors: -EFBIG over the limit; -EINVAL not a regular file (checked before a byte is read, so that a FIFO cannot
 * hold the caller up); others as open(2) and read(2). */
int read_file_at(int dir_fd, const char *path, size_t limit, char **ret, size_t *ret_size);

/* Writes `text` to an existing file such as a cgroup's or /proc's, in one write. */
int write_file_at(int dir_fd, const char *path, const char *text);

/* An anonymous file with this content, sealed against every change, at offset 0. Returns a descriptor or a negative
 * errno. */
int sealed_file(const char *name, const void *data, size_t size);

/* Maps the whole of a regular file read-only. Unmap with munmap(). Error: -EMSGSIZE over `limit`. An empty file gives
 * NULL and 0. */
int map_file(int fd, size_t limit, const void **ret, size_t *ret_size);

/* One datagram over a SOCK_SEQPACKET or SOCK_STREAM Unix socket, with descriptors. Returns 0 or a negative errno;
 * -EAGAIN when a non-blocking socket is full. */
int send_message(int socket_fd, const void *data, size_t size, const int *fds, size_t n_fds);

/* Receives one datagram. `*n_fds` is the room in `fds` before and the number received after; all of them are CLOEXEC
 * and owned by the caller. Returns its size, 0 when the peer has gone, or a negative errno. -EMSGSIZE: longer than
 * `size`, or more descriptors than there is room for; then none is kept. */
ssize_t receive_message(int socket_fd, void *buffer, size_t size, int *fds, size_t *n_fds);

void close_many(int *fds, size_t n);

/* Closes every descriptor from 3 on that is not in the list, which is sorted by this. */
void close_others(int *keep, size_t n);

/* Opens a path below a directory, through no link of any kind, no other mount, and not through "..". Returns a
 * descriptor (CLOEXEC) or a negative errno. */
int open_beneath(int dir_fd, const char *path, uint64_t flags, uint64_t mode);

/* Opens /dev/null, where there is one, for those of the first three descriptors that are closed, so that nothing else gets
 * their numbers. For the start of a program. */
void open_missing_stdio(void);

/* Writes out what the stream stdout still has. Returns 0 or a negative errno, also of an earlier write; -EPIPE where its
 * reader has gone, which is no failure of a program that only shows something. */
int flush_stdout(void);

/* A descriptor to read, from here on, the signals from by which a user ends what a program does for him: SIGINT and SIGTERM,
 * and SIGHUP unless the caller has it ignored, as nohup(1) does. Returns it or a negative errno. */
int open_end_signals(void);

/* Lets this process have as many descriptors as it may, up to 65536: the usual soft limit is for programs that use
 * select(2). For the start of a program. */
void raise_descriptor_limit(void);
