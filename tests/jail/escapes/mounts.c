/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Changing what is mounted: the old call, the new ones, and from a user namespace of one's own. */

#include "attack.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static const char *mount_point(char path[static PATH_ROOM])
{
        snprintf(path, PATH_ROOM, "%s/skep-escape-mount-point", own_directory());
        mkdir(path, 0755);
        return path;
}

/* TYPE OPTIONS */
static Verdict mount_type(Attempt *a)
{
        char point[PATH_ROOM], type[32] = "", options[2 * PATH_ROOM] = "", lower[PATH_ROOM];

        sscanf(a->argument, "%31s %199s", type, options);
        keep_mounts_private();
        if (strcmp(type, "overlay") == 0) {
                snprintf(lower, sizeof lower, "%s/skep-escape-lower", own_directory());
                mkdir(lower, 0755);
                snprintf(options, sizeof options, "lowerdir=/usr:%s", lower);
        }
        int r = mount(type, mount_point(point), type, 0, options);
        if (r < 0 && errno == ENODEV)
                return not_applicable(a, "this kernel has no %s", type);
        if (r == 0)
                umount2(point, MNT_DETACH);
        return by_result(a, r, "mount");
}

static Verdict mount_bind(Attempt *a)
{
        char point[PATH_ROOM];

        keep_mounts_private();
        int r = mount("/", mount_point(point), NULL, MS_BIND | MS_REC, NULL);
        if (r == 0)
                umount2(point, MNT_DETACH);
        return by_result(a, r, "mount");
}

static Verdict mount_over(Attempt *a)
{
        keep_mounts_private();
        int r = mount(own_directory(), "/etc", NULL, MS_BIND, NULL);
        if (r == 0)
                umount2("/etc", MNT_DETACH);
        return by_result(a, r, "mount");
}

static Verdict mount_move(Attempt *a)
{
        char point[PATH_ROOM];

        keep_mounts_private();
        int r = mount("/proc", mount_point(point), NULL, MS_MOVE, NULL);
        if (r == 0)
                mount(point, "/proc", NULL, MS_MOVE, NULL);
        return by_result(a, r, "mount");
}

static Verdict remount(Attempt *a)
{
        static const char *const places[] = {"/usr", "/", "/proc", "/proc/sys", "/etc", "/input", "/dev", "/sys"};
        int error = EINVAL;

        keep_mounts_private();
        for (size_t i = 0; i < ELEMENTS(places); i++) {
                if (mount(NULL, places[i], NULL, MS_REMOUNT | MS_BIND, NULL) == 0)
                        return escaped(a, "%s was mounted writable", places[i]);
                if (errno != EINVAL && errno != ENOENT)
                        error = errno;
        }
        return held(a, "%s", strerrorname_np(error));
}

static Verdict propagate(Attempt *a)
{
        keep_mounts_private();
        return by_result(a, mount(NULL, "/", NULL, MS_REC | MS_SHARED, NULL), "mount");
}

/* Each mount below /proc and /sys covers something; so may one over /etc. */
static Verdict umount_masks(Attempt *a)
{
        char line[1024], point[512];
        int seen = 0, error = 0;
        FILE *f = fopen("/proc/self/mountinfo", "re");

        keep_mounts_private();
        while (f && fgets(line, sizeof line, f)) {
                if (sscanf(line, "%*s %*s %*s %*s %511s", point) != 1 || strcmp(point, "/") == 0)
                        continue;
                seen++;
                if (umount2(point, MNT_DETACH) == 0)
                        return escaped(a, "%s was unmounted", point);
                error = errno;
        }
        if (f)
                fclose(f);
        if (seen == 0)
                return held(a, "nothing is seen that is mounted");
        return held(a, "%d mounts: %s", seen, strerrorname_np(error));
}

static Verdict pivot(Attempt *a)
{
        char point[PATH_ROOM];

        keep_mounts_private();
        mount(mount_point(point), point, NULL, MS_BIND, NULL);
        if (chdir(point) < 0)
                return held(a, "chdir: %s", strerrorname_np(errno));
        return by_result(a, syscall(SYS_pivot_root, ".", "."), "pivot_root");
}

/* ---- the new calls ---- */

