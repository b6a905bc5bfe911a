/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "jail/bpf.h"

#include "engine/base/fd.h"
#include "jail/jail.h"
#include "jail/syscall_names.h"

#include <errno.h>
#include <linux/ioprio.h>
#include <linux/seccomp.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
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
                uint32_t value;            /* the reaper's, or that of all processes of a user, of which it is one */
        } calls[] = {
                {SYS_prlimit64, 0, 1},         {SYS_sched_setscheduler, 0, 1}, {SYS_sched_setparam, 0, 1},
                {SYS_sched_setattr, 0, 1},     {SYS_sched_setaffinity, 0, 1},  {SYS_setpriority, 1, 1},
                {SYS_setpriority, 0, PRIO_USER}, {SYS_ioprio_set, 1, 1},       {SYS_ioprio_set, 0, IOPRIO_WHO_USER},
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
                p.code[p.length] = JUMP_IF(BPF_JEQ, calls[i].value, (uint8_t)(4 * (ELEMENTS(calls) - i - 1) + 1), 0);
                p.length++;
        }
        p.code[p.length++] = RETURN(SECCOMP_RET_ALLOW);
        p.code[p.length++] = RETURN(refusal);
        *ret = p;
        return 0;
}

/* ---- rules with conditions ---- */

/* A jump of a rule that is being built: behind the rule. None is as long. */
#define OUT UINT8_MAX
#define CHECK_INSTRUCTIONS_MAX 6

static struct sock_filter load_half(uint32_t argument, unsigned half)
{
        struct sock_filter load = LOW_HALF(argument);

        load.k += 4 * half;
        return load;
}

/* By halves, the higher first, which decides unless it is equal. */
static int add_check(BpfProgram *p, const ArgumentCheck *c)
{
        uint32_t low = (uint32_t)c->value, high = (uint32_t)(c->value >> 32);
        const struct sock_filter load_high = load_half(c->argument, 1), load_low = load_half(c->argument, 0);
        struct sock_filter equal[] = {load_high, JUMP_IF(BPF_JEQ, high, 0, OUT), load_low, JUMP_IF(BPF_JEQ, low, 0, OUT)},
                           other[] = {load_high, JUMP_IF(BPF_JEQ, high, 0, 2), load_low, JUMP_IF(BPF_JEQ, low, OUT, 0)},
                           more[] = {load_high, JUMP_IF(BPF_JGT, high, 3, 0), JUMP_IF(BPF_JEQ, high, 0, OUT), load_low,
                                     JUMP_IF(c->op == SCMP_CMP_GT ? BPF_JGT : BPF_JGE, low, 0, OUT)},
                           less[] = {load_high, JUMP_IF(BPF_JGT, high, OUT, 0), JUMP_IF(BPF_JEQ, high, 0, 2), load_low,
                                     JUMP_IF(c->op == SCMP_CMP_LT ? BPF_JGE : BPF_JGT, low, OUT, 0)},
                           masked[] = {load_high,
                                       BPF_STMT(BPF_ALU | BPF_AND | BPF_K, high),
                                       JUMP_IF(BPF_JEQ, (uint32_t)(c->value_two >> 32) & high, 0, OUT),
                                       load_low,
                                       BPF_STMT(BPF_ALU | BPF_AND | BPF_K, low),
                                       JUMP_IF(BPF_JEQ, (uint32_t)c->value_two & low, 0, OUT)};

        switch (c->op) {
        case SCMP_CMP_EQ:
                return bpf_append(p, &(BpfProgram){equal, ELEMENTS(equal)});
        case SCMP_CMP_NE:
                return bpf_append(p, &(BpfProgram){other, ELEMENTS(other)});
        case SCMP_CMP_GT:
        case SCMP_CMP_GE:
                return bpf_append(p, &(BpfProgram){more, ELEMENTS(more)});
        case SCMP_CMP_LT:
        case SCMP_CMP_LE:
                return bpf_append(p, &(BpfProgram){less, ELEMENTS(less)});
        case SCMP_CMP_MASKED_EQ:
                return bpf_append(p, &(BpfProgram){masked, ELEMENTS(masked)});
        default:
                return -EINVAL;
        }
}

int bpf_add_rule(BpfProgram *p, unsigned number, const ArgumentCheck *checks, size_t n_checks, uint32_t answer)
{
        struct sock_filter begin[] = {LOAD(nr), JUMP_IF(BPF_JEQ, number, 0, OUT)}, end[] = {RETURN(answer)};
        size_t first = p->length;

        _Static_assert(ARGUMENTS_MAX * CHECK_INSTRUCTIONS_MAX + ELEMENTS(begin) + ELEMENTS(end) < OUT, "jumps are short");
        int r = n_checks > ARGUMENTS_MAX ? -EINVAL : bpf_append(p, &(BpfProgram){begin, ELEMENTS(begin)});
        for (size_t i = 0; r >= 0 && i < n_checks; i++)
                r = checks[i].argument < ARGUMENTS_MAX ? add_check(p, &checks[i]) : -EINVAL;
        if (r >= 0)
                r = bpf_append(p, &(BpfProgram){end, ELEMENTS(end)});
        for (size_t i = first; r >= 0 && i < p->length; i++) {
                uint8_t out = (uint8_t)(p->length - i - 1);
                if (BPF_CLASS(p->code[i].code) != BPF_JMP)
                        continue;
                p->code[i].jt = p->code[i].jt == OUT ? out : p->code[i].jt;
                p->code[i].jf = p->code[i].jf == OUT ? out : p->code[i].jf;
        }
        return r;
}

int bpf_append(BpfProgram *p, const BpfProgram *more)
{
        struct sock_filter *code = reallocarray(p->code, p->length + more->length, sizeof *code);

        if (!code)
                return -ENOMEM;
        memcpy(code + p->length, more->code, more->length * sizeof *code);
        p->code = code;
        p->length += more->length;
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
