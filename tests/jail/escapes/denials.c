/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Being refused without end: who refuses must not pay for it. */

#include "attack.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define DENIALS 2000000
#define LISTENED_MAX 20000 /* after so many nobody may listen any more */

/* What it costs outside the sandbox's own account is measured there. */
static Verdict flood(Attempt *a)
{
        long n = 0, permitted = 0;

        for (; n < DENIALS; n++)
                permitted += syscall(SYS_swapoff, NULL) >= 0;
        return permitted ? escaped(a, "%ld calls were permitted", permitted)
                         : held(a, "%ld calls, the last: %s", n, strerrorname_np(errno));
}

/* ---- */

static int listen_for(void *userdata)
{
        struct sock_filter code[] = {
                BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
                BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_unshare, 1, 0),
                BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
                BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF),
        };
        struct sock_fprog program = {ELEMENTS(code), code};
        volatile long *listener = userdata;

        prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
        long fd = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, &program);
        *listener = fd < 0 ? -errno : fd;
        if (fd < 0)
                return 0;
        listener[1] = syscall(SYS_unshare, CLONE_FS) < 0 ? -errno : 1;
        return 0;
}

/* Refusals may be answered by a listener of the sandbox's, which need not stay for ever. */
static Verdict own_listener(Attempt *a)
{
        static char stack[65536] __attribute__((aligned(16)));
        volatile long *shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        struct seccomp_notif call = {0};

        if (syscall(SYS_unshare, CLONE_FS) >= 0)
                return not_applicable(a, "unshare(CLONE_FS) is not refused");
        for (int n = 0; n < LISTENED_MAX; n++)
                syscall(SYS_unshare, CLONE_FS);
        pid_t pid = clone(listen_for, stack + sizeof stack, CLONE_FILES | SIGCHLD, (void *)shared);
        for (int i = 0; i < 2000 && shared[0] == 0; i++)
                sleep_msec(1);
        if (shared[0] > 0 && ioctl((int)shared[0], SECCOMP_IOCTL_NOTIF_RECV, &call) == 0) {
                struct seccomp_notif_resp answer = {.id = call.id, .flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE};
                ioctl((int)shared[0], SECCOMP_IOCTL_NOTIF_SEND, &answer);
        }
        if (shared[0] > 0)
                close((int)shared[0]);
        waitpid(pid, NULL, 0);
        if (shared[0] <= 0)
                return held(a, "seccomp(): %s", strerrorname_np((int)-shared[0]));
        return shared[1] > 0 ? escaped(a, "unshare() was refused, and then let through by a filter of the job's own")
                             : held(a, "unshare(): %s", strerrorname_np((int)-shared[1]));
}

const Attack attacks_by_denials[] = {
        {"denied-flood", "be refused two million calls", flood, NULL, FIRST_PROCESS | ENDLESS | ACCOUNTED, NULL},
        {"own-listener", "answer oneself what the filter refuses", own_listener, NULL, ALONE, NULL},
        {0},
};
