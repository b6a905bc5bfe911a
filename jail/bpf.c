/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "jail/bpf.h"

#include "engine/base/fd.h"
#include "jail/jail.h"
#include "jail/syscall_names.h"

#include <errno.h>
#include <linux/seccomp.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#define LOAD(member) ((struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, member)))
/* Of little-endian machines, which are all that we build for: the kernel takes an int. */
#define LOW_HALF(argument) \
        ((struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t)(offsetof(struct seccomp_data, args) + 8 * (argument))))
#define RETURN(value) ((struct sock_filter)BPF_STMT(BPF_RET | BPF_K, value))
#define JUMP_IF(test, value, if_true, if_false) \
        ((struct sock_filter)BPF_JUMP(BPF_JMP | (test) | BPF_K, value, if_true, if_false))

scmp_filter_ctx bpf_begin(uint32_t default_action)
{
        /* By itself libseccomp takes no action that the kernel refuses to this process, which may be in a sandbox, and only
         * want to know what a policy says. This is less than every kernel has that jails run on. */
        seccomp_api_set(5);
        return seccomp_init(default_action);
}

int bpf_export(scmp_filter_ctx context, BpfProgram *ret)
{
        _cleanup_close_ int fd = memfd_create("filter", MFD_CLOEXEC);
        const void *map;
        size_t size;

        if (fd < 0)
                return -errno;
        int r = seccomp_export_bpf(context, fd);
        if (r >= 0)
                r = map_file(fd, BPF_PROGRAM_MAX * sizeof(struct sock_filter), &map, &size);
        if (r < 0)
                return r == -EMSGSIZE ? -E2BIG : r;
        struct sock_filter *code = malloc(size);
        if (code)
                memcpy(code, map, size);
        munmap((void *)map, size);
        if (!code)
                return -ENOMEM;
        *ret = (BpfProgram){code, size / sizeof *code};
        return 0;
}

static bool is_known(unsigned number)
{
        _cleanup_free_ char *name = syscall_name((int)number);

        return name;
}

static void add_unknown(BpfProgram *p, unsigned first, unsigned last)
{
        p->code[p->length++] = JUMP_IF(BPF_JGE, first, 0, 2);
        p->code[p->length++] = JUMP_IF(BPF_JGT, last, 1, 0);
        p->code[p->length++] = RETURN(SECCOMP_RET_ERRNO | ENOSYS);
}

/* The numbers have gaps, and an end. Nothing but the number is looked at: so the kernel finds out, when the filter is
 * loaded, which calls it always allows, and does not run it for them. */
int bpf_unknown_calls(BpfProgram *ret)
{
        BpfProgram p = {.code = malloc((8 + 3 * (JAIL_SYSCALL_MAX / 2)) * sizeof *p.code)};
        unsigned first = 0;

        if (!p.code)
                return -ENOMEM;
        p.code[p.length++] = LOAD(arch);
        p.code[p.length++] = JUMP_IF(BPF_JEQ, seccomp_arch_native(), 1, 0);
        p.code[p.length++] = RETURN(SECCOMP_RET_ERRNO | ENOSYS);
        p.code[p.length++] = LOAD(nr);
        for (unsigned number = 0; number < JAIL_SYSCALL_MAX; number++) {
                if (!is_known(number))
                        continue;
                if (number > first)
                        add_unknown(&p, first, number - 1);
                first = number + 1;
        }
        add_unknown(&p, first, UINT32_MAX);
        p.code[p.length++] = RETURN(SECCOMP_RET_ALLOW);
        *ret = p;
        return 0;
}

int bpf_reaper_calls(uint32_t refusal, BpfProgram *ret)
{
        static const struct {
                unsigned number, argument; /* which says whose */
        } calls[] = {
                {SYS_prlimit64, 0},      {SYS_sched_setscheduler, 0}, {SYS_sched_setparam, 0}, {SYS_sched_setattr, 0},
                {SYS_sched_setaffinity, 0}, {SYS_setpriority, 1},     {SYS_ioprio_set, 1},
        };
        BpfProgram p = {.code = malloc((5 + 4 * ELEMENTS(calls)) * sizeof *p.code)};

        if (!p.code)
                return -ENOMEM;
        p.code[p.length++] = LOAD(arch);
        p.code[p.length++] = JUMP_IF(BPF_JEQ, seccomp_arch_native(), 1, 0);
        p.code[p.length++] = RETURN(SECCOMP_RET_ALLOW);
        for (size_t i = 0; i < ELEMENTS(calls); i++) {
                p.code[p.length++] = LOAD(nr);
                p.code[p.length++] = JUMP_IF(BPF_JEQ, calls[i].number, 0, 2);
                p.code[p.length++] = LOW_HALF(calls[i].argument);
                p.code[p.length] = JUMP_IF(BPF_JEQ, 1, (uint8_t)(4 * (ELEMENTS(calls) - i - 1) + 1), 0);
                p.length++;
        }
        p.code[p.length++] = RETURN(SECCOMP_RET_ALLOW);
        p.code[p.length++] = RETURN(refusal);
        *ret = p;
        return 0;
}

int bpf_chain(const BpfProgram *parts, size_t n_parts, BpfProgram *ret)
{
        size_t length = 0, n = 0;

        for (size_t i = 0; i < n_parts; i++)
                length += parts[i].length;
        if (length > BPF_PROGRAM_MAX)
                return -E2BIG;
        struct sock_filter *code = malloc(length * sizeof *code);
        if (!code)
                return -ENOMEM;
        for (size_t i = 0; i < n_parts; i++) {
                size_t end = n + parts[i].length;
                for (size_t k = 0; k < parts[i].length; k++, n++) {
                        code[n] = parts[i].code[k];
                        /* What is allowed goes on to the next part, which loads what it looks at anew. */
                        if (i + 1 < n_parts && code[n].code == (BPF_RET | BPF_K) && code[n].k == SECCOMP_RET_ALLOW)
                                code[n] = (struct sock_filter)BPF_STMT(BPF_JMP | BPF_JA, (uint32_t)(end - n - 1));
                }
        }
        *ret = (BpfProgram){code, length};
        return 0;
}
