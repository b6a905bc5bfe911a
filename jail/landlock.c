/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "jail/landlock.h"

#include "engine/base/path.h"
#include "engine/base/strv.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>

/* Rights that came after the oldest headers that we build with; include/uapi/linux/landlock.h */
#define RIGHT_TRUNCATE (UINT64_C(1) << 14)  /* ABI 3 */
#define RIGHT_IOCTL_DEV (UINT64_C(1) << 15) /* ABI 5 */
#define SCOPE_ABSTRACT_UNIX_SOCKET (UINT64_C(1) << 0) /* ABI 6 */
#define SCOPE_SIGNAL (UINT64_C(1) << 1)

typedef struct RulesetAttribute {
        uint64_t handled_access_fs, handled_access_net, scoped;
} RulesetAttribute;

#define READ (LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR)
#define USE_FILE (LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_WRITE_FILE | RIGHT_TRUNCATE | RIGHT_IOCTL_DEV)
#define CHANGE                                                                                                 \
        (READ | USE_FILE | LANDLOCK_ACCESS_FS_REMOVE_DIR | LANDLOCK_ACCESS_FS_REMOVE_FILE |                     \
         LANDLOCK_ACCESS_FS_MAKE_DIR | LANDLOCK_ACCESS_FS_MAKE_REG | LANDLOCK_ACCESS_FS_MAKE_SOCK |             \
         LANDLOCK_ACCESS_FS_MAKE_FIFO | LANDLOCK_ACCESS_FS_MAKE_SYM | LANDLOCK_ACCESS_FS_REFER)
#define OF_FILES (USE_FILE | LANDLOCK_ACCESS_FS_EXECUTE) /* the rights that a rule on a file may have */

static uint64_t rights_of_abi(int abi)
{
        uint64_t rights = (LANDLOCK_ACCESS_FS_MAKE_SYM << 1) - 1;

        if (abi >= 2)
                rights |= LANDLOCK_ACCESS_FS_REFER;
        if (abi >= 3)
                rights |= RIGHT_TRUNCATE;
        if (abi >= 5)
                rights |= RIGHT_IOCTL_DEV;
        return rights;
}

static int ruleset_new(int abi)
{
        RulesetAttribute attribute = {.handled_access_fs = rights_of_abi(abi)};

        if (abi >= 6)
                attribute.scoped = SCOPE_ABSTRACT_UNIX_SOCKET | SCOPE_SIGNAL;
        int fd = (int)syscall(SYS_landlock_create_ruleset, &attribute, sizeof attribute, 0);
        return fd < 0 ? -errno : fd;
}

static int allow_fd(int ruleset, int abi, int fd, uint64_t rights)
{
        struct landlock_path_beneath_attr rule = {.parent_fd = fd};
        struct stat st;

        if (fstatat(fd, "", &st, AT_EMPTY_PATH) < 0)
                return -errno;
        rule.allowed_access = rights & rights_of_abi(abi) & (S_ISDIR(st.st_mode) ? ~UINT64_C(0) : OF_FILES);
        if (rule.allowed_access == 0)
                return 0;
        if (syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) < 0)
                return -errno;
        return 0;
}

typedef struct Rules {
        int fd, abi;
        Error *error;
} Rules;

static int allow(Rules *rules, const char *path, uint64_t rights)
{
        _cleanup_close_ int fd = open(path, O_PATH | O_CLOEXEC);

        /* A policy may name what this host, or another root, does not have. */
        if (fd < 0 && (errno == ENOENT || errno == ENOTDIR))
                return 0;
        int r = fd < 0 ? -errno : allow_fd(rules->fd, rules->abi, fd, rights);
        return r < 0 ? error_errno(rules->error, r, "Landlock rule for %s", path) : 0;
}

static int allow_each(Rules *rules, char *const *paths, uint64_t rights)
{
        int r = 0;

        for (size_t i = 0; r >= 0 && paths && paths[i]; i++)
                r = allow(rules, paths[i], rights);
        return r;
}

static uint64_t execution(const Plan *plan, const char *path)
{
        return strv_contains(plan->execute, path) ? LANDLOCK_ACCESS_FS_EXECUTE : 0;
}

/* Where /usr is not merged, these belong to it. */
static const char *const system_paths[] = {"/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32"};

static int allow_system(Rules *rules, uint64_t rights)
{
        int r = 0;

        for (size_t i = 0; r >= 0 && i < ELEMENTS(system_paths); i++) {
                struct stat st;
                if (lstat(system_paths[i], &st) == 0 && !S_ISLNK(st.st_mode))
                        r = allow(rules, system_paths[i], rights);
        }
        return r;
}

/* Where in the root the policy's paths of the host are, all links followed. */
static int find_shown(char *const *read_only, char ***ret)
{
        int r = 0;

        for (size_t i = 0; r >= 0 && read_only && read_only[i]; i++) {
                _cleanup_free_ char *real = realpath(read_only[i], NULL);
                r = strv_add(ret, real ? real : read_only[i]);
        }
        return r;
}

static bool contains_any(const char *dir, char *const *paths)
{
        for (size_t i = 0; paths && paths[i]; i++)
                if (path_is_below(paths[i], dir))
                        return true;
        return false;
}

