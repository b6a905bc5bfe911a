/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* One tmpfs carries everything that is the jail's own:
 *
 *   root/      the skeleton: directories to mount on, links, a few files of /etc, device nodes; read-only as "/"
 *   work/ tmp/ output/ shm/ and what the policy adds: writable, each bound to its place in the skeleton
 *   input/     read-only at /input; input files are bound on files in there, archives are unpacked through a
 *              descriptor of it
 *   empty/     covers directories that are hidden
 *
 * Its limits are set last, over what the skeleton has used, so that the job has exactly what it was promised. The
 * jail's first process makes all this before it enters the user namespace: the mounts, the device nodes and the
 * namespaces belong to the host, and nothing inside the jail ever has a right over them. */

#include "jail/root.h"

#include "engine/base/fd.h"
#include "engine/base/strv.h"
#include "jail/mounts.h"
#include "jail/overlay.h"

#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>

#define SAFE (MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV)
#define READ_ONLY (SAFE | MOUNT_ATTR_RDONLY)

typedef struct Directory {
        const char *path;
        mode_t mode;
        int owner; /* id inside the jail; -1: the host's root, which is nobody in there */
} Directory;

static const Directory directories[] = {
        {"root", 0755, -1},           {"root/usr", 0755, -1},     {"root/etc", 0755, -1},
        {"root/proc", 0555, -1},      {"root/dev", 0755, -1},     {"root/dev/shm", 01777, -1},
        {"root/work", 0755, -1},      {"root/tmp", 01777, -1},    {"root/output", 0755, -1},
        {"root/input", 0755, -1},     {"root/run", 0755, -1},     {"root/var", 0755, -1},
        {"root/etc/alternatives", 0755, -1}, {"empty", 0555, -1},
        {"work", 0755, JAIL_AGENT_ID}, {"output", 0755, JAIL_AGENT_ID},
        {"tmp", 01777, -1},           {"shm", 01777, -1},         {"input", 0755, -1},
};

typedef struct Link {
        const char *path, *target;
} Link;

static const Link links[] = {
        {"root/dev/fd", "/proc/self/fd"},
        {"root/dev/stdin", "/proc/self/fd/0"},
        {"root/dev/stdout", "/proc/self/fd/1"},
        {"root/dev/stderr", "/proc/self/fd/2"},
        {"root/etc/mtab", "/proc/self/mounts"},
        {"root/var/tmp", "/tmp"},
        {"root/var/run", "/run"},
};

/* Directories that are links into /usr on a merged host, and real ones on others. */
static const char *const usr_parts[] = {"bin", "sbin", "lib", "lib32", "lib64", "libx32"};
_Static_assert(ELEMENTS(usr_parts) + 1 == ROOT_SYSTEM_PARTS, "/usr and these");

typedef struct File {
        const char *path, *text;
} File;

static const File files[] = {
        {"root/etc/passwd", "root:x:0:0:root:/:/usr/sbin/nologin\n"
                            "agent:x:1000:1000:agent:/work:/bin/sh\n"
                            "nobody:x:65534:65534:nobody:/:/usr/sbin/nologin\n"},
        {"root/etc/group", "root:x:0:\nagent:x:1000:\nnogroup:x:65534:\n"},
        {"root/etc/hosts", "127.0.0.1 localhost skep\n::1 localhost\n"},
        {"root/etc/hostname", "skep\n"},
        {"root/etc/nsswitch.conf", "passwd: files\ngroup: files\nhosts: files\nservices: files\nprotocols: files\n"},
};

typedef struct Device {
        const char *path;
        unsigned major, minor; /* Documentation/admin-guide/devices.txt */
} Device;

static const Device devices[] = {
        {"root/dev/null", 1, 3},   {"root/dev/zero", 1, 5},    {"root/dev/full", 1, 7},
        {"root/dev/random", 1, 8}, {"root/dev/urandom", 1, 9},
};

/* Of the host's /etc, beside what is generated: programs do not start without the linker's cache, and on Debian half
 * of /usr/bin points into alternatives. */
static const char *const etc_binds[] = {"/etc/alternatives", "/etc/ld.so.cache"};

