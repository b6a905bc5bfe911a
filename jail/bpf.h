/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "engine/base/cleanup.h"
#include "jail/refusal.h"

#include <linux/filter.h>
#include <seccomp.h>
#include <stddef.h>

/* Programs for the kernel's system call filter, as they are loaded. */
typedef struct BpfProgram {
        struct sock_filter *code; /* owned */
        size_t length;            /* instructions */
} BpfProgram;

#define BPF_PROGRAM_MAX BPF_MAXINSNS

static inline void bpf_program_done(BpfProgram *p)
{
        free(p->code);
        *p = (BpfProgram){0};
}
#define _cleanup_bpf_ _cleanup_(bpf_program_done)

/* What libseccomp builds one with; NULL: no memory. For its seccomp_release(). */
scmp_filter_ctx bpf_begin(uint32_t default_action);

/* What libseccomp has built. Errors: its own, -E2BIG for one that no kernel takes. */
int bpf_export(scmp_filter_ctx context, BpfProgram *ret);

/* Answers ENOSYS, as an older kernel would, for every call that libseccomp has no name for, and for those of other
 * architectures (int 0x80, x32); allows all others. Error: -ENOMEM. */
int bpf_unknown_calls(BpfProgram *ret);

/* Answers `refusal` to calls that would set limits, processors or priorities of process 1 of the jail, the reaper, be it as
 * one of all processes of a user; allows all others. For jails whose reaper has the job's id: otherwise the kernel refuses it. Error: -ENOMEM. */
int bpf_reaper_calls(uint32_t refusal, BpfProgram *ret);

/* Adds a rule at the end of a program: a call of this number for which all the checks are true gets the answer, and every other
 * goes on with what follows. That the call is of the native architecture is known. Errors: -ENOMEM; -EINVAL no such check. */
int bpf_add_rule(BpfProgram *p, unsigned number, const ArgumentCheck *checks, size_t n_checks, uint32_t answer);

/* Adds a program at the end of another. Error: -ENOMEM. */
int bpf_append(BpfProgram *p, const BpfProgram *more);

/* One program that asks each of them in turn: a call is allowed that all of them allow, and gets the answer of the
 * first one that does not. Errors: -ENOMEM, -E2BIG. */
int bpf_chain(const BpfProgram *parts, size_t n_parts, BpfProgram *ret);
