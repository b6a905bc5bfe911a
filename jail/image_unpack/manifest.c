/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "jail/image_unpack/manifest.h"

#include "engine/base/json.h"
#include "engine/base/name.h"
#include "engine/base/strv.h"
#include "jail/image_unpack/documents.h"

#include <string.h>

#define INDEX_DEPTH_MAX 4
#define LIST_MAX 20 /* names in a sentence */

void manifest_done(Manifest *m)
{
        image_config_done(&m->config);
        for (size_t i = 0; i < m->n_layers; i++) {
                free(m->layers[i].name);
                free(m->layers[i].digest);
                free(m->layers[i].diff_id);
        }
        free(m->layers);
        *m = (Manifest){0};
}

static int add_layer(Manifest *m, const LayerFile *layer, Error *e)
{
        LayerFile *more = reallocarray(m->layers, m->n_layers + 1, sizeof *more);

        if (!more)
                return error_oom(e);
        m->layers = more;
        LayerFile *l = &m->layers[m->n_layers++];
        *l = (LayerFile){.name = strdup(layer->name), .size = layer->size};
        l->diff_id = strdup(layer->diff_id);
        l->digest = layer->digest ? strdup(layer->digest) : NULL;
        return l->name && l->diff_id && (l->digest || !layer->digest) ? 0 : error_oom(e);
}

static char *blob_name(const char *digest)
{
        char *name = NULL;

        return asprintf(&name, "blobs/sha256/%s", digest) < 0 ? NULL : name;
}

/* ---- which image ---- */

/* "busybox:1.36" is also "docker.io/library/busybox:1.36": a name may lack what stands before it. */
static bool is_named(const char *name, const char *tag)
{
        size_t n = name ? strlen(name) : 0, t = strlen(tag);

        return n >= t && strcmp(name + n - t, tag) == 0 && (n == t || name[n - t - 1] == '/');
}

/* The sentence that lists what there is; `names` are the archive's words. Returns `code`. */
static int list_error(int code, const char *what, char **names, Error *e)
{
        _cleanup_strv_ char **shown = NULL;
        size_t n = strv_length(names);

        for (size_t i = 0; i < n && i < LIST_MAX; i++) {
                _cleanup_free_ char *escaped = name_escape(names[i]);
                if (!escaped || strv_add(&shown, escaped) < 0)
                        return error_oom(e);
        }
        if (n > LIST_MAX && strv_add(&shown, "…") < 0)
                return error_oom(e);
        _cleanup_free_ char *list = strv_join(shown, ", ");
        return error_set(e, code, "%s: %s", what, list ? list : "");
}

static int add_name(char ***names, const Descriptor *d)
{
        const char *name = d->containerd_name ? d->containerd_name : d->reference;

        return name ? strv_add(names, name) : strv_addf(names, "sha256:%s", d->digest);
}

static bool has_tag(const Descriptor *d, const char *tag)
{
        return is_named(d->containerd_name, tag) || is_named(d->reference, tag) ||
               (strncmp(tag, "sha256:", 7) == 0 && strcmp(tag + 7, d->digest) == 0);
}

static bool is_for(const Descriptor *d, const char *architecture)
{
        return (!d->os || strcmp(d->os, "linux") == 0) && (!d->architecture || strcmp(d->architecture, architecture) == 0);
}

/* The one entry of an index that is meant. Below the top, where all are one image for several machines, the first that
 * fits is taken: they are in the order that their author prefers. */
static int choose(const Descriptors *list, const char *tag, const char *architecture, bool top, const Descriptor **ret,
                  Error *e)
{
        _cleanup_strv_ char **names = NULL, **platforms = NULL;
        const Descriptor *found = NULL;
        bool several = false, named = false;

        for (size_t i = 0; i < list->n; i++) {
                const Descriptor *d = &list->items[i];
                if (d->is_attestation)
                        continue;
                if (add_name(&names, d) < 0 || strv_addf(&platforms, "%s/%s", d->os ? d->os : "?",
                                                         d->architecture ? d->architecture : "?") < 0)
                        return error_oom(e);
                if (top && tag && !has_tag(d, tag))
                        continue;
                named = true;
                if (!is_for(d, architecture) || (found && !top))
                        continue;
                several = several || (found && strcmp(found->digest, d->digest) != 0);
                found = d;
        }
        if (several)
                return list_error(-EINVAL, "the archive has several images, say which by --tag", names, e);
        if (!names)
                return error_set(e, -ENOENT, "the archive has no image");
        if (!named)
                return list_error(-ENOENT, "the archive has no image of that tag; it has", names, e);
        if (!found)
                return list_error(-ENOENT, "the archive has no image for this machine; it has", platforms, e);
        *ret = found;
        return 0;
}

