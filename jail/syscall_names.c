/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "jail/syscall_names.h"

#include "engine/base/cleanup.h"

#include <seccomp.h>
#include <string.h>
#include <sys/syscall.h>

typedef struct NewCall {
        const char *name;
        int number;
} NewCall;

/* Only what a policy or a group that ships allows: what nobody knows does not exist in a jail in any case. */
static const NewCall newest[] = {
#if SYS_pidfd_send_signal == 424 /* from there on, most architectures have the same; scripts/syscall.tbl */
        {"futex_waitv", 449}, {"fchmodat2", 452},  {"map_shadow_stack", 453}, {"futex_wake", 454},
        {"futex_wait", 455},  {"futex_requeue", 456}, {"mseal", 462},         {"setxattrat", 463},
        {"getxattrat", 464},  {"listxattrat", 465}, {"removexattrat", 466},
#endif
};

int syscall_number(const char *name)
{
        int number = seccomp_syscall_resolve_name(name);

        for (size_t i = 0; number == __NR_SCMP_ERROR && i < ELEMENTS(newest); i++)
                if (strcmp(newest[i].name, name) == 0)
                        return newest[i].number;
        return number;
}

char *syscall_name(int number)
{
        char *name = seccomp_syscall_resolve_num_arch(SCMP_ARCH_NATIVE, number);

        for (size_t i = 0; !name && i < ELEMENTS(newest); i++)
                if (newest[i].number == number)
                        return strdup(newest[i].name);
        return name;
}

const char *syscall_newest(size_t index)
{
        return index < ELEMENTS(newest) ? newest[index].name : NULL;
}
