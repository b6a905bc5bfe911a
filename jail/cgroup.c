/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "jail/cgroup.h"

#include "engine/base/fd.h"
#include "engine/base/places.h"
#include "engine/base/strv.h"

#include <fcntl.h>
#include <inttypes.h>
#include <linux/magic.h>
#include <spawn.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/wait.h>
#include <sys/xattr.h>

#define NAMES_MAX 100
#define FILE_MAX ((size_t)64 << 10)
#define CPU_PERIOD_USEC 100000
#define CPU_PERIOD_LONG_USEC 1000000 /* no longer one is taken, kernel/sched/core.c: max_cfs_quota_period */
#define CPU_QUOTA_MIN_USEC 1000      /* nor a smaller part of it: min_cfs_quota_period */
#define PIDS_MAX 4194304             /* PID_MAX_LIMIT, include/linux/threads.h, which pids.max takes at most */
#define DIGITS "0123456789"

typedef struct Controller {
        CgroupController bit;
        const char *name;
} Controller;

static const Controller controllers[] = {
        {CONTROLLER_MEMORY, "memory"}, {CONTROLLER_CPU, "cpu"}, {CONTROLLER_PIDS, "pids"}, {CONTROLLER_IO, "io"}};

/* ---- where ---- */

/* systemd's places for it: alone, and beside the hierarchies of version 1. */
static const char *const usual_places[] = {"/sys/fs/cgroup", "/sys/fs/cgroup/unified"};

static bool is_mounted_at(const char *place)
{
        struct statfs fs;

        return statfs(place, &fs) == 0 && fs.f_type == CGROUP2_SUPER_MAGIC;
}

/* Elsewhere, it is the fifth field of its line in mountinfo, proc(5), which is long where there are many mounts. One that
 * another covers stands there, too. */
char *cgroup_mount_point(void)
{
        for (size_t i = 0; i < ELEMENTS(usual_places); i++)
                if (is_mounted_at(usual_places[i]))
                        return strdup(usual_places[i]);
        _cleanup_fclose_ FILE *f = fopen("/proc/self/mountinfo", "re");
        _cleanup_free_ char *line = NULL;
        size_t room = 0;

        while (f && getline(&line, &room, f) > 0) {
                _cleanup_strv_ char **fields = NULL;
                char *type = strstr(line, " - cgroup2 ");
                if (!type || strv_split(line, ' ', &fields) < 0 || strv_length(fields) < 5 || !is_mounted_at(fields[4]))
                        continue;
                return strdup(fields[4]);
        }
        return NULL;
}

static char *own_path(const char *mounted_at)
{
        _cleanup_free_ char *text = NULL;
        char *path = NULL;

        if (read_file_at(AT_FDCWD, "/proc/self/cgroup", FILE_MAX, &text, NULL) < 0)
                return NULL;
        char *line = strncmp(text, "0::", 3) == 0 ? text : strstr(text, "\n0::");
        if (!line)
                return NULL;
        line = strstr(line, "0::") + 3;
        line[strcspn(line, "\n")] = '\0';
        if (asprintf(&path, "%s%s", mounted_at, strcmp(line, "/") == 0 ? "" : line) < 0)
                return NULL;
        return path;
}

static bool is_delegated(const char *path)
{
        char value[8];

        /* systemd marks what it has delegated; org.freedesktop.systemd1(5), Delegate= */
        return getxattr(path, "trusted.delegate", value, sizeof value) == 1 ||
               getxattr(path, "user.delegate", value, sizeof value) == 1;
}

/* The scope that skep-scope asks for is delegated, marked or not: a user's systemd marks none (version 252). */
static bool is_scope_asked_for(const char *path)
{
        _cleanup_free_ char *name = NULL;
        const char *last = strrchr(path, '/');

        if (asprintf(&name, "/skep-jails-%d.scope", getpid()) < 0) {
                name = NULL;
                return false;
        }
        return last && strcmp(last, name) == 0;
}

