/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What can be mounted, tried in mount namespaces that go with their process. */

#include "jail/probe/probe.h"

#include "engine/base/fd.h"
#include "jail/mounts.h"

#include <fcntl.h>
#include <linux/loop.h>
#include <sched.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>

#define IMAGE_SIZE (1 << 20)

static int enter_mount_namespace(void)
{
        if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
                return -errno;
        return 0;
}

/* ---- proc ---- */

/* Of a new pid namespace, which its first child is in. */
static int mount_proc(void *argument _unused_)
{
        int r = enter_mount_namespace(), status;

        if (r < 0 || unshare(CLONE_NEWPID) < 0)
                return r < 0 ? r : -errno;
        pid_t pid = fork();
        if (pid < 0)
                return -errno;
        if (pid == 0) {
                int fd = mount_new("proc", NULL, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC, NULL);
                _exit(fd < 0 ? -fd : 0);
        }
        while (waitpid(pid, &status, 0) < 0)
                if (errno != EINTR)
                        return -errno;
        return WIFEXITED(status) ? -WEXITSTATUS(status) : -ECANCELED;
}

static void probe_proc(Probe *probe)
{
        int r = attempt(&probe->around, false, mount_proc, NULL);
        JailFinding *f = finding_add(probe, JAIL_FINDING_FEATURE, "proc", r < 0 ? JAIL_HELD_NOT : JAIL_HELD_FULLY);
        const JailFinding *mount = finding_of_layer(probe, JAIL_MOUNT);

        if (r >= 0) {
                finding_by(probe, f, "a mount for each jail");
        } else if (mount && mount->held == JAIL_HELD_NOT) {
                finding_like(probe, f, mount);
        } else if (r == -EPERM && !probe->around.root) {
                finding_why(probe, f, "something covers parts of /proc here, and then the kernel gives none to a user "
                                      "namespace");
                surroundings_container_option(probe, f, probe->around.container &&
                                                                        strcmp(probe->around.container, "podman") == 0
                                                                ? "--security-opt unmask=ALL"
                                                                : "--security-opt systempaths=unconfined");
                if (!probe->around.container)
                        finding_remedy(probe, f, "# unmount what findmnt --list shows below /proc; in a systemd unit: "
                                                 "ProtectKernelTunables=no ProtectKernelLogs=no ProtectProc=default");
        } else if (!surroundings_explain(probe, f)) {
                finding_why(probe, f, "mounting proc: %s", strerror(-r));
        }
}

/* ---- overlay ---- */

static int mount_overlay(void *argument)
{
        const Surroundings *around = argument;
        int r = enter_mount_namespace();
        _cleanup_close_ int tmpfs = r < 0 ? r : mount_new("tmpfs", NULL, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV, NULL);

        if (tmpfs < 0)
                return tmpfs;
        if ((r = mount_attach(tmpfs, AT_FDCWD, "/")) < 0)
                return r;
        if (fchdir(tmpfs) < 0 || mkdir("lower", 0755) < 0 || mkdir("upper", 0755) < 0 || mkdir("work", 0755) < 0)
                return -errno;
        return mount("overlay", "lower", "overlay", 0,
                     around->root ? "lowerdir=lower,upperdir=upper,workdir=work"
                                  : "lowerdir=lower,upperdir=upper,workdir=work,userxattr") < 0
                       ? -errno
                       : 0;
}

/* A file system that is not there: the kernel has asked for its module by itself. */
static void explain_missing(Probe *probe, JailFinding *f, const char *type)
{
        finding_why(probe, f, "the kernel has no %s, nor a module of it", type);
        finding_remedy(probe, f, "modprobe %s", type);
        finding_remedy(probe, f, "# where there is no such module, install the kernel's further ones (Ubuntu: apt-get "
                                 "install linux-modules-extra-$(uname -r))");
}

static void probe_overlay(Probe *probe)
{
        int r = attempt(&probe->around, false, mount_overlay, &probe->around);
        JailFinding *f = finding_add(probe, JAIL_FINDING_FEATURE, "overlay", r < 0 ? JAIL_HELD_NOT : JAIL_HELD_FULLY);
        const JailFinding *mount = finding_of_layer(probe, JAIL_MOUNT);

        if (r >= 0)
                finding_by(probe, f, "overlay over a tmpfs");
        else if (r == -ENODEV)
                explain_missing(probe, f, "overlay");
        else if (mount && mount->held == JAIL_HELD_NOT)
                finding_like(probe, f, mount);
        else if (!surroundings_explain(probe, f))
                finding_why(probe, f, "mounting an overlay: %s", strerror(-r));
}

/* ---- images ---- */

/* A loop device of a file, which goes when its last descriptor does; loop(4). */
static int open_loop(int file)
{
        _cleanup_close_ int control = open("/dev/loop-control", O_RDWR | O_CLOEXEC);
        const struct loop_config config = {.fd = (uint32_t)file, .info.lo_flags = LO_FLAGS_AUTOCLEAR};

        if (control < 0)
                return -errno;
        /* Somebody else may take the number that is free just now. */
        for (int tries = 0; tries < 64; tries++) {
                char path[32];
                int number = ioctl(control, LOOP_CTL_GET_FREE);
                if (number < 0)
                        return -errno;
                snprintf(path, sizeof path, "/dev/loop%d", number);
                _cleanup_close_ int fd = open(path, O_RDWR | O_CLOEXEC);
                if (fd < 0)
                        return -errno;
                if (ioctl(fd, LOOP_CONFIGURE, &config) == 0)
                        return take_fd(fd);
                if (errno != EBUSY)
                        return -errno;
        }
        return -EBUSY;
}

/* The image is empty: a file system that gets as far as to find that out works. */
static int mount_image(void *argument)
{
        const char *type = argument;
        _cleanup_close_ int file = memfd_create("image", MFD_CLOEXEC), loop = -1;
        char path[64];
        int r = enter_mount_namespace();

        if (r < 0 || file < 0 || ftruncate(file, IMAGE_SIZE) < 0)
                return r < 0 ? r : -errno;
        loop = open_loop(file);
        if (loop < 0)
                return loop;
        snprintf(path, sizeof path, "/proc/self/fd/%d", loop);
        const char *const options[] = {"source", path, NULL};
        _cleanup_close_ int fd = mount_new(type, options, MOUNT_ATTR_RDONLY, NULL);
        return fd >= 0 || fd == -EINVAL ? 0 : fd;
}

static void probe_image(Probe *probe, const char *type)
{
        int r = attempt(&probe->around, false, mount_image, (void *)type);
        JailFinding *f = finding_add(probe, JAIL_FINDING_FEATURE, type, r < 0 ? JAIL_HELD_NOT : JAIL_HELD_FULLY);

        if (r >= 0) {
                finding_by(probe, f, "loop device");
        } else if (probe->around.no_proc) {
                surroundings_explain(probe, f);
        } else if (r == -ENODEV) {
                explain_missing(probe, f, type);
        } else if (!probe->around.root) {
                finding_why(probe, f, "only root can mount images");
                finding_remedy(probe, f, "# as root, or with the image unpacked into a directory");
        } else if (r == -ENOENT || r == -ENXIO) {
                finding_why(probe, f, "there is no loop device");
                finding_remedy(probe, f, "modprobe loop");
        } else if (!surroundings_explain(probe, f)) {
                finding_why(probe, f, "mounting an image of %s: %s", type, strerror(-r));
        }
}

void probe_mounts(Probe *probe)
{
        probe_proc(probe);
        probe_overlay(probe);
        probe_image(probe, "squashfs");
        probe_image(probe, "erofs");
}
