/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "jail/overlay.h"

#include "engine/base/cleanup.h"
#include "jail/mounts.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>

#define PATH_SIZE 128

/* Its O_PATH descriptor, with `mount` on it unless that is -1. */
static int make_layer(int tmpfs, const char *name, const char *part, int mount)
{
        char path[PATH_SIZE];

        if ((size_t)snprintf(path, sizeof path, "%s-%s", name, part) >= sizeof path)
                return -ENAMETOOLONG;
        if (mkdirat(tmpfs, path, 0755) < 0)
                return -errno;
        int r = mount < 0 ? 0 : mount_attach(mount, tmpfs, path);
        if (r < 0)
                return r;
        int fd = openat(tmpfs, path, O_PATH | O_DIRECTORY | O_CLOEXEC);
        return fd < 0 ? -errno : fd;
}

int overlay_mount(int tmpfs, const char *name, int lower, bool in_user_namespace)
{
        _cleanup_close_ int bottom = make_layer(tmpfs, name, "lower", lower),
                            top = bottom < 0 ? bottom : make_layer(tmpfs, name, "upper", -1),
                            work = top < 0 ? top : make_layer(tmpfs, name, "changes", -1);
        char paths[3][32];
        struct stat st;

        if (work < 0)
                return work;
        /* Overlays show the upper layer's owner and mode at the root. A user's own id may have none in the jail (EINVAL). */
        if (fstat(bottom, &st) < 0 ||
            (fchownat(top, "", st.st_uid, st.st_gid, AT_EMPTY_PATH) < 0 && !(in_user_namespace && errno == EINVAL)))
                return -errno;
        /* By descriptors, so that no name is looked up twice. */
        snprintf(paths[0], sizeof paths[0], "/proc/self/fd/%d", bottom);
        snprintf(paths[1], sizeof paths[1], "/proc/self/fd/%d", top);
        snprintf(paths[2], sizeof paths[2], "/proc/self/fd/%d", work);
        /* A user's may not keep its notes in the attributes that only root may set (overlayfs.rst, "userxattr"). */
        const char *const options[] = {"lowerdir", paths[0], "upperdir", paths[1], "workdir", paths[2],
                                       in_user_namespace ? "userxattr" : NULL, NULL, NULL};
        _cleanup_close_ int merged = mount_new("overlay", options, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV, NULL);
        return merged < 0 ? merged : make_layer(tmpfs, name, "merged", merged);
}

int overlay_mount_shown(const char *lower, const char *empty, bool in_user_namespace)
{
        char layers[PATH_SIZE];

        /* Without an upper layer the kernel wants two lower ones. */
        if ((size_t)snprintf(layers, sizeof layers, "%s:%s", lower, empty) >= sizeof layers)
                return -ENAMETOOLONG;
        const char *const options[] = {"lowerdir", layers, in_user_namespace ? "userxattr" : NULL, NULL, NULL};
        return mount_new("overlay", options, MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV, NULL);
}
