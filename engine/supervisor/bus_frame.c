/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "engine/supervisor/bus_frame.h"

#include "engine/base/cleanup.h"

#include <endian.h>
#include <errno.h>
#include <string.h>
#include <systemd/sd-bus.h>

#define VERSION 1

enum { FIELD_PATH = 1, FIELD_INTERFACE, FIELD_MEMBER, FIELD_DESTINATION = 6, FIELD_SENDER, FIELD_SIGNATURE, FIELD_UNIX_FDS };

static uint32_t number_at(const uint8_t *message, const uint8_t *at)
{
        uint32_t number;

        memcpy(&number, at, sizeof number);
        return message[0] == 'l' ? le32toh(number) : be32toh(number);
}

/* Byte order, type, flags and version; then the sizes of the body and, behind a serial number, of the fields, which are
 * padded to eight. */
int bus_frame_size(const uint8_t *header, uint64_t *ret)
{
        if (header[0] != 'l' && header[0] != 'B')
                return -EBADMSG;
        *ret = BUS_FRAME_HEADER_BYTES + (((uint64_t)number_at(header, header + 12) + 7) & ~UINT64_C(7)) + number_at(header, header + 4);
        return 0;
}

/* ---- the fields of a header ---- */

typedef struct BusField {
        uint8_t code;
        char kind;
        uint64_t value; /* where it is; of a text: where it begins, and NUL ends it */
} BusField;

/* Each begins at a multiple of eight, with its code and the signature of its value, which is here one letter. 1, or 0 where there is
 * none any more, or -EBADMSG. */
static int next_field(const uint8_t *message, uint64_t *at, BusField *ret)
{
        const uint64_t end = BUS_FRAME_HEADER_BYTES + (uint64_t)number_at(message, message + 12);

        for (; *at % 8 != 0; ++*at)
                if (message[*at] != 0)
                        return -EBADMSG;
        if (*at >= end)
                return 0;
        /* The shortest value is an empty signature. */
        const uint8_t *field = message + *at;
        if (end - *at < 6 || field[1] != 1 || field[3] != 0)
                return -EBADMSG;
        const char kind = (char)field[2];
        const bool is_name = kind == 's' || kind == 'o';
        *ret = (BusField){.code = field[0], .kind = kind, .value = *at + 4};
        if (kind != 'u' && kind != 'g' && !is_name)
                return -EBADMSG;
        if (kind != 'g' && end - ret->value < 4)
                return -EBADMSG;
        if (kind == 'u') {
                *at = ret->value + 4;
                return 1;
        }
        const uint64_t length = is_name ? number_at(message, message + ret->value) : message[ret->value];
        ret->value += is_name ? 4 : 1;
        if (end - ret->value <= length || memchr(message + ret->value, 0, length + 1) != message + ret->value + length)
                return -EBADMSG;
        *at = ret->value + length + 1;
        return 1;
}

/* Those of the methods that have inputs. */
static int is_signature(const char *text)
{
        return strcmp(text, "sa(sh)") == 0 || strcmp(text, "h") == 0;
}

/* What sd-bus says to itself alone. */
static bool is_local(const char *text)
{
        return strcmp(text, "/org/freedesktop/DBus/Local") == 0 || strcmp(text, "org.freedesktop.DBus.Local") == 0;
}

bool bus_frame_is_sound(const uint8_t *message, size_t n_fds)
{
        static const struct {
                char kind;
                int (*is_valid)(const char *text);
        } fields[] = {
                [FIELD_PATH] = {'o', sd_bus_object_path_is_valid},
                [FIELD_INTERFACE] = {'s', sd_bus_interface_name_is_valid},
                [FIELD_MEMBER] = {'s', sd_bus_member_name_is_valid},
                [FIELD_DESTINATION] = {'s', sd_bus_service_name_is_valid},
                [FIELD_SENDER] = {'s', sd_bus_service_name_is_valid},
                [FIELD_SIGNATURE] = {'g', is_signature},
                [FIELD_UNIX_FDS] = {.kind = 'u'},
        };
        const unsigned needed = 1U << FIELD_PATH | 1U << FIELD_MEMBER | 1U << FIELD_UNIX_FDS;
        uint64_t at = BUS_FRAME_HEADER_BYTES;
        unsigned seen = 0;
        BusField field;
        int r;

        if (message[1] != SD_BUS_MESSAGE_METHOD_CALL || message[3] != VERSION || number_at(message, message + 8) == 0)
                return false;
        while ((r = next_field(message, &at, &field)) > 0) {
                const char *text = (const char *)message + field.value;
                if (field.code >= ELEMENTS(fields) || field.kind != fields[field.code].kind || seen & 1U << field.code)
                        return false;
                if (field.kind == 'u' ? number_at(message, message + field.value) != n_fds
                                      : fields[field.code].is_valid(text) <= 0 || is_local(text))
                        return false;
                seen |= 1U << field.code;
        }
        return r == 0 && (seen & needed) == needed;
}

const char *bus_frame_sender(const uint8_t *message, uint64_t size)
{
        uint64_t at = BUS_FRAME_HEADER_BYTES;
        BusField field;

        if (size < BUS_FRAME_HEADER_BYTES || size < BUS_FRAME_HEADER_BYTES + (((uint64_t)number_at(message, message + 12) + 7) & ~UINT64_C(7)))
                return NULL;
        while (next_field(message, &at, &field) > 0)
                if (field.code == FIELD_SENDER && field.kind == 's')
                        return (const char *)message + field.value;
        return NULL;
}

void bus_frame_bring_none(uint8_t *message)
{
        uint64_t at = BUS_FRAME_HEADER_BYTES;
        BusField field;

        while (next_field(message, &at, &field) > 0)
                if (field.code == FIELD_UNIX_FDS && field.kind == 'u')
                        memset(message + field.value, 0, sizeof(uint32_t));
}
