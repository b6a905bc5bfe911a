/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "jail/root_tree.h"

#include "engine/base/fd.h"
#include "engine/base/path.h"
#include "jail/mounts.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#define PATH_SIZE 64 /* of what is ours in the tmpfs */

int tree_failed(Tree *t, int r, const char *what)
{
        return error_errno(t->error, r, "%s", what);
}

/* ---- of its own ---- */

int tree_write_file(int dir, const char *path, const char *text, mode_t mode)
{
        _cleanup_close_ int fd = openat(dir, path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode);

        if (fd < 0)
                return -errno;
        return write_full(fd, text, strlen(text));
}

static int own(const Ids *ids, int dir, const char *path, int id)
{
        if (id < 0)
                return 0;
        uint32_t here = ids_here(ids, (uint32_t)id);
        return fchownat(dir, path, here, here, AT_SYMLINK_NOFOLLOW) < 0 ? -errno : 0;
}

/* In a root that may be written, what we make is the job's, too. */
static int owner_in(const Tree *t, const char *path, int owner)
{
        return t->plan->writable_root && strncmp(path, "root", 4) == 0 ? JAIL_AGENT_ID : owner;
}

int tree_make_directory(Tree *t, const char *path, mode_t mode, int owner)
{
        if (mkdirat(t->tmpfs, path, mode) < 0)
                return -errno;
        return own(t->ids, t->tmpfs, path, owner_in(t, path, owner));
}

int root_make_archive(int dir, const char *path, const Ids *ids)
{
        int r = mkdirat(dir, path, 0755) < 0 ? -errno : own(ids, dir, path, JAIL_UNPACK_ID);

        if (r < 0)
                return r;
        r = openat(dir, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
        return r < 0 ? -errno : r;
}

/* ---- mounting into it ---- */

/* Makes a directory, or an empty file, at a path whose parent is there: in the tmpfs that is mounted there, or else in
 * the skeleton, which is read-only through its mount. */
static int make_target(Tree *t, const char *path, bool directory)
{
        const char *name = strrchr(path, '/') + 1;
        _cleanup_free_ char *parent_path = strndup(path, (size_t)(name - path));
        _cleanup_close_ int parent = parent_path ? mount_open_inside(t->tree, parent_path) : -ENOMEM;

        if (parent < 0)
                return parent;
        int r = directory ? mkdirat(parent, name, 0755) < 0 ? -errno : 0 : tree_write_file(parent, name, "", 0644);
        if (r == -EROFS) {
                /* Our own /dev and /input lie over those of the skeleton, and of another root. */
                bool own = strncmp(path, "/dev/", 5) == 0 || strncmp(path, "/input/", 7) == 0;
                _cleanup_close_ int below = mount_open_inside(own ? t->tmpfs : t->skeleton, parent_path);
                if (below < 0)
                        return below;
                r = directory ? mkdirat(below, name, 0755) < 0 ? -errno : 0 : tree_write_file(below, name, "", 0644);
        }
        /* A link that leads nowhere. */
        return r == -EEXIST ? -ENOENT : r;
}

static bool is_directory(int fd)
{
        struct stat st;

        return fstatat(fd, "", &st, AT_EMPTY_PATH) == 0 && S_ISDIR(st.st_mode);
}

/* Something to put a mount on at a path of the jail: what is there, or a new directory or file, with those that lead to
 * it. Returns an O_PATH descriptor. */
static int open_target(Tree *t, const char *path, int mount)
{
        int fd = mount_open_inside(t->tree, path);

        if (fd != -ENOENT)
                return fd;
        bool directory = is_directory(mount);
        for (const char *slash = strchrnul(path + 1, '/');; slash = strchrnul(slash + 1, '/')) {
                _cleanup_free_ char *part = strndup(path, (size_t)(slash - path));
                _cleanup_close_ int there = part ? mount_open_inside(t->tree, part) : -ENOMEM;
                int r = there == -ENOENT ? make_target(t, part, *slash || directory) : there < 0 ? there : 0;
                if (r < 0)
                        return r;
                _cleanup_close_ int made = mount_open_inside(t->tree, part);
                if (made < 0) /* below what is the host's, nothing can be made */
                        return made == -ENOENT ? -EROFS : made;
                if (!*slash)
                        return take_fd(made);
        }
}

int tree_attach(Tree *t, int mount, const char *path)
{
        _cleanup_close_ int target = open_target(t, path, mount);

        if (target < 0)
                return target;
        int r = mount_attach(mount, target, "");
        /* What the kernel says of a directory on a file, and of a file on a directory, is said of much else. */
        if (r == -EINVAL && is_directory(mount) != is_directory(target))
                r = is_directory(mount) ? -ENOTDIR : -EISDIR;
        return r;
}

int tree_attach_own(Tree *t, int mount, const char *path)
{
        return t->plan->root == ROOT_HOST ? mount_attach(mount, t->tree, path + 1) : tree_attach(t, mount, path);
}

int tree_bind_host(Tree *t, const char *path, uint64_t attributes)
{
        _cleanup_close_ int mount = mount_clone(AT_FDCWD, path, true, attributes);

        if (mount < 0)
                return mount;
        return tree_attach(t, mount, path);
}

static int bind_own(Tree *t, const char *from, const char *to, uint64_t attributes)
{
        char place[PATH_SIZE];

        if (t->plan->root != ROOT_HOST) {
                _cleanup_close_ int mount = mount_clone(t->tmpfs, from, false, attributes);
                return mount < 0 ? mount : tree_attach(t, mount, to);
        }
        if ((size_t)snprintf(place, sizeof place, "root%s", to) >= sizeof place)
                return -ENAMETOOLONG;
        return mount_bind(from, place, attributes);
}

int tree_bind_own(Tree *t, const char *from, const char *to, uint64_t attributes)
{
        int r = bind_own(t, from, to, attributes);

        return r < 0 ? tree_failed(t, r, to) : 0;
}

uint64_t tree_writable(const Tree *t, const char *path)
{
        for (size_t i = 0; t->plan->execute && t->plan->execute[i]; i++)
                if (path_is_at_or_below(path, t->plan->execute[i]) || path_is_below(t->plan->execute[i], path))
                        return SAFE;
        return SAFE | MOUNT_ATTR_NOEXEC;
}

int tree_make_cover(Tree *t)
{
        int r = mount_bind("empty", "empty", READ_ONLY);

        /* By a name of its own: at /dev/null there may be, by then, what the caller binds, or nothing. */
        if (r >= 0 && t->plan->hidden && t->plan->hidden[0]) {
                r = tree_write_file(t->tmpfs, "null", "", 0444);
                if (r >= 0)
                        r = mount_bind("root/dev/null", "null", 0);
        }
        return r < 0 ? tree_failed(t, r, "making what covers files and directories") : 0;
}

int tree_cover(Tree *t, int dir, const char *path, mode_t mode)
{
        _cleanup_close_ int cover = mount_clone(t->tmpfs, S_ISDIR(mode) ? "empty" : "null", false, 0);

        return cover < 0 ? cover : mount_attach(cover, dir, path);
}
