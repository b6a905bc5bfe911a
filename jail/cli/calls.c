/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "jail/cli/calls.h"

#include "jail/syscall_names.h"

#include <seccomp.h>
#include <string.h>

static int compare_calls(const void *a, const void *b)
{
        return strcmp(((const Call *)a)->name, ((const Call *)b)->name);
}

int calls_read(const JailPolicy *policy, Calls *ret, Error *e)
{
        *ret = (Calls){.n = 0};
        for (unsigned number = 0; number < JAIL_SYSCALL_MAX; number++) {
                char *name = syscall_name((int)number);
                if (!name)
                        continue;
                Call *call = &ret->list[ret->n++];
                *call = (Call){.name = name, .number = number};
                if (filter_fate(policy, number, &call->fate, &call->refusal) < 0)
                        return error_oom(e);
                if ((call->refusal & SECCOMP_RET_ACTION_FULL) == SECCOMP_RET_USER_NOTIF) {
                        const struct seccomp_data asked = {.nr = (int)number, .arch = seccomp_arch_native()};
                        int error = refusal_errno(policy->refusals, policy->n_refusals * sizeof *policy->refusals, &asked);
                        call->refusal = SECCOMP_RET_USER_NOTIF | ((uint32_t)error & SECCOMP_RET_DATA);
                }
        }
        qsort(ret->list, ret->n, sizeof *ret->list, compare_calls);
        return 0;
}

void calls_done(Calls *calls)
{
        for (size_t i = 0; i < calls->n; i++)
                free(calls->list[i].name);
        calls->n = 0;
}

const Call *calls_find(const Calls *calls, const char *name)
{
        const Call key = {.name = (char *)name};

        return bsearch(&key, calls->list, calls->n, sizeof key, compare_calls);
}