static Verdict new_mount(Attempt *a)
{
        int context = fsopen(a->argument, FSOPEN_CLOEXEC);

        if (context < 0 && errno == ENODEV)
                return not_applicable(a, "this kernel has no %s", a->argument);
        if (context < 0)
                return by_result(a, -1, "fsopen");
        if (fsconfig(context, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
                return held(a, "fsopen is permitted; fsconfig: %s", strerrorname_np(errno));
        return by_result(a, fsmount(context, FSMOUNT_CLOEXEC, 0), "fsmount");
}

static Verdict clone_tree(Attempt *a)
{
        return by_result(a, open_tree(AT_FDCWD, "/", OPEN_TREE_CLONE | AT_RECURSIVE | OPEN_TREE_CLOEXEC), "open_tree");
}

static Verdict move_tree(Attempt *a)
{
        char point[PATH_ROOM];

        keep_mounts_private();
        int r = move_mount(AT_FDCWD, "/proc", AT_FDCWD, mount_point(point), 0);
        if (r == 0)
                move_mount(AT_FDCWD, point, AT_FDCWD, "/proc", 0);
        return by_result(a, r, "move_mount");
}

static Verdict clear_read_only(Attempt *a)
{
        static const char *const places[] = {"/usr", "/", "/proc", "/etc", "/input", "/dev"};
        struct mount_attr attr = {.attr_clr = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV};
        int error = EINVAL;

        keep_mounts_private();
        for (size_t i = 0; i < ELEMENTS(places); i++) {
                if (mount_setattr(AT_FDCWD, places[i], 0, &attr, sizeof attr) == 0)
                        return escaped(a, "%s is writable now", places[i]);
                if (errno != EINVAL && errno != ENOENT)
                        error = errno;
        }
        errno = error;
        return by_result(a, -1, "mount_setattr");
}

/* The tmpfs of the sandbox, without its limits. */
static Verdict reconfigure(Attempt *a)
{
        int context = fspick(AT_FDCWD, own_directory(), FSPICK_CLOEXEC);

        if (context < 0)
                return by_result(a, -1, "fspick");
        if (fsconfig(context, FSCONFIG_SET_STRING, "size", "64G", 0) < 0)
                return held(a, "fsconfig: %s", strerrorname_np(errno));
        return by_result(a, fsconfig(context, FSCONFIG_CMD_RECONFIGURE, NULL, NULL, 0), "fsconfig");
}

/* ---- with a user namespace of one's own ---- */

static Verdict mount_as_own_root(Attempt *a)
{
        char point[PATH_ROOM];

        if (unshare(CLONE_NEWUSER | CLONE_NEWNS) < 0)
                return by_result(a, -1, "unshare");
        mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL);
        int r = mount("none", mount_point(point), "tmpfs", 0, NULL);
        return escaped(a, "a user and a mount namespace were made, and in there a tmpfs is %s",
                       r == 0 ? "mounted" : "refused");
}

const Attack attacks_on_mounts[] = {
        {"mount-tmpfs", "mount a tmpfs without a limit", mount_type, "tmpfs size=64G", 0, NULL},
        {"mount-proc", "mount a proc without masks", mount_type, "proc", 0, NULL},
        {"mount-sysfs", "mount sysfs", mount_type, "sysfs", 0, NULL},
        {"mount-overlay", "mount an overlay over /usr", mount_type, "overlay", 0, NULL},
        {"mount-devpts", "mount devpts", mount_type, "devpts newinstance", 0, NULL},
        {"mount-debugfs", "mount debugfs", mount_type, "debugfs", 0, NULL},
        {"mount-bpf", "mount bpffs", mount_type, "bpf", 0, NULL},
        {"mount-bind", "bind the root elsewhere", mount_bind, NULL, 0, NULL},
        {"mount-over-etc", "bind an own directory over /etc", mount_over, NULL, 0, NULL},
        {"mount-move", "move /proc", mount_move, NULL, 0, NULL},
        {"mount-share", "make all mounts shared", propagate, NULL, 0, NULL},
        {"remount-writable", "remount what is read-only", remount, NULL, 0, NULL},
        {"umount-masks", "unmount what covers something", umount_masks, NULL, 0, NULL},
        {"pivot-root", "pivot into an own directory", pivot, NULL, 0, NULL},
        {"new-mount-tmpfs", "make a tmpfs by fsopen and fsmount", new_mount, "tmpfs", 0, NULL},
        {"new-mount-proc", "make a proc by fsopen and fsmount", new_mount, "proc", 0, NULL},
        {"new-mount-clone", "clone the tree of mounts (open_tree)", clone_tree, NULL, 0, NULL},
        {"new-mount-move", "move a mount (move_mount)", move_tree, NULL, 0, NULL},
        {"new-mount-writable", "clear \"read-only\" (mount_setattr)", clear_read_only, NULL, 0, NULL},
        {"new-mount-reconfigure", "lift the limits of the own tmpfs (fspick)", reconfigure, NULL, 0, NULL},
        {"mount-as-own-root", "mount as root of a user namespace of one's own", mount_as_own_root, NULL, 0, NULL},
        {0},
};
