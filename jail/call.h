/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "engine/base/pack.h"
#include "jail/jail.h"

/* What is known about system calls by number, and how a JailCall travels from the reaper, which has seen it, to the
 * library. The reaper is part of a program without libseccomp: names are call_text.c's. */

#define CALL_MESSAGE_MAX ((size_t)8 << 10)
#define CALL_TEXT_MAX 256   /* of an argument */
#define CALL_PATH_MAX 4096  /* with its NUL, as PATH_MAX */
#define CALL_PROGRAM_MAX 16 /* TASK_COMM_LEN */

/* How to show the arguments, a letter each: d a number, u a size, x a set of flags or an address, o a mode, f the
 * descriptor of a directory, s the address of a string. Calls that are not known are shown as six addresses. */
const char *call_signature(int number);

/* Calls that look up a path for reading or executing it. */
typedef struct CallLookup {
        int number;
        int directory; /* which argument is the descriptor that the path starts from; -1: none */
        int path;      /* which argument is the path */
        bool executes;
        bool opens; /* what is in there, rather than only asks about it */
} CallLookup;

/* NULL: looks up none. */
const CallLookup *call_lookup(int number);

void call_pack(Packer *p, const JailCall *call);

/* The texts stay in the message. Error: -EBADMSG. */
int call_unpack(const void *data, size_t size, JailCall *ret);
