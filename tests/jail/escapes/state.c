/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What of the host an attack could have changed, one fact a line: the same before and after, or it has escaped. */

#include "attack.h"
#include "host.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <net/if.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/timex.h>
#include <sys/utsname.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>

static ssize_t read_text(const char *path, char *text, size_t room)
{
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        ssize_t n = fd < 0 ? -1 : read(fd, text, room - 1);

        if (fd >= 0)
                close(fd);
        text[n > 0 ? n : 0] = '\0';
        return n;
}

/* Each line of a file, up to a column; without the first line when that is a heading. */
static void print_lines(const char *what, const char *path, size_t columns, bool heading)
{
        char line[1024];
        FILE *f = fopen(path, "re");

        if (f && heading && !fgets(line, sizeof line, f))
                line[0] = '\0';
        while (f && fgets(line, sizeof line, f)) {
                line[strcspn(line, "\n")] = '\0';
                if (columns)
                        line[strnlen(line, columns)] = '\0';
                printf("%s %s\n", what, line);
        }
        if (f)
                fclose(f);
}

/* By name: who uses them comes and goes with what others do. */
static void print_modules(void)
{
        char line[1024];
        FILE *f = fopen("/proc/modules", "re");

        while (f && fgets(line, sizeof line, f))
                printf("module %.*s\n", (int)strcspn(line, " "), line);
        if (f)
                fclose(f);
}

/* ---- settings ---- */

static void print_settings(void)
{
        static const char *const settings[] = {
                "kernel/core_pattern", "kernel/core_uses_pid", "kernel/domainname", "kernel/hostname",
                "kernel/kptr_restrict", "kernel/dmesg_restrict", "kernel/modprobe", "kernel/modules_disabled",
                "kernel/msgmax", "kernel/msgmni", "kernel/panic", "kernel/panic_on_oops", "kernel/perf_event_paranoid",
                "kernel/pid_max", "kernel/printk", "kernel/randomize_va_space", "kernel/sem", "kernel/shmall",
                "kernel/shmmax", "kernel/shmmni", "kernel/sysrq", "kernel/threads-max", "kernel/unprivileged_bpf_disabled",
                "kernel/yama/ptrace_scope", "vm/overcommit_memory", "vm/panic_on_oom", "vm/mmap_min_addr",
                "vm/swappiness", "vm/max_map_count", "fs/file-max", "fs/nr_open", "fs/suid_dumpable",
                "fs/protected_hardlinks", "fs/protected_symlinks", "fs/protected_fifos", "fs/protected_regular",
                "fs/inotify/max_user_instances", "fs/inotify/max_user_watches", "fs/mqueue/queues_max",
                "fs/binfmt_misc/status", "net/ipv4/ip_forward", "net/ipv4/conf/all/forwarding",
                "net/core/bpf_jit_enable", "user/max_user_namespaces", "dev/tty/ldisc_autoload",
        };
        char path[128], text[512];
        struct utsname name;
        struct timex clock = {0};

        for (size_t i = 0; i < ELEMENTS(settings); i++) {
                snprintf(path, sizeof path, "/proc/sys/%s", settings[i]);
                if (read_text(path, text, sizeof text) > 0)
                        printf("setting %s %s", settings[i], text);
        }
        if (read_text("/sys/kernel/uevent_helper", text, sizeof text) > 0)
                printf("setting uevent_helper %s\n", text);
        uname(&name);
        printf("name %s %s\n", name.nodename, name.domainname);
        adjtimex(&clock);
        printf("clock tick %ld\n", clock.tick);
        print_lines("swap", "/proc/swaps", 60, true);
        print_modules();
}

static void print_clock(const char *place)
{
        char path[PATH_ROOM], text[64];
        struct timespec real, boot;

        snprintf(path, sizeof path, "%s/clock", place);
        read_text(path, text, sizeof text);
        clock_gettime(CLOCK_REALTIME, &real);
        clock_gettime(CLOCK_BOOTTIME, &boot);
        long long moved = (real.tv_sec - boot.tv_sec) * 1000LL + (real.tv_nsec - boot.tv_nsec) / 1000000 - atoll(text);
        if (moved < -500 || moved > 500)
                printf("clock moved by %lld ms\n", moved);
}

/* ---- what is mounted, and the groups ---- */

