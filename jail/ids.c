/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Ids are taken by a lock on one byte of a file: the byte's offset is the number of the range. Locks of open file
 * descriptions (fcntl(2), F_OFD_SETLK) belong to every process that holds the descriptor, and go with the last one:
 * the jail's reaper is among them, and it is the last process of the jail.
 *
 * The file is empty, and stays: to make and remove one for each jail costs more than all else here, where /run is on a
 * disk. */

#include "jail/ids.h"

#include "engine/base/fd.h"
#include "engine/base/strv.h"

#include <fcntl.h>
#include <inttypes.h>
#include <pwd.h>
#include <spawn.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

#define SUBORDINATE_PER_JAIL 3
#define FILE_MAX ((size_t)1 << 20)

static const uint32_t subordinate_ids[SUBORDINATE_PER_JAIL] = {JAIL_ROOT_ID, JAIL_AGENT_ID, JAIL_UNPACK_ID};

/* ---- subordinate ids: subuid(5) ---- */

/* The names that a line may have for this user: the number and, as far as /etc/passwd knows it, the name. */
static void user_names(char *number, size_t size, char **ret_name)
{
        _cleanup_fclose_ FILE *f = fopen("/etc/passwd", "re");
        struct passwd *entry;

        snprintf(number, size, "%u", geteuid());
        *ret_name = NULL;
        while (f && !*ret_name && (entry = fgetpwent(f)))
                if (entry->pw_uid == geteuid())
                        *ret_name = strdup(entry->pw_name);
}

static bool find_subordinate(const char *file, uint32_t *ret_first, uint32_t *ret_count)
{
        _cleanup_free_ char *name = NULL, *text = NULL;
        _cleanup_strv_ char **lines = NULL;
        char number[16];

        user_names(number, sizeof number, &name);
        if (read_file_at(AT_FDCWD, file, FILE_MAX, &text, NULL) < 0 || strv_split(text, '\n', &lines) < 0)
                return false;
        for (size_t i = 0; lines && lines[i]; i++) {
                char *colon = strchr(lines[i], ':');
                if (!colon)
                        continue;
                *colon = '\0';
                if ((strcmp(lines[i], number) == 0 || (name && strcmp(lines[i], name) == 0)) &&
                    sscanf(colon + 1, "%" SCNu32 ":%" SCNu32, ret_first, ret_count) == 2 &&
                    *ret_count >= SUBORDINATE_PER_JAIL)
                        return true;
        }
        return false;
}

/* ---- the file with the locks ---- */

/* Root's is for the host, a user's in the directory that the user's session has (pam_systemd(8)). Nobody else can write
 * there, and so lock ids away. */
static int open_locks(Error *e)
{
        char folder[64], file[80];

        if (geteuid() == 0)
                snprintf(folder, sizeof folder, "/run/skep");
        else
                snprintf(folder, sizeof folder, "/run/user/%u/skep", geteuid());
        snprintf(file, sizeof file, "%s/jail-ids", folder);
        for (bool made = false;; made = true) {
                int fd = open(file, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
                if (fd >= 0)
                        return fd;
                if (errno != ENOENT || made || (mkdir(folder, 0755) < 0 && errno != EEXIST))
                        return error_errno(e, -errno, "taking ids in %s", file);
        }
}

/* Takes one of `n` numbers. */
static int take_number(uint32_t hint, uint32_t n, uint32_t *ret_number, int *ret_fd, Error *e)
{
        _cleanup_close_ int fd = open_locks(e);

        if (fd < 0)
                return fd;
        for (uint32_t tried = 0, number = hint % n; tried < n; tried++, number = (number + 1) % n) {
                struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = number, .l_len = 1};
                if (fcntl(fd, F_OFD_SETLK, &lock) == 0) {
                        *ret_number = number;
                        *ret_fd = take_fd(fd);
                        return 0;
                }
                if (errno != EAGAIN && errno != EACCES)
                        return error_errno(e, -errno, "taking ids");
        }
        return error_set(e, -EAGAIN, "all %u ranges of ids for jails are in use", n);
}

/* ---- user namespaces that we are in ---- */

/* Whether our user namespace has this id: what it is in the parent, and how many follow on it. Where nothing can be read, we
 * are taken to be in that of the host. */
static bool find_mapped(const char *map, uint32_t id, uint64_t *ret_outside, uint64_t *ret_count)
{
        _cleanup_free_ char *text = NULL;
        _cleanup_strv_ char **lines = NULL;
        uint64_t first, outside, count;

        *ret_outside = id;
        *ret_count = UINT64_MAX;
        if (read_file_at(AT_FDCWD, map, FILE_MAX, &text, NULL) < 0 || strv_split(text, '\n', &lines) < 0)
                return true;
        for (size_t i = 0; lines && lines[i]; i++) {
                if (sscanf(lines[i], "%" SCNu64 " %" SCNu64 " %" SCNu64, &first, &outside, &count) != 3 || id < first ||
                    id - first >= count)
                        continue;
                *ret_outside = outside + (id - first);
                *ret_count = count - (id - first);
                return true;
        }
        return false;
}

/* Root of a user namespace, as in a rootless container, has the ids that its map names, and those of jails are seldom among
 * them. */
static bool has_ranges(const char *map)
{
        uint64_t outside, count;

        return find_mapped(map, IDS_FIRST, &outside, &count) && count >= (uint64_t)IDS_PER_JAIL * IDS_RANGES;
}