/* Of /proc, what tells about the host, or is a door to it. Writing is excluded for all of it: it is mounted read-only.
 * Where only root can read one of them, it needs no cover: the job's ids are nobody to the host. */
static const char *const proc_hidden[] = {
        "acpi",      "asound",     "bus",  "driver",    "fs",        "irq",      "scsi",        "cmdline",
        "config.gz", "interrupts", "keys", "key-users", "kallsyms",  "modules",  "sched_debug", "latency_stats",
        "kcore",     "kmsg",       "timer_list",        "sysrq-trigger", "locks",   "iomem",    "ioports",
        "partitions", "softirqs",
};

typedef struct Build {
        const Plan *plan;
        const RootSources *sources;
        const Ids *ids;
        int context, tmpfs; /* the tmpfs: to reconfigure it, and its writable mount */
        int place;          /* "root" of it, through that mount: without what is mounted in there */
        int skeleton;       /* where places to mount on are made: the same, or the overlay over another root */
        int tree;           /* "root" as the jail will see it */
        Error *error;
} Build;

static int failed(Build *b, int r, const char *what)
{
        return error_errno(b->error, r, "%s", what);
}

/* ---- the skeleton ---- */

static int write_new_file(int dir, const char *path, const char *text, mode_t mode)
{
        _cleanup_close_ int fd = openat(dir, path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode);

        if (fd < 0)
                return -errno;
        return write_full(fd, text, strlen(text));
}

/* As root this process still has the host's ids; as a user, the jail's. */
static uint32_t id_here(const Ids *ids, uint32_t id)
{
        return ids->kind == IDS_RANGE ? ids->uid + id : ids_inside(ids->kind, id);
}

static int own(Build *b, int dir, const char *path, int id)
{
        if (id < 0)
                return 0;
        uint32_t here = id_here(b->ids, (uint32_t)id);
        return fchownat(dir, path, here, here, AT_SYMLINK_NOFOLLOW) < 0 ? -errno : 0;
}

/* In a root that may be written, what we make is the job's, too. */
static int owner_in(const Build *b, const char *path, int owner)
{
        return b->plan->writable_root && strncmp(path, "root", 4) == 0 ? JAIL_AGENT_ID : owner;
}

static int make_directory(Build *b, const char *path, mode_t mode, int owner)
{
        if (mkdirat(b->tmpfs, path, mode) < 0)
                return -errno;
        /* mkdir() does not give the sticky bit. */
        if ((mode & 01000) && fchmodat(b->tmpfs, path, mode, 0) < 0)
                return -errno;
        return own(b, b->tmpfs, path, owner_in(b, path, owner));
}

/* The host's time zone, where it is the usual link. */
static int copy_localtime(Build *b)
{
        char target[256];
        ssize_t n = readlink("/etc/localtime", target, sizeof target - 1);

        if (n <= 0)
                return 0;
        target[n] = '\0';
        return symlinkat(target, b->tmpfs, "root/etc/localtime") < 0 ? -errno : 0;
}

static int make_skeleton(Build *b)
{
        int r;

        for (size_t i = 0; i < ELEMENTS(directories); i++)
                if ((r = make_directory(b, directories[i].path, directories[i].mode, directories[i].owner)) < 0)
                        return failed(b, r, directories[i].path);
        for (size_t i = 0; i < ELEMENTS(links); i++)
                if (symlinkat(links[i].target, b->tmpfs, links[i].path) < 0)
                        return failed(b, -errno, links[i].path);
        for (size_t i = 0; i < ELEMENTS(files); i++)
                if ((r = write_new_file(b->tmpfs, files[i].path, files[i].text, 0644)) < 0)
                        return failed(b, r, files[i].path);
        for (size_t i = 0; i < ELEMENTS(devices); i++) {
                /* Only the host's root may make nodes; a user's jail gets the host's, on files. */
                if (b->ids->kind != IDS_RANGE) {
                        if ((r = write_new_file(b->tmpfs, devices[i].path, "", 0666)) < 0)
                                return failed(b, r, devices[i].path);
                        continue;
                }
                if (mknodat(b->tmpfs, devices[i].path, S_IFCHR | 0666, makedev(devices[i].major, devices[i].minor)) < 0)
                        return failed(b, -errno, devices[i].path);
                if (fchmodat(b->tmpfs, devices[i].path, 0666, 0) < 0)
                        return failed(b, -errno, devices[i].path);
        }
        if ((r = write_new_file(b->tmpfs, "root/etc/ld.so.cache", "", 0644)) < 0)
                return failed(b, r, "root/etc/ld.so.cache");
        r = copy_localtime(b);
        return r < 0 ? failed(b, r, "/etc/localtime") : 0;
}

