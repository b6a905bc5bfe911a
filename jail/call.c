/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "jail/call.h"

#include <errno.h>
#include <sys/syscall.h>

typedef struct Signature {
        int number;
        const char *arguments;
} Signature;

#define CALL(name, arguments) {SYS_##name, arguments}

/* Those that policies refuse or narrow, and, since what was learnt may refuse any, those that name a file. */
static const Signature signatures[] = {
        CALL(acct, "s"),
        CALL(add_key, "ssxud"),
        CALL(adjtimex, "x"),
        CALL(bind, "dxu"),
        CALL(bpf, "dxu"),
        CALL(capset, "xx"),
        CALL(chdir, "s"),
        CALL(chroot, "s"),
        CALL(clock_adjtime, "dx"),
        CALL(clock_settime, "dx"),
        CALL(clone, "xxxxx"),
        CALL(connect, "dxu"),
        CALL(delete_module, "sx"),
        CALL(execve, "sxx"),
        CALL(execveat, "fsxxx"),
        CALL(faccessat, "fsx"),
        CALL(faccessat2, "fsxx"),
        CALL(fadvise64, "duud"),
        CALL(fanotify_mark, "dxxfs"),
        CALL(fchmod, "do"),
        CALL(fchmodat, "fso"),
        CALL(fchown, "ddd"),
        CALL(fchownat, "fsddx"),
        CALL(fcntl, "ddx"),
        CALL(fgetxattr, "dsxu"),
        CALL(finit_module, "dsx"),
        CALL(fremovexattr, "ds"),
        CALL(fsetxattr, "dsxux"),
        CALL(fsopen, "sx"),
        CALL(getxattr, "ssxu"),
        CALL(init_module, "xus"),
        CALL(inotify_add_watch, "dsx"),
        CALL(io_uring_enter, "dddxxu"),
        CALL(io_uring_register, "ddxd"),
        CALL(io_uring_setup, "dx"),
        CALL(ioctl, "dxx"),
        CALL(kcmp, "dddxx"),
        CALL(kexec_load, "xuxx"),
        CALL(keyctl, "dxxxx"),
        CALL(kill, "dd"),
        CALL(lgetxattr, "ssxu"),
        CALL(linkat, "fsfsx"),
        CALL(listxattr, "sxu"),
        CALL(llistxattr, "sxu"),
        CALL(lremovexattr, "ss"),
        CALL(lsetxattr, "ssxux"),
        CALL(madvise, "xud"),
        CALL(mbind, "xudxux"),
        CALL(memfd_create, "sx"),
        CALL(mkdirat, "fso"),
        CALL(mknodat, "fsox"),
        CALL(mlockall, "x"),
        CALL(mmap, "xuxxdu"),
        CALL(mount, "sssxx"),
        CALL(mount_setattr, "fsxxu"),
        CALL(move_mount, "fsfsx"),
        CALL(mq_open, "sxox"),
        CALL(mq_unlink, "s"),
        CALL(name_to_handle_at, "fsxxx"),
        CALL(newfstatat, "fsxx"),
        CALL(open_by_handle_at, "dxx"),
        CALL(open_tree, "fsx"),
        CALL(openat, "fsxo"),
        CALL(perf_event_open, "xdddx"),
        CALL(personality, "x"),
        CALL(pidfd_getfd, "ddx"),
        CALL(pivot_root, "ss"),
        CALL(prctl, "dxxxx"),
        CALL(prlimit64, "ddxx"),
        CALL(process_vm_readv, "dxuxux"),
        CALL(process_vm_writev, "dxuxux"),
        CALL(ptrace, "ddxx"),
        CALL(quotactl, "xsdx"),
        CALL(readlinkat, "fsxu"),
        CALL(reboot, "xxxx"),
        CALL(removexattr, "ss"),
        CALL(renameat2, "fsfsx"),
        CALL(request_key, "sssd"),
        CALL(seccomp, "dxx"),
        CALL(sendto, "dxuxxd"),
        CALL(setdomainname, "su"),
        CALL(setgid, "d"),
        CALL(setgroups, "ux"),
        CALL(sethostname, "su"),
        CALL(setns, "dx"),
        CALL(setresgid, "ddd"),
        CALL(setresuid, "ddd"),
        CALL(setrlimit, "dx"),
        CALL(settimeofday, "xx"),
        CALL(setuid, "d"),
        CALL(setxattr, "ssxux"),
        CALL(shmget, "xux"),
        CALL(socket, "ddd"),
        CALL(socketpair, "dddx"),
        CALL(statfs, "sx"),
        CALL(statx, "fsxxx"),
        CALL(swapoff, "s"),
        CALL(swapon, "sx"),
        CALL(symlinkat, "sfs"),
        CALL(syslog, "dxd"),
        CALL(truncate, "su"),
        CALL(umount2, "sx"),
        CALL(unlinkat, "fsx"),
        CALL(unshare, "x"),
        CALL(userfaultfd, "x"),
        CALL(utimensat, "fsxx"),
#ifdef SYS_open /* of the older architectures */
        CALL(access, "sx"),
        CALL(chmod, "so"),
        CALL(chown, "sdd"),
        CALL(creat, "so"),
        CALL(fork, ""),
        CALL(futimesat, "fsx"),
        CALL(ioperm, "uud"),
        CALL(iopl, "d"),
        CALL(lchown, "sdd"),
        CALL(link, "ss"),
        CALL(lstat, "sx"),
        CALL(mkdir, "so"),
        CALL(mknod, "sox"),
        CALL(modify_ldt, "dxu"),
        CALL(open, "sxo"),
        CALL(readlink, "sxu"),
        CALL(rename, "ss"),
        CALL(renameat, "fsfs"),
        CALL(rmdir, "s"),
        CALL(stat, "sx"),
        CALL(symlink, "ss"),
        CALL(unlink, "s"),
        CALL(utime, "sx"),
        CALL(utimes, "sx"),
        CALL(vfork, ""),
#endif
};

