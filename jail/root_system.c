/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "jail/root_system.h"

#include "engine/base/fd.h"
#include "jail/host_mounts.h"
#include "jail/mounts.h"
#include "jail/overlay.h"
#include "jail/root_clones.h"
#include "jail/root_skeleton.h"
#include "jail/root_tree.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Of the host's /etc, beside what is generated: programs do not start without the linker's cache, and on Debian half
 * of /usr/bin points into alternatives. */
#define LINKER_CACHE "/etc/ld.so.cache"
#define ALTERNATIVES "/etc/alternatives"
#define COPY_SIZE ((size_t)1 << 20)

/* Of /proc, what tells about the host, or is a door to it; where a policy wants processes alone, all else is not there.
 * Writing is excluded for all of it: it is mounted read-only.
 * Where only root can read one of them, it needs no cover: the job's ids are nobody to the host. */
static const char *const proc_hidden[] = {
        "acpi",      "asound",     "bus",  "driver",    "fs",        "irq",      "scsi",        "cmdline",
        "config.gz", "interrupts", "keys", "key-users", "kallsyms",  "modules",  "sched_debug", "latency_stats",
        "kcore",     "kmsg",       "timer_list",        "sysrq-trigger", "locks",   "iomem",    "ioports",
        "partitions", "diskstats", "softirqs",
};

/* ---- /usr ---- */

/* A directory of the host, below a layer that takes the job's changes. */
static int bind_changeable(Tree *t, size_t part, const char *path)
{
        bool user = t->ids->kind != IDS_RANGE;
        _cleanup_close_ int merged = overlay_mount(t->tmpfs, path + 1, t->sources->system[part], user);
        char place[32];

        if (merged < 0)
                return merged;
        snprintf(place, sizeof place, "%s-merged", path + 1);
        _cleanup_close_ int mount = mount_clone(t->tmpfs, place, false, SAFE);
        return mount < 0 ? mount : tree_attach_own(t, mount, path);
}

/* Has the host's root, as the jail's own, at "host" of the tmpfs. False where there is no such overlay for us. */
static bool show_host(Tree *t)
{
        if (!t->is_host_tried) {
                _cleanup_close_ int shown = overlay_mount_shown("/", TREE_PLACE "/empty", false);
                t->is_host_tried = true;
                t->is_host_shown = shown >= 0 && mount_attach(shown, t->tmpfs, "host") >= 0;
        }
        return t->is_host_shown;
}

/* One overlay has all that is on the mount of the host's root; but a user may not have the root without what is mounted
 * on it. A link in the path could lead out of it. */
static bool is_shown(Tree *t, const char *path)
{
        struct open_how how = {.flags = O_PATH | O_CLOEXEC, .resolve = RESOLVE_NO_SYMLINKS};

        if (t->ids->kind != IDS_RANGE || !host_mounts_on_root(path) || !show_host(t))
                return false;
        _cleanup_close_ int there = (int)syscall(SYS_openat2, AT_FDCWD, path, &how, sizeof how);
        return there >= 0;
}

/* By an overlay, so that jails share no inode by whose locks and watches one could talk to another, or see what the host
 * does. What is a mount of its own has its own. It would leave out what is mounted below; and some hosts have no overlay
 * for us: then the host's own. */
static int bind_system(Tree *t, const char *path)
{
        bool user = t->ids->kind != IDS_RANGE;
        char from[32];

        if (is_shown(t, path)) {
                snprintf(from, sizeof from, "host%s", path);
                return tree_bind_own(t, from, path, READ_ONLY);
        }
        _cleanup_close_ int shown = host_mounts_below(path) ? -1 : overlay_mount_shown(path, TREE_PLACE "/empty", user);
        _cleanup_close_ int bound = shown >= 0 ? -1 : mount_clone(AT_FDCWD, path, true, READ_ONLY);

        if (shown < 0 && bound < 0)
                return bound;
        return tree_attach_own(t, shown >= 0 ? shown : bound, path);
}

