/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "jail/prefault.h"

#include <malloc.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23 /* Linux 5.14, include/uapi/asm-generic/mman-common.h */
#endif

#define STACK_PAGES 6

/* Of the linker, end(3). */
extern char edata[], end[];

static void prefault(uintptr_t from, uintptr_t to, uintptr_t page)
{
        from &= ~(page - 1);
        to = (to + page - 1) & ~(page - 1);
        if (to > from)
                madvise((void *)from, to - from, MADV_POPULATE_WRITE);
}

void prefault_writable(void)
{
        uintptr_t page = (uintptr_t)getpagesize(), stack = (uintptr_t)__builtin_frame_address(0);

        prefault((uintptr_t)edata - page, (uintptr_t)end, page);
        /* Of the heap what is in use, and a little more. */
        prefault((uintptr_t)end, (uintptr_t)sbrk(0) - mallinfo2().keepcost + page, page);
        prefault(stack - STACK_PAGES * page, stack + page, page);
}
