/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "engine/base/digest.h"

#include "engine/base/cleanup.h"
#include "engine/base/fd.h"

#include <errno.h>
#include <nettle/base16.h>

#define CHUNK ((size_t)256 << 10)

void digest_begin(Digest *digest)
{
        sha256_init(&digest->context);
}

void digest_add(Digest *digest, const void *data, size_t size)
{
        sha256_update(&digest->context, size, data);
}

void digest_end(Digest *digest, char ret[static DIGEST_HEX_SIZE])
{
        uint8_t raw[SHA256_DIGEST_SIZE];

        sha256_digest(&digest->context, sizeof raw, raw);
        base16_encode_update(ret, sizeof raw, raw);
        ret[DIGEST_HEX_SIZE - 1] = '\0';
}

void digest_hex(const void *data, size_t size, char ret[static DIGEST_HEX_SIZE])
{
        Digest digest;

        digest_begin(&digest);
        digest_add(&digest, data, size);
        digest_end(&digest, ret);
}

int digest_fd_hex(int fd, char ret[static DIGEST_HEX_SIZE])
{
        Digest digest;
        _cleanup_free_ uint8_t *buffer = malloc(CHUNK);

        if (!buffer)
                return -ENOMEM;
        digest_begin(&digest);
        for (;;) {
                ssize_t n = read_full(fd, buffer, CHUNK);
                if (n < 0)
                        return (int)n;
                digest_add(&digest, buffer, (size_t)n);
                if ((size_t)n < CHUNK)
                        break;
        }
        digest_end(&digest, ret);
        return 0;
}