static int copy_linker_cache(Tree *t, int from)
{
        _cleanup_close_ int to = openat(t->skeleton, &LINKER_CACHE[1], O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
        ssize_t n;

        if (to < 0)
                return -errno;
        while ((n = sendfile(to, from, NULL, COPY_SIZE)) > 0)
                ;
        return n < 0 ? -errno : 0;
}

/* Bound, unless the job may replace it, or is not among those who may read it; else a copy, since no overlay has a
 * single file. */
static int add_linker_cache(Tree *t)
{
        _cleanup_close_ int there = open(LINKER_CACHE, O_RDONLY | O_CLOEXEC);
        struct stat st;

        if (there < 0)
                return errno == ENOENT ? 0 : -errno;
        if (fstat(there, &st) < 0)
                return -errno;
        if (t->plan->writable_root || !(st.st_mode & S_IROTH) || !is_shown(t, LINKER_CACHE))
                return copy_linker_cache(t, there);
        int r = tree_write_file(t->skeleton, &LINKER_CACHE[1], "", 0644);
        return r < 0 ? r : tree_bind_own(t, "host" LINKER_CACHE, LINKER_CACHE, READ_ONLY);
}

int root_bind_system(Tree *t)
{
        int r = 0;

        for (size_t i = 0; i < ROOT_SYSTEM_PARTS; i++) {
                const char *path = root_system_parts[i];
                char target[256];
                ssize_t n = readlink(path, target, sizeof target - 1);
                if (n < 0 && errno != EINVAL) /* which it is for what is no link */
                        continue;
                target[n > 0 ? n : 0] = '\0';
                if (n > 0)
                        r = symlinkat(target, t->skeleton, path + 1) < 0 ? -errno : 0;
                else if (i > 0 && mkdirat(t->skeleton, path + 1, 0755) < 0)
                        r = -errno;
                else
                        r = t->plan->writable_root ? bind_changeable(t, i, path) : bind_system(t, path);
                if (r < 0)
                        return tree_failed(t, r, path);
        }
        r = bind_system(t, ALTERNATIVES);
        if (r < 0 && r != -ENOENT)
                return tree_failed(t, r, ALTERNATIVES);
        r = add_linker_cache(t);
        return r < 0 ? tree_failed(t, r, LINKER_CACHE) : 0;
}

/* ---- /dev ---- */

/* One of the host's that the policy names. Its mount can be written to: so a directory in there (/dev/shm) would be the
 * host's to write, and so would whatever a link leads to out of /dev. */
static int add_device(Tree *t, const char *path)
{
        struct open_how how = {.flags = O_PATH | O_CLOEXEC, .resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS};
        struct stat st;
        _cleanup_close_ int dev = open("/dev", O_PATH | O_DIRECTORY | O_CLOEXEC);
        _cleanup_close_ int device = (int)syscall(SYS_openat2, dev, path + strlen("/dev/"), &how, sizeof how);

        if (device < 0 && errno == EXDEV)
                return error_set(t->error, -EXDEV, "devices: %s is a link that is absolute or leads out of /dev", path);
        if (device < 0 || fstat(device, &st) < 0)
                return error_errno(t->error, -errno, "devices: %s", path);
        if (!S_ISCHR(st.st_mode) && !S_ISBLK(st.st_mode))
                return error_set(t->error, -EINVAL, "devices: %s is neither a character nor a block device", path);
        _cleanup_close_ int mount = mount_clone(device, "", false, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC);
        int r = mount < 0 ? mount : tree_attach(t, mount, path);
        return r < 0 ? tree_failed(t, r, path) : 0;
}

int root_mount_devices(Tree *t)
{
        /* Without "nodev", which would make the nodes useless; nothing in the jail can make others. */
        int r = tree_bind_own(t, "dev", "/dev", MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC);

        if (r < 0)
                return r;
        for (size_t i = 0; t->ids->kind != IDS_RANGE && i < ROOT_DEVICES; i++) {
                char path[32];
                snprintf(path, sizeof path, "/%s", root_devices[i].path);
                _cleanup_close_ int mount = mount_clone(AT_FDCWD, path, false, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC);
                if ((r = mount < 0 ? mount : tree_attach(t, mount, path)) < 0)
                        return tree_failed(t, r, path);
        }
        for (size_t i = 0; t->plan->devices && t->plan->devices[i]; i++)
                if ((r = add_device(t, t->plan->devices[i])) < 0)
                        return r;
        if (t->plan->message_queues) {
                _cleanup_close_ int queues = mount_new("mqueue", NULL, READ_ONLY | MOUNT_ATTR_NOEXEC, NULL);
                r = queues < 0 ? queues : tree_attach(t, queues, "/dev/mqueue");
                if (r < 0 && r != -ENODEV) /* without it the kernel has no such calls */
                        return tree_failed(t, r, "/dev/mqueue");
        }
        return tree_bind_own(t, "shm", "/dev/shm", tree_writable(t, "/dev/shm"));
}

/* ---- /proc ---- */

/* Not there is as good as hidden; so is what others than its owner cannot use. */
static int hide_in_proc(int proc, const char *name)
{
        char place[64];
        struct stat st;

        if (fstatat(proc, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
                return errno == ENOENT ? 0 : -errno;
        if (!(st.st_mode & (S_IROTH | S_IWOTH)))
                return 0;
        snprintf(place, sizeof place, "root/proc/%s", name);
        return mount_bind(S_ISDIR(st.st_mode) ? "empty" : "root/dev/null", place, 0);
}

int root_mount_proc(Tree *t)
{
        static const char *const processes[] = {"subset", "pid", NULL};
        const char *const *options = t->plan->proc_pid ? processes : NULL;
        _cleanup_close_ int proc = mount_new("proc", options, READ_ONLY | MOUNT_ATTR_NOEXEC, NULL);
        int r = proc < 0 ? proc : tree_attach_own(t, proc, "/proc");

        if (r < 0)
                return tree_failed(t, r, "/proc");
        for (size_t i = 0; !options && i < ELEMENTS(proc_hidden); i++)
                if ((r = hide_in_proc(proc, proc_hidden[i])) < 0)
                        return error_errno(t->error, r, "/proc/%s", proc_hidden[i]);
        return 0;
}
