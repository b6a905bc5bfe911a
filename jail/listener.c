/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What a policy refuses comes here, is counted and refused; after DENIED_MAX the kernel answers by itself. So far no
 * more than its number is looked at.
 *
 * Under JAIL_WATCH_TRACE the first call of each number is told of, with the name of its program and the strings among
 * its arguments, read from the job's memory: enough for a message, and nothing that a decision could rest on, since the
 * job may change it at any time.
 *
 * Under JAIL_WATCH_RECORD everything that the policy allows comes here, and goes on unchanged once it has been written
 * down. The filter itself still refuses the rest, so that nothing rests on this process then either. */

#include "jail/listener.h"

#include "engine/base/fd.h"
#include "engine/base/strv.h"
#include "jail/call.h"
#include "jail/process.h"
#include "jail/refusal.h"

#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>

#define DENIED_MAX 4096 /* a refusal costs a round trip through this process: enough to know, too few to be a load */
#define PROGRAMS_MAX 256

/* ---- telling ---- */

static JailCall call_of(JailCallKind kind, const struct seccomp_notif *n, char *program, size_t size)
{
        JailCall call = {.kind = kind, .number = n->data.nr, .pid = (int)n->pid, .program = program};

        memcpy(call.arguments, n->data.args, sizeof call.arguments);
        process_name((pid_t)n->pid, program, size);
        return call;
}

/* False when there was no room: then the next one of its kind may try again. */
static bool tell(const Listener *l, const JailCall *call)
{
        _cleanup_packer_ Packer p = {0};

        call_pack(&p, call);
        return !p.failed && p.size <= CALL_MESSAGE_MAX && send_message(l->calls_fd, p.data, p.size, NULL, 0) >= 0;
}

static void tell_path(const Listener *l, JailCallKind kind, const struct seccomp_notif *n, const char *path)
{
        char program[CALL_PROGRAM_MAX];
        JailCall call = call_of(kind, n, program, sizeof program);

        call.path = path;
        tell(l, &call);
}

static void tell_refused(Listener *l, const struct seccomp_notif *n)
{
        char program[CALL_PROGRAM_MAX], texts[JAIL_CALL_ARGUMENTS][CALL_TEXT_MAX];
        JailCall call = call_of(JAIL_CALL_REFUSED, n, program, sizeof program);
        const char *signature = call_signature(call.number);

        for (size_t i = 0; signature[i]; i++) {
                ssize_t r = signature[i] == 's' ? process_string(call.pid, call.arguments[i], texts[i], CALL_TEXT_MAX)
                                                : -ENOENT;
                if (r >= 0 || r == -ENAMETOOLONG)
                        call.texts[i] = texts[i];
        }
        l->told[call.number] = tell(l, &call);
}

/* ---- recording ---- */

/* Where the links of a path lead; owned by the caller, NULL where there is nothing. */
static char *follow(const char *path)
{
        _cleanup_close_ int fd = open(path, O_PATH | O_CLOEXEC);
        char link[32], target[CALL_PATH_MAX];

        if (fd < 0)
                return NULL;
        snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
        ssize_t n = readlink(link, target, sizeof target);
        return n > 0 && (size_t)n < sizeof target && target[0] == '/' ? strndup(target, (size_t)n) : NULL;
}

/* True when it was not in the list. What is too much for a list is new each time. */
static bool is_new(char ***list, const char *path)
{
        if (strv_contains(*list, path))
                return false;
        if (strv_length(*list) < PROGRAMS_MAX)
                strv_add(list, path);
        return true;
}

static void record_program(Listener *l, const struct seccomp_notif *n, const char *path)
{
        if (path && is_new(&l->programs, path))
                tell_path(l, JAIL_CALL_EXECUTED, n, path);
}

/* Whose call is it? After an exec, the process's next call names what it runs, whatever that was started by. */
static void record_caller(Listener *l, const struct seccomp_notif *n)
{
        _cleanup_free_ char *program = process_program((pid_t)n->pid), *loader = NULL;

        if (!program || !is_new(&l->callers, program))
                return;
        record_program(l, n, program);
        loader = process_loader((pid_t)n->pid);
        record_program(l, n, loader);
}

/* The path is looked at as we see it, which is as the job does: process 1 has the same root. */
static void record_path(Listener *l, const struct seccomp_notif *n, const CallLookup *lookup)
{
        int directory = lookup->directory < 0 ? AT_FDCWD : (int)n->data.args[lookup->directory];
        _cleanup_free_ char *path = NULL, *target = NULL;
        char text[CALL_PATH_MAX];

        /* An empty one is the descriptor itself. */
        if (process_string((pid_t)n->pid, n->data.args[lookup->path], text, sizeof text) <= 0)
                return;
        path = process_path((pid_t)n->pid, directory, text);
        if (!path || strlen(path) >= CALL_PATH_MAX)
                return;
        if (access(path, F_OK) < 0 && (errno == ENOENT || errno == ENOTDIR))
                tell_path(l, JAIL_CALL_MISSED, n, path);
        else if (lookup->executes && (target = follow(path)))
                record_program(l, n, target);
}