/* systemd moves this process to a scope of its own. */
static int ask_for_scope(Error *e)
{
        _cleanup_free_ char *program = place_program("skep-scope", e);
        /* A user's systemd is reached where pam_systemd(8) puts it. */
        char runtime[64], pid[16], *argv[] = {(char *)"skep-scope", pid, NULL}, *envp[] = {runtime, NULL};
        pid_t child;
        int status;

        snprintf(pid, sizeof pid, "%d", getpid());
        snprintf(runtime, sizeof runtime, "XDG_RUNTIME_DIR=/run/user/%u", geteuid());
        if (!program)
                return -ENOMEM;
        int r = posix_spawn(&child, program, NULL, NULL, argv, envp);
        if (r != 0)
                return error_errno(e, -r, "%s", program);
        while (waitpid(child, &status, 0) < 0)
                if (errno != EINTR)
                        return error_errno(e, -errno, "%s", program);
        if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
                return error_set(e, -EACCES,
                                 "systemd, which runs the cgroups of this host, gave no scope for jails; name a "
                                 "delegated cgroup with --cgroup");
        return 0;
}

int cgroup_choose(const char *chosen, char **ret, Error *e)
{
        _cleanup_free_ char *mounted_at = cgroup_mount_point(), *own = NULL;

        if (!mounted_at)
                return error_set(e, -ENOENT, "no cgroup v2 is mounted on this host");
        if (chosen) {
                *ret = strdup(chosen);
                return *ret ? 0 : error_oom(e);
        }
        own = own_path(mounted_at);
        bool systemd = access("/run/systemd/system", F_OK) == 0;
        if (systemd && !(own && is_delegated(own))) {
                int r = ask_for_scope(e);
                if (r < 0)
                        return r;
                free(own);
                own = own_path(mounted_at);
                if (!own || !is_scope_asked_for(own))
                        return error_set(e, -EACCES,
                                         "the cgroup %s is not delegated to this program: start it by \"systemd-run "
                                         "--scope -p Delegate=yes\", or name a delegated one with --cgroup",
                                         own ? own : mounted_at);
                *ret = take(own);
        } else {
                *ret = own && is_delegated(own) ? take(own) : take(mounted_at);
        }
        return 0;
}

/* ---- the launcher's group ---- */

static unsigned read_controllers(int fd, const char *file)
{
        _cleanup_free_ char *text = NULL;
        _cleanup_strv_ char **names = NULL;
        unsigned set = 0;

        if (read_file_at(fd, file, FILE_MAX, &text, NULL) < 0)
                return 0;
        text[strcspn(text, "\n")] = '\0';
        if (strv_split(text, ' ', &names) < 0)
                return 0;
        for (size_t i = 0; i < ELEMENTS(controllers); i++)
                if (strv_contains(names, controllers[i].name))
                        set |= controllers[i].bit;
        return set;
}

/* Of those that a group has, and that are not enabled yet: gives them to the groups below it. Returns which of all they
 * have then. One at a time: one that cannot be given must not keep the others away. */
static unsigned enable_controllers(int fd, unsigned there, unsigned enabled)
{
        for (size_t i = 0; i < ELEMENTS(controllers); i++) {
                char word[16];
                if (!(there & ~enabled & controllers[i].bit))
                        continue;
                snprintf(word, sizeof word, "+%s", controllers[i].name);
                if (write_file_at(fd, "cgroup.subtree_control", word) >= 0)
                        enabled |= controllers[i].bit;
        }
        return enabled;
}

static void disable_controllers(int fd, unsigned set)
{
        for (size_t i = 0; i < ELEMENTS(controllers); i++) {
                char word[16];
                if (!(set & controllers[i].bit))
                        continue;
                snprintf(word, sizeof word, "-%s", controllers[i].name);
                write_file_at(fd, "cgroup.subtree_control", word);
        }
}

/* Down to the groups of jails. */
static void hand_controllers_on(int base_fd, CgroupTree *tree)
{
        unsigned there = read_controllers(base_fd, "cgroup.controllers");

        if (there == 0)
                return;
        unsigned before = read_controllers(base_fd, "cgroup.subtree_control"),
                 handed = enable_controllers(base_fd, there, before);
        tree->given = handed & ~before;
        tree->controllers = enable_controllers(tree->fd, handed, 0);
}

