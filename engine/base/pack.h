/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "engine/base/cleanup.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Flat messages between our own programs on one machine: numbers as 64-bit host order, strings and byte runs with
 * their length before and a NUL behind. Writing cannot fail halfway: `failed` is looked at once, at the end.
 * Reading checks every bound, hands out pointers into the message, and after the first error gives zeros. */

typedef struct Packer {
        char *data; /* owned */
        size_t size, room;
        bool failed;
} Packer;

void packer_done(Packer *p);
#define _cleanup_packer_ _cleanup_(packer_done)

void pack_number(Packer *p, uint64_t value);
void pack_bytes(Packer *p, const void *data, size_t size);
void pack_string(Packer *p, const char *text); /* NULL is kept apart from "" */
void pack_strings(Packer *p, char *const *list); /* NULL-terminated; NULL as an empty one */

typedef struct Unpacker {
        const char *next;
        size_t left;
        bool failed;
} Unpacker;

uint64_t unpack_number(Unpacker *u);
/* Points into the message, and is followed by a NUL. */
const void *unpack_bytes(Unpacker *u, size_t *ret_size);
/* NULL where NULL was packed, and on an error. A string with a NUL inside is an error. */
const char *unpack_string(Unpacker *u);
/* The array is the caller's to free, its strings are the message's. */
char **unpack_strings(Unpacker *u);

/* 0 when everything was there and nothing is left, else -EBADMSG. */
int unpack_end(const Unpacker *u);
