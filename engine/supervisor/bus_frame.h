/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdint.h>

#define BUS_FRAME_HEADER_BYTES 16 /* of a message, which say how large it is */

/* How many bytes a message has, its header among them, by its first BUS_FRAME_HEADER_BYTES bytes. 0, or -EBADMSG for what begins no
 * message. Nothing else of it is looked at. Source: the D-Bus specification, "Message Format". */
int bus_frame_size(const uint8_t *header, uint64_t *ret);