/* ---- the configuration ---- */

/* Verifies that it is for this machine and has a digest for each layer. `*ret` takes over what is kept. */
static int take_config(ConfigDocument *c, const char *digest, size_t n_layers, const char *architecture,
                       ImageConfig *ret, Error *e)
{
        if (!is_for(&(Descriptor){.os = c->os, .architecture = c->image.architecture}, architecture)) {
                _cleanup_free_ char *os = name_escape(c->os ? c->os : "linux"),
                                    *other = name_escape(c->image.architecture ? c->image.architecture : "?");
                return error_set(e, -ENOENT, "the image is for %s/%s; this machine is linux/%s", os ? os : "",
                                 other ? other : "", architecture);
        }
        if (strv_length(c->diff_ids) != n_layers)
                return error_set(e, -EINVAL, "the image has %zu layers, and digests of %zu", n_layers,
                                 strv_length(c->diff_ids));
        if (asprintf(&c->image.digest, "sha256:%s", digest) < 0) {
                c->image.digest = NULL;
                return error_oom(e);
        }
        int r = image_config_check(&c->image, e);
        if (r < 0)
                return error_prefix(e, "the image's configuration"), r;
        *ret = c->image;
        c->image = (ImageConfig){0};
        return 0;
}

static int read_config(const Source *s, const char *name, const char *wanted_digest, ConfigDocument *ret, char *digest,
                       Error *e)
{
        _cleanup_free_ char *text = NULL;
        size_t size;
        int r = source_read(s, name, JSON_TEXT_MAX, &text, &size, digest, e);

        if (r < 0)
                return r;
        if (wanted_digest && strcmp(wanted_digest, digest) != 0)
                return name_error(-EINVAL, name, "its digest is another than its manifest says", e);
        r = config_document_parse(text, size, ret, e);
        return r < 0 ? (error_prefix(e, "the image's configuration"), r) : 0;
}

/* ---- OCI ---- */

/* Reads the document that `d` describes, and verifies it; index.json, which nothing describes, for NULL. */
static int read_document(const Source *s, const Descriptor *d, OciDocument *ret, Error *e)
{
        _cleanup_free_ char *name = d ? blob_name(d->digest) : strdup("index.json"), *text = NULL;
        char digest[DIGEST_HEX_SIZE];
        size_t size;

        if (!name)
                return error_oom(e);
        int r = source_read(s, name, JSON_TEXT_MAX, &text, &size, digest, e);
        if (r < 0)
                return r;
        if (d && (size != d->size || strcmp(digest, d->digest) != 0))
                return name_error(-EINVAL, name, "its digest or size is another than its index says", e);
        r = oci_document_parse(text, size, ret, e);
        if (r >= 0 && !d && ret->is_manifest)
                r = error_set(e, -EINVAL, "must have \"manifests\"");
        return r < 0 ? (error_prefix(e, "%s", name), r) : 0;
}

static int read_oci_manifest(const Source *s, const OciDocument *d, const char *architecture, Manifest *m, Error *e)
{
        _cleanup_(config_document_done) ConfigDocument config = {0};
        _cleanup_free_ char *name = blob_name(d->config.digest);
        char digest[DIGEST_HEX_SIZE];
        int r = name ? read_config(s, name, d->config.digest, &config, digest, e) : error_oom(e);

        if (r < 0 || (r = take_config(&config, digest, d->layers.n, architecture, &m->config, e)) < 0)
                return r;
        for (size_t i = 0; i < d->layers.n; i++) {
                const Descriptor *layer = &d->layers.items[i];
                _cleanup_free_ char *blob = blob_name(layer->digest);
                if (!blob)
                        return error_oom(e);
                r = add_layer(m, &(LayerFile){blob, layer->digest, config.diff_ids[i], layer->size}, e);
                if (r < 0)
                        return r;
        }
        return 0;
}

