/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "jail/image_unpack/layer_stream.h"

#include "engine/base/name.h"

#include <string.h>

static int failed(const LayerStream *l, int r, const char *why)
{
        return name_error(r, l->file->name, why, l->error);
}

static la_ssize_t read_in(struct archive *a, void *userdata, const void **ret)
{
        LayerStream *l = userdata;
        ssize_t n = stream_read(&l->in, ret);

        if (n < 0)
                archive_set_error(a, EIO, "the archive ends within the layer");
        return n;
}

/* By what nobody has decompressed: such a layer is no tar archive, and it helps to know why. No member of one has a name
 * like this. */
static const char *other_compression(const void *data, size_t size)
{
        static const struct {
                const char *name;
                size_t offset; /* of bzip2: behind "BZh" and a level */
                unsigned char magic[6];
        } others[] = {
                {"bzip2", 4, {'1', 'A', 'Y', '&', 'S', 'Y'}},
                {"xz", 0, {0xfd, '7', 'z', 'X', 'Z', 0}},
        };

        for (size_t i = 0; i < ELEMENTS(others); i++)
                if (size >= others[i].offset + sizeof others[i].magic &&
                    memcmp((const char *)data + others[i].offset, others[i].magic, sizeof others[i].magic) == 0)
                        return others[i].name;
        return NULL;
}

static la_ssize_t refuse_compression(LayerStream *l, struct archive *a, const char *name)
{
        _cleanup_free_ char *why = NULL;

        if (asprintf(&why, "the layer is compressed by %s, and only gzip and zstd are read", name) < 0)
                why = NULL;
        if (l->error->code == 0)
                failed(l, -EINVAL, why ? why : name);
        archive_set_error(a, EINVAL, "%s", why ? why : name);
        return -1;
}

static la_ssize_t read_decompressed(struct archive *a, void *userdata, const void **ret)
{
        LayerStream *l = userdata;
        size_t size;
        la_int64_t offset;
        int r = l->empty ? ARCHIVE_EOF : archive_read_data_block(l->raw, ret, &size, &offset);

        if (r == ARCHIVE_EOF)
                return 0;
        if (r < ARCHIVE_WARN) {
                archive_set_error(a, EIO, "%s", archive_error_string(l->raw));
                return -1;
        }
        const char *other = l->bytes == 0 ? other_compression(*ret, size) : NULL;
        if (other)
                return refuse_compression(l, a, other);
        digest_add(&l->digest, *ret, size);
        if ((l->bytes += size) > l->max_bytes) {
                if (l->error->code == 0)
                        failed(l, -E2BIG, "the layer is too large when decompressed: see --disk");
                archive_set_error(a, EFBIG, "the layer is too large when decompressed");
                return -1;
        }
        return (la_ssize_t)size;
}

static struct archive *open_raw(LayerStream *l)
{
        struct archive *a = archive_read_new();
        struct archive_entry *entry;

        if (!a)
                return NULL;
        archive_read_support_filter_gzip(a);
        archive_read_support_filter_zstd(a);
        archive_read_support_format_raw(a);
        archive_read_support_format_empty(a);
        int r = archive_read_open(a, l, NULL, read_in, NULL);
        if (r == ARCHIVE_OK)
                r = archive_read_next_header(a, &entry);
        /* Without a byte, there is not even a member. */
        l->empty = r == ARCHIVE_EOF;
        if (l->empty || r >= ARCHIVE_WARN)
                return a;
        archive_read_free(a);
        return NULL;
}

int layer_stream_open(const Source *source, const LayerFile *file, uint64_t max_bytes, LayerStream *ret, Error *e)
{
        *ret = (LayerStream){.file = file, .in.fd = -1, .max_bytes = max_bytes, .error = e};
        digest_begin(&ret->digest);
        int r = stream_open(source, file->name, &ret->in, e);
        if (r < 0)
                return r;
        if (!(ret->raw = open_raw(ret)))
                return name_error(-EINVAL, file->name, "the layer cannot be decompressed", e);
        if (!(ret->tar = archive_read_new()))
                return error_oom(e);
        archive_read_support_format_tar(ret->tar);
        archive_read_support_format_empty(ret->tar);
        if (archive_read_open(ret->tar, ret, NULL, read_decompressed, NULL) != ARCHIVE_OK)
                return e->code < 0 ? e->code : name_error(-EINVAL, file->name, "the layer is not a tar archive", e);
        return 0;
}

void layer_stream_done(LayerStream *l)
{
        archive_read_free(l->tar);
        archive_read_free(l->raw);
        stream_done(&l->in);
}

int layer_stream_verify(LayerStream *l)
{
        char digest[DIGEST_HEX_SIZE];
        const void *data;
        ssize_t n;

        while ((n = read_decompressed(l->tar, l, &data)) > 0)
                ;
        if (n < 0)
                return l->error->code < 0 ? l->error->code : failed(l, -EINVAL, archive_error_string(l->tar));
        digest_end(&l->digest, digest);
        if (strcmp(digest, l->file->diff_id) != 0)
                return failed(l, -EINVAL, "the layer's digest is another than its configuration says");
        /* What follows the compressed data is part of the file, and of its digest. */
        while ((n = stream_read(&l->in, &data)) > 0)
                ;
        if (n < 0)
                return failed(l, -EINVAL, "cannot be read");
        digest_end(&l->in.digest, digest);
        if (l->file->digest && strcmp(digest, l->file->digest) != 0)
                return failed(l, -EINVAL, "the layer's digest is another than its manifest says");
        if (l->file->size != UINT64_MAX && l->file->size != l->in.bytes)
                return failed(l, -EINVAL, "the layer's size is another than its manifest says");
        return 0;
}
