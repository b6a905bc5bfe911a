/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The store of images: roots for jails, made of the archives in which container images travel.
 *
 *   images/NAME/root/       the tree
 *   images/NAME/image.json  an ImageConfig
 *   images/.NAME            what is not an image yet, or not any more
 *
 * The directory is its owner's alone: what stands in there is mounted into jails, and no way for others on the host.
 * Who uses an image holds a lock on images/NAME, shared, through a descriptor that he keeps open; who removes it needs
 * it alone. A lock on images/ itself orders those who change names in there. What a crash left behind has a hidden name
 * and no lock, and is removed by the next one who imports or removes. */

#include "jail/image_config.h"

#include <stdbool.h>

typedef struct Image {
        int root; /* O_PATH of the tree */
        int lock; /* images/NAME, locked: as long as it is open here or, handed on, anywhere, the files stay */
        ImageConfig config;
} Image;

#define IMAGE_NULL ((Image){.root = -1, .lock = -1})

/* Opens an image by its name. Errors: -EINVAL a bad name; -ENOENT no such image; -EPERM the store is not safe; others as
 * of the system call. */
int image_open(const char *name, Image *ret, Error *e);
void image_done(Image *image);
#define _cleanup_image_ _cleanup_(image_done)

/* The names of all images, sorted: a strv, owned by the caller, NULL where there are none. */
int image_list(char ***ret, Error *e);

/* Errors: -ENOENT; -EBUSY somebody uses it. */
int image_remove(const char *name, Error *e);

/* An image that is being made: nobody sees it until it is complete. */
typedef struct ImageDraft {
        const char *name; /* which it shall have; the caller's */
        bool replace;     /* one that has it goes; whoever uses that keeps its files */
        int store;
        int directory; /* locked */
        int root;      /* an empty directory, open for reading */
        char *hidden;  /* its name in the store, until it is an image */
} ImageDraft;

#define IMAGE_DRAFT_NULL ((ImageDraft){.store = -1, .directory = -1, .root = -1})

/* Errors: -EINVAL a bad name; -EEXIST there is one, and it shall not be replaced. */
int image_draft_new(const char *name, bool replace, ImageDraft *ret, Error *e);
/* Makes it an image, when it is on the disk. Errors: -EEXIST as above. */
int image_draft_commit(ImageDraft *draft, const ImageConfig *config, Error *e);
/* Removes it, unless it was committed. */
void image_draft_done(ImageDraft *draft);
#define _cleanup_image_draft_ _cleanup_(image_draft_done)

/* Walks a tree that came out of a jail, and counts. Errors: -EINVAL something is in there that an image does not have: a
 * device, a set-user-id file, a directory deeper than archives may be, a file of somebody else; -E2BIG over a limit. */
int image_measure(int root, uint64_t max_bytes, uint64_t max_files, uint64_t *ret_bytes, uint64_t *ret_files, Error *e);
