/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "jail/caller.h"

#include "engine/base/fd.h"

#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#define STAT_MAX ((size_t)4096)
#define FIELD_ARGUMENTS 48 /* of proc(5), /proc/pid/stat: arg_start, arg_end, env_start, env_end */

typedef struct KernelAction {
        void *handler;
        unsigned long flags;
        void *restorer;
        uint64_t mask;
} KernelAction;

/* By the call itself: libc hides the signals that it keeps for itself, and posix_spawn() leaves those ignored. */
static int signal_action(int signal, const KernelAction *new, KernelAction *old)
{
        return (int)syscall(SYS_rt_sigaction, signal, new, old, sizeof new->mask);
}

static uint64_t find_ignored(void)
{
        uint64_t ignored = 0;

        for (int i = 1; i < NSIG; i++) {
                KernelAction action;
                if (signal_action(i, NULL, &action) >= 0 && action.handler == (void *)SIG_IGN)
                        ignored |= UINT64_C(1) << (i - 1);
        }
        return ignored;
}

static int find_arguments(Caller *c)
{
        _cleanup_free_ char *text = NULL;
        int r = read_file_at(AT_FDCWD, "/proc/self/stat", STAT_MAX, &text, NULL);
        const char *at = r < 0 ? NULL : strrchr(text, ')');

        for (int field = 2; at && field < FIELD_ARGUMENTS; field++)
                at = strchr(at + 1, ' ');
        if (!at || sscanf(at, "%" SCNuPTR " %" SCNuPTR " %" SCNuPTR " %" SCNuPTR, &c->places[0], &c->ends[0], &c->places[1],
                          &c->ends[1]) != 4)
                return r < 0 ? r : -EBADMSG;
        return 0;
}

const Caller *caller_find(Error *e)
{
        static Caller caller;
        static bool found;

        if (found)
                return &caller;
        int r = find_arguments(&caller);
        if (r < 0) {
                error_errno(e, r, "/proc/self/stat");
                return NULL;
        }
        caller.ignored = find_ignored();
        found = true;
        return &caller;
}

void caller_leave(const Caller *c)
{
        static const KernelAction by_default = {0};

        setsid();
        umask(022);
        prctl(PR_SET_NAME, "skep-reaper");
        for (int i = 1; i < NSIG; i++)
                if (c->ignored & (UINT64_C(1) << (i - 1)))
                        signal_action(i, &by_default, NULL);
        /* Both are to be seen in /proc, and may hold secrets. */
        environ = NULL;
        for (int i = 0; i < 2; i++)
                explicit_bzero((void *)c->places[i], c->ends[i] - c->places[i]);
}
