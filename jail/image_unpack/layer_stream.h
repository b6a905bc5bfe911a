/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "jail/image_unpack/manifest.h"

/* A layer's way from the archive: the file as it is there, whose digest is taken; decompressed, where it is
 * compressed; the tar archive that comes of it, whose digest is taken as well. */
typedef struct LayerStream {
        const LayerFile *file;
        Stream in;
        struct archive *raw; /* takes from `in`, decompresses */
        bool empty;          /* which gives nothing */
        struct archive *tar; /* takes from `raw` */
        Digest digest;       /* of what comes of `raw` */
        uint64_t bytes, max_bytes;
        Error *error; /* why a read failed, where libarchive has no word for it; the first one stays */
} LayerStream;

/* `ret` must stay where it is. Errors go to `e` until it is done. */
int layer_stream_open(const Source *source, const LayerFile *file, uint64_t max_bytes, LayerStream *ret, Error *e);
void layer_stream_done(LayerStream *stream);
#define _cleanup_layer_stream_ _cleanup_(layer_stream_done)

/* Reads what comes after the tar archive's end, and compares the digests. */
int layer_stream_verify(LayerStream *stream);