/* False when it is still in the way of its removal. */
static bool remove_groups_of(int base, const char *name)
{
        _cleanup_close_ int fd = openat(base, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);

        if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB) < 0)
                return true; /* it is gone, or somebody's */
        write_file_at(fd, "cgroup.kill", "1");
        int list = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        _cleanup_closedir_ DIR *dir = list < 0 ? NULL : fdopendir(list);
        if (!dir)
                close_fd(list);
        for (struct dirent *d; dir && (d = readdir(dir));)
                if (d->d_type == DT_DIR && d->d_name[0] != '.')
                        unlinkat(fd, d->d_name, AT_REMOVEDIR);
        return unlinkat(base, name, AT_REMOVEDIR) == 0 || errno == ENOENT;
}

/* Of a launcher: "skep-PID", or "skep-PID-N". What else begins like that is somebody's. */
static bool is_name_of_tree(const char *name)
{
        if (strncmp(name, "skep-", 5) != 0)
                return false;
        const char *number = name + 5, *rest = number + strspn(number, DIGITS);
        if (rest == number)
                return false;
        return !*rest || (*rest == '-' && rest[1] && !rest[1 + strspn(rest + 1, DIGITS)]);
}

size_t cgroup_sweep(const char *base)
{
        _cleanup_closedir_ DIR *dir = opendir(base);
        size_t left = 0;

        for (struct dirent *d; dir && (d = readdir(dir));)
                if (is_name_of_tree(d->d_name))
                        left += !remove_groups_of(dirfd(dir), d->d_name);
        return left;
}

/* Makes the group and locks it. A sweeper may remove it between the two: then it is made again. -EAGAIN somebody else has
 * it locked. */
static int make_locked(int base, const char *name)
{
        for (;;) {
                struct stat mine, named;
                if (mkdirat(base, name, 0755) < 0 && errno != EEXIST)
                        return -errno;
                _cleanup_close_ int fd = openat(base, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
                if (fd < 0 && errno == ENOENT)
                        continue;
                if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB) < 0)
                        return -errno;
                if (fstat(fd, &mine) == 0 && fstatat(base, name, &named, 0) == 0 && mine.st_ino == named.st_ino)
                        return take_fd(fd);
        }
}

/* A name may be somebody's: for a moment a sweeper's, who will find the group in use or remove it; or, for longer, that of
 * a process of another pid namespace that has our number. */
static int make_named(int base, char **ret_name)
{
        int r = -EAGAIN;

        for (int i = 0; r == -EAGAIN && i < NAMES_MAX; i++) {
                free(*ret_name);
                int n = i == 0 ? asprintf(ret_name, "skep-%d", getpid()) : asprintf(ret_name, "skep-%d-%d", getpid(), i);
                if (n < 0) {
                        *ret_name = NULL;
                        return -ENOMEM;
                }
                r = make_locked(base, *ret_name);
        }
        return r;
}

/* A group with processes of its own cannot hand controllers on (cgroup-v2.rst, "No Internal Process Constraint"). Where
 * this process lives in the base, it moves into a group beside those of its jails. */
static int leave_base(const char *base, CgroupTree *tree, Error *e)
{
        _cleanup_free_ char *mounted_at = cgroup_mount_point();

        if (!mounted_at || strcmp(base, mounted_at) == 0)
                return 0;
        _cleanup_free_ char *own = own_path(mounted_at);
        if (!own || strcmp(own, base) != 0)
                return 0;
        if (mkdirat(tree->fd, "launcher", 0755) < 0 && errno != EEXIST)
                return error_errno(e, -errno, "making a cgroup in %s", base);
        int r = write_file_at(tree->fd, "launcher/cgroup.procs", "0");
        if (r < 0) {
                unlinkat(tree->fd, "launcher", AT_REMOVEDIR);
                return error_errno(e, r, "moving into a cgroup of %s", base);
        }
        tree->holds_launcher = true;
        return 0;
}

