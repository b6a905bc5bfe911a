/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "engine/base/input.h"

#include "engine/base/archive.h"
#include "engine/base/name.h"

#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

static int pack(int dir_fd, const char *path, Error *e)
{
        const ArchiveRules rules = {.symlinks = true, .max_bytes = UINT64_MAX, .max_entries = UINT64_MAX};
        _cleanup_close_ int fd = memfd_create("input", MFD_CLOEXEC);

        if (fd < 0)
                return error_errno(e, -errno, "%s", path);
        int r = archive_pack(dir_fd, fd, &rules, NULL, e);
        if (r < 0)
                return error_prefix(e, "%s", path), r;
        return lseek(fd, 0, SEEK_SET) < 0 ? error_errno(e, -errno, "%s", path) : take_fd(fd);
}

static int open_path(const char *path, bool directory, Error *e)
{
        struct stat st;
        /* Looked at before it is opened: to open a FIFO or a device can wait, or do something. */
        _cleanup_close_ int handle = open(path, O_PATH | O_CLOEXEC);
        char link[32];

        if (handle < 0 || fstat(handle, &st) < 0)
                return error_errno(e, -errno, "%s", path);
        if (directory && !S_ISDIR(st.st_mode))
                return error_set(e, -ENOTDIR, "%s is not a directory, as a name that ends in \"/\" asks for", path);
        if (!directory && S_ISDIR(st.st_mode))
                return error_set(e, -EISDIR, "%s is a directory: give the input a name that ends in \"/\"", path);
        if (!directory && !S_ISREG(st.st_mode))
                return error_set(e, -EINVAL, "%s is not a regular file", path);
        snprintf(link, sizeof link, "/proc/self/fd/%d", handle);
        _cleanup_close_ int fd = open(link, O_RDONLY | O_CLOEXEC);
        if (fd < 0)
                return error_errno(e, -errno, "%s", path);
        return directory ? pack(fd, path, e) : take_fd(fd);
}

int input_open(const char *assignment, Input *ret, Error *e)
{
        const char *equals = strchr(assignment, '=');
        _cleanup_free_ char *name = NULL;

        if (!equals)
                return error_set(e, -EINVAL, "input \"%s\": write it as NAME=PATH", assignment);
        name = strndup(assignment, (size_t)(equals - assignment));
        if (!name)
                return error_oom(e);
        int r = name_check_input(name, e);
        if (r < 0)
                return r;
        int fd = open_path(equals + 1, name[strlen(name) - 1] == '/', e);
        if (fd < 0)
                return error_prefix(e, "input \"%s\"", name), fd;
        *ret = (Input){take(name), fd};
        return 0;
}

void input_done(Input *input)
{
        free(input->name);
        close_fd(input->fd);
        *input = (Input){NULL, -1};
}

/* The directory that something new at this path would be made in; owned by the caller. */
static char *parent_of(const char *path)
{
        _cleanup_free_ char *copy = strdup(path);

        for (size_t n = copy ? strlen(copy) : 0; n > 1 && copy[n - 1] == '/'; n--)
                copy[n - 1] = '\0';
        char *slash = copy ? strrchr(copy, '/') : NULL;
        if (copy && !slash)
                return strdup(".");
        if (slash)
                slash[slash == copy] = '\0';
        return take(copy);
}

static int check_place(const char *path, bool directory, Error *e)
{
        struct stat st;

        if (stat(path, &st) == 0) {
                if (directory && !S_ISDIR(st.st_mode))
                        return error_set(e, -ENOTDIR, "%s is not a directory", path);
                if (!directory && S_ISDIR(st.st_mode))
                        return error_set(e, -EISDIR, "%s is a directory", path);
                return access(path, W_OK) < 0 ? error_errno(e, -errno, "%s", path) : 0;
        }
        if (errno != ENOENT)
                return error_errno(e, -errno, "%s", path);
        if (directory && lstat(path, &st) == 0)
                return error_set(e, -ENOENT, "%s is a link to what is not there", path);
        if (!directory && *path && path[strlen(path) - 1] == '/')
                return error_set(e, -EISDIR, "%s names a directory", path);
        _cleanup_free_ char *parent = parent_of(path);
        if (!parent)
                return error_oom(e);
        return access(parent, W_OK | X_OK) < 0 ? error_errno(e, -errno, "%s", path) : 0;
}

int output_check_place(const char *path, Error *e)
{
        return check_place(path, true, e);
}

int output_check_file(const char *path, Error *e)
{
        return check_place(path, false, e);
}

int output_unpack(int archive_fd, const char *path, Error *e)
{
        const ArchiveRules rules = {.symlinks = false, .max_bytes = UINT64_MAX, .max_entries = UINT64_MAX};

        if (mkdir(path, 0777) < 0 && errno != EEXIST)
                return error_errno(e, -errno, "%s", path);
        _cleanup_close_ int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0)
                return error_errno(e, -errno, "%s", path);
        int r = archive_unpack(archive_fd, fd, &rules, e);
        return r < 0 ? (error_prefix(e, "%s", path), r) : 0;
}