/* ---- mounting into it ---- */

/* Makes a directory, or an empty file, at a path whose parent is there: in the tmpfs that is mounted there, or else in
 * the skeleton, which is read-only through its mount. */
static int make_target(Build *b, const char *path, bool directory)
{
        const char *name = strrchr(path, '/') + 1;
        _cleanup_free_ char *parent_path = strndup(path, (size_t)(name - path));
        _cleanup_close_ int parent = parent_path ? mount_open_inside(b->tree, parent_path) : -ENOMEM;

        if (parent < 0)
                return parent;
        int r = directory ? mkdirat(parent, name, 0755) < 0 ? -errno : 0 : write_new_file(parent, name, "", 0644);
        if (r == -EROFS) {
                /* Our own /dev lies over that of another root. */
                _cleanup_close_ int below =
                        mount_open_inside(strncmp(path, "/dev/", 5) == 0 ? b->place : b->skeleton, parent_path);
                if (below < 0)
                        return below;
                r = directory ? mkdirat(below, name, 0755) < 0 ? -errno : 0 : write_new_file(below, name, "", 0644);
        }
        return r == -EEXIST ? 0 : r;
}

/* Something to mount on at a path of the jail: what is there, or a new directory or file, with those that lead to it.
 * Returns an O_PATH descriptor. */
static int open_target(Build *b, const char *path, bool directory)
{
        int fd = mount_open_inside(b->tree, path);

        if (fd != -ENOENT)
                return fd;
        for (const char *slash = strchrnul(path + 1, '/');; slash = strchrnul(slash + 1, '/')) {
                _cleanup_free_ char *part = strndup(path, (size_t)(slash - path));
                _cleanup_close_ int there = part ? mount_open_inside(b->tree, part) : -ENOMEM;
                int r = there == -ENOENT ? make_target(b, part, *slash || directory) : there < 0 ? there : 0;
                if (r < 0)
                        return r;
                if (!*slash)
                        return mount_open_inside(b->tree, path);
        }
}

static int attach_at(Build *b, int mount, const char *path, bool directory)
{
        _cleanup_close_ int target = open_target(b, path, directory);

        if (target < 0)
                return target;
        return mount_attach(mount, target, "");
}

static bool is_directory(int fd)
{
        struct stat st;

        return fstatat(fd, "", &st, AT_EMPTY_PATH) == 0 && S_ISDIR(st.st_mode);
}

/* A directory of the host, below a layer that takes the job's changes. */
static int bind_changeable(Build *b, size_t part, const char *path)
{
        _cleanup_close_ int merged = overlay_mount(b->tmpfs, path + 1, b->sources->system[part], b->ids->kind != IDS_RANGE);
        char place[32];

        if (merged < 0)
                return merged;
        snprintf(place, sizeof place, "%s-merged", path + 1);
        _cleanup_close_ int mount = mount_clone(b->tmpfs, place, false, SAFE);
        return mount < 0 ? mount : attach_at(b, mount, path, true);
}

/* Binds a path of the host at the same place, with what is mounted below it. */
static int bind_host(Build *b, const char *path, uint64_t attributes)
{
        _cleanup_close_ int mount = mount_clone(AT_FDCWD, path, true, attributes);

        if (mount < 0)
                return mount;
        return attach_at(b, mount, path, is_directory(mount));
}