/* A group is born as its base is: frozen, so that a jail would only wait in it, or threaded, so that there could be none. */
static int check_takes_jails(const CgroupTree *tree, Error *e)
{
        _cleanup_free_ char *events = NULL, *type = NULL;

        if (read_file_at(tree->fd, "cgroup.type", FILE_MAX, &type, NULL) >= 0 && strcmp(type, "domain\n") != 0)
                return error_set(e, -EOPNOTSUPP, "%s: this cgroup is threaded, and takes no jails; name another", tree->path);
        if (read_file_at(tree->fd, "cgroup.events", FILE_MAX, &events, NULL) < 0 || !strstr(events, "frozen 1"))
                return 0;
        return error_set(e, -EBUSY, "%s: this cgroup is frozen, or one above it; write 0 to its cgroup.freeze", tree->path);
}

/* Its group could not be removed with the launcher in it; and the base takes no process as long as it hands controllers on.
 * What others below it still use stays, and keeps us where we are: then the next launcher sweeps. */
static void return_to_base(const CgroupTree *tree, int base_fd)
{
        disable_controllers(tree->fd, tree->controllers);
        disable_controllers(base_fd, tree->given);
        if (write_file_at(base_fd, "cgroup.procs", "0") >= 0)
                unlinkat(tree->fd, "launcher", AT_REMOVEDIR);
}

