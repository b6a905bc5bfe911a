/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The least C that runs a program in namespaces, a cgroup and a filter of its own: what the library is measured by.
 * Nothing here is careful or complete: it limits, counts and reports nothing, and holds no hostile program.
 *
 *   bench-floor PAYLOAD CGROUP: PAYLOAD is run with the argument "true"; CGROUP is where each run makes its own. */

#include "tests/bench/floor.h"

#include "engine/base/cleanup.h"
#include "engine/base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <net/if.h>
#include <seccomp.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#define RULES 300
#define FIRST_ID 0x70000000
#define AGENT_ID 1000

/* Eight that every host has. */
static const char *const binds[] = {"usr", "etc", "var", "opt", "srv", "home", "root", "mnt"};

typedef struct Floor {
        int payload, cgroups;
        char name[32]; /* of the cgroup of a run */
        struct sock_fprog filter;
} Floor;

static _Noreturn void fail(const char *step)
{
        fprintf(stderr, "bench-floor: %s: %s\n", step, strerror(errno));
        _exit(125);
}

/* ---- once ---- */

/* So many calls that are allowed, the one that starts the program among them; as a tree. */
static void compile_filter(Floor *f)
{
        scmp_filter_ctx context = seccomp_init(SCMP_ACT_ERRNO(ENOSYS));
        int fd = memfd_create("filter", MFD_CLOEXEC), rules = 1;
        struct stat st;

        if (!context || fd < 0 || seccomp_attr_set(context, SCMP_FLTATR_CTL_OPTIMIZE, 2) < 0 ||
            seccomp_rule_add(context, SCMP_ACT_ALLOW, SCMP_SYS(execveat), 0) < 0)
                fail("making a filter");
        for (int number = 0; rules < RULES; number++)
                if (number != SCMP_SYS(execveat) && seccomp_rule_add(context, SCMP_ACT_ALLOW, number, 0) >= 0)
                        rules++;
        if (seccomp_export_bpf(context, fd) < 0 || fstat(fd, &st) < 0)
                fail("compiling the filter");
        void *bytes = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE | MAP_POPULATE, fd, 0);
        if (bytes == MAP_FAILED)
                fail("compiling the filter");
        f->filter = (struct sock_fprog){(unsigned short)((size_t)st.st_size / sizeof(struct sock_filter)), bytes};
        close(fd);
        seccomp_release(context);
}

/* ---- the first process of a run ---- */