static const CallLookup lookups[] = {
        {SYS_execve, -1, 0, true, true},
        {SYS_execveat, 0, 1, true, true},
        {SYS_openat, 0, 1, false, true},
        {SYS_chdir, -1, 0, false, true},
        {SYS_newfstatat, 0, 1, false, false},
        {SYS_statx, 0, 1, false, false},
        {SYS_faccessat, 0, 1, false, false},
        {SYS_faccessat2, 0, 1, false, false},
        {SYS_readlinkat, 0, 1, false, false},
        {SYS_statfs, -1, 0, false, false},
#ifdef SYS_open
        {SYS_open, -1, 0, false, true},
        {SYS_stat, -1, 0, false, false},
        {SYS_lstat, -1, 0, false, false},
        {SYS_access, -1, 0, false, false},
        {SYS_readlink, -1, 0, false, false},
#endif
};

const char *call_signature(int number)
{
        for (size_t i = 0; i < ELEMENTS(signatures); i++)
                if (signatures[i].number == number)
                        return signatures[i].arguments;
        return "xxxxxx";
}

const CallLookup *call_lookup(int number)
{
        for (size_t i = 0; i < ELEMENTS(lookups); i++)
                if (lookups[i].number == number)
                        return &lookups[i];
        return NULL;
}

void call_pack(Packer *p, const JailCall *call)
{
        pack_number(p, call->kind);
        pack_number(p, (uint64_t)call->number);
        pack_number(p, (uint64_t)call->pid);
        for (size_t i = 0; i < JAIL_CALL_ARGUMENTS; i++)
                pack_number(p, call->arguments[i]);
        for (size_t i = 0; i < JAIL_CALL_ARGUMENTS; i++)
                pack_string(p, call->texts[i]);
        pack_string(p, call->program);
        pack_string(p, call->path);
}

int call_unpack(const void *data, size_t size, JailCall *ret)
{
        Unpacker u = {.next = data, .left = size};
        uint64_t kind = unpack_number(&u), number = unpack_number(&u), pid = unpack_number(&u);

        *ret = (JailCall){.kind = (JailCallKind)kind, .number = (int)number, .pid = (int)pid};
        for (size_t i = 0; i < JAIL_CALL_ARGUMENTS; i++)
                ret->arguments[i] = unpack_number(&u);
        for (size_t i = 0; i < JAIL_CALL_ARGUMENTS; i++)
                ret->texts[i] = unpack_string(&u);
        ret->program = unpack_string(&u);
        ret->path = unpack_string(&u);
        if (unpack_end(&u) < 0 || kind > JAIL_CALL_MISSED || number >= JAIL_SYSCALL_MAX || pid > INT32_MAX ||
            !ret->program || (kind >= JAIL_CALL_EXECUTED && !ret->path))
                return -EBADMSG;
        return 0;
}
