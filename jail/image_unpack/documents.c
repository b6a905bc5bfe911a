/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "jail/image_unpack/documents.h"

#include "engine/base/json.h"
#include "engine/base/strv.h"

#include <string.h>

/* ---- readers of what they have in common ---- */

/* "sha256:…" as its digits. */
static int read_digest(json_object *value, const char *path, void *target_string, Error *e)
{
        _cleanup_free_ char *text = NULL;
        char **target = target_string;
        int r = json_read_string(value, path, &text, e);

        if (r < 0)
                return r;
        if (strncmp(text, "sha256:", 7) != 0 || strlen(text + 7) != DIGEST_HEX_SIZE - 1 ||
            strspn(text + 7, "0123456789abcdef") != DIGEST_HEX_SIZE - 1)
                return json_error(path, e, "must be \"sha256:\" and 64 hexadecimal digits: others are not built");
        char *hex = strdup(text + 7);
        if (!hex)
                return error_oom(e);
        free(*target);
        *target = hex;
        return 0;
}

/* "" is how images say that there is none. */
static int read_text(json_object *value, const char *path, void *target_string, Error *e)
{
        char **target = target_string;
        int r = json_read_string(value, path, target, e);

        if (r >= 0 && !**target)
                free(take(*target));
        return r;
}

static int read_digests(json_object *value, const char *path, void *target_strv, Error *e)
{
        _cleanup_strv_ char **list = NULL;
        char ***target = target_strv;

        if (!json_object_is_type(value, json_type_array))
                return json_error(path, e, "must be an array of digests");
        if (json_object_array_length(value) > LAYERS_MAX)
                return json_error(path, e, "more than %d layers", LAYERS_MAX);
        for (size_t i = 0; i < json_object_array_length(value); i++) {
                _cleanup_free_ char *here = json_path_index(path, i), *digest = NULL;
                int r = here ? read_digest(json_object_array_get_idx(value, i), here, &digest, e) : error_oom(e);
                if (r < 0)
                        return r;
                if (strv_add(&list, digest) < 0)
                        return error_oom(e);
        }
        strv_free(*target);
        *target = take(list);
        return 0;
}

/* ---- OCI ---- */

static void descriptor_done(Descriptor *d)
{
        free(d->digest);
        free(d->os);
        free(d->architecture);
        free(d->reference);
        free(d->containerd_name);
        *d = (Descriptor){0};
}

static int read_platform(json_object *value, const char *path, void *target, Error *e)
{
        static const JsonField fields[] = {
                {"os", read_text, offsetof(Descriptor, os), false},
                {"architecture", read_text, offsetof(Descriptor, architecture), false},
        };

        return json_read_members(value, path, fields, ELEMENTS(fields), target, e);
}

static int read_annotations(json_object *value, const char *path, void *target, Error *e)
{
        static const JsonField fields[] = {
                {"org.opencontainers.image.ref.name", json_read_string, offsetof(Descriptor, reference), false},
                {"io.containerd.image.name", json_read_string, offsetof(Descriptor, containerd_name), false},
        };
        Descriptor *d = target;

        d->is_attestation = json_object_is_type(value, json_type_object) &&
                            json_object_object_get_ex(value, "vnd.docker.reference.type", NULL);
        return json_read_members(value, path, fields, ELEMENTS(fields), d, e);
}

static int read_descriptor(json_object *value, const char *path, void *target, Error *e)
{
        static const JsonField fields[] = {
                {"digest", read_digest, offsetof(Descriptor, digest), true},
                {"size", json_read_size, offsetof(Descriptor, size), true},
                {"platform", read_platform, 0, false},
                {"annotations", read_annotations, 0, false},
        };

        return json_read_members(value, path, fields, ELEMENTS(fields), target, e);
}

static int read_descriptors(json_object *value, const char *path, void *target, Error *e)
{
        Descriptors *list = target;

        if (!json_object_is_type(value, json_type_array))
                return json_error(path, e, "must be an array");
        size_t n = json_object_array_length(value);
        if (n > IMAGES_MAX)
                return json_error(path, e, "more than %d entries", IMAGES_MAX);
        if (!(list->items = calloc(n + 1, sizeof *list->items)))
                return error_oom(e);
        for (; list->n < n; list->n++) {
                _cleanup_free_ char *here = json_path_index(path, list->n);
                Descriptor *d = &list->items[list->n];
                int r = here ? read_descriptor(json_object_array_get_idx(value, list->n), here, d, e) : error_oom(e);
                if (r < 0) {
                        descriptor_done(d);
                        return r;
                }
        }
        return 0;
}

