// SPDX-License-Identifier: LGPL-2.1-or-later
// The first process of the machines for tests: loads the modules of their disks, mounts the first as root and the second, the
// project, on /skep, and gives way to systemd, or to what START= on the kernel's command line names. A distribution's initrd
// finds out what the machine is, which we know; that took half of an emulated machine's start.
#include <dirent.h>
#include <err.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <unistd.h>

static void modules_load(const char *directory)
{
        struct dirent **files;
        int n, fd;

        // Their names start with a number, in the order in which they need each other.
        n = scandir(directory, &files, NULL, alphasort);
        if (n < 0 || chdir(directory) < 0)
                err(1, "%s", directory);
        for (int i = 0; i < n; i++) {
                if (files[i]->d_name[0] == '.')
                        continue;
                fd = open(files[i]->d_name, O_RDONLY | O_CLOEXEC);
                if (fd < 0 || syscall(SYS_finit_module, fd, "", 0) < 0)
                        err(1, "%s", files[i]->d_name);
                close(fd);
        }
}

int main(int argc, char **argv)
{
        char *start = getenv("START");

        (void)argc;
        modules_load("/modules");
        if (mount("devtmpfs", "/dev", "devtmpfs", 0, NULL) < 0)
                err(1, "/dev");
        if (mount("/dev/vda", "/new", "ext4", 0, NULL) < 0)
                err(1, "/dev/vda");
        if (mount("/dev/vdb", "/new/skep", "ext4", 0, NULL) < 0)
                err(1, "/dev/vdb");
        if (mount("/dev", "/new/dev", NULL, MS_MOVE, NULL) < 0 || chdir("/new") < 0 || mount(".", "/", NULL, MS_MOVE, NULL) < 0 ||
            chroot(".") < 0)
                err(1, "changing the root");
        argv[0] = start ? start : "/sbin/init";
        execv(argv[0], argv);
        err(1, "%s", argv[0]);
}
