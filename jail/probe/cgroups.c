/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What the launcher's group gives. Where a controller is missing, the way from the root of the tree down to that group
 * shows who has kept it. */

#include "jail/probe/probe.h"

#include "engine/base/fd.h"
#include "engine/base/strv.h"
#include "jail/cgroup.h"
#include "jail/client.h"

#include <fcntl.h>
#include <string.h>

#define FILE_MAX ((size_t)64 << 10)

/* ---- who keeps a controller ---- */

static char *read_text(const char *folder, const char *file)
{
        _cleanup_free_ char *path = NULL;
        char *text = NULL;

        if (asprintf(&path, "%s/%s", folder, file) < 0) {
                path = NULL;
                return NULL;
        }
        return read_file_at(AT_FDCWD, path, FILE_MAX, &text, NULL) < 0 ? NULL : text;
}

static bool has_word(const char *text, const char *separators, const char *word)
{
        size_t n = strlen(word);

        for (const char *at = text; at && (at = strstr(at, word)); at += n)
                if ((at == text || strchr(separators, at[-1])) && strchr(separators, at[n]))
                        return true;
        return false;
}

static const char *name_in_v1(const char *controller)
{
        return strcmp(controller, "io") == 0 ? "blkio" : controller;
}

/* Lines "4:memory:/path"; the one of cgroup v2 names no controller. */
static bool is_held_by_v1(const char *controller)
{
        _cleanup_free_ char *text = read_text("/proc/self", "cgroup");

        return has_word(text, ":,", name_in_v1(controller));
}

/* Lines "memory 4 12 1", of which the last column says whether it was left switched on. */
static bool is_switched_off(const char *controller)
{
        _cleanup_free_ char *text = read_text("/proc", "cgroups");
        _cleanup_strv_ char **lines = NULL;
        char name[64];
        int enabled;

        if (!text || strv_split(text, '\n', &lines) < 0)
                return false;
        for (size_t i = 0; lines && lines[i]; i++)
                if (sscanf(lines[i], "%63s %*d %*d %d", name, &enabled) == 2 &&
                    strcmp(name, name_in_v1(controller)) == 0)
                        return enabled == 0;
        return false;
}

static void remedy_command_line(Probe *probe, JailFinding *f, const char *options)
{
        if (probe->around.wsl)
                finding_remedy(probe, f, "# in .wslconfig of Windows, [wsl2]: kernelCommandLine=%s; then wsl.exe --shutdown",
                               options);
        else if (access("/usr/sbin/grubby", X_OK) == 0)
                finding_remedy(probe, f, "grubby --update-kernel=ALL --args='%s' && reboot", options);
        else if (access("/usr/sbin/update-grub", X_OK) == 0 && access("/etc/default/grub", W_OK) == 0)
                finding_remedy(probe, f,
                               "sed -i 's/^GRUB_CMDLINE_LINUX=\"/&%s /' /etc/default/grub && update-grub && reboot",
                               options);
        else
                finding_remedy(probe, f, "# boot with this on the kernel's command line: %s", options);
}

static void explain_delegation(Probe *probe, JailFinding *f, const char *base, const char *controller)
{
        finding_why(probe, f, "the controllers that are missing are not delegated to %s", base);
        if (!probe->around.systemd)
                finding_remedy(probe, f, "# enable %s in the cgroup.subtree_control of every cgroup above it", controller);
        else if (probe->around.root)
                finding_remedy(probe, f, "# in the unit that this runs in: Delegate=yes");
        else
                finding_remedy(probe, f,
                               "mkdir -p /etc/systemd/system/user@.service.d && printf '[Service]\\nDelegate=cpu cpuset "
                               "io memory pids\\n' > /etc/systemd/system/user@.service.d/delegate.conf && systemctl "
                               "daemon-reload # as root; then log in anew");
}

