/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "jail/output_tree.h"

#include "engine/base/archive.h"
#include "engine/base/fd.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#define FILE_BITS (S_IRUSR | S_IROTH)
#define DIRECTORY_BITS (FILE_BITS | S_IXUSR | S_IXOTH)

typedef struct Walk {
        bool changes; /* otherwise it only looks */
        bool closed;  /* something is not open, or could not be looked into */
} Walk;

static bool lacks(const struct stat *st)
{
        mode_t bits = S_ISDIR(st->st_mode) ? DIRECTORY_BITS : FILE_BITS;

        return (S_ISDIR(st->st_mode) || S_ISREG(st->st_mode)) && (st->st_mode & bits) != bits;
}

static mode_t opened(const struct stat *st)
{
        return (st->st_mode & 0777) | (S_ISDIR(st->st_mode) ? DIRECTORY_BITS : FILE_BITS);
}

static void open_below(Walk *w, int directory, unsigned depth);

static void open_entry(Walk *w, int directory, const char *name, unsigned depth)
{
        struct stat st;

        if (fstatat(directory, name, &st, AT_SYMLINK_NOFOLLOW) < 0) {
                w->closed = true;
                return;
        }
        /* By its name, since what is closed cannot be opened to be changed: nobody is left who could put a link there. */
        if (lacks(&st) && (!w->changes || fchmodat(directory, name, opened(&st), 0) < 0))
                w->closed = true;
        if (!S_ISDIR(st.st_mode) || depth > ARCHIVE_DEPTH_MAX)
                return;
        _cleanup_close_ int below = open_beneath(directory, name, O_RDONLY | O_DIRECTORY, 0);
        if (below < 0)
                w->closed = true;
        else
                open_below(w, below, depth + 1);
}

static void open_below(Walk *w, int directory, unsigned depth)
{
        int list = open_beneath(directory, ".", O_RDONLY | O_DIRECTORY, 0);
        _cleanup_closedir_ DIR *dir = list < 0 ? NULL : fdopendir(list);

        if (!dir) {
                close_fd(list);
                w->closed = true;
                return;
        }
        for (struct dirent *d; (d = readdir(dir));)
                if (strcmp(d->d_name, ".") != 0 && strcmp(d->d_name, "..") != 0)
                        open_entry(w, directory, d->d_name, depth);
}

/* Returns whether all of it is open. */
static bool open_tree(int output, bool change)
{
        Walk w = {.changes = change};
        struct stat st;

        if (fstat(output, &st) < 0 || (lacks(&st) && (!change || fchmod(output, opened(&st)) < 0)))
                w.closed = true;
        open_below(&w, output, 0);
        return !w.closed;
}

/* The ids are the user's, by newuidmap(1), and none of them is his own: so it is done by root of a user namespace that has
 * them, as the jail's was. */
static void open_by_owner(int output, const Ids *ids)
{
        _cleanup_error_ Error e = ERROR_NULL;
        int fds[2];
        char go;

        if (pipe2(fds, O_CLOEXEC) < 0)
                return;
        pid_t pid = (pid_t)syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, 0, 0, 0, 0);
        if (pid == 0) {
                close(fds[1]);
                if (read(fds[0], &go, 1) == 1)
                        open_tree(output, true);
                _exit(0);
        }
        if (pid > 0 && ids_map(ids, pid, &e) >= 0)
                write_full(fds[1], "", 1);
        close_many(fds, 2);
        while (pid > 0 && waitpid(pid, NULL, 0) < 0 && errno == EINTR)
                ;
}

void output_tree_open(int output, const Ids *ids)
{
        if (ids->kind == IDS_CALLER)
                open_tree(output, true);
        else if (ids->kind == IDS_SUBORDINATE && !open_tree(output, false))
                open_by_owner(output, ids);
}
