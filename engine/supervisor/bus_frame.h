/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BUS_FRAME_HEADER_BYTES 16 /* of a message, which say how large it is */

/* How many bytes a message has, its header among them, by its first BUS_FRAME_HEADER_BYTES bytes. 0, or -EBADMSG for what begins no
 * message. Nothing else of it is looked at. Source: the D-Bus specification, "Message Format". */
int bus_frame_size(const uint8_t *header, uint64_t *ret);

/* Whether a message, which has come whole, is a call with inputs that says that it brings so many descriptors, and has nothing in its
 * header at which sd-bus stops: what it reads of such a message besides, it keeps for ever (bus_socket_make_message(), as of systemd
 * 252), be it descriptors. So not all that is allowed is sound: other types, other signatures and unknown fields are not. */
bool bus_frame_is_sound(const uint8_t *message, size_t n_fds);
/* Who has sent it, by the message bus, where so much of it is there that this is known; or NULL. The name is the message's. */
const char *bus_frame_sender(const uint8_t *message, uint64_t size);
/* The message says that it brings none; where that does not show, it stays as it is. */
void bus_frame_bring_none(uint8_t *message);
