/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Job ids: a ULID (48 bits of milliseconds since 1970, 80 random bits) as 26 lowercase characters of Crockford's
 * base32, so that ids sort by time. https://github.com/ulid/spec */

#define ID_LENGTH 26

/* A member of an array has its id with "_" and a number behind it. */
#define ID_INDEX_MAX 99999
#define ID_MEMBER_LENGTH (ID_LENGTH + 6)

typedef struct Id {
        char text[ID_MEMBER_LENGTH + 1];
} Id;

/* Makes ids that ascend also within one millisecond and when the clock steps back. */
typedef struct IdMaker {
        uint64_t last_msec;
        uint64_t random_high; /* 16 bits */
        uint64_t random_low;
} IdMaker;

/* Returns 0, or a negative errno when the kernel has no random bytes. */
int id_make(IdMaker *maker, uint64_t realtime_usec, Id *ret);

/* The least id that a job of this time may have. */
Id id_first_at(uint64_t realtime_usec);

bool id_is_valid(const char *text);

/* The id of a member; and back, false where it is none. */
void id_of_member(const Id *array, size_t index, Id *ret);
bool id_split(const char *text, Id *ret_array, size_t *ret_index);

/* The order of ids: by time; the members of an array behind it, by their numbers. */
int id_compare(const char *a, const char *b);

/* Makes the next id come after this one, which must be valid. */
void id_continue(IdMaker *maker, const char *newest);
