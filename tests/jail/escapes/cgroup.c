/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Out of one's cgroup, or up in it. */

#include "attack.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* Where cgroups may be seen: hybrid, unified and old hierarchies, and what the host itself has said. */
static const char *const roots[] = {"/sys/fs/cgroup", "/sys/fs/cgroup/unified", "/sys/fs/cgroup/memory",
                                    "/sys/fs/cgroup/pids", "/sys/fs/cgroup/cpu", "/sys/fs/cgroup/devices",
                                    "/sys/fs/cgroup/systemd"};

/* FILE VALUE in any group that is seen. */
static Verdict write_any(Attempt *a)
{
        char file[64], value[32], path[PATH_ROOM];
        int error = ENOENT;

        sscanf(a->argument, "%63s %31s", file, value);
        for (size_t i = 0; i < ELEMENTS(roots); i++) {
                snprintf(path, sizeof path, "%s/%s", roots[i], file);
                if (write_to(path, value) == 0)
                        return escaped(a, "%s was written", path);
                if (errno != ENOENT)
                        error = errno;
        }
        return held(a, "%s", error == ENOENT ? "no cgroup is seen" : strerrorname_np(error));
}

/* As the host's root does it; "no" stays as it is. */
static Verdict release_agent(Attempt *a)
{
        char path[PATH_ROOM], old[PATH_ROOM] = "";
        int error = ENOENT;

        for (size_t i = 0; i < ELEMENTS(roots); i++) {
                snprintf(path, sizeof path, "%s/release_agent", roots[i]);
                int fd = open(path, O_RDWR | O_CLOEXEC);
                if (fd < 0) {
                        error = errno == ENOENT ? error : errno;
                        continue;
                }
                ssize_t n = read(fd, old, sizeof old);
                if (pwrite(fd, n > 0 ? old : "\n", n > 0 ? (size_t)n : 1, 0) > 0)
                        return escaped(a, "%s was written", path);
                error = errno;
                close(fd);
        }
        return held(a, "%s", error == ENOENT ? "none is seen" : strerrorname_np(error));
}

static const char *mount_point(char path[static PATH_ROOM])
{
        snprintf(path, PATH_ROOM, "%s/skep-escape-groups", own_directory());
        mkdir(path, 0755);
        return path;
}

static Verdict mount_groups(Attempt *a)
{
        char type[16] = "", options[32] = "", point[PATH_ROOM];

        sscanf(a->argument, "%15s %31s", type, options);
        keep_mounts_private();
        int r = mount("none", mount_point(point), type, 0, options);
        if (r == 0)
                umount2(point, MNT_DETACH);
        return by_result(a, r, "mount");
}

/* CVE-2022-0492: the root of a user namespace mounted the old hierarchy, and set its release_agent. */
static Verdict mount_as_own_root(Attempt *a)
{
        static const char *const kinds[] = {"memory", "rdma", "pids", "cpuset", "devices", "freezer"};
        char point[PATH_ROOM], agent[PATH_ROOM + 32];

        if (unshare(CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWCGROUP) < 0)
                return by_result(a, -1, "unshare");
        mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL);
        mount_point(point);
        for (size_t i = 0; i < ELEMENTS(kinds); i++) {
                if (mount("none", point, "cgroup", 0, kinds[i]) < 0)
                        continue;
                snprintf(agent, sizeof agent, "%s/release_agent", point);
                if (write_to(agent, "") == 0)
                        return escaped(a, "the release_agent of %s was set", kinds[i]);
                umount2(point, MNT_DETACH);
        }
        return held(a, "the namespaces were made, and mounting or writing is %s", strerrorname_np(errno));
}

/* Into the group above, which has no limit. */
static Verdict clone_into(Attempt *a)
{
        int error = ENOENT;

        for (size_t i = 0; i < ELEMENTS(roots); i++) {
                int fd = open(roots[i], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
                /* The call itself is tried also where no group is seen: with the root's descriptor, which is none. */
                struct clone_args args = {.flags = CLONE_INTO_CGROUP, .exit_signal = SIGCHLD,
                                          .cgroup = (uint64_t)(fd < 0 ? open("/", O_RDONLY | O_CLOEXEC) : fd)};
                long pid = syscall(SYS_clone3, &args, sizeof args);
                if (pid == 0)
                        _exit(0);
                if (pid > 0) {
                        waitpid((pid_t)pid, NULL, 0);
                        return escaped(a, "a process was started in %s", roots[i]);
                }
                error = errno == EBADF && fd < 0 ? error : errno;
        }
        return held(a, "%s", error == ENOENT ? "no cgroup is seen" : strerrorname_np(error));
}

/* The names of the host's groups tell where the job runs, and beside whom. */
static Verdict own_path(Attempt *a)
{
        char line[512];
        FILE *f = fopen("/proc/self/cgroup", "re");

        if (!f)
                return held(a, "%s", strerrorname_np(errno));
        while (fgets(line, sizeof line, f)) {
                char *path = strchr(strchr(line, ':') + 1, ':') + 1;
                path[strcspn(path, "\n")] = '\0';
                /* From the root of a cgroup namespace there is nothing to be told. */
                if (strcmp(path, "/") != 0) {
                        fclose(f);
                        return escaped(a, "its path on the host is told: %s", path);
                }
        }
        fclose(f);
        return held(a, "every path is /");
}

const Attack attacks_on_cgroups[] = {
        {"cgroup-move-out", "move into the root of the hierarchy", write_any, "cgroup.procs 0", 0, NULL},
        {"cgroup-move-thread", "move a thread out", write_any, "cgroup.threads 0", 0, NULL},
        {"cgroup-memory", "raise the own memory limit", write_any, "memory.max max", 0, NULL},
        {"cgroup-memory-v1", "raise it in the old hierarchy", write_any, "memory.limit_in_bytes -1", 0, NULL},
        {"cgroup-pids", "raise the own count of processes", write_any, "pids.max max", 0, NULL},
        {"cgroup-cpu", "raise the own share of processors", write_any, "cpu.max max", 0, NULL},
        {"cgroup-controllers", "switch a controller on", write_any, "cgroup.subtree_control +pids", 0, NULL},
        {"cgroup-devices", "permit all devices (devices.allow)", write_any, "devices.allow a", 0, NULL},
        {"cgroup-release-agent", "set the release_agent", release_agent, NULL, 0, NULL},
        {"cgroup-mount", "mount cgroup2", mount_groups, "cgroup2", 0, NULL},
        {"cgroup-mount-v1", "mount the old hierarchy", mount_groups, "cgroup memory", 0, NULL},
        {"cgroup-own-root", "mount it as an own root, set release_agent (CVE-2022-0492)", mount_as_own_root, NULL, 0, NULL},
        {"cgroup-clone-into", "start a process in another group (clone3)", clone_into, NULL, 0, NULL},
        {"cgroup-path", "learn the own path on the host", own_path, NULL, 0, NULL},
        {0},
};
