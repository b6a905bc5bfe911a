/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "engine/base/pack.h"

#include <errno.h>
#include <string.h>

#define NO_STRING UINT64_MAX

void packer_done(Packer *p)
{
        free(p->data);
        *p = (Packer){0};
}

static void append(Packer *p, const void *data, size_t size)
{
        if (p->failed)
                return;
        if (p->room - p->size < size) {
                size_t room = (p->room + size) * 2;
                char *larger = realloc(p->data, room);
                if (!larger) {
                        p->failed = true;
                        return;
                }
                p->data = larger;
                p->room = room;
        }
        if (size > 0)
                memcpy(p->data + p->size, data, size);
        p->size += size;
}

void pack_number(Packer *p, uint64_t value)
{
        append(p, &value, sizeof value);
}

void pack_bytes(Packer *p, const void *data, size_t size)
{
        pack_number(p, size);
        append(p, data, size);
        append(p, "", 1);
}

void pack_string(Packer *p, const char *text)
{
        if (text)
                pack_bytes(p, text, strlen(text));
        else
                pack_number(p, NO_STRING);
}

void pack_strings(Packer *p, char *const *list)
{
        size_t n = 0;

        while (list && list[n])
                n++;
        pack_number(p, n);
        for (size_t i = 0; i < n; i++)
                pack_string(p, list[i]);
}

static const void *advance(Unpacker *u, size_t size)
{
        if (u->failed || u->left < size) {
                u->failed = true;
                return NULL;
        }
        const void *p = u->next;
        u->next += size;
        u->left -= size;
        return p;
}

uint64_t unpack_number(Unpacker *u)
{
        uint64_t value = 0;
        const void *p = advance(u, sizeof value);

        if (p)
                memcpy(&value, p, sizeof value);
        return value;
}

static const void *bytes_of_size(Unpacker *u, uint64_t size)
{
        if (u->failed || size >= u->left) {
                u->failed = true;
                return NULL;
        }
        const char *p = advance(u, (size_t)size + 1);
        if (p && p[size] != '\0') {
                u->failed = true;
                return NULL;
        }
        return p;
}

const void *unpack_bytes(Unpacker *u, size_t *ret_size)
{
        uint64_t size = unpack_number(u);
        const void *p = bytes_of_size(u, size);

        *ret_size = p ? (size_t)size : 0;
        return p;
}

const char *unpack_string(Unpacker *u)
{
        uint64_t size = unpack_number(u);

        if (size == NO_STRING)
                return NULL;
        const char *p = bytes_of_size(u, size);
        if (p && strlen(p) != size) {
                u->failed = true;
                return NULL;
        }
        return p;
}

char **unpack_strings(Unpacker *u)
{
        uint64_t n = unpack_number(u);

        /* Each string takes at least its length: a count that the message cannot hold allocates nothing. */
        if (u->failed || n > u->left / sizeof(uint64_t)) {
                u->failed = true;
                return NULL;
        }
        char **list = calloc((size_t)n + 1, sizeof *list);
        if (!list) {
                u->failed = true;
                return NULL;
        }
        for (size_t i = 0; i < n; i++) {
                list[i] = (char *)unpack_string(u);
                if (!list[i])
                        u->failed = true;
        }
        return list;
}

int unpack_end(const Unpacker *u)
{
        return u->failed || u->left > 0 ? -EBADMSG : 0;
}
