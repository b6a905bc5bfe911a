/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "engine/supervisor/output.h"

#include "engine/base/fd.h"
#include "engine/base/remove_tree.h"
#include "engine/worker/protocol.h"

#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>

#define FILLED_MAX (UINT64_C(16) << 20) /* what is larger takes too long here */

/* A tar archive ends with two blocks of zeros. */
static const char nothing[1024];

static const char *const stream_names[OUTPUT_STREAM_MAX] = {"stdout", "stderr", "files", "index"};

int output_stream_parse(const char *name, OutputStream *ret)
{
        for (OutputStream stream = 0; stream < OUTPUT_STREAM_MAX; stream++)
                if (strcmp(stream_names[stream], name) == 0) {
                        *ret = stream;
                        return 0;
                }
        return -EINVAL;
}

int output_directory_new(const char *state_directory, Error *e)
{
        _cleanup_close_ int state = open(state_directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

        if (state < 0)
                return error_errno(e, -errno, "%s", state_directory);
        if (mkdirat(state, "jobs", 0700) < 0 && errno != EEXIST)
                return error_errno(e, -errno, "%s/jobs", state_directory);
        int fd = openat(state, "jobs", O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
        return fd < 0 ? error_errno(e, -errno, "%s/jobs", state_directory) : fd;
}

int output_open(int directory, const Id *job, uint64_t attempt, OutputStream stream, bool ended)
{
        _cleanup_close_ int fd = run_output_open(directory, job->text, attempt, stream_names[stream], false, !ended);
        struct stat st;

        /* Somebody has looked at it early, and nothing was packed: what has no byte is no archive. */
        bool none = fd >= 0 && ended && stream == OUTPUT_FILES && fstat(fd, &st) == 0 && st.st_size == 0;
        if (fd != -ENOENT && !none)
                return take_fd(fd);
        return sealed_file(stream_names[stream], nothing, stream == OUTPUT_FILES ? sizeof nothing : 0);
}

int output_open_folder(int directory, const Id *job, uint64_t attempt)
{
        char folder[ID_LENGTH + 32];

        snprintf(folder, sizeof folder, "%s/%" PRIu64, job->text, attempt);
        if ((mkdirat(directory, job->text, 0700) < 0 && errno != EEXIST) ||
            (mkdirat(directory, folder, 0700) < 0 && errno != EEXIST))
                return -errno;
        int fd = openat(directory, folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
        return fd < 0 ? -errno : fd;
}

static void name_file(char *ret, size_t size, const Id *job, uint64_t attempt, OutputStream stream)
{
        snprintf(ret, size, "%s/%" PRIu64 "/%s", job->text, attempt, stream_names[stream]);
}

/* Opens the directory of an attempt; -ENOENT: there is none. */
static int open_attempt(int directory, const Id *job, uint64_t attempt)
{
        char folder[ID_LENGTH + 32];

        snprintf(folder, sizeof folder, "%s/%" PRIu64, job->text, attempt);
        int fd = openat(directory, folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
        return fd < 0 ? -errno : fd;
}

/* Whoever has a file open would not see another in its place: so what is in the other comes into this one. That it is
 * closed tells him that this is all. */
static int fill_file(int from, int to, OutputStream stream)
{
        const char *name = stream_names[stream];
        _cleanup_close_ int target = openat(to, name, O_WRONLY | O_CLOEXEC | O_NOFOLLOW), source = -1;
        struct stat st;

        if (target < 0)
                return errno == ENOENT ? 0 : -errno; /* neither has it */
        if (fstat(target, &st) < 0)
                return -errno;
        if (st.st_size > 0)
                return -EEXIST;
        if (from >= 0)
                source = openat(from, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
        if (source < 0)
                return stream == OUTPUT_FILES ? write_full(target, nothing, sizeof nothing) : 0;
        int r = copy_file(source, target, FILLED_MAX);
        return r < 0 && ftruncate(target, 0) < 0 ? -errno : r;
}

static int give_file(int from, int to, OutputStream stream, bool *ret_linked)
{
        *ret_linked = from >= 0 && linkat(from, stream_names[stream], to, stream_names[stream], 0) >= 0;
        if (*ret_linked)
                return 0;
        return from < 0 || errno == ENOENT || errno == EEXIST ? fill_file(from, to, stream) : -errno;
}

/* Takes back what give_file() has given. */
static void take_file(int to, OutputStream stream, bool linked)
{
        if (linked)
                unlinkat(to, stream_names[stream], 0);
        else
                close_fd(openat(to, stream_names[stream], O_WRONLY | O_TRUNC | O_CLOEXEC | O_NOFOLLOW));
}

int output_link(int directory, const Id *from, uint64_t from_attempt, const Id *to, uint64_t to_attempt)
{
        _cleanup_close_ int source = open_attempt(directory, from, from_attempt), target = -1;
        bool linked[OUTPUT_STREAM_MAX] = {0};

        if (source < 0 && source != -ENOENT)
                return source;
        /* Where it has written nothing at all, only who looks at the other has to be told. */
        target = source < 0 ? open_attempt(directory, to, to_attempt) : output_open_folder(directory, to, to_attempt);
        if (target < 0)
                return source < 0 && target == -ENOENT ? 0 : target;
        for (OutputStream stream = 0; stream < OUTPUT_STREAM_MAX; stream++) {
                int r = give_file(source, target, stream, &linked[stream]);
                if (r >= 0)
                        continue;
                while (stream-- > 0)
                        take_file(target, stream, linked[stream]);
                return r;
        }
        return 0;
}

void output_clear(int directory, const Id *job, uint64_t attempt)
{
        char file[ID_LENGTH + 64];
        struct stat st;

        if (faccessat(directory, job->text, F_OK, AT_SYMLINK_NOFOLLOW) < 0)
                return;
        for (OutputStream stream = 0; stream < OUTPUT_STREAM_MAX; stream++) {
                name_file(file, sizeof file, job, attempt, stream);
                /* An empty one may be that of another job, too: output_link(). */
                if (fstatat(directory, file, &st, AT_SYMLINK_NOFOLLOW) == 0 && (st.st_size > 0 || st.st_nlink > 1))
                        unlinkat(directory, file, 0);
        }
}

void output_drop_files(int directory, const Id *job, uint64_t attempt)
{
        char file[ID_LENGTH + 64];

        name_file(file, sizeof file, job, attempt, OUTPUT_FILES);
        unlinkat(directory, file, 0);
}

bool output_is_there(int directory, const Id *job)
{
        return faccessat(directory, job->text, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

uint64_t output_file_size(int directory, const Id *job, uint64_t attempt, OutputStream stream)
{
        char file[ID_LENGTH + 64];
        struct stat st;

        name_file(file, sizeof file, job, attempt, stream);
        return fstatat(directory, file, &st, AT_SYMLINK_NOFOLLOW) == 0 ? (uint64_t)st.st_size : 0;
}

uint64_t output_file_room(int directory, const Id *job, uint64_t attempt, OutputStream stream)
{
        char file[ID_LENGTH + 64];
        struct stat st;

        name_file(file, sizeof file, job, attempt, stream);
        if (fstatat(directory, file, &st, AT_SYMLINK_NOFOLLOW) < 0)
                return 0;
        uint64_t taken = (uint64_t)st.st_blocks * 512, size = (uint64_t)st.st_size;
        return taken < size ? taken : size;
}

uint64_t output_size(int directory, const Id *job, uint64_t attempt)
{
        uint64_t bytes = 0;

        for (OutputStream stream = 0; stream < OUTPUT_STREAM_MAX; stream++)
                bytes += output_file_size(directory, job, attempt, stream);
        return bytes;
}

void output_remove(int directory, const Id *job)
{
        remove_tree_at(directory, job->text);
}

void output_sweep(int directory, bool (*is_kept)(const char *id, const void *userdata), const void *userdata)
{
        int fd = openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        _cleanup_closedir_ DIR *dir = fd < 0 ? NULL : fdopendir(fd);

        for (struct dirent *d; dir && (d = readdir(dir));)
                if (d->d_name[0] != '.' && !is_kept(d->d_name, userdata))
                        remove_tree_at(directory, d->d_name);
}
