/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "engine/base/id.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

static const char alphabet[] = "0123456789abcdefghjkmnpqrstvwxyz";

static Id id_of(unsigned __int128 value)
{
        Id id;

        for (int i = ID_LENGTH - 1; i >= 0; i--) {
                id.text[i] = alphabet[(unsigned)value & 31];
                value >>= 5;
        }
        id.text[ID_LENGTH] = '\0';
        return id;
}

int id_make(IdMaker *maker, uint64_t realtime_usec, Id *ret)
{
        uint64_t msec = realtime_usec / 1000;

        if (msec > maker->last_msec) {
                uint64_t random[2];
                if (getrandom(random, sizeof random, 0) != sizeof random)
                        return -errno;
                maker->last_msec = msec;
                /* The top bit stays clear, so that counting up has room. */
                maker->random_high = random[0] & 0x7fff;
                maker->random_low = random[1];
        } else if (++maker->random_low == 0) {
                maker->random_high++;
        }

        *ret = id_of((unsigned __int128)(maker->last_msec & 0xffffffffffff) << 80 |
                     (unsigned __int128)(maker->random_high & 0xffff) << 64 | maker->random_low);
        return 0;
}

Id id_first_at(uint64_t realtime_usec)
{
        return id_of((unsigned __int128)(realtime_usec / 1000 & 0xffffffffffff) << 80);
}

/* The number behind "_": without zeros before it. */
static bool read_index(const char *text, size_t *ret)
{
        size_t length = strspn(text, "0123456789");

        if (length == 0 || length > ID_MEMBER_LENGTH - ID_LENGTH - 1 || text[length] || (text[0] == '0' && length > 1))
                return false;
        *ret = strtoul(text, NULL, 10);
        return true;
}

bool id_is_valid(const char *text)
{
        size_t index;

        if (strnlen(text, ID_LENGTH) != ID_LENGTH || strspn(text, alphabet) < ID_LENGTH || text[0] > '7')
                return false;
        return text[ID_LENGTH] == '\0' || (text[ID_LENGTH] == '_' && read_index(text + ID_LENGTH + 1, &index));
}

void id_of_member(const Id *array, size_t index, Id *ret)
{
        snprintf(ret->text, sizeof ret->text, "%.*s_%u", ID_LENGTH, array->text,
                 (unsigned)(index % (ID_INDEX_MAX + 1)));
}

bool id_split(const char *text, Id *ret_array, size_t *ret_index)
{
        if (!id_is_valid(text) || !text[ID_LENGTH])
                return false;
        snprintf(ret_array->text, sizeof ret_array->text, "%.*s", ID_LENGTH, text);
        return read_index(text + ID_LENGTH + 1, ret_index);
}

int id_compare(const char *a, const char *b)
{
        int r = strncmp(a, b, ID_LENGTH);

        if (r || strnlen(a, ID_LENGTH) < ID_LENGTH)
                return r;
        size_t one = strlen(a), other = strlen(b);
        return one != other ? (one < other ? -1 : 1) : strcmp(a + ID_LENGTH, b + ID_LENGTH);
}

void id_continue(IdMaker *maker, const char *newest)
{
        unsigned __int128 value = 0;

        for (const char *at = newest; at < newest + ID_LENGTH; at++)
                value = value << 5 | (unsigned)(strchr(alphabet, *at) - alphabet);
        maker->last_msec = (uint64_t)(value >> 80);
        maker->random_high = (uint64_t)(value >> 64) & 0xffff;
        maker->random_low = (uint64_t)value;
}
