/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdint.h>

/* What the copies of inputs that are under way have written, until somebody is charged with it: in memory that the
 * copying processes share with the supervisor. So those of one tenant have its room together, and not each all of it. */
typedef struct Copy {
        const void *tenant; /* NULL: there is none */
        uint64_t room;      /* the tenant's, beside its copies, as of the last time that one of them began or ended */
        uint64_t bytes;     /* written */
} Copy;

#define COPIES_MAX 512

/* NULL: errno. `*ret_fd` is a file of this memory, for copies_map(), and owned by the caller. */
Copy *copies_new(int *ret_fd);
/* The same memory in a copying process. The descriptor stays the caller's. NULL: errno. */
Copy *copies_map(int fd);
Copy *copies_free(Copy *copies); /* returns NULL */

/* There must be fewer than COPIES_MAX. */
Copy *copy_begin(Copy *copies, const void *tenant, uint64_t room);
/* What it has written is charged to its tenant by now, which has this room beside its other copies, or is removed. */
void copy_end(Copy *copies, Copy *copy, uint64_t room);

/* In the copying process: how much it has written, and how much it may have. */
void copy_count(Copy *copy, uint64_t bytes);
uint64_t copy_room(const Copy *copies, const Copy *copy);