static int mount_new(const char *type)
{
        int context = fsopen(type, FSOPEN_CLOEXEC);

        if (context < 0 || fsconfig(context, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
                fail(type);
        int fd = fsmount(context, FSMOUNT_CLOEXEC, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV);
        close(context);
        return fd;
}

static void attach(int mount, int dir, const char *path)
{
        if (mount < 0 || move_mount(mount, "", dir, path, MOVE_MOUNT_F_EMPTY_PATH) < 0)
                fail(path);
        close(mount);
}

static void build_root(void)
{
        struct mount_attr read_only = {.attr_set = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV};
        int root = mount_new("tmpfs");

        if (root < 0 || move_mount(root, "", AT_FDCWD, "/tmp", MOVE_MOUNT_F_EMPTY_PATH) < 0)
                fail("tmpfs");
        for (size_t i = 0; i < ELEMENTS(binds); i++) {
                char path[16];
                snprintf(path, sizeof path, "/%s", binds[i]);
                int fd = open_tree(AT_FDCWD, path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE);
                if (fd < 0 || mount_setattr(fd, "", AT_EMPTY_PATH | AT_RECURSIVE, &read_only, sizeof read_only) < 0 ||
                    mkdirat(root, binds[i], 0755) < 0)
                        fail(path);
                attach(fd, root, binds[i]);
        }
        if (mkdirat(root, "proc", 0555) < 0)
                fail("proc");
        attach(mount_new("proc"), root, "proc");
        if (fchdir(root) < 0 || syscall(SYS_pivot_root, ".", ".") < 0 || umount2(".", MNT_DETACH) < 0)
                fail("pivoting");
        close(root);
}

static void bring_up_loopback(void)
{
        struct ifreq request = {.ifr_name = "lo", .ifr_flags = IFF_UP};
        int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

        if (fd < 0 || ioctl(fd, SIOCSIFFLAGS, &request) < 0)
                fail("loopback");
        close(fd);
}

static void become(uint32_t id)
{
        if (syscall(SYS_setgroups, 0, NULL) < 0 || syscall(SYS_setresgid, id, id, id) < 0 ||
            syscall(SYS_setresuid, id, id, id) < 0)
                fail("changing ids");
}

static _Noreturn void execute(const Floor *f)
{
        struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
        struct __user_cap_data_struct none[2] = {0};
        char *argv[] = {(char *)"payload", (char *)"true", NULL}, *envp[] = {NULL};

        for (unsigned long c = 0; prctl(PR_CAPBSET_DROP, c, 0, 0, 0) == 0; c++)
                ;
        become(AGENT_ID);
        if (syscall(SYS_capset, &header, none) < 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
                fail("dropping capabilities");
        if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &f->filter) < 0)
                fail("loading the filter");
        syscall(SYS_execveat, f->payload, "", argv, envp, AT_EMPTY_PATH);
        fail("executing");
}

static _Noreturn void inside(const Floor *f, int go)
{
        char byte;
        int status;

        if (read(go, &byte, 1) != 1)
                _exit(125);
        become(0);
        build_root();
        bring_up_loopback();
        if (sethostname("floor", 5) < 0)
                fail("host name");
        pid_t job = vfork();
        if (job == 0)
                execute(f);
        for (pid_t pid; job > 0 && (pid = waitpid(-1, &status, 0)) > 0;)
                if (pid == job)
                        _exit(WIFEXITED(status) ? WEXITSTATUS(status) : 124);
        fail("waiting for the job");
}

/* ---- a run ---- */

static void write_map(pid_t pid, const char *file)
{
        char path[64], map[32];
        int n = snprintf(map, sizeof map, "0 %u 65536", FIRST_ID);

        snprintf(path, sizeof path, "/proc/%d/%s", pid, file);
        int fd = open(path, O_WRONLY | O_CLOEXEC);
        if (fd < 0 || write(fd, map, (size_t)n) != n)
                fail(path);
        close(fd);
}

static void run(const Floor *f)
{
        int go[2], status = 0;

        if (mkdirat(f->cgroups, f->name, 0755) < 0 || pipe2(go, O_CLOEXEC) < 0)
                fail("making a cgroup");
        int cgroup = openat(f->cgroups, f->name, O_PATH | O_DIRECTORY | O_CLOEXEC);
        struct clone_args args = {
                .flags = CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS |
                         CLONE_NEWCGROUP | CLONE_INTO_CGROUP,
                .exit_signal = SIGCHLD,
                .cgroup = (uint64_t)cgroup,
        };
        pid_t pid = (pid_t)syscall(SYS_clone3, &args, sizeof args);
        if (pid == 0)
                inside(f, go[0]);
        if (cgroup < 0 || pid < 0)
                fail("making namespaces");
        write_map(pid, "uid_map");
        write_map(pid, "gid_map");
        if (write(go[1], "", 1) != 1 || waitpid(pid, &status, 0) != pid)
                fail("waiting for a run");
        close(go[0]);
        close(go[1]);
        close(cgroup);
        while (unlinkat(f->cgroups, f->name, AT_REMOVEDIR) < 0)
                if (errno != EBUSY) /* its last process is on its way out */
                        fail("removing the cgroup");
        if (status != 0) {
                fprintf(stderr, "bench-floor: a run ended with wait status %d\n", status);
                _exit(125);
        }
}

static uint64_t cpu_usec(int who)
{
        struct rusage used;

        getrusage(who, &used);
        return (uint64_t)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) * USEC_PER_SECOND +
               (uint64_t)(used.ru_utime.tv_usec + used.ru_stime.tv_usec);
}

int main(int argc, char **argv)
{
        Floor f = {.payload = -1, .cgroups = -1};
        char byte;

        if (argc != 3) {
                fprintf(stderr, "usage: bench-floor PAYLOAD CGROUP, started by bench-jail\n");
                return 2;
        }
        f.payload = open(argv[1], O_PATH | O_CLOEXEC);
        f.cgroups = open(argv[2], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (f.payload < 0 || f.cgroups < 0 || fcntl(FLOOR_SOCKET_FD, F_SETFD, FD_CLOEXEC) < 0)
                fail("starting");
        snprintf(f.name, sizeof f.name, "bench-floor-%d", getpid());
        compile_filter(&f);
        while (read(FLOOR_SOCKET_FD, &byte, 1) == 1) {
                uint64_t start = monotonic_usec(), cpu = cpu_usec(RUSAGE_SELF) + cpu_usec(RUSAGE_CHILDREN);
                run(&f);
                FloorRun answer = {.usec = monotonic_usec() - start};
                answer.cpu_usec = cpu_usec(RUSAGE_SELF) + cpu_usec(RUSAGE_CHILDREN) - cpu;
                if (write(FLOOR_SOCKET_FD, &answer, sizeof answer) != sizeof answer)
                        return 1;
        }
        return 0;
}
