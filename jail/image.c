/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "jail/image.h"

#include "engine/base/fd.h"
#include "engine/base/json.h"
#include "engine/base/name.h"
#include "engine/base/remove_tree.h"
#include "engine/base/strv.h"
#include "jail/image_store.h"

#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

/* The directory of an image; hidden names are not images'. */
static int open_directory(int store, const char *name, Error *e)
{
        int fd = open_beneath(store, name, O_RDONLY | O_DIRECTORY, 0);

        if (fd == -ENOENT)
                return error_set(e, fd, "there is no image \"%s\"; see \"skep-jail image list\"", name);
        return fd < 0 ? error_errno(e, fd, "image %s", name) : fd;
}

static int read_config(int directory, const char *name, ImageConfig *ret, Error *e)
{
        _cleanup_json_ json_object *object = NULL;
        _cleanup_free_ char *text = NULL;
        size_t size;
        int r = read_file_at(directory, "image.json", IMAGE_CONFIG_TEXT_MAX, &text, &size);

        if (r < 0)
                return error_errno(e, r, "image %s: image.json", name);
        r = json_parse_text(text, size, &object, e);
        if (r >= 0)
                r = image_config_from_json(object, ret, e);
        return r < 0 ? (error_prefix(e, "image %s: image.json", name), r) : 0;
}

int image_open(const char *name, Image *ret, Error *e)
{
        *ret = IMAGE_NULL;
        int r = name_check("image", name, e);
        if (r < 0)
                return r;
        _cleanup_close_ int store = image_store_open(false, e);
        if (store == -ENOENT)
                return error_set(e, store, "there is no image \"%s\": none has been imported", name);
        if (store < 0)
                return store;
        ret->lock = open_directory(store, name, e);
        if (ret->lock < 0)
                return ret->lock;
        if (flock(ret->lock, LOCK_SH | LOCK_NB) < 0)
                r = errno == EWOULDBLOCK ? error_set(e, -ENOENT, "image %s is being removed", name)
                                         : error_errno(e, -errno, "image %s", name);
        /* Whoever had the lock before may have taken the name away. */
        else if (!image_store_has(store, name, ret->lock))
                r = error_set(e, -ENOENT, "image %s has just been removed or replaced", name);
        else if ((r = ret->root = open_beneath(ret->lock, "root", O_PATH | O_DIRECTORY, 0)) < 0)
                error_errno(e, r, "image %s: root", name);
        else
                r = read_config(ret->lock, name, &ret->config, e);
        if (r < 0)
                image_done(ret);
        return r < 0 ? r : 0;
}

void image_done(Image *image)
{
        close_fd(image->root);
        close_fd(image->lock);
        image_config_done(&image->config);
        *image = IMAGE_NULL;
}

static int compare_names(const void *a, const void *b)
{
        return strcmp(*(char *const *)a, *(char *const *)b);
}

int image_list(char ***ret, Error *e)
{
        _cleanup_strv_ char **names = NULL;
        int store = image_store_open(false, e);

        *ret = NULL;
        if (store == -ENOENT) {
                error_clear(e);
                return 0;
        }
        if (store < 0)
                return store;
        _cleanup_closedir_ DIR *dir = fdopendir(store);
        if (!dir) {
                int r = -errno;
                close(store);
                return error_errno(e, r, "listing the images");
        }
        for (struct dirent *d; (d = readdir(dir));)
                if (name_check("image", d->d_name, NULL) >= 0 && strv_add(&names, d->d_name) < 0)
                        return error_oom(e);
        if (names)
                qsort(names, strv_length(names), sizeof *names, compare_names);
        *ret = take(names);
        return 0;
}

int image_remove(const char *name, Error *e)
{
        int r = name_check("image", name, e);

        if (r < 0)
                return r;
        _cleanup_close_ int store = image_store_open(false, e);
        if (store == -ENOENT)
                return error_set(e, store, "there is no image \"%s\": none has been imported", name);
        if (store < 0 || (r = image_store_lock(store, e)) < 0)
                return store < 0 ? store : r;
        image_store_tidy(store);
        _cleanup_close_ int directory = open_directory(store, name, e);
        if (directory < 0)
                return directory;
        if (flock(directory, LOCK_EX | LOCK_NB) < 0)
                return errno != EWOULDBLOCK
                               ? error_errno(e, -errno, "image %s", name)
                               : error_set(e, -EBUSY, "image %s is in use: remove it when its jails have ended", name);
        /* Out of sight at once, whatever happens to us while the files go. */
        _cleanup_free_ char *hidden = image_store_hidden_name();
        if (!hidden)
                return error_oom(e);
        if (renameat(store, name, store, hidden) < 0)
                return error_errno(e, -errno, "image %s", name);
        flock(store, LOCK_UN);
        r = remove_tree_at(store, hidden);
        return r < 0 ? error_errno(e, r, "removing the files of image %s", name) : 0;
}
