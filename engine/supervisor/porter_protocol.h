/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "engine/supervisor/copies.h"

#include <stddef.h>
#include <sys/types.h>

#ifndef SKEP_VERSION
#define SKEP_VERSION "0"
#endif

/* What the supervisor, skep-nursery and the porters say to each other, all over SOCK_SEQPACKET.
 *
 * To the nursery: a byte, with a descriptor, the porter's wire. It answers each, in their order, when it has the wire no more: a
 * NurseryAnswer.
 *
 * By its wire a porter is given orders, and answers each but ORDER_KEEP before the next one comes:
 *
 *   ORDER_TAKE  number of bytes; with a socket          PorterAnswer
 *   ORDER_COPY  serial, index of the count, n,          what blob_copy_all() packs, and nothing more is done
 *               n times name and index
 *   ORDER_KEEP  with a socket, which it has to its end  */
typedef enum PorterOrder {
        ORDER_TAKE,
        ORDER_COPY,
        ORDER_KEEP,
} PorterOrder;

typedef struct PorterAnswer {
        int error;
        size_t n_fds;
} PorterAnswer;

typedef struct NurseryAnswer {
        pid_t pid; /* or a negative errno */
} NurseryAnswer;

#define PORTER_ORDER_MAX ((size_t)32 << 10)
#define PORTER_RESULT_MAX ((size_t)32 << 10)

/* Where the nursery finds what it has; its argument is SKEP_VERSION. The last is a file of one pid_t, that of the youngest porter: the kernel
 * writes it when it makes the process, so that it is known of one whose nursery was killed before it could answer. */
enum { NURSERY_SOCKET_FD = 3, NURSERY_DIRECTORY_FD, NURSERY_COPIES_FD, NURSERY_YOUNGEST_FD, NURSERY_FDS_END };

/* What a porter does, to its end. */
_Noreturn void porter_serve(int wire, int directory, Copy *copies);