static int bind_system(Build *b)
{
        int r = b->plan->writable_root ? bind_changeable(b, 0, "/usr") : bind_host(b, "/usr", READ_ONLY);

        if (r < 0)
                return failed(b, r, "binding /usr");
        for (size_t i = 0; i < ELEMENTS(usr_parts); i++) {
                char path[16], target[256];
                struct stat st;
                snprintf(path, sizeof path, "/%s", usr_parts[i]);
                if (lstat(path, &st) < 0)
                        continue;
                if (S_ISLNK(st.st_mode)) {
                        ssize_t n = readlink(path, target, sizeof target - 1);
                        target[n > 0 ? n : 0] = '\0';
                        r = symlinkat(target, b->skeleton, usr_parts[i]) < 0 ? -errno : 0;
                } else {
                        r = b->plan->writable_root ? bind_changeable(b, i + 1, path) : bind_host(b, path, READ_ONLY);
                }
                if (r < 0)
                        return failed(b, r, path);
        }
        for (size_t i = 0; i < ELEMENTS(etc_binds); i++) {
                r = bind_host(b, etc_binds[i], READ_ONLY);
                if (r < 0 && r != -ENOENT)
                        return failed(b, r, etc_binds[i]);
        }
        return 0;
}

static int bind_own(Build *b, const char *from, const char *to, uint64_t attributes)
{
        _cleanup_close_ int mount = mount_clone(b->tmpfs, from, false, attributes);

        if (mount < 0)
                return failed(b, mount, to);
        int r = attach_at(b, mount, to, true);
        return r < 0 ? failed(b, r, to) : 0;
}

static bool is_within(const char *path, const char *dir)
{
        size_t n = strlen(dir);

        return strncmp(path, dir, n) == 0 && (path[n] == '/' || path[n] == '\0' || dir[n - 1] == '/');
}

/* A directory that the job may write. Where the policy lets nothing be executed, nothing can be mapped to be executed
 * either: Landlock refuses the exec, but a loader that may be executed would run it. */
static int bind_writable(Build *b, const char *from, const char *to)
{
        uint64_t attributes = SAFE | MOUNT_ATTR_NOEXEC;

        for (size_t i = 0; b->plan->execute && b->plan->execute[i]; i++)
                if (is_within(to, b->plan->execute[i]) || is_within(b->plan->execute[i], to))
                        attributes = SAFE;
        return bind_own(b, from, to, attributes);
}

static int mount_devices(Build *b)
{
        /* Without "nodev", which would make the nodes useless; nothing in the jail can make others. */
        _cleanup_close_ int dev = mount_clone(b->place, "dev", false,
                                              MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC);
        int r = dev < 0 ? dev : attach_at(b, dev, "/dev", true);

        if (r < 0)
                return failed(b, r, "/dev");
        for (size_t i = 0; b->ids->kind != IDS_RANGE && i < ELEMENTS(devices); i++) {
                const char *path = devices[i].path + strlen("root");
                _cleanup_close_ int mount = mount_clone(AT_FDCWD, path, false, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC);
                if ((r = mount < 0 ? mount : attach_at(b, mount, path, false)) < 0)
                        return failed(b, r, path);
        }
        for (size_t i = 0; b->plan->devices && b->plan->devices[i]; i++) {
                const char *path = b->plan->devices[i];
                _cleanup_close_ int mount = mount_clone(AT_FDCWD, path, false, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC);
                if ((r = mount < 0 ? mount : attach_at(b, mount, path, false)) < 0)
                        return failed(b, r, path);
        }
        if (b->plan->message_queues) {
                _cleanup_close_ int queues = mount_new("mqueue", NULL, READ_ONLY | MOUNT_ATTR_NOEXEC, NULL);
                r = queues < 0 ? queues : attach_at(b, queues, "/dev/mqueue", true);
                if (r < 0 && r != -ENODEV) /* without it the kernel has no such calls */
                        return failed(b, r, "/dev/mqueue");
        }
        return bind_writable(b, "shm", "/dev/shm");
}

/* What directories are covered with: made read-only once, and then cloned. */
static int make_cover(Build *b)
{
        _cleanup_close_ int cover = mount_clone(b->tmpfs, "empty", false, READ_ONLY);
        int r = cover < 0 ? cover : mount_attach(cover, b->tmpfs, "empty");

        return r < 0 ? failed(b, r, "making what covers directories") : 0;
}

/* Covers a path with something empty. Not there is as good as hidden; so is, with `if_readable`, what others than its
 * owner cannot read. */
