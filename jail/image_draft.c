/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "engine/base/fd.h"
#include "engine/base/json.h"
#include "engine/base/name.h"
#include "engine/base/remove_tree.h"
#include "jail/image.h"
#include "jail/image_store.h"

#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

static int exists_error(const char *name, Error *e)
{
        return error_set(e, -EEXIST, "there is an image \"%s\" already: --replace takes its place", name);
}

static int make_directories(ImageDraft *d)
{
        if (mkdirat(d->store, d->hidden, 0700) < 0 ||
            (d->directory = open_beneath(d->store, d->hidden, O_RDONLY | O_DIRECTORY, 0)) < 0 ||
            flock(d->directory, LOCK_EX | LOCK_NB) < 0 || mkdirat(d->directory, "root", 0755) < 0 ||
            (d->root = open_beneath(d->directory, "root", O_RDONLY | O_DIRECTORY, 0)) < 0)
                return -errno;
        return 0;
}

static int draft_make(ImageDraft *d, Error *e)
{
        int r = name_check("image", d->name, e);

        if (r < 0)
                return r;
        /* As a root that is always the host's: an image of the name could not be used. */
        if (strcmp(d->name, "host") == 0)
                return error_set(e, -EINVAL, "image \"host\": the name always means the host; take another one");
        if ((r = d->store = image_store_open(true, e)) < 0)
                return r;
        if (!d->replace && faccessat(d->store, d->name, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
                return exists_error(d->name, e);
        if (!(d->hidden = image_store_hidden_name()))
                return error_oom(e);
        /* The lock of the store until the draft has its own, lest it be tidied away. */
        if ((r = image_store_lock(d->store, e)) < 0)
                return r;
        image_store_tidy(d->store);
        r = make_directories(d);
        flock(d->store, LOCK_UN);
        return r < 0 ? error_errno(e, r, "writing to the images") : 0;
}

int image_draft_new(const char *name, bool replace, ImageDraft *ret, Error *e)
{
        *ret = IMAGE_DRAFT_NULL;
        ret->name = name;
        ret->replace = replace;
        int r = draft_make(ret, e);
        if (r < 0)
                image_draft_done(ret);
        return r;
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

/* Gives it its name. `*ret_exchanged`: what had the name has the hidden one now. */
static int take_name(ImageDraft *d, bool *ret_exchanged, Error *e)
{
        int r = renameat2(d->store, d->hidden, d->store, d->name, RENAME_NOREPLACE) < 0 ? -errno : 0;

        *ret_exchanged = r == -EEXIST && d->replace;
        if (*ret_exchanged)
                r = renameat2(d->store, d->hidden, d->store, d->name, RENAME_EXCHANGE) < 0 ? -errno : 0;
        if (r == -EEXIST)
                return exists_error(d->name, e);
        return r < 0 ? error_errno(e, r, "image %s", d->name) : 0;
}

int image_draft_commit(ImageDraft *d, const ImageConfig *config, Error *e)
{
        bool exchanged = false;
        int r = write_config(d->directory, config, e);

        if (r < 0)
                return r;
        /* Before the name: a power cut must not leave an image of empty files. */
        if (syncfs(d->directory) < 0)
                return error_errno(e, -errno, "writing to the images");
        if ((r = image_store_lock(d->store, e)) < 0)
                return r;
        /* Nobody takes it away while the store is locked, and whoever opens it by its name finds it free. */
        flock(d->directory, LOCK_UN);
        if ((r = take_name(d, &exchanged, e)) < 0)
                return r;
        /* The one before goes if nobody uses it, else when the next one tidies. */
        if (exchanged)
                image_store_tidy(d->store);
        free(d->hidden);
        d->hidden = NULL;
        return fsync(d->store) < 0 ? error_errno(e, -errno, "image %s", d->name) : 0;
}

void image_draft_done(ImageDraft *d)
{
        if (d->hidden && d->store >= 0)
                remove_tree_at(d->store, d->hidden);
        free(d->hidden);
        close_fd(d->root);
        close_fd(d->directory);
        close_fd(d->store);
        *d = IMAGE_DRAFT_NULL;
}
