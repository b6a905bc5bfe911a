/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "jail/root_clones.h"

#include "engine/base/fd.h"
#include "jail/mounts.h"

#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>

/* Opens again what a descriptor stands for: a mount can only be cloned in the namespace that it belongs to, and a copy
 * of that namespace has other mounts at the same paths. */
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
        uint32_t agent = ids_here(ids, JAIL_AGENT_ID);
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
        _cleanup_close_ int mount = mount_clone(again >= 0 ? again : source, "", false, READ_ONLY);
        /* What lies below a mount may be hidden from users: they can neither have it without that, nor an overlay over both. */
        if (mount == -EINVAL && again >= 0)
                return error_set(e, mount, "something is mounted below it, and only root can have a layer over such a directory");
        if (mount < 0)
                return error_errno(e, mount, "cloning the mount");
        int r = writable && ids->kind == IDS_RANGE ? root_give_to_job(mount, ids, e) : 0;
        return r < 0 ? r : take_fd(mount);
}

/* All but the first are links into it on a merged host, and real directories on others. */
const char *const root_system_parts[ROOT_SYSTEM_PARTS] = {"/usr",   "/bin",   "/sbin",  "/lib",
                                                          "/lib32", "/lib64", "/libx32"};

int root_clone_system(const Ids *ids, int fds[static ROOT_SYSTEM_PARTS], Error *e)
{
        for (size_t i = 0; i < ROOT_SYSTEM_PARTS; i++) {
                const char *path = root_system_parts[i];
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
