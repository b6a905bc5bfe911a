/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/fuzz/fuzz.h"

#include "engine/supervisor/bus_frame.h"

/* A number as the specification has it, a byte at a time. */
static uint64_t number(const uint8_t *at, int little)
{
        uint64_t value = 0;

        for (int i = 0; i < 4; i++)
                value = value << 8 | at[little ? 3 - i : i];
        return value;
}

/* Messages one behind the other, as they come over a socket: the next one begins where the one before ends. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        for (size_t at = 0; size - at >= BUS_FRAME_HEADER_BYTES;) {
                const uint8_t *header = data + at;
                const int little = header[0] == 'l';
                uint64_t bytes, fields = number(header + 12, little);

                if (bus_frame_size(header, &bytes) < 0) {
                        if (little || header[0] == 'B')
                                abort();
                        return 0;
                }
                while (fields % 8 != 0)
                        fields++;
                if (bytes != BUS_FRAME_HEADER_BYTES + fields + number(header + 4, little))
                        abort();
                if (bytes > size - at)
                        return 0;
                at += bytes;
        }
        return 0;
}
