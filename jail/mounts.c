/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "jail/mounts.h"

#include "engine/base/cleanup.h"
#include "engine/base/fd.h"
#include "jail/namespaces.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/mount.h>
#include <sys/syscall.h>

int mount_open_inside(int root, const char *path)
{
        struct open_how how = {
                .flags = O_PATH | O_CLOEXEC,
                .resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS,
        };
        int fd = (int)syscall(SYS_openat2, root, path, &how, sizeof how);

        return fd < 0 ? -errno : fd;
}

static int set_options(int context, const char *const *options)
{
        for (; options && options[0]; options += 2)
                if (fsconfig(context, options[1] ? FSCONFIG_SET_STRING : FSCONFIG_SET_FLAG, options[0], options[1], 0) < 0)
                        return -errno;
        return 0;
}

int mount_new(const char *type, const char *const *options, uint64_t attributes, int *ret_context)
{
        _cleanup_close_ int context = fsopen(type, FSOPEN_CLOEXEC);
        int r = context < 0 ? -errno : set_options(context, options);

        if (r < 0)
                return r;
        if (fsconfig(context, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
                return -errno;
        int fd = fsmount(context, FSMOUNT_CLOEXEC, (unsigned)attributes);
        if (fd < 0)
                return -errno;
        if (ret_context)
                *ret_context = take_fd(context);
        return fd;
}

int mount_reconfigure(int context, const char *const *options)
{
        int r = set_options(context, options);

        if (r < 0)
                return r;
        return fsconfig(context, FSCONFIG_CMD_RECONFIGURE, NULL, NULL, 0) < 0 ? -errno : 0;
}

int mount_clone(int dir, const char *path, int recursive, uint64_t attributes)
{
        unsigned all = recursive ? AT_RECURSIVE : 0, empty = *path ? 0 : AT_EMPTY_PATH;
        _cleanup_close_ int fd = open_tree(dir, path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | all | empty);
        struct mount_attr attr = {.attr_set = attributes, .propagation = MS_PRIVATE};

        if (fd < 0)
                return -errno;
        if (attributes != 0 && mount_setattr(fd, "", AT_EMPTY_PATH | all, &attr, sizeof attr) < 0)
                return -errno;
        return take_fd(fd);
}

int mount_bind(const char *from, const char *to, uint64_t attributes)
{
        struct mount_attr attr = {.attr_set = attributes};

        if (mount(from, to, NULL, MS_BIND, NULL) < 0)
                return -errno;
        return attributes != 0 && mount_setattr(AT_FDCWD, to, 0, &attr, sizeof attr) < 0 ? -errno : 0;
}

int mount_attach(int mount, int dir, const char *path)
{
        unsigned empty = *path ? 0 : MOVE_MOUNT_T_EMPTY_PATH;

        return move_mount(mount, "", dir, path, MOVE_MOUNT_F_EMPTY_PATH | empty) < 0 ? -errno : 0;
}

int mount_map_owner(int mount, uint32_t uid, uint32_t gid, uint32_t to_uid, uint32_t to_gid)
{
        _cleanup_close_ int ns = namespace_of_owner(uid, gid, to_uid, to_gid);
        struct mount_attr attr = {.attr_set = MOUNT_ATTR_IDMAP, .userns_fd = (uint64_t)ns};

        if (ns < 0)
                return ns;
        return mount_setattr(mount, "", AT_EMPTY_PATH, &attr, sizeof attr) < 0 ? -errno : 0;
}
