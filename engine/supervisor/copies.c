/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "engine/supervisor/copies.h"

#include "engine/base/cleanup.h"

#include <stddef.h>
#include <sys/mman.h>

/* Of two that count what they have written and then look at the other's, one sees it. */
#define LOAD(what) __atomic_load_n(&(what), __ATOMIC_SEQ_CST)
#define STORE(what, value) __atomic_store_n(&(what), value, __ATOMIC_SEQ_CST)

Copy *copies_map(int fd)
{
        void *copies = mmap(NULL, COPIES_MAX * sizeof(Copy), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

        return copies == MAP_FAILED ? NULL : copies;
}

Copy *copies_new(int *ret_fd)
{
        _cleanup_close_ int fd = memfd_create("copies", MFD_CLOEXEC);
        Copy *copies = fd < 0 || ftruncate(fd, COPIES_MAX * sizeof(Copy)) < 0 ? NULL : copies_map(fd);

        if (copies)
                *ret_fd = take_fd(fd);
        return copies;
}

Copy *copies_free(Copy *copies)
{
        if (copies)
                munmap(copies, COPIES_MAX * sizeof(Copy));
        return NULL;
}

static void set_room(Copy *copies, const void *tenant, uint64_t room)
{
        for (size_t i = 0; i < COPIES_MAX; i++)
                if (copies[i].tenant == tenant)
                        STORE(copies[i].room, room);
}

Copy *copy_begin(Copy *copies, const void *tenant, uint64_t room)
{
        size_t i = 0;

        while (copies[i].tenant)
                i++;
        STORE(copies[i].bytes, 0);
        STORE(copies[i].tenant, tenant);
        set_room(copies, tenant, room);
        return &copies[i];
}

void copy_end(Copy *copies, Copy *copy, uint64_t room)
{
        /* First: who does not see its bytes any more sees the room without them. */
        set_room(copies, copy->tenant, room);
        STORE(copy->tenant, NULL);
}

void copy_count(Copy *copy, uint64_t bytes)
{
        STORE(copy->bytes, bytes);
}

uint64_t copy_room(const Copy *copies, const Copy *copy)
{
        uint64_t others = 0;

        for (size_t i = 0; i < COPIES_MAX; i++)
                if (&copies[i] != copy && LOAD(copies[i].tenant) == copy->tenant)
                        others += LOAD(copies[i].bytes);
        uint64_t room = LOAD(copy->room);
        return others < room ? room - others : 0;
}