static int hide(Build *b, const char *path, bool if_readable)
{
        _cleanup_close_ int target = mount_open_inside(b->tree, path);
        struct stat st;

        if (target == -ENOENT || target == -ENOTDIR)
                return 0;
        if (target < 0 || fstatat(target, "", &st, AT_EMPTY_PATH) < 0)
                return failed(b, target < 0 ? target : -errno, path);
        if (if_readable && !(st.st_mode & (S_IROTH | S_IWOTH)))
                return 0;
        _cleanup_close_ int cover = S_ISDIR(st.st_mode) ? mount_clone(b->tmpfs, "empty", false, 0)
                                                        : mount_clone(b->tree, "dev/null", false, 0);
        int r = cover < 0 ? cover : mount_attach(cover, target, "");
        return r < 0 ? failed(b, r, path) : 0;
}

static int mount_proc(Build *b)
{
        _cleanup_close_ int proc = mount_new("proc", NULL, READ_ONLY | MOUNT_ATTR_NOEXEC, NULL);
        int r = proc < 0 ? proc : attach_at(b, proc, "/proc", true);

        if (r < 0)
                return failed(b, r, "/proc");
        for (size_t i = 0; i < ELEMENTS(proc_hidden) && r >= 0; i++) {
                char path[32];
                snprintf(path, sizeof path, "/proc/%s", proc_hidden[i]);
                r = hide(b, path, true);
        }
        return r;
}

/* ---- what the job brings along ---- */