static void record(Listener *l, const struct seccomp_notif *n)
{
        const CallLookup *lookup = call_lookup(n->data.nr);
        char program[CALL_PROGRAM_MAX];

        if (n->data.nr < 0 || n->data.nr >= JAIL_SYSCALL_MAX)
                return; /* no policy can name it */
        record_caller(l, n);
        if (!l->told[n->data.nr]) {
                JailCall call = call_of(JAIL_CALL_MADE, n, program, sizeof program);
                l->told[n->data.nr] = tell(l, &call);
        }
        if (lookup)
                record_path(l, n, lookup);
}

void listener_tell_program(Listener *l, pid_t pid, const char *path)
{
        _cleanup_free_ char *target = follow(path);
        const struct seccomp_notif n = {.pid = (__u32)pid, .data.nr = SYS_execve};

        if (l->watch == JAIL_WATCH_RECORD)
                record_program(l, &n, target);
}

/* ---- answering ---- */

static int refuse(Listener *l, const struct seccomp_notif *n)
{
        if (++l->ledger->denied_total == DENIED_MAX)
                l->ledger->denied_more = true;
        if (n->data.nr >= 0 && n->data.nr < JAIL_SYSCALL_MAX) {
                l->ledger->denied[n->data.nr]++;
                if (l->watch == JAIL_WATCH_TRACE && !l->told[n->data.nr])
                        tell_refused(l, n);
        }
        return -refusal_errno(l->refusals, l->refusals_size, &n->data);
}

void listener_serve(Listener *l)
{
        struct seccomp_notif n = {0};

        /* The caller may have been killed meanwhile: then there is nothing to answer. */
        if (ioctl(l->fd, SECCOMP_IOCTL_NOTIF_RECV, &n) < 0)
                return;
        struct seccomp_notif_resp answer = {.id = n.id};
        if (l->watch == JAIL_WATCH_RECORD) {
                record(l, &n);
                answer.flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE;
        } else {
                answer.error = refuse(l, &n);
        }
        ioctl(l->fd, SECCOMP_IOCTL_NOTIF_SEND, &answer);
        /* From now on the kernel answers by itself, with ENOSYS. */
        if (l->ledger->denied_more)
                l->fd = close_fd(l->fd);
}

/* ---- the filter for recording ---- */

#ifdef __x86_64__
#define NATIVE_ARCH AUDIT_ARCH_X86_64
#elif defined __aarch64__
#define NATIVE_ARCH AUDIT_ARCH_AARCH64
#endif

#define ARGUMENT_LOW(i) (uint32_t)(offsetof(struct seccomp_data, args) + 8 * (i))
#define ARGUMENT_HIGH(i) (ARGUMENT_LOW(i) + 4)
#define LOAD(offset) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t)(offset))
#define LOW(pointer) ((uint32_t)(uintptr_t)(pointer))
#define HIGH(pointer) ((uint32_t)((uint64_t)(uintptr_t)(pointer) >> 32))

int listener_recording_filter(const void *filter, size_t size, char *const *command, char *const *environment,
                              void **ret, size_t *ret_size)
{
        /* The jumps count instructions: those that do not fit lead to the policy's first, behind these. */
        const struct sock_filter before[] = {
                LOAD(offsetof(struct seccomp_data, arch)),
                BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, NATIVE_ARCH, 0, 12),
                LOAD(offsetof(struct seccomp_data, nr)),
                BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_exit_group, 9, 0),
                BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_execve, 0, 9),
                LOAD(ARGUMENT_LOW(1)),
                BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, LOW(command), 0, 7),
                LOAD(ARGUMENT_HIGH(1)),
                BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, HIGH(command), 0, 5),
                LOAD(ARGUMENT_LOW(2)),
                BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, LOW(environment), 0, 3),
                LOAD(ARGUMENT_HIGH(2)),
                BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, HIGH(environment), 0, 1),
                BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
        };
        struct sock_filter *recording = malloc(sizeof before + size);

        if (!recording)
                return -ENOMEM;
        memcpy(recording, before, sizeof before);
        memcpy(recording + ELEMENTS(before), filter, size);
        for (size_t i = ELEMENTS(before); i < ELEMENTS(before) + size / sizeof *recording; i++) {
                struct sock_filter *instruction = &recording[i];
                if (instruction->code != (BPF_RET | BPF_K))
                        continue;
                if (instruction->k == SECCOMP_RET_ALLOW || instruction->k == SECCOMP_RET_LOG)
                        instruction->k = SECCOMP_RET_USER_NOTIF;
                else if ((instruction->k & SECCOMP_RET_ACTION_FULL) != SECCOMP_RET_ERRNO)
                        instruction->k = SECCOMP_RET_ERRNO | EPERM;
        }
        *ret = recording;
        *ret_size = sizeof before + size;
        return 0;
}