/* All that is in a directory of the root but what is shown of the host, which may be executed only where the policy says
 * so: as no rule takes away what one further up has given, there is none for the directories that lead to it, but one for
 * each of the others. */
static int allow_in(Rules *rules, const char *dir, uint64_t rights, char *const *shown, const char *const *ours, size_t n_ours)
{
        _cleanup_closedir_ DIR *entries = opendir(*dir ? dir : "/");
        int r = 0;

        /* What cannot be listed is not executed. */
        if (!entries)
                return *dir && errno == EACCES ? 0 : error_errno(rules->error, -errno, "%s", *dir ? dir : "the root");
        for (struct dirent *d; r >= 0 && (d = readdir(entries));) {
                _cleanup_free_ char *path = NULL;
                struct stat st;
                bool is_ours = strcmp(d->d_name, ".") == 0 || strcmp(d->d_name, "..") == 0;
                for (size_t i = 0; i < n_ours; i++)
                        is_ours |= strcmp(d->d_name, ours[i]) == 0;
                if (asprintf(&path, "%s/%s", dir, d->d_name) < 0) {
                        path = NULL;
                        return error_oom(rules->error);
                }
                if (is_ours || strv_contains(shown, path) || fstatat(AT_FDCWD, path, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
                    S_ISLNK(st.st_mode))
                        continue;
                bool leads = (rights & LANDLOCK_ACCESS_FS_EXECUTE) && contains_any(path, shown);
                r = allow(rules, path, leads ? rights & ~LANDLOCK_ACCESS_FS_EXECUTE : rights);
                if (r >= 0 && leads)
                        r = allow_in(rules, path, rights, shown, NULL, 0);
        }
        return r;
}

/* A root of its own may keep its programs anywhere: all that it has is like the host's /usr. What is mounted into it has
 * rules of its own. */
static int allow_root(Rules *rules, const Plan *plan)
{
        static const char *const ours[] = {"dev", "proc", "work", "tmp", "output", "input"};
        _cleanup_strv_ char **shown = NULL;

        if (find_shown(plan->read_only, &shown) < 0)
                return error_oom(rules->error);
        return allow_in(rules, "", READ | execution(plan, "/usr"), shown, ours, ELEMENTS(ours));
}

static int add_rules(Rules *rules, const Plan *plan)
{
        static const char *const writable[] = {"/work", "/tmp", "/output", "/dev/shm"};
        int r;

        if (plan->root != ROOT_HOST && (r = allow_root(rules, plan)) < 0)
                return r;
        /* What of it cannot be written is mounted read-only. */
        if (plan->writable_root && (r = allow(rules, "/", CHANGE)) < 0)
                return r;

        /* Names may be listed everywhere: what is not for the job is not in the tree. */
        if ((r = allow(rules, "/", LANDLOCK_ACCESS_FS_READ_DIR)) < 0 ||
            (r = allow_system(rules, READ | execution(plan, "/usr"))) < 0 || (r = allow(rules, "/etc", READ)) < 0 ||
            (r = allow(rules, "/input", READ | execution(plan, "/input"))) < 0 ||
            (r = allow(rules, "/proc", READ)) < 0 || (r = allow(rules, "/dev", USE_FILE)) < 0)
                return r;
        /* Where their file system is mounted does not matter to mq_open(), which takes the kernel's own mount of it; but a
         * rule is on the directory, which is the same. */
        if (plan->message_queues && (r = allow(rules, "/dev/mqueue", READ | USE_FILE)) < 0)
                return r;
        for (size_t i = 0; i < ELEMENTS(writable); i++)
                if ((r = allow(rules, writable[i], CHANGE)) < 0)
                        return r;
        if ((r = allow_each(rules, plan->read_only, READ)) < 0 || (r = allow_each(rules, plan->writable, CHANGE)) < 0 ||
            (r = allow_each(rules, plan->tmpfs, CHANGE)) < 0)
                return r;
        for (size_t i = 0; plan->execute && plan->execute[i]; i++)
                if (strcmp(plan->execute[i], "/usr") != 0 && strcmp(plan->execute[i], "/input") != 0 &&
                    (r = allow(rules, plan->execute[i], LANDLOCK_ACCESS_FS_EXECUTE)) < 0)
                        return r;
        for (size_t i = 0; plan->binds && plan->binds[i]; i++) {
                bool change = plan->binds_writable & (UINT64_C(1) << i);
                /* What the caller binds, he means to use: programs among it. */
                if ((r = allow(rules, plan->binds[i], (change ? CHANGE : READ) | LANDLOCK_ACCESS_FS_EXECUTE)) < 0)
                        return r;
        }
        return 0;
}

int landlock_for_job(const Plan *plan, Error *e)
{
        _cleanup_close_ int fd = ruleset_new(plan->landlock_abi);
        Rules rules = {fd, plan->landlock_abi, e};

        if (fd < 0)
                return error_errno(e, fd, "making a Landlock ruleset");
        int r = add_rules(&rules, plan);
        return r < 0 ? r : take_fd(fd);
}

int landlock_for_unpacking(int abi, int dir_fd)
{
        _cleanup_close_ int fd = ruleset_new(abi);
        int r = fd < 0 ? fd : allow_fd(fd, abi, dir_fd, CHANGE);

        return r < 0 ? r : take_fd(fd);
}