static int find_oci(const Source *s, const char *tag, const char *architecture, Manifest *m, Error *e)
{
        _cleanup_(oci_document_done) OciDocument d = {0};
        int r = read_document(s, NULL, &d, e);

        for (int depth = 0; r >= 0 && !d.is_manifest; depth++) {
                const Descriptor *chosen = NULL;
                OciDocument next = {0};
                if (depth == INDEX_DEPTH_MAX)
                        return error_set(e, -ELOOP, "the archive's indexes are nested too deep");
                r = choose(&d.manifests, tag, architecture, depth == 0, &chosen, e);
                if (r >= 0)
                        r = read_document(s, chosen, &next, e);
                oci_document_done(&d);
                d = next;
        }
        return r < 0 ? r : read_oci_manifest(s, &d, architecture, m, e);
}

/* ---- Docker ---- */

/* A configuration's name says its digest: "<digest>.json", or "blobs/sha256/<digest>". Owned by the caller; NULL where
 * it does not. */
static char *digest_of_name(const char *name)
{
        const char *slash = strrchr(name, '/'), *base = slash ? slash + 1 : name;
        size_t n = strspn(base, "0123456789abcdef");

        return n == DIGEST_HEX_SIZE - 1 && (!base[n] || strcmp(base + n, ".json") == 0) ? strndup(base, n) : NULL;
}

static int choose_docker(const DockerDocument *d, const char *tag, const DockerImage **ret, Error *e)
{
        _cleanup_strv_ char **names = NULL;
        const DockerImage *found = NULL;
        bool several = false;

        for (size_t i = 0; i < d->n; i++) {
                const DockerImage *image = &d->images[i];
                bool fits = !tag || is_named(image->config, tag);
                for (size_t k = 0; image->tags && image->tags[k]; k++) {
                        fits = fits || is_named(image->tags[k], tag);
                        if (strv_add(&names, image->tags[k]) < 0)
                                return error_oom(e);
                }
                if (!image->tags && strv_add(&names, image->config) < 0)
                        return error_oom(e);
                several = several || (fits && found);
                if (fits)
                        found = image;
        }
        if (several)
                return list_error(-EINVAL, "the archive has several images, say which by --tag", names, e);
        if (!found)
                return names ? list_error(-ENOENT, "the archive has no image of that tag; it has", names, e)
                             : error_set(e, -ENOENT, "the archive has no image");
        *ret = found;
        return 0;
}

static int find_docker(const Source *s, const char *tag, const char *architecture, Manifest *m, Error *e)
{
        _cleanup_(docker_document_done) DockerDocument d = {0};
        _cleanup_(config_document_done) ConfigDocument config = {0};
        _cleanup_free_ char *text = NULL, *wanted = NULL;
        const DockerImage *image = NULL;
        char digest[DIGEST_HEX_SIZE];
        size_t size;
        int r = source_read(s, "manifest.json", JSON_TEXT_MAX, &text, &size, NULL, e);

        if (r < 0)
                return r;
        if ((r = docker_document_parse(text, size, &d, e)) < 0)
                return error_prefix(e, "manifest.json"), r;
        if ((r = choose_docker(&d, tag, &image, e)) < 0)
                return r;
        wanted = digest_of_name(image->config);
        if ((r = read_config(s, image->config, wanted, &config, digest, e)) < 0 ||
            (r = take_config(&config, digest, strv_length(image->layers), architecture, &m->config, e)) < 0)
                return r;
        for (size_t i = 0; image->layers && image->layers[i] && r >= 0; i++)
                r = add_layer(m, &(LayerFile){image->layers[i], NULL, config.diff_ids[i], UINT64_MAX}, e);
        return r;
}

int manifest_find(const Source *s, const char *tag, const char *architecture, Manifest *ret, Error *e)
{
        int r;

        *ret = (Manifest){0};
        if (source_has(s, "index.json"))
                r = find_oci(s, tag, architecture, ret, e);
        else if (source_has(s, "manifest.json"))
                r = find_docker(s, tag, architecture, ret, e);
        else
                r = error_set(e, -EINVAL, "not an image's archive: it has neither index.json nor manifest.json");
        if (r < 0)
                manifest_done(ret);
        return r;
}
