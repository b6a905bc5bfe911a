/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "jail/root_file.h"

#include "engine/base/fd.h"
#include "jail/mounts.h"

#include <fcntl.h>
#include <linux/loop.h>
#include <sys/ioctl.h>
#include <sys/mount.h>

#define LOOP_ATTEMPTS_MAX 64 /* each means that somebody else took the device that was free */

/* A free loop device with the file in it; it is free again when nobody has it mounted or open. */
static int open_loop(int file, char path[static 32])
{
        const struct loop_config config = {
                .fd = (__u32)file,
                .info.lo_flags = LO_FLAGS_READ_ONLY | LO_FLAGS_AUTOCLEAR,
        };
        _cleanup_close_ int control = open("/dev/loop-control", O_RDWR | O_CLOEXEC);

        if (control < 0)
                return -errno;
        for (int i = 0; i < LOOP_ATTEMPTS_MAX; i++) {
                int number = ioctl(control, LOOP_CTL_GET_FREE);
                if (number < 0)
                        return -errno;
                snprintf(path, 32, "/dev/loop%d", number);
                _cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
                if (fd < 0)
                        return -errno;
                if (ioctl(fd, LOOP_CONFIGURE, &config) == 0)
                        return take_fd(fd);
                if (errno != EBUSY)
                        return -errno;
        }
        return -EBUSY;
}

int root_file_mount(int file, Error *e)
{
        const char *type = root_file_type(file);
        char path[32] = "";

        if (!type)
                return error_set(e, -EINVAL, "it is neither a squashfs nor an erofs image");
        _cleanup_close_ int loop = open_loop(file, path);
        if (loop < 0)
                return error_errno(e, loop, "a loop device for it");
        const char *const options[] = {"source", path, "ro", NULL, NULL};
        int mount = mount_new(type, options, READ_ONLY, NULL);
        return mount < 0 ? error_errno(e, mount, "mounting it as %s", type) : mount;
}
