/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "engine/base/error.h"

#include <json-c/json.h>
#include <stdint.h>

/* What is known of an image beside its files: how it wants to be run, and what became of it when it was imported. */
typedef struct ImageConfig {
        char *digest;       /* "sha256:…" of the configuration in the archive, which names the layers by theirs */
        char *imported;     /* when, as RFC 3339 in UTC; NULL: not yet */
        char *architecture; /* "amd64", as images name it */
        char **environment; /* NAME=value */
        char *working_directory; /* absolute; NULL: none given */
        char **entrypoint, **command;
        char *user; /* as the image names it; files and jobs have owners of their own */
        uint64_t bytes, files; /* of the tree: what the files say that they have; everything that has a name */
        /* Left out, since nothing in a jail could use it or nothing should. */
        uint64_t devices, fifos, setuid, attributes;
} ImageConfig;

#define IMAGE_CONFIG_TEXT_MAX ((size_t)1 << 20) /* as JSON */

void image_config_done(ImageConfig *config);
#define _cleanup_image_config_ _cleanup_(image_config_done)

/* Checks what comes of an archive. Errors: -EINVAL, -E2BIG, with the name of the key in there. */
int image_config_check(const ImageConfig *config, Error *e);

/* image.json, which is also what the unpacking program says: nothing of it is believed before it is checked. `*ret`
 * is to be freed by image_config_done(), also after an error. */
int image_config_from_json(json_object *object, ImageConfig *ret, Error *e);
/* Owned by the caller; NULL when out of memory. */
json_object *image_config_to_json(const ImageConfig *config);