static void explain_controller(Probe *probe, JailFinding *f, const char *controller)
{
        const char *base = probe->maker->cgroup;
        _cleanup_free_ char *mounted_at = cgroup_mount_point(),
                            *of_all = mounted_at ? read_text(mounted_at, "cgroup.controllers") : NULL,
                            *of_base = read_text(base, "cgroup.controllers");

        if (is_switched_off(controller)) {
                finding_why(probe, f, "the controller %s is switched off on the kernel's command line (cgroup_disable=)",
                            controller);
                finding_remedy(probe, f, "# take cgroup_disable=%s off the kernel's command line (Raspberry Pi OS: add "
                                         "cgroup_enable=%s), and reboot", controller, controller);
        } else if (probe->around.container && !has_word(of_base, " \n", controller)) {
                finding_why(probe, f, "the container was given no controllers that are missing here");
                surroundings_container_option(probe, f, "--cgroupns=host -v /sys/fs/cgroup:/sys/fs/cgroup:rw");
        } else if (!has_word(of_all, " \n", controller)) {
                finding_why(probe, f, "the kernel was built without the controller %s", controller);
                finding_remedy(probe, f, "# boot a kernel of the distribution, which has it");
        } else if (!has_word(of_base, " \n", controller)) {
                explain_delegation(probe, f, base, controller);
        } else {
                finding_why(probe, f, "processes live in %s, so that it cannot hand its controllers on", base);
                finding_remedy(probe, f, "mkdir -p %s/init && xargs -rn1 < %s/cgroup.procs > %s/init/cgroup.procs",
                               base, base, base);
        }
}

/* ---- no group at all ---- */

static void explain_users_systemd(Probe *probe, JailFinding *f)
{
        const char *user = probe->around.user ? probe->around.user : "";
        char runtime[64];

        snprintf(runtime, sizeof runtime, "/run/user/%u", (unsigned)geteuid());
        if (access(runtime, F_OK) < 0)
                finding_remedy(probe, f, "loginctl enable-linger %s # as root: starts the user's systemd", user);
        if (!getenv("XDG_RUNTIME_DIR"))
                finding_remedy(probe, f, "export XDG_RUNTIME_DIR=%s", runtime);
        finding_remedy(probe, f, "systemd-run --user --scope -p Delegate=yes skep-jail … # a scope by hand");
}

/* What was named has its own reason, and none of the others. */
static void explain_named(Probe *probe, JailFinding *f, const char *named)
{
        _cleanup_free_ char *events = read_text(named, "cgroup.events");

        finding_why(probe, f, "%s", probe->host.no_cgroup ? probe->host.no_cgroup : error_text(&probe->no_maker));
        if (events && strstr(events, "frozen 1"))
                finding_remedy(probe, f, "echo 0 > %s/cgroup.freeze # or to that of a cgroup above it", named);
}

static void explain_none(Probe *probe, JailFinding *f)
{
        _cleanup_free_ char *mounted_at = cgroup_mount_point();
        const char *user = probe->around.user ? probe->around.user : "";

        if (probe->around.root && surroundings_explain(probe, f))
                return;
        if (mounted_at && probe->launcher->cgroup) {
                explain_named(probe, f, probe->launcher->cgroup);
                return;
        }
        finding_why(probe, f, "%s", probe->host.no_cgroup ? probe->host.no_cgroup : "there is no cgroup for jails");
        if (!mounted_at && probe->around.systemd)
                remedy_command_line(probe, f, "systemd.unified_cgroup_hierarchy=1 cgroup_no_v1=all");
        else if (!mounted_at)
                finding_remedy(probe, f, "mount -t cgroup2 cgroup2 /sys/fs/cgroup");
        else if (probe->around.container)
                surroundings_container_option(probe, f, "--cgroupns=host -v /sys/fs/cgroup:/sys/fs/cgroup:rw");
        else if (probe->around.systemd && !probe->around.root)
                explain_users_systemd(probe, f);
        else if (probe->around.systemd)
                finding_remedy(probe, f, "systemd-run --scope -p Delegate=yes skep-jail …");
        else if (!probe->around.root)
                finding_remedy(probe, f,
                               "mkdir %s/skep-%s && chown -R %s %s/skep-%s # as root; then move the user's shell there and "
                               "name it with --cgroup",
                               mounted_at, user, user, mounted_at, user);
}

