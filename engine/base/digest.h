/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <nettle/sha2.h>
#include <stddef.h>

#define DIGEST_HEX_SIZE 65 /* 64 hexadecimal digits and a NUL */

/* SHA-256 of the data, as lowercase hexadecimal. */
void digest_hex(const void *data, size_t size, char ret[static DIGEST_HEX_SIZE]);

/* SHA-256 of everything that can be read from the descriptor. Returns 0 or a negative errno. */
int digest_fd_hex(int fd, char ret[static DIGEST_HEX_SIZE]);

/* Of what comes piece by piece. */
typedef struct Digest {
        struct sha256_ctx context;
} Digest;

void digest_begin(Digest *digest);
void digest_add(Digest *digest, const void *data, size_t size);
void digest_end(Digest *digest, char ret[static DIGEST_HEX_SIZE]);
