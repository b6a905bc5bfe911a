/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "jail/probe/probe.h"

#include "engine/base/cleanup.h"

#include <linux/capability.h>
#include <linux/securebits.h>
#include <sched.h>
#include <string.h>
#include <sys/prctl.h>

typedef struct Namespace {
        JailLayer layer;
        int flag;
        const char *of; /* of these there may be at most user.max_…_namespaces */
} Namespace;

static const Namespace namespaces[] = {
        {JAIL_MOUNT, CLONE_NEWNS, "mnt"}, {JAIL_PID, CLONE_NEWPID, "pid"}, {JAIL_NET, CLONE_NEWNET, "net"},
        {JAIL_IPC, CLONE_NEWIPC, "ipc"},  {JAIL_UTS, CLONE_NEWUTS, "uts"},
};

static int do_nothing(void *argument _unused_)
{
        return 0;
}

static int make_namespace(void *argument)
{
        const Namespace *namespace = argument;

        return unshare(namespace->flag) < 0 ? -errno : 0;
}

/* As the job's process does it, in a user namespace of its own. */
static int drop_capabilities(void *argument _unused_)
{
        if (prctl(PR_CAPBSET_DROP, CAP_SYS_ADMIN, 0, 0, 0) < 0 ||
            prctl(PR_SET_SECUREBITS, SECBIT_NOROOT | SECBIT_NOROOT_LOCKED, 0, 0, 0) < 0)
                return -errno;
        return 0;
}

static void explain(Probe *probe, JailFinding *f, const char *of, int error)
{
        char file[64];

        snprintf(file, sizeof file, "/proc/sys/user/max_%s_namespaces", of);
        if (error == -ENOSPC && surroundings_sysctl(file, 1) == 0) {
                finding_why(probe, f, "user.max_%s_namespaces is 0", of);
                finding_remedy(probe, f,
                               "echo 'user.max_%s_namespaces=10000' > /etc/sysctl.d/60-skep-%s.conf && "
                               "sysctl -p /etc/sysctl.d/60-skep-%s.conf",
                               of, of, of);
        } else if (error == -ENOSPC) {
                finding_why(probe, f, "there are as many %s namespaces as user.max_%s_namespaces allows", of, of);
                finding_remedy(probe, f, "sysctl -w user.max_%s_namespaces=%ld", of,
                               2 * surroundings_sysctl(file, 10000));
        } else if ((error == -EINVAL || error == -ENOSYS) && !probe->around.filtered) {
                finding_why(probe, f, "the kernel was built without %s namespaces", of);
                finding_remedy(probe, f, "# boot a kernel of the distribution, which has them");
        } else if (!surroundings_explain(probe, f)) {
                finding_why(probe, f, "making %s namespaces: %s", of, strerror(-error));
        }
}

void probe_namespaces(Probe *probe)
{
        const Surroundings *around = &probe->around;
        int user = attempt(around, true, do_nothing, NULL);

        if (user < 0)
                explain(probe, finding_of_layer(probe, JAIL_USER), "user", user);
        else
                finding_held(probe, finding_of_layer(probe, JAIL_USER), "namespace");
        for (size_t i = 0; i < ELEMENTS(namespaces); i++) {
                Namespace namespace = namespaces[i];
                JailFinding *f = finding_of_layer(probe, namespace.layer);
                int r = attempt(around, false, make_namespace, &namespace);
                /* Who is not root has no other without his user namespace. */
                if (r < 0)
                        explain(probe, f, !around->root && user < 0 ? "user" : namespace.of, r);
                else
                        finding_held(probe, f, "namespace");
        }
        JailFinding *f = finding_of_layer(probe, JAIL_CAPABILITIES);
        int r = attempt(around, true, drop_capabilities, NULL);
        if (r >= 0)
                finding_held(probe, f, "bounding set");
        else if (user < 0)
                explain(probe, f, "user", user);
        else
                finding_why(probe, f, "dropping them: %s", strerror(-r));
}