/* ---- either ---- */

void cgroups_explain(Probe *probe, JailFinding *f, const char *controller)
{
        if (probe->around.no_proc) {
                surroundings_explain(probe, f);
        } else if (is_held_by_v1(controller)) {
                /* Before all else, since with a group there would be none in it either. */
                finding_why(probe, f, "cgroup v1 still holds the controllers of this host that are missing in v2");
                remedy_command_line(probe, f, "systemd.unified_cgroup_hierarchy=1 cgroup_no_v1=all");
        } else if (!probe->host.cgroup) {
                explain_none(probe, f);
        } else {
                explain_controller(probe, f, controller);
        }
}

/* ---- what a group gives beside limits ---- */

static bool can_read(int dir, const char *name)
{
        _cleanup_close_ int fd = openat(dir, name, O_RDONLY | O_CLOEXEC);
        char byte;

        /* The files of pressure are there, and cannot be read, without psi=1. */
        return fd >= 0 && read(fd, &byte, 1) >= 0;
}

static JailFinding *add_file(Probe *probe, const char *name, bool there, const char *file, const char *why_not)
{
        JailFinding *f = finding_add(probe, JAIL_FINDING_FEATURE, name, there ? JAIL_HELD_FULLY : JAIL_HELD_NOT);

        if (there)
                finding_by(probe, f, "%s", file);
        else if (!probe->host.cgroup)
                explain_none(probe, f);
        else
                finding_why(probe, f, "the cgroup has no %s, %s", file, why_not);
        return f;
}

static bool host_swaps(void)
{
        _cleanup_free_ char *text = read_text("/proc", "swaps");
        const char *second = text ? strchr(text, '\n') : NULL;

        return second && second[1];
}

static void add_swap(Probe *probe, bool accounted)
{
        bool swaps = host_swaps();
        JailFinding *f = finding_add(probe, JAIL_FINDING_FEATURE, "swap",
                                     accounted || !swaps ? JAIL_HELD_FULLY : JAIL_HELD_NOT);

        if (accounted) {
                finding_by(probe, f, "memory.swap.max");
        } else if (!swaps) {
                finding_by(probe, f, "no swap on this host");
        } else if (!(probe->host.controllers & CONTROLLER_MEMORY)) {
                cgroups_explain(probe, f, "memory");
        } else {
                finding_why(probe, f, "swap is not accounted, so that a jail's memory can grow into it");
                remedy_command_line(probe, f, "swapaccount=1");
        }
}

void probe_cgroups(Probe *probe)
{
        _cleanup_free_ char *group = NULL;
        _cleanup_close_ int fd = -1;

        if (probe->host.cgroup) {
                pid_t pid = probe->maker->pid > 0 ? probe->maker->pid : getpid();
                if (asprintf(&group, "%s/skep-%d", probe->maker->cgroup, pid) < 0) {
                        group = NULL;
                        probe->failed = true;
                        return;
                }
                fd = open(group, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
                /* Another program may have had that name for a moment: cgroup_tree_make(). */
                for (int i = 1; fd < 0 && i < 4; i++) {
                        _cleanup_free_ char *next = NULL;
                        if (asprintf(&next, "%s-%d", group, i) < 0)
                                next = NULL;
                        fd = next ? open(next, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
                }
        }
        add_file(probe, "cgroup_kill", faccessat(fd, "cgroup.kill", W_OK, 0) == 0, "cgroup.kill",
                 "which came with Linux 5.14");
        add_file(probe, "freezer", faccessat(fd, "cgroup.freeze", W_OK, 0) == 0, "cgroup.freeze",
                 "which came with Linux 5.2");
        JailFinding *f = add_file(probe, "pressure", can_read(fd, "cpu.pressure"), "cpu.pressure",
                                  "since pressure stall information is switched off");
        if (f && !f->held && probe->host.cgroup)
                remedy_command_line(probe, f, "psi=1");
        add_swap(probe, can_read(fd, "memory.swap.max"));
}