static void print_mounts(void)
{
        char line[2048], point[1024], rest[1024];
        FILE *f = fopen("/proc/self/mountinfo", "re");

        while (f && fgets(line, sizeof line, f))
                if (sscanf(line, "%*s %*s %*s %*s %1023s %1023[^\n]", point, rest) == 2)
                        printf("mount %s %s\n", point, rest);
        if (f)
                fclose(f);
}

/* A jail that somebody else runs at this moment has a group that is named for its launcher. */
static bool is_of_another(const char *name)
{
        char path[64];
        int pid;

        if (sscanf(name, "skep-%d", &pid) != 1)
                return false;
        snprintf(path, sizeof path, "/proc/%d", pid);
        return access(path, F_OK) == 0;
}

static int print_group(const char *path, const struct stat *st, int type, struct FTW *at)
{
        (void)st;
        if (type != FTW_D || at->level > 5)
                return FTW_CONTINUE;
        if (is_of_another(path + at->base))
                return FTW_SKIP_SUBTREE;
        printf("cgroup %s\n", path);
        return FTW_CONTINUE;
}

/* ---- IPC ---- */

/* The kernel shows the queues of a namespace in a file system that is mounted nowhere on most hosts. */
static void print_queues(void)
{
        int context = fsopen("mqueue", FSOPEN_CLOEXEC);
        int mount = context < 0 || fsconfig(context, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0
                            ? -1
                            : fsmount(context, FSMOUNT_CLOEXEC, 0);
        int fd = mount < 0 ? -1 : openat(mount, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        DIR *dir = fd < 0 ? NULL : fdopendir(fd);
        char path[64], text[128];

        for (struct dirent *d; dir && (d = readdir(dir));) {
                if (d->d_name[0] == '.' || strcmp(d->d_name, &HOST_BEAT_QUEUE[1]) == 0)
                        continue;
                snprintf(path, sizeof path, "/proc/self/fd/%d/%.40s", dirfd(dir), d->d_name);
                read_text(path, text, sizeof text);
                text[strcspn(text, " ")] = '\0';
                printf("queue %s %s\n", d->d_name, text);
        }
        if (dir)
                closedir(dir);
        close(mount);
        close(context);
}

static void print_ipc(void)
{
        /* Key, id, mode and size; what follows is who was there last. */
        print_lines("shm", "/proc/sysvipc/shm", 48, true);
        print_lines("msg", "/proc/sysvipc/msg", 44, true);
        print_lines("sem", "/proc/sysvipc/sem", 40, true);
        print_queues();
}

/* ---- files ---- */

static void print_file(const char *path)
{
        struct stat st;

        if (lstat(path, &st) < 0)
                return;
        printf("file %s inode %ju mode %o owner %u size %jd links %ju changed %jd.%09ld\n", path, (uintmax_t)st.st_ino,
               st.st_mode, st.st_uid, S_ISREG(st.st_mode) ? (intmax_t)st.st_size : 0, (uintmax_t)st.st_nlink,
               (intmax_t)st.st_mtim.tv_sec, st.st_mtim.tv_nsec);
}

/* What attacks make has a name that begins like this. */
static void print_attackers_files(const char *path)
{
        static const char mark[] = "skep-escape";
        const size_t n = strlen(mark);
        DIR *dir = opendir(path);
        struct stat st;

        if (fstatat(AT_FDCWD, path, &st, 0) == 0)
                printf("directory %s mode %o owner %u\n", path, st.st_mode, st.st_uid);
        for (struct dirent *d; dir && (d = readdir(dir));)
                if (strncmp(d->d_name, mark, n) == 0 && (d->d_name[n] == '\0' || d->d_name[n] == '-'))
                        printf("made %s/%s\n", path, d->d_name);
        if (dir)
                closedir(dir);
}

/* In the directory that the job may write: what no job may make. */
static int print_made(const char *path, const struct stat *st, int type, struct FTW *at)
{
        char value[64];

        (void)type;
        (void)at;
        if ((st->st_mode & 06000) || (!S_ISREG(st->st_mode) && !S_ISDIR(st->st_mode) && !S_ISLNK(st->st_mode)) ||
            st->st_uid != geteuid() || lgetxattr(path, "security.capability", value, sizeof value) > 0)
                printf("made %s mode %o owner %u\n", path, st->st_mode, st->st_uid);
        return FTW_CONTINUE;
}

static void print_files(const char *place)
{
        static const char *const own[] = {"secret", "keep", "readonly", "readonly/file", "program", "pipe", "socket"};
        static const char *const of_host[] = {"/etc/passwd", COMMON_FILE, "/dev/null", "/dev/zero"};
        static const char *const dirs[] = {"/", "/dev", "/dev/shm", "/etc", "/input", "/output", "/run", "/tmp", "/usr",
                                           "/usr/bin", "/var/tmp", "/work", "/proc"};
        char path[PATH_ROOM];

        for (size_t i = 0; i < ELEMENTS(own); i++) {
                snprintf(path, sizeof path, "%s/%s", place, own[i]);
                print_file(path);
        }
        for (size_t i = 0; i < ELEMENTS(of_host); i++)
                print_file(of_host[i]);
        for (size_t i = 0; i < ELEMENTS(dirs); i++)
                print_attackers_files(dirs[i]);
        snprintf(path, sizeof path, "%s/keep", place);
        print_lines("kept", path, 0, false);
        snprintf(path, sizeof path, "%s/readonly/file", place);
        print_lines("bound", path, 0, false);
        snprintf(path, sizeof path, "%s/writable", place);
        nftw(path, print_made, 16, FTW_PHYS | FTW_ACTIONRETVAL);
        snprintf(path, sizeof path, "%s/log", place);
        print_lines("log", path, 0, false);
}

/* ---- processes ---- */

static void print_bystander(pid_t pid)
{
        char path[64], text[4096], *line;
        cpu_set_t set;
        struct rlimit files = {0, 0};

        snprintf(path, sizeof path, "/proc/%d/status", pid);
        if (read_text(path, text, sizeof text) <= 0) {
                printf("bystander gone\n");
                return;
        }
        line = strstr(text, "\nTracerPid:");
        int tracer = line ? atoi(line + 11) : 0;
        line = strstr(text, "\nState:");
        char state = line ? line[8] : '?';
        snprintf(path, sizeof path, "/proc/%d/oom_score_adj", pid);
        read_text(path, text, sizeof text);
        prlimit(pid, RLIMIT_NOFILE, NULL, &files);
        sched_getaffinity(pid, sizeof set, &set);
        printf("bystander state %c tracer %d oom %d nice %d policy %d processors %d files %ju\n", state, tracer,
               atoi(text), getpriority(PRIO_PROCESS, (id_t)pid), sched_getscheduler(pid), CPU_COUNT(&set),
               (uintmax_t)files.rlim_max);
        snprintf(path, sizeof path, "/proc/%d/cgroup", pid);
        print_lines("bystander", path, 0, false);
}

/* Those of the case, by the word in their command line; and the one that nothing must be done to. */
static void print_processes(const char *token)
{
        DIR *dir = opendir("/proc");

        for (struct dirent *d; dir && (d = readdir(dir));) {
                char path[300], line[4096];
                pid_t pid = (pid_t)atoi(d->d_name);
                if (pid <= 0 || pid == getpid())
                        continue;
                snprintf(path, sizeof path, "/proc/%s/cmdline", d->d_name);
                ssize_t n = read_text(path, line, sizeof line);
                if (n <= 0)
                        continue;
                if (memmem(line, (size_t)n, token, strlen(token))) {
                        for (ssize_t i = 0; i < n - 1; i++)
                                line[i] = line[i] ? line[i] : ' ';
                        printf("process %d %.100s\n", pid, line);
                } else if (strcmp(line, HOST_BYSTANDER) == 0) {
                        print_bystander(pid);
                }
        }
        if (dir)
                closedir(dir);
}

static void print_network(void)
{
        struct if_nameindex *names = if_nameindex();

        for (struct if_nameindex *i = names; i && i->if_name; i++)
                printf("interface %s\n", i->if_name);
        if_freenameindex(names);
        print_lines("route", "/proc/net/route", 0, true);
}

/* Of the user who runs the suite, in hundreds: sessions come and go, and have keys. */
static void print_keys(void)
{
        char line[256];
        unsigned uid, uses, keys;
        FILE *f = fopen("/proc/key-users", "re");

        while (f && fgets(line, sizeof line, f))
                if (sscanf(line, "%u: %u %u", &uid, &uses, &keys) == 3 && uid == geteuid())
                        printf("keys %u hundred\n", keys / 100);
        if (f)
                fclose(f);
}

int host_state(const char *place, const char *token)
{
        print_settings();
        print_clock(place);
        print_mounts();
        nftw("/sys/fs/cgroup", print_group, 32, FTW_PHYS | FTW_ACTIONRETVAL);
        print_ipc();
        print_files(place);
        print_processes(token);
        print_network();
        print_keys();
        return 0;
}
