/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "jail/resident.h"

#include "engine/base/cleanup.h"

#include <link.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

static int give_back(struct dl_phdr_info *info, size_t size _unused_, void *userdata _unused_)
{
        uintptr_t page = (uintptr_t)getpagesize();

        for (size_t i = 0; i < info->dlpi_phnum; i++) {
                const ElfW(Phdr) *part = &info->dlpi_phdr[i];
                uintptr_t from = (info->dlpi_addr + part->p_vaddr) & ~(page - 1),
                          to = (info->dlpi_addr + part->p_vaddr + part->p_memsz + page - 1) & ~(page - 1);
                if (part->p_type == PT_LOAD && !(part->p_flags & PF_W))
                        madvise((void *)from, to - from, MADV_DONTNEED);
        }
        return 0;
}

void resident_shrink(void)
{
        dl_iterate_phdr(give_back, NULL);
}
