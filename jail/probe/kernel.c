/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "jail/probe/probe.h"

#include "engine/base/fd.h"

#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/utsname.h>

/* The oldest kernel that jails are tested on. */
#define KERNEL_MAJOR 6
#define KERNEL_MINOR 1

static void probe_version(Probe *probe)
{
        struct utsname name;
        unsigned major = 0, minor = 0;

        uname(&name);
        bool known = sscanf(name.release, "%u.%u", &major, &minor) == 2;
        bool enough = !known || major > KERNEL_MAJOR || (major == KERNEL_MAJOR && minor >= KERNEL_MINOR);
        JailFinding *f = finding_add(probe, JAIL_FINDING_HOST, "kernel", enough ? JAIL_HELD_FULLY : JAIL_HELD_PARTLY);
        finding_by(probe, f, "%s%s", name.release, probe->around.wsl ? ", in WSL" : "");
        if (enough)
                return;
        finding_why(probe, f, "the kernel is older than %d.%d, the oldest that jails are tested on", KERNEL_MAJOR,
                    KERNEL_MINOR);
        finding_remedy(probe, f, probe->around.wsl ? "wsl.exe --update" : "# install a newer kernel of the distribution");
}

/* ---- the filter ---- */

static int load_filter(void *argument)
{
        const unsigned *flags = argument;
        struct sock_filter allow = BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
        struct sock_fprog program = {1, &allow};

        if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
                return -errno;
        return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, *flags, &program) < 0 ? -errno : 0;
}

static int load_with(Probe *probe, unsigned flags)
{
        Surroundings as_we_are = probe->around;

        as_we_are.root = true; /* no user namespace is needed for it */
        return attempt(&as_we_are, false, load_filter, &flags);
}

static void probe_filter(Probe *probe)
{
        int r = load_with(probe, 0);
        JailFinding *f = finding_of_layer(probe, JAIL_SECCOMP);

        if (r >= 0) {
                finding_held(probe, f, "filter");
        } else if ((r != -EPERM && r != -EACCES) || !surroundings_explain(probe, f)) {
                finding_why(probe, f, "loading a system call filter: %s", strerror(-r));
                finding_remedy(probe, f, "# boot a kernel with CONFIG_SECCOMP_FILTER");
        }
}

static void probe_listener(Probe *probe)
{
        int r = load_with(probe, SECCOMP_FILTER_FLAG_NEW_LISTENER);
        JailFinding *f = finding_add(probe, JAIL_FINDING_FEATURE, "denials", r < 0 ? JAIL_HELD_NOT : JAIL_HELD_FULLY);

        if (r >= 0) {
                finding_by(probe, f, "user notification");
        } else if (r == -EBUSY) {
                finding_why(probe, f, "somebody listens to the refused calls of this process already, as some containers "
                                      "do, and there can be only one");
                finding_remedy(probe, f, "# run outside of that container");
        } else {
                finding_why(probe, f, "listening for refused calls: %s", strerror(-r));
        }
}

/* ---- Landlock ---- */

static void remedy_landlock(Probe *probe, JailFinding *f)
{
        _cleanup_free_ char *lsm = NULL;

        if (read_file_at(AT_FDCWD, "/sys/kernel/security/lsm", 4096, &lsm, NULL) >= 0)
                lsm[strcspn(lsm, "\n")] = '\0';
        finding_why(probe, f, "Landlock is built into the kernel, and switched off");
        finding_remedy(probe, f, "# on the kernel's command line: lsm=landlock,%s",
                       lsm ? lsm : "yama,apparmor,bpf, or what /sys/kernel/security/lsm has");
}

static void probe_landlock(Probe *probe)
{
        int abi = host_landlock_abi(), error = abi > 0 ? 0 : errno;
        JailFinding *f = finding_of_layer(probe, JAIL_LANDLOCK);

        if (abi > 0) {
                if (f)
                        f->held = JAIL_HELD_FULLY;
                finding_by(probe, f, "abi %d", abi);
        } else if (error == EOPNOTSUPP) {
                remedy_landlock(probe, f);
        } else if (!probe->around.filtered || !surroundings_explain(probe, f)) {
                finding_why(probe, f, "the kernel was built without Landlock");
                finding_remedy(probe, f, "# boot a kernel with CONFIG_SECURITY_LANDLOCK");
        }
}

void probe_kernel(Probe *probe)
{
        probe_version(probe);
        probe_filter(probe);
        probe_landlock(probe);
        probe_listener(probe);
}
