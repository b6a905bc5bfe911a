/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/fuzz/fuzz.h"

#include "engine/supervisor/bus_frame.h"

#include <string.h>

/* A number as the specification has it, a byte at a time. */
static uint64_t number(const uint8_t *at, int little)
{
        uint64_t value = 0;

        for (int i = 0; i < 4; i++)
                value = value << 8 | at[little ? 3 - i : i];
        return value;
}

/* What was sound, with as many descriptors as it said, is not so any more when it says that it brings none. */
static void look_at_fields(const uint8_t *message, size_t size)
{
        uint8_t *copy = malloc(size);

        if (!copy)
                return;
        memcpy(copy, message, size);
        bus_frame_bring_none(copy);
        for (size_t n = 1; n < 4; n++)
                if (bus_frame_is_sound(message, n) && (bus_frame_is_sound(copy, n) || !bus_frame_is_sound(copy, 0)))
                        abort();
        free(copy);
}

/* Whose it is, is found in what has come of it alone. */
static void look_at_sender(const uint8_t *message, size_t size)
{
        const size_t sizes[] = {size, size / 2, BUS_FRAME_HEADER_BYTES};

        for (size_t i = 0; i < 3; i++) {
                uint8_t *part = malloc(sizes[i] ? sizes[i] : 1);
                if (!part)
                        return;
                memcpy(part, message, sizes[i]);
                const char *sender = bus_frame_sender(part, sizes[i]);
                if (sender && !memchr(sender, 0, (size_t)(part + sizes[i] - (const uint8_t *)sender)))
                        abort();
                free(part);
        }
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
                look_at_fields(header, bytes);
                look_at_sender(header, bytes);
                at += bytes;
        }
        return 0;
}
