/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "engine/base/archive.h"
#include "engine/base/fd.h"
#include "engine/base/name.h"
#include "jail/image.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#define PART_BITS 32

typedef struct Measure {
        uint64_t max_bytes, max_files;
        unsigned __int128 parts; /* of bytes, so small that those of a file's names together are the file */
        uint64_t files;
        Error *error;
} Measure;

static uint64_t measured_bytes(const Measure *m)
{
        return (uint64_t)((m->parts + (UINT64_C(1) << (PART_BITS - 1))) >> PART_BITS);
}

static int measure_entry(Measure *m, int parent, const char *name, int depth);

static int measure_directory(Measure *m, int parent, const char *name, int depth)
{
        int fd = open_beneath(parent, name, O_RDONLY | O_DIRECTORY, 0);
        _cleanup_closedir_ DIR *dir = fd < 0 ? NULL : fdopendir(fd);
        int r = 0;

        if (!dir) {
                r = fd < 0 ? fd : -errno;
                close_fd(fd);
                return name_error(r, name, strerror(-r), m->error);
        }
        for (struct dirent *d; r >= 0 && (d = readdir(dir));)
                if (strcmp(d->d_name, ".") != 0 && strcmp(d->d_name, "..") != 0)
                        r = measure_entry(m, dirfd(dir), d->d_name, depth + 1);
        return r;
}

static int measure_entry(Measure *m, int parent, const char *name, int depth)
{
        struct stat st;

        if (depth > ARCHIVE_DEPTH_MAX)
                return name_error(-EINVAL, name, "the image is nested too deep", m->error);
        if (fstatat(parent, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
                return name_error(-errno, name, strerror(errno), m->error);
        if (++m->files > m->max_files)
                return error_set(m->error, -E2BIG, "the image has too many files: see --files");
        if (st.st_uid != geteuid())
                return name_error(-EINVAL, name, "belongs to somebody else", m->error);
        if (S_ISDIR(st.st_mode))
                return measure_directory(m, parent, name, depth);
        if (S_ISLNK(st.st_mode))
                return 0;
        if (!S_ISREG(st.st_mode) || (st.st_mode & 06000))
                return name_error(-EINVAL, name, "is a kind of file that images do not have here", m->error);
        m->parts += ((unsigned __int128)st.st_size << PART_BITS) / (st.st_nlink ? st.st_nlink : 1);
        if (measured_bytes(m) > m->max_bytes)
                return error_set(m->error, -E2BIG, "the image's files together are too large: see --disk");
        return 0;
}

int image_measure(int root, uint64_t max_bytes, uint64_t max_files, uint64_t *ret_bytes, uint64_t *ret_files, Error *e)
{
        Measure m = {.max_bytes = max_bytes, .max_files = max_files, .error = e};
        int r = measure_directory(&m, root, ".", 0);

        *ret_bytes = measured_bytes(&m);
        *ret_files = m.files;
        return r;
}