int cgroup_tree_make(const char *base, CgroupTree *ret, Error *e)
{
        CgroupTree tree = CGROUP_TREE_NULL;
        struct statfs fs;
        int r;
        _cleanup_close_ int base_fd = open(base, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

        if (base_fd < 0)
                return error_errno(e, -errno, "%s", base);
        /* Elsewhere what has the names of our groups is somebody's, and is not to be swept. */
        if (fstatfs(base_fd, &fs) < 0 || fs.f_type != CGROUP2_SUPER_MAGIC)
                return error_set(e, -EINVAL, "%s: is no directory of cgroup v2", base);
        cgroup_sweep(base);
        tree.path = strdup(base);
        if (!tree.path)
                return error_oom(e);
        tree.fd = make_named(base_fd, &tree.name);
        if (tree.fd < 0) {
                r = error_errno(e, tree.fd, "making a cgroup in %s", base);
                tree.fd = -1;
                cgroup_tree_remove(&tree);
                return r;
        }
        r = check_takes_jails(&tree, e);
        if (r >= 0)
                r = leave_base(base, &tree, e);
        if (r < 0) {
                cgroup_tree_remove(&tree);
                return r;
        }
        hand_controllers_on(base_fd, &tree);
        *ret = tree;
        return 0;
}

void cgroup_tree_remove(CgroupTree *tree)
{
        if (tree->fd >= 0) {
                _cleanup_close_ int base = open(tree->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
                if (base >= 0 && tree->holds_launcher)
                        return_to_base(tree, base);
                if (base >= 0)
                        unlinkat(base, tree->name, AT_REMOVEDIR);
                close(tree->fd);
        }
        free(tree->path);
        free(tree->name);
        *tree = CGROUP_TREE_NULL;
}

/* ---- a jail's group ---- */

static int write_number(int fd, const char *file, uint64_t value, Error *e)
{
        char text[32];

        snprintf(text, sizeof text, "%" PRIu64, value);
        int r = write_file_at(fd, file, text);
        return r < 0 ? error_errno(e, r, "writing %s to %s", text, file) : 0;
}

/* The limit holds for every disk of the host: which of them a path of the job lies on cannot be known before. */
static int write_io_limits(int fd, const JailLimits *limits, Error *e)
{
        _cleanup_closedir_ DIR *dir = opendir("/sys/block");
        size_t limited = 0;

        if (!dir)
                return error_errno(e, -errno, "/sys/block");
        for (struct dirent *d; (d = readdir(dir));) {
                _cleanup_free_ char *device = NULL, *file = NULL, *line = NULL;
                char read_limit[40] = "", write_limit[40] = "";
                if (d->d_name[0] == '.' || strncmp(d->d_name, "loop", 4) == 0 || strncmp(d->d_name, "ram", 3) == 0 ||
                    strncmp(d->d_name, "zram", 4) == 0)
                        continue;
                if (asprintf(&file, "%s/dev", d->d_name) < 0)
                        return error_oom(e);
                if (read_file_at(dirfd(dir), file, FILE_MAX, &device, NULL) < 0)
                        continue;
                device[strcspn(device, "\n")] = '\0';
                if (limits->io_read_bytes_per_sec != JAIL_UNLIMITED)
                        snprintf(read_limit, sizeof read_limit, " rbps=%" PRIu64, limits->io_read_bytes_per_sec);
                if (limits->io_write_bytes_per_sec != JAIL_UNLIMITED)
                        snprintf(write_limit, sizeof write_limit, " wbps=%" PRIu64, limits->io_write_bytes_per_sec);
                if (asprintf(&line, "%s%s%s", device, read_limit, write_limit) < 0)
                        return error_oom(e);
                int r = write_file_at(fd, "io.max", line);
                if (r < 0 && r != -ENODEV)
                        return error_errno(e, r, "writing \"%s\" to io.max", line);
                limited += r >= 0;
        }
        return limited > 0 ? 0 : error_set(e, -ENODEV, "there is no disk in /sys/block whose use could be limited");
}

/* Of a small part of a processor there are longer pauses: in the usual period it would be less than can be said. */
static int write_cpu_limit(int fd, uint64_t milli, Error *e)
{
        uint64_t period = milli * CPU_PERIOD_USEC / 1000 < CPU_QUOTA_MIN_USEC ? CPU_PERIOD_LONG_USEC : CPU_PERIOD_USEC;
        char text[64];

        snprintf(text, sizeof text, "%" PRIu64 " %" PRIu64, milli * period / 1000, period);
        int r = write_file_at(fd, "cpu.max", text);
        return r < 0 ? error_errno(e, r, "writing %s to cpu.max", text) : 0;
}

int cgroup_limit(int fd, const Plan *plan, Error *e)
{
        const JailLimits *l = &plan->limits;
        int r;

        if ((plan->controllers & CONTROLLER_MEMORY) && l->memory_bytes != JAIL_UNLIMITED) {
                if ((r = write_number(fd, "memory.max", l->memory_bytes, e)) < 0)
                        return r;
                /* Out of memory means the end of the whole jail, not of a process that the kernel picks; and swap
                 * would only put it off. Without swap accounting the file is not there. */
                if ((r = write_number(fd, "memory.oom.group", 1, e)) < 0)
                        return r;
                r = write_file_at(fd, "memory.swap.max", "0");
                if (r < 0 && r != -ENOENT)
                        return error_errno(e, r, "writing memory.swap.max");
        }
        if ((plan->controllers & CONTROLLER_CPU) && l->cpu_milli != JAIL_UNLIMITED &&
            (r = write_cpu_limit(fd, l->cpu_milli, e)) < 0)
                return r;
        /* One more for the reaper. */
        if ((plan->controllers & CONTROLLER_PIDS) && l->pids != JAIL_UNLIMITED &&
            (r = write_number(fd, "pids.max", l->pids < PIDS_MAX ? l->pids + 1 : PIDS_MAX, e)) < 0)
                return r;
        if ((plan->controllers & CONTROLLER_IO) &&
            (l->io_read_bytes_per_sec != JAIL_UNLIMITED || l->io_write_bytes_per_sec != JAIL_UNLIMITED))
                return write_io_limits(fd, l, e);
        return 0;
}

int cgroup_make(const CgroupTree *tree, const char *name, Error *e)
{
        if (mkdirat(tree->fd, name, 0755) < 0)
                return error_errno(e, -errno, "making a cgroup");
        int fd = openat(tree->fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0) {
                int r = error_errno(e, -errno, "opening a cgroup");
                unlinkat(tree->fd, name, AT_REMOVEDIR);
                return r;
        }
        return fd;
}

int cgroup_kill(int fd)
{
        return write_file_at(fd, "cgroup.kill", "1");
}

int cgroup_remove(const CgroupTree *tree, const char *name)
{
        return unlinkat(tree->fd, name, AT_REMOVEDIR) < 0 && errno != ENOENT ? -errno : 0;
}

/* ---- accounts ---- */

/* The number behind `key` in a file of "key value" lines, or behind "key=" in a pressure file. */
static uint64_t find_number(const char *text, const char *key)
{
        size_t n = strlen(key);

        for (const char *at = text; (at = strstr(at, key)); at += n)
                if (at == text || at[-1] == '\n' || at[-1] == ' ')
                        return strtoull(at + n, NULL, 10);
        return JAIL_UNKNOWN;
}

static uint64_t read_number(int fd, const char *file, const char *key)
{
        _cleanup_free_ char *text = NULL;

        if (read_file_at(fd, file, FILE_MAX, &text, NULL) < 0)
                return JAIL_UNKNOWN;
        return *key ? find_number(text, key) : strtoull(text, NULL, 10);
}

/* io.stat has a line per device. */
static void account_io(int fd, Outcome *outcome)
{
        _cleanup_free_ char *text = NULL;

        if (read_file_at(fd, "io.stat", FILE_MAX, &text, NULL) < 0)
                return;
        outcome->io_read_bytes = outcome->io_write_bytes = 0;
        for (const char *line = text; line && *line; line = strchr(line, '\n'), line = line ? line + 1 : NULL) {
                _cleanup_free_ char *one = strndup(line, strcspn(line, "\n"));
                uint64_t in = one ? find_number(one, "rbytes=") : JAIL_UNKNOWN,
                         out = one ? find_number(one, "wbytes=") : JAIL_UNKNOWN;
                outcome->io_read_bytes += in == JAIL_UNKNOWN ? 0 : in;
                outcome->io_write_bytes += out == JAIL_UNKNOWN ? 0 : out;
        }
}

void cgroup_account_without(Outcome *outcome, const Outcome *before)
{
#define WITHOUT(member) \
        if (outcome->member != JAIL_UNKNOWN && before->member != JAIL_UNKNOWN) \
                outcome->member -= before->member
        WITHOUT(cpu_user_usec);
        WITHOUT(cpu_system_usec);
        WITHOUT(io_read_bytes);
        WITHOUT(io_write_bytes);
        WITHOUT(memory_pressure_usec);
        WITHOUT(cpu_pressure_usec);
        WITHOUT(io_pressure_usec);
#undef WITHOUT
}

int cgroup_forget_peak(int fd)
{
        _cleanup_close_ int peak = openat(fd, "memory.peak", O_RDWR | O_CLOEXEC);

        return peak < 0 || write(peak, "reset", strlen("reset")) < 0 ? -1 : take_fd(peak);
}

static uint64_t read_peak(int fd, int peak_fd)
{
        char text[32];
        ssize_t n = peak_fd < 0 ? -1 : pread(peak_fd, text, sizeof text - 1, 0);

        if (n <= 0)
                return read_number(fd, "memory.peak", "");
        text[n] = '\0';
        return strtoull(text, NULL, 10);
}

void cgroup_account(int fd, int peak_fd, Outcome *outcome, bool *ret_oom_killed)
{
        _cleanup_free_ char *cpu = NULL, *events = NULL;

        *ret_oom_killed = false;
        if (read_file_at(fd, "cpu.stat", FILE_MAX, &cpu, NULL) >= 0) {
                outcome->cpu_user_usec = find_number(cpu, "user_usec ");
                outcome->cpu_system_usec = find_number(cpu, "system_usec ");
        }
        if (read_file_at(fd, "memory.events", FILE_MAX, &events, NULL) >= 0) {
                uint64_t kills = find_number(events, "oom_kill ");
                *ret_oom_killed = kills != JAIL_UNKNOWN && kills > 0;
        }
        outcome->memory_peak_bytes = read_peak(fd, peak_fd);
        outcome->pids_peak = read_number(fd, "pids.peak", "");
        if (outcome->pids_peak != JAIL_UNKNOWN && outcome->pids_peak > 0)
                outcome->pids_peak--; /* the reaper */
        outcome->memory_pressure_usec = read_number(fd, "memory.pressure", "total=");
        outcome->cpu_pressure_usec = read_number(fd, "cpu.pressure", "total=");
        outcome->io_pressure_usec = read_number(fd, "io.pressure", "total=");
        account_io(fd, outcome);
}

uint64_t cgroup_cpu_usec(int fd)
{
        uint64_t used = read_number(fd, "cpu.stat", "usage_usec ");

        return used == JAIL_UNKNOWN ? 0 : used;
}
