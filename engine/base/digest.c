/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "engine/base/digest.h"

#include "engine/base/cleanup.h"
#include "engine/base/fd.h"

#include <errno.h>
#include <nettle/base16.h>
#include <nettle/sha2.h>

#define CHUNK ((size_t)256 << 10)

static void finish(struct sha256_ctx *context, char *ret)
{
        uint8_t raw[SHA256_DIGEST_SIZE];

        sha256_digest(context, sizeof raw, raw);
        base16_encode_update(ret, sizeof raw, raw);
        ret[DIGEST_HEX_SIZE - 1] = '\0';
}

void digest_hex(const void *data, size_t size, char ret[static DIGEST_HEX_SIZE])
{
        struct sha256_ctx context;

        sha256_init(&context);
        sha256_update(&context, size, data);
        finish(&context, ret);
}

int digest_fd_hex(int fd, char ret[static DIGEST_HEX_SIZE])
{
        struct sha256_ctx context;
        _cleanup_free_ uint8_t *buffer = malloc(CHUNK);

        if (!buffer)
                return -ENOMEM;
        sha256_init(&context);
        for (;;) {
                ssize_t n = read_full(fd, buffer, CHUNK);
                if (n < 0)
                        return (int)n;
                sha256_update(&context, (size_t)n, buffer);
                if ((size_t)n < CHUNK)
                        break;
        }
        finish(&context, ret);
        return 0;
}