int oci_document_parse(const char *text, size_t size, OciDocument *ret, Error *e)
{
        static const JsonField fields[] = {
                {"manifests", read_descriptors, offsetof(OciDocument, manifests), false},
                {"layers", read_descriptors, offsetof(OciDocument, layers), false},
                {"config", read_descriptor, offsetof(OciDocument, config), false},
        };
        _cleanup_json_ json_object *object = NULL;

        *ret = (OciDocument){0};
        int r = json_parse_text(text, size, &object, e);
        if (r >= 0)
                r = json_read_members(object, "", fields, ELEMENTS(fields), ret, e);
        /* What has no layers may have null for them. */
        ret->is_manifest = ret->layers.items || ret->config.digest;
        if (r >= 0 && !ret->manifests.items == !ret->is_manifest)
                r = error_set(e, -EINVAL, "must have \"manifests\" (an index) or \"layers\" (a manifest), not both");
        if (r >= 0 && ret->layers.items && !ret->config.digest)
                r = error_set(e, -EINVAL, "the key \"config\" is missing");
        if (r >= 0 && ret->layers.n > LAYERS_MAX)
                r = error_set(e, -E2BIG, "more than %d layers", LAYERS_MAX);
        if (r < 0)
                oci_document_done(ret);
        return r;
}

static void descriptors_done(Descriptors *list)
{
        for (size_t i = 0; i < list->n; i++)
                descriptor_done(&list->items[i]);
        free(list->items);
}

void oci_document_done(OciDocument *d)
{
        descriptors_done(&d->manifests);
        descriptors_done(&d->layers);
        descriptor_done(&d->config);
        *d = (OciDocument){0};
}

/* ---- Docker ---- */

static int read_docker_image(json_object *value, const char *path, DockerImage *image, Error *e)
{
        static const JsonField fields[] = {
                {"Config", json_read_string, offsetof(DockerImage, config), true},
                {"Layers", json_read_strings, offsetof(DockerImage, layers), false},
                {"RepoTags", json_read_strings, offsetof(DockerImage, tags), false},
        };
        int r = json_read_members(value, path, fields, ELEMENTS(fields), image, e);

        if (r >= 0 && strv_length(image->layers) > LAYERS_MAX)
                return json_error(path, e, "more than %d layers", LAYERS_MAX);
        return r;
}

static int read_docker_images(json_object *array, DockerDocument *d, Error *e)
{
        if (!json_object_is_type(array, json_type_array))
                return error_set(e, -EINVAL, "must be an array");
        size_t n = json_object_array_length(array);
        if (n > IMAGES_MAX)
                return error_set(e, -E2BIG, "more than %d images", IMAGES_MAX);
        if (!(d->images = calloc(n + 1, sizeof *d->images)))
                return error_oom(e);
        for (size_t i = 0; i < n; i++) {
                _cleanup_free_ char *here = json_path_index("", i);
                d->n++;
                int r = here ? read_docker_image(json_object_array_get_idx(array, i), here, &d->images[i], e)
                             : error_oom(e);
                if (r < 0)
                        return r;
        }
        return 0;
}

int docker_document_parse(const char *text, size_t size, DockerDocument *ret, Error *e)
{
        _cleanup_json_ json_object *array = NULL;

        *ret = (DockerDocument){0};
        int r = json_parse_text(text, size, &array, e);
        if (r >= 0)
                r = read_docker_images(array, ret, e);
        if (r < 0)
                docker_document_done(ret);
        return r;
}

void docker_document_done(DockerDocument *d)
{
        for (size_t i = 0; i < d->n; i++) {
                free(d->images[i].config);
                strv_free(d->images[i].layers);
                strv_free(d->images[i].tags);
        }
        free(d->images);
        *d = (DockerDocument){0};
}

/* ---- the configuration ---- */

static int read_run(json_object *value, const char *path, void *target, Error *e)
{
        static const JsonField fields[] = {
                {"Env", json_read_strings, offsetof(ImageConfig, environment), false},
                {"WorkingDir", read_text, offsetof(ImageConfig, working_directory), false},
                {"Entrypoint", json_read_strings, offsetof(ImageConfig, entrypoint), false},
                {"Cmd", json_read_strings, offsetof(ImageConfig, command), false},
                {"User", read_text, offsetof(ImageConfig, user), false},
        };
        ConfigDocument *d = target;

        return json_read_members(value, path, fields, ELEMENTS(fields), &d->image, e);
}

static int read_rootfs(json_object *value, const char *path, void *target, Error *e)
{
        static const JsonField fields[] = {{"diff_ids", read_digests, offsetof(ConfigDocument, diff_ids), false}};

        return json_read_members(value, path, fields, ELEMENTS(fields), target, e);
}

int config_document_parse(const char *text, size_t size, ConfigDocument *ret, Error *e)
{
        static const JsonField fields[] = {
                {"os", read_text, offsetof(ConfigDocument, os), false},
                {"architecture", read_text, offsetof(ConfigDocument, image.architecture), false},
                {"config", read_run, 0, false},
                {"rootfs", read_rootfs, 0, true},
        };
        _cleanup_json_ json_object *object = NULL;

        *ret = (ConfigDocument){0};
        int r = json_parse_text(text, size, &object, e);
        if (r >= 0)
                r = json_read_members(object, "", fields, ELEMENTS(fields), ret, e);
        if (r < 0)
                config_document_done(ret);
        return r;
}

void config_document_done(ConfigDocument *d)
{
        image_config_done(&d->image);
        free(d->os);
        strv_free(d->diff_ids);
        *d = (ConfigDocument){0};
}