static int copy_input(Build *b, int source, const char *path)
{
        struct stat st;

        if (fstat(source, &st) < 0)
                return -errno;
        _cleanup_close_ int fd = openat(b->tmpfs, path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
        if (fd < 0)
                return -errno;
        for (off_t offset = 0; offset < st.st_size;) {
                ssize_t n = sendfile(fd, source, &offset, (size_t)(st.st_size - offset));
                if (n < 0 && errno != EINTR)
                        return -errno;
                if (n == 0)
                        break;
        }
        return fchmod(fd, st.st_mode & 0111 ? 0555 : 0444) < 0 ? -errno : 0;
}

static int add_inputs(Build *b, Root *root)
{
        for (size_t i = 0; b->plan->inputs && b->plan->inputs[i]; i++) {
                const char *name = b->plan->inputs[i];
                size_t length = strlen(name);
                bool archive = length > 0 && name[length - 1] == '/';
                _cleanup_free_ char *path = NULL;
                int r = 0;

                if (asprintf(&path, "input/%.*s", (int)(archive ? length - 1 : length), name) < 0)
                        return failed(b, -ENOMEM, name);
                if (archive) {
                        if ((r = make_directory(b, path, 0755, JAIL_UNPACK_ID)) >= 0 &&
                            (r = openat(b->tmpfs, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW)) < 0)
                                r = -errno;
                        root->archives[i] = r;
                } else if (b->sources->input_mounts[i] < 0) {
                        r = copy_input(b, b->sources->inputs[i], path);
                } else {
                        r = write_new_file(b->tmpfs, path, "", 0444);
                        if (r >= 0)
                                r = mount_attach(b->sources->input_mounts[i], b->tree, path);
                }
                if (r < 0)
                        return error_errno(b->error, r, "input \"%s\"", name);
        }
        return 0;
}

static int add_binds(Build *b)
{
        int r;

        for (size_t i = 0; b->plan->read_only && b->plan->read_only[i]; i++)
                if ((r = bind_host(b, b->plan->read_only[i], READ_ONLY)) < 0)
                        return failed(b, r, b->plan->read_only[i]);
        for (size_t i = 0; b->plan->writable && b->plan->writable[i]; i++)
                if ((r = attach_at(b, b->sources->writable[i], b->plan->writable[i],
                                   is_directory(b->sources->writable[i]))) < 0)
                        return failed(b, r, b->plan->writable[i]);
        for (size_t i = 0; b->plan->binds && b->plan->binds[i]; i++)
                if ((r = attach_at(b, b->sources->binds[i], b->plan->binds[i], is_directory(b->sources->binds[i]))) < 0)
                        return error_errno(b->error, r, "binding at %s", b->plan->binds[i]);
        return 0;
}

static int add_tmpfs(Build *b)
{
        for (size_t i = 0; b->plan->tmpfs && b->plan->tmpfs[i]; i++) {
                char name[32];
                snprintf(name, sizeof name, "extra-%zu", i);
                int r = make_directory(b, name, 0755, JAIL_AGENT_ID);
                if (r < 0)
                        return failed(b, r, b->plan->tmpfs[i]);
                if ((r = bind_writable(b, name, b->plan->tmpfs[i])) < 0)
                        return r;
        }
        return 0;
}

/* The limits count from here: what the skeleton and copied inputs have taken is not the job's. */
static int limit_tmpfs(Build *b)
{
        struct statfs used;
        char size[32], inodes[32];
        const char *options[5] = {NULL};
        size_t n = 0;

        if (fstatfs(b->tmpfs, &used) < 0)
                return failed(b, -errno, "the jail's tmpfs");
        if (b->plan->limits.disk_bytes != JAIL_UNLIMITED) {
                uint64_t bytes = (used.f_blocks - used.f_bfree) * (uint64_t)used.f_bsize;
                snprintf(size, sizeof size, "%" PRIu64, bytes + b->plan->limits.disk_bytes);
                options[n++] = "size";
                options[n++] = size;
        }
        if (b->plan->limits.files != JAIL_UNLIMITED) {
                snprintf(inodes, sizeof inodes, "%" PRIu64,
                         (uint64_t)(used.f_files - used.f_ffree) + b->plan->limits.files);
                options[n++] = "nr_inodes";
                options[n++] = inodes;
        }
        int r = n > 0 ? mount_reconfigure(b->context, options) : 0;
        return r < 0 ? failed(b, r, "limiting the jail's tmpfs") : 0;
}

static int open_tmpfs(Build *b)
{
        static const char *const options[] = {"mode", "0755", NULL};

        b->tmpfs = mount_new("tmpfs", options, MOUNT_ATTR_NOSUID, &b->context);
        if (b->tmpfs < 0)
                return failed(b, b->tmpfs, "making a tmpfs");
        /* Over the root of this namespace: a place that is always there, and that paths from "/" do not enter. */
        int r = mount_attach(b->tmpfs, AT_FDCWD, "/");
        return r < 0 ? failed(b, r, "mounting a tmpfs") : 0;
}

/* Over another root than the host's: places to mount on, which it may have as something else. */
static int make_places(Build *b)
{
        static const char *const places[] = {"dev", "proc", "work", "tmp", "output", "input"};

        for (size_t i = 0; i < ELEMENTS(places); i++) {
                struct stat st;
                if (fstatat(b->skeleton, places[i], &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode))
                        continue;
                if (unlinkat(b->skeleton, places[i], 0) < 0 && errno != ENOENT)
                        return -errno;
                if (mkdirat(b->skeleton, places[i], 0755) < 0)
                        return -errno;
        }
        return 0;
}

static int open_overlay_of_root(Build *b)
{
        b->skeleton = overlay_mount(b->tmpfs, "image", *b->sources->root, b->ids->kind != IDS_RANGE);
        if (b->skeleton < 0)
                return failed(b, b->skeleton, "an overlay over the root");
        int r = make_places(b);
        if (r < 0)
                return failed(b, r, "places in the root");
        b->tree = mount_clone(b->tmpfs, "image-merged", false, b->plan->writable_root ? SAFE : READ_ONLY);
        return b->tree < 0 ? failed(b, b->tree, "cloning the overlay") : 0;
}

static int open_tree_of_root(Build *b)
{
        int r;

        b->place = openat(b->tmpfs, "root", O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (b->place < 0)
                return failed(b, -errno, "opening the skeleton");
        if (b->plan->root != ROOT_HOST) {
                if ((r = open_overlay_of_root(b)) < 0)
                        return r;
        } else {
                b->skeleton = openat(b->tmpfs, "root", O_PATH | O_DIRECTORY | O_CLOEXEC);
                b->tree = mount_clone(b->tmpfs, "root", false, b->plan->writable_root ? SAFE : READ_ONLY);
                if (b->skeleton < 0 || b->tree < 0)
                        return failed(b, b->tree < 0 ? b->tree : -errno, "cloning the skeleton");
        }
        r = mount_attach(b->tree, b->place, "");
        return r < 0 ? failed(b, r, "mounting the root") : 0;
}

static int build(Build *b, Root *root)
{
        int r;

        /* What is mounted from here on must not appear on the host. */
        if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
                return failed(b, -errno, "making mounts private");
        if ((r = open_tmpfs(b)) < 0 || (r = make_skeleton(b)) < 0 || (r = open_tree_of_root(b)) < 0)
                return r;
        step_done(b->sources->steps, STEP_SKELETON);
        if (b->plan->root == ROOT_HOST && (r = bind_system(b)) < 0)
                return r;
        step_done(b->sources->steps, STEP_SYSTEM);
        if ((r = mount_devices(b)) < 0 || (r = make_cover(b)) < 0)
                return r;
        step_done(b->sources->steps, STEP_DEVICES);
        if ((r = mount_proc(b)) < 0)
                return r;
        step_done(b->sources->steps, STEP_PROC);
        if ((r = bind_writable(b, "work", "/work")) < 0 || (r = bind_writable(b, "tmp", "/tmp")) < 0 ||
            (r = bind_writable(b, "output", "/output")) < 0 || (r = add_tmpfs(b)) < 0 ||
            (r = bind_own(b, "input", "/input", READ_ONLY)) < 0 || (r = add_inputs(b, root)) < 0 ||
            (r = add_binds(b)) < 0)
                return r;
        /* Last of all, so that nothing that was bound shows what is to be hidden. */
        for (size_t i = 0; b->plan->hidden && b->plan->hidden[i]; i++)
                if ((r = hide(b, b->plan->hidden[i], false)) < 0)
                        return r;
        if ((r = limit_tmpfs(b)) < 0)
                return r;
        root->output = openat(b->tmpfs, "output", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        return root->output < 0 ? failed(b, -errno, "/output") : 0;
}

int root_build(const Plan *plan, const RootSources *sources, const Ids *ids, Root *ret, Error *e)
{
        Build b = {
                .plan = plan,
                .sources = sources,
                .ids = ids,
                .context = -1,
                .tmpfs = -1,
                .place = -1,
                .skeleton = -1,
                .tree = -1,
                .error = e,
        };
        Root root = {-1, -1, {0}};

        for (size_t i = 0; i < JAIL_INPUTS_MAX; i++)
                root.archives[i] = -1;
        int r = build(&b, &root);
        root.tree = take_fd(b.tree);
        close_fd(b.context);
        close_fd(b.skeleton);
        close_fd(b.place);
        close_fd(b.tmpfs);
        *ret = root;
        return r;
}

int root_enter(const Root *root, Error *e)
{
        if (fchdir(root->tree) < 0 || syscall(SYS_pivot_root, ".", ".") < 0)
                return error_errno(e, -errno, "pivoting into the new root");
        /* The old root now lies over the new one, and over it, as before, the tmpfs. Without them, what is in there is
         * out of reach for ever; and the kernel lets nobody whose root is covered make a user namespace. */
        if (umount2(".", MNT_DETACH) < 0 || umount2(".", MNT_DETACH) < 0 || chdir("/") < 0)
                return error_errno(e, -errno, "detaching the old root");
        return 0;
}

/* ---- clones of the host's mounts ---- */

/* Opens again what a descriptor stands for: a mount can only be cloned in the namespace that it belongs to, and a copy of
 * that namespace has other mounts at the same paths. */
static int open_in_own_namespace(int fd)
{
        char link[32], path[PATH_MAX];
        struct stat there, here;

        snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
        ssize_t n = readlink(link, path, sizeof path - 1);
        if (n < 0)
                return -errno;
        path[n] = '\0';
        _cleanup_close_ int again = open(path, O_PATH | O_CLOEXEC);
        if (again < 0 || fstat(fd, &there) < 0 || fstat(again, &here) < 0)
                return -errno;
        return there.st_dev == here.st_dev && there.st_ino == here.st_ino ? take_fd(again) : -ESTALE;
}

int root_give_to_job(int mount, const Ids *ids, Error *e)
{
        uint32_t agent = id_here(ids, JAIL_AGENT_ID);
        struct stat st;

        if (fstat(mount, &st) < 0)
                return error_errno(e, -errno, "looking at it");
        int r = mount_map_owner(mount, st.st_uid, st.st_gid, agent, agent);
        return r < 0 ? error_errno(e, r, "its file system cannot be id-mapped, so that it cannot be writable") : 0;
}

int root_clone_bind(int source, bool writable, const Ids *ids, Error *e)
{
        bool root_user = ids->kind == IDS_RANGE;
        _cleanup_close_ int again = root_user ? -1 : open_in_own_namespace(source);
        struct stat st;

        if (!root_user && again < 0)
                return error_errno(e, again, "finding it again");
        if (fstat(root_user ? source : again, &st) < 0)
                return error_errno(e, -errno, "looking at it");
        /* Mounts below a user's may hide what is not for users: they come along, and stay. */
        _cleanup_close_ int mount = mount_clone(root_user ? source : again, "",
                                                S_ISDIR(st.st_mode) && (!writable || !root_user),
                                                writable ? SAFE : READ_ONLY);
        if (mount < 0)
                return error_errno(e, mount, "cloning the mount");
        if (writable && !root_user && st.st_uid != JAIL_AGENT_ID)
                return error_set(e, -EPERM, "it belongs to somebody else: only root can make that writable for a job");
        int r = writable && root_user ? root_give_to_job(mount, ids, e) : 0;
        return r < 0 ? r : take_fd(mount);
}

int root_clone_root(int source, bool writable, const Ids *ids, Error *e)
{
        _cleanup_close_ int again = ids->kind == IDS_RANGE ? -1 : open_in_own_namespace(source);

        if (ids->kind != IDS_RANGE && again < 0)
                return error_errno(e, again, "finding it again");
        _cleanup_close_ int mount = mount_clone(again >= 0 ? again : source, "", ids->kind != IDS_RANGE, READ_ONLY);
        if (mount < 0)
                return error_errno(e, mount, "cloning the mount");
        int r = writable && ids->kind == IDS_RANGE ? root_give_to_job(mount, ids, e) : 0;
        return r < 0 ? r : take_fd(mount);
}

int root_clone_system(const Ids *ids, int fds[static ROOT_SYSTEM_PARTS], Error *e)
{
        for (size_t i = 0; i < ROOT_SYSTEM_PARTS; i++) {
                char path[16];
                snprintf(path, sizeof path, "/%s", i == 0 ? "usr" : usr_parts[i - 1]);
                _cleanup_close_ int source = open(path, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
                fds[i] = source < 0 ? -1 : root_clone_root(source, true, ids, e);
                if (source >= 0 && fds[i] < 0)
                        return error_prefix(e, "%s", path), fds[i];
        }
        return 0;
}

int root_clone_input(const Ids *ids, int source)
{
        _cleanup_close_ int again = ids->kind == IDS_RANGE ? -1 : open_in_own_namespace(source);
        struct stat st;

        /* The job reads it as one of the others. */
        if (fstat(source, &st) < 0 || !(st.st_mode & S_IROTH) || (ids->kind != IDS_RANGE && again < 0))
                return -1;
        int mount = mount_clone(again >= 0 ? again : source, "", false, READ_ONLY);
        return mount < 0 ? -1 : mount;
}

int root_reopen_stdin(const Ids *ids, int source)
{
        _cleanup_close_ int again = ids->kind == IDS_RANGE ? -1 : open_in_own_namespace(source);
        struct stat st;
        char path[32];

        if (fstat(source, &st) < 0 || !S_ISREG(st.st_mode) || (ids->kind != IDS_RANGE && again < 0))
                return -1;
        _cleanup_close_ int mount = mount_clone(again >= 0 ? again : source, "", false, READ_ONLY);
        if (mount < 0)
                return -1;
        snprintf(path, sizeof path, "/proc/self/fd/%d", mount);
        _cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
        return fd < 0 || lseek(fd, lseek(source, 0, SEEK_CUR), SEEK_SET) < 0 ? -1 : take_fd(fd);
}
