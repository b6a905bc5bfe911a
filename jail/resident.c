/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "jail/resident.h"

#include "engine/base/cleanup.h"

#include <link.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

#define PARTS_MAX 64

typedef struct Part {
        uintptr_t from, size;
} Part;

typedef struct Parts {
        Part list[PARTS_MAX];
        size_t n;
} Parts;

/* What is loaded and never written. */
static int add_parts(struct dl_phdr_info *info, size_t size _unused_, void *userdata)
{
        uintptr_t page = (uintptr_t)getpagesize();
        Parts *parts = userdata;

        for (size_t i = 0; i < info->dlpi_phnum && parts->n < PARTS_MAX; i++) {
                const ElfW(Phdr) *header = &info->dlpi_phdr[i];
                uintptr_t from = info->dlpi_addr + header->p_vaddr, end = from + header->p_memsz;
                if (header->p_type != PT_LOAD || (header->p_flags & PF_W))
                        continue;
                from &= ~(page - 1);
                parts->list[parts->n++] = (Part){from, ((end + page - 1) & ~(page - 1)) - from};
        }
        return 0;
}

int resident_poll(struct pollfd *fds, nfds_t n, bool *shrunk)
{
        Parts parts = {.n = 0};

        if (!*shrunk) {
                int ready = poll(fds, n, RESIDENT_MSEC);
                if (ready != 0)
                        return ready;
                *shrunk = true;
                dl_iterate_phdr(add_parts, &parts);
                /* From here on as little is touched as can be: the kernel brings back sixteen pages for each. */
                for (size_t i = 0; i < parts.n; i++)
                        madvise((void *)parts.list[i].from, parts.list[i].size, MADV_DONTNEED);
        }
        return poll(fds, n, -1);
}