/* No file of the host's root is kept from a process with its id, no limit of processes counts for it. */
static bool is_root_outside(void)
{
        uint64_t outside, count;

        return find_mapped("/proc/self/uid_map", geteuid(), &outside, &count) && outside == 0;
}

/* ---- taking and mapping ---- */

IdsKind ids_kind(void)
{
        uint32_t first, count;
        char folder[64];

        if (geteuid() == 0)
                return has_ranges("/proc/self/uid_map") && has_ranges("/proc/self/gid_map") ? IDS_RANGE : IDS_CALLER;
        snprintf(folder, sizeof folder, "/run/user/%u", geteuid());
        return access(folder, W_OK) == 0 && access("/usr/bin/newuidmap", X_OK) == 0 &&
                               access("/usr/bin/newgidmap", X_OK) == 0 && find_subordinate("/etc/subuid", &first, &count) &&
                               find_subordinate("/etc/subgid", &first, &count)
                       ? IDS_SUBORDINATE
                       : IDS_CALLER;
}

int ids_take(IdsKind kind, uint32_t *hint, Ids *ret, Error *e)
{
        uint32_t number = 0, uid, gid, n_uids, n_gids, n;
        int r;

        *ret = (Ids){.kind = kind, .uid = geteuid(), .gid = getegid(), .fd = -1, .user = -1};
        if (kind == IDS_CALLER && is_root_outside())
                return error_set(e, -EPERM,
                                 "a job would have the id of root outside of this user namespace; make it as the host's root, or "
                                 "in a namespace of another user");
        if (kind == IDS_CALLER)
                return 0;
        if (kind == IDS_SUBORDINATE) {
                if (!find_subordinate("/etc/subuid", &uid, &n_uids) || !find_subordinate("/etc/subgid", &gid, &n_gids))
                        return error_set(e, -ENOENT, "/etc/subuid and /etc/subgid name no ids of this user any more");
                n = (n_uids < n_gids ? n_uids : n_gids) / SUBORDINATE_PER_JAIL;
        } else {
                uid = gid = IDS_FIRST;
                n = IDS_RANGES;
        }
        if ((r = take_number(*hint, n, &number, &ret->fd, e)) < 0)
                return r;
        *hint = number + 1;
        ret->uid = uid + number * (kind == IDS_RANGE ? IDS_PER_JAIL : SUBORDINATE_PER_JAIL);
        ret->gid = gid + number * (kind == IDS_RANGE ? IDS_PER_JAIL : SUBORDINATE_PER_JAIL);
        return 0;
}

void ids_done(Ids *ids)
{
        close_fd(ids->fd);
        close_fd(ids->user);
        *ids = IDS_NULL;
}

/* newuidmap(1) is privileged to map what /etc/subuid gives to its caller. */
static int map_by_program(const char *program, pid_t pid, uint32_t first, Error *e)
{
        char words[1 + 3 * SUBORDINATE_PER_JAIL][16], *argv[ELEMENTS(words) + 2] = {(char *)program}, *envp[] = {NULL};
        size_t n = 0;
        int status;
        pid_t child;

        snprintf(words[n++], sizeof words[0], "%d", pid);
        for (uint32_t i = 0; i < SUBORDINATE_PER_JAIL; i++) {
                snprintf(words[n++], sizeof words[0], "%u", subordinate_ids[i]);
                snprintf(words[n++], sizeof words[0], "%u", first + i);
                snprintf(words[n++], sizeof words[0], "1");
        }
        for (size_t i = 0; i < n; i++)
                argv[i + 1] = words[i];
        argv[n + 1] = NULL;
        int r = posix_spawn(&child, program, NULL, NULL, argv, envp);
        if (r != 0)
                return error_errno(e, -r, "%s", program);
        while (waitpid(child, &status, 0) < 0)
                if (errno != EINTR)
                        return error_errno(e, -errno, "%s", program);
        return status == 0 ? 0 : error_set(e, -EPERM, "%s gave no ids to the jail", program);
}

static int map_by_file(pid_t pid, const char *file, const char *text, Error *e)
{
        char path[64];

        snprintf(path, sizeof path, "/proc/%d/%s", pid, file);
        int r = write_file_at(AT_FDCWD, path, text);
        return r < 0 ? error_errno(e, r, "mapping the jail's ids by %s", path) : 0;
}

int ids_map(const Ids *ids, pid_t pid, Error *e)
{
        uint32_t inside = ids->kind == IDS_CALLER ? JAIL_AGENT_ID : 0, count = ids->kind == IDS_CALLER ? 1 : IDS_PER_JAIL;
        char uids[64], gids[64];
        int r;

        if (ids->kind == IDS_SUBORDINATE) {
                r = map_by_program("/usr/bin/newuidmap", pid, ids->uid, e);
                return r < 0 ? r : map_by_program("/usr/bin/newgidmap", pid, ids->gid, e);
        }
        snprintf(uids, sizeof uids, "%u %u %u", inside, ids->uid, count);
        snprintf(gids, sizeof gids, "%u %u %u", inside, ids->gid, count);
        /* Who may map no more than the own group may not drop groups either; user_namespaces(7). */
        if (ids->kind == IDS_CALLER && (r = map_by_file(pid, "setgroups", "deny", e)) < 0)
                return r;
        if ((r = map_by_file(pid, "uid_map", uids, e)) < 0)
                return r;
        return map_by_file(pid, "gid_map", gids, e);
}
