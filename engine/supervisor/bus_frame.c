/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "engine/supervisor/bus_frame.h"

#include <endian.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>

/* Byte order, type, flags and version; then the sizes of the body and, behind a serial number, of the fields, which are
 * padded to eight. */
int bus_frame_size(const uint8_t *header, uint64_t *ret)
{
        const bool little = header[0] == 'l';
        uint32_t body, fields;

        if (!little && header[0] != 'B')
                return -EBADMSG;
        memcpy(&body, header + 4, sizeof body);
        memcpy(&fields, header + 12, sizeof fields);
        body = little ? le32toh(body) : be32toh(body);
        fields = little ? le32toh(fields) : be32toh(fields);
        *ret = BUS_FRAME_HEADER_BYTES + (((uint64_t)fields + 7) & ~UINT64_C(7)) + body;
        return 0;
}
