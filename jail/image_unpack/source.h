/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "engine/base/digest.h"
#include "engine/base/error.h"

#include <archive.h>
#include <stdbool.h>
#include <stdint.h>

/* Where an image comes from: the members of a tar archive, or the files of a directory, by name. A tar archive is
 * indexed once; a member is then found by its number, in another pass over the headers, since archives hold their parts
 * in any order, and few. */

typedef struct Member {
        char *name; /* without "./" and doubled slashes */
        char *link; /* of a link: the name that it means, from the top of the archive; else NULL */
        uint64_t number;
} Member;

typedef struct Source {
        int fd; /* owned: an archive, open for reading and seekable, or a directory */
        bool directory;
        Member *members;
        size_t n_members;
} Source;

/* Takes the descriptor in any case. An archive that is compressed as a whole is first unpacked into `scratch_fd`, an
 * empty file, if it has no more than `max_bytes`. Errors: -EINVAL neither an archive nor a directory; -E2BIG. */
int source_open(int fd, int scratch_fd, uint64_t max_bytes, Source *ret, Error *e);
void source_done(Source *source);
#define _cleanup_source_ _cleanup_(source_done)

bool source_has(const Source *source, const char *name);

/* One member's bytes, in order, and their digest. */
typedef struct Stream {
        struct archive *archive; /* of an archive, at the member */
        int fd;                  /* of a directory's file; -1 */
        Digest digest;
        uint64_t bytes;
        void *buffer;
} Stream;

/* Errors: -ENOENT there is no such member; -EINVAL it is no plain file, or is there twice. */
int stream_open(const Source *source, const char *name, Stream *ret, Error *e);
void stream_done(Stream *stream);
#define _cleanup_stream_ _cleanup_(stream_done)
/* The next piece, valid until the next call; 0 at the end, or a negative errno. */
ssize_t stream_read(Stream *stream, const void **ret);

/* A whole member of at most `limit` bytes, with a NUL behind; the caller owns it. `digest` may be NULL. */
int source_read(const Source *source, const char *name, size_t limit, char **ret, size_t *ret_size, char *digest,
                Error *e);
