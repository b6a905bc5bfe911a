/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "engine/base/archive.h"
#include "engine/base/fd.h"
#include "engine/base/json.h"
#include "engine/base/name.h"
#include "jail/image.h"
#include "jail/image_store.h"

#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

int image_draft_new(ImageDraft *ret, Error *e)
{
        ImageDraft d = IMAGE_DRAFT_NULL;
        int r = d.store = image_store_open(true, e);

        *ret = d;
        if (r < 0)
                return r;
        if (!(d.name = image_store_hidden_name())) {
                image_draft_done(&d);
                return error_oom(e);
        }
        /* The lock of the store until this one is locked, lest it be tidied away. */
        r = image_store_lock(d.store, e);
        if (r >= 0) {
                image_store_tidy(d.store);
                if (mkdirat(d.store, d.name, 0700) < 0 ||
                    (d.directory = open_beneath(d.store, d.name, O_RDONLY | O_DIRECTORY, 0)) < 0 ||
                    flock(d.directory, LOCK_EX | LOCK_NB) < 0 || mkdirat(d.directory, "root", 0755) < 0 ||
                    (d.root = open_beneath(d.directory, "root", O_RDONLY | O_DIRECTORY, 0)) < 0)
                        r = error_errno(e, -errno, "writing to the images");
                flock(d.store, LOCK_UN);
        }
        if (r < 0)
                image_draft_done(&d);
        *ret = d;
        return r < 0 ? r : 0;
}

static int write_config(int directory, const ImageConfig *config, Error *e)
{
        _cleanup_json_ json_object *object = image_config_to_json(config);
        const char *text = object ? json_object_to_json_string_ext(object, JSON_C_TO_STRING_PRETTY |
                                                                           JSON_C_TO_STRING_SPACED |
                                                                           JSON_C_TO_STRING_NOSLASHESCAPE)
                                  : NULL;

        if (!text)
                return error_oom(e);
        _cleanup_close_ int fd = open_beneath(directory, "image.json", O_WRONLY | O_CREAT | O_EXCL, 0600);
        int r = fd < 0 ? fd : write_full(fd, text, strlen(text));
        if (r >= 0)
                r = write_full(fd, "\n", 1);
        return r < 0 ? error_errno(e, r, "writing image.json") : 0;
}

int image_draft_commit(ImageDraft *d, const char *name, const ImageConfig *config, bool replace, Error *e)
{
        int r = name_check("image", name, e);

        if (r < 0 || (r = write_config(d->directory, config, e)) < 0)
                return r;
        /* Before the name: a power cut must not leave an image of empty files. */
        if (syncfs(d->directory) < 0)
                return error_errno(e, -errno, "writing to the images");
        if ((r = image_store_lock(d->store, e)) < 0)
                return r;
        /* Nobody takes it away while the store is locked, and whoever opens it by its name finds it free. */
        flock(d->directory, LOCK_UN);
        bool exchanged = false;
        r = renameat2(d->store, d->name, d->store, name, RENAME_NOREPLACE) < 0 ? -errno : 0;
        if (r == -EEXIST && replace) {
                r = renameat2(d->store, d->name, d->store, name, RENAME_EXCHANGE) < 0 ? -errno : 0;
                exchanged = r >= 0;
        }
        if (r == -EEXIST)
                return error_set(e, r, "there is an image \"%s\" already: --replace takes its place", name);
        if (r < 0)
                return error_errno(e, r, "image %s", name);
        if (fsync(d->store) < 0)
                return error_errno(e, -errno, "image %s", name);
        /* The one before has the hidden name now, and goes if nobody uses it; else later. */
        if (exchanged)
                image_store_tidy(d->store);
        free(d->name);
        d->name = NULL;
        return 0;
}

void image_draft_done(ImageDraft *d)
{
        if (d->name && d->directory >= 0)
                remove_tree_at(d->store, d->name);
        free(d->name);
        close_fd(d->root);
        close_fd(d->directory);
        close_fd(d->store);
        *d = IMAGE_DRAFT_NULL;
}

/* ---- what came of it ---- */

typedef struct Measure {
        uint64_t max_bytes, max_files;
        uint64_t bytes, files;
        Error *error;
} Measure;

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
        /* Each of a file's names stands for its part. */
        m->bytes += (uint64_t)st.st_size / (st.st_nlink ? st.st_nlink : 1);
        if (m->bytes > m->max_bytes)
                return error_set(m->error, -E2BIG, "the image's files together are too large: see --disk");
        return 0;
}

int image_measure(int root, uint64_t max_bytes, uint64_t max_files, uint64_t *ret_bytes, uint64_t *ret_files, Error *e)
{
        Measure m = {.max_bytes = max_bytes, .max_files = max_files, .error = e};
        int r = measure_directory(&m, root, ".", 0);

        *ret_bytes = m.bytes;
        *ret_files = m.files;
        return r;
}
