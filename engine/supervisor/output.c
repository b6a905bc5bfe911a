/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "engine/supervisor/output.h"

#include "engine/base/fd.h"
#include "engine/base/remove_tree.h"
#include "engine/worker/protocol.h"

#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>

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
        static const char nothing[1024]; /* a tar archive ends with two blocks of zeros */
        int fd = run_output_open(directory, job->text, attempt, stream_names[stream], false, !ended);

        if (fd != -ENOENT)
                return fd;
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

int output_link(int directory, const Id *from, uint64_t from_attempt, const Id *to, uint64_t to_attempt)
{
        char folder[ID_LENGTH + 32], source[ID_LENGTH + 64], target[ID_LENGTH + 64];

        name_file(source, sizeof source, from, from_attempt, OUTPUT_STDOUT);
        *strrchr(source, '/') = '\0';
        if (faccessat(directory, source, F_OK, AT_SYMLINK_NOFOLLOW) < 0)
                return errno == ENOENT ? 0 : -errno; /* it has written nothing at all */
        snprintf(folder, sizeof folder, "%s/%" PRIu64, to->text, to_attempt);
        if ((mkdirat(directory, to->text, 0700) < 0 && errno != EEXIST) ||
            (mkdirat(directory, folder, 0700) < 0 && errno != EEXIST))
                return -errno;
        for (OutputStream stream = 0; stream < OUTPUT_STREAM_MAX; stream++) {
                name_file(source, sizeof source, from, from_attempt, stream);
                name_file(target, sizeof target, to, to_attempt, stream);
                if (linkat(directory, source, directory, target, 0) >= 0 || errno == ENOENT)
                        continue; /* what it did not write is not there */
                int r = -errno;
                while (stream-- > 0) {
                        name_file(target, sizeof target, to, to_attempt, stream);
                        unlinkat(directory, target, 0);
                }
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
                if (fstatat(directory, file, &st, AT_SYMLINK_NOFOLLOW) == 0 && st.st_size > 0)
                        unlinkat(directory, file, 0);
        }
}

uint64_t output_file_size(int directory, const Id *job, uint64_t attempt, OutputStream stream)
{
        char file[ID_LENGTH + 64];
        struct stat st;

        name_file(file, sizeof file, job, attempt, stream);
        return fstatat(directory, file, &st, AT_SYMLINK_NOFOLLOW) == 0 ? (uint64_t)st.st_size : 0;
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
