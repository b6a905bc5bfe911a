/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "engine/base/digest.h"
#include "jail/image_config.h"

#include <stdbool.h>

/* The JSON documents of an image's archive as structs: keys that we do not use are passed over, as their
 * specifications want it, and the others are checked.
 * https://github.com/opencontainers/image-spec: image-index.md, manifest.md, descriptor.md, config.md, annotations.md;
 * manifest.json: https://github.com/moby/docker-image-spec */

/* What a document says of another one, or of a layer. */
typedef struct Descriptor {
        char *digest; /* 64 hexadecimal digits of SHA-256 */
        uint64_t size;
        char *os, *architecture; /* NULL: not said */
        char *reference;         /* "latest", "repository:tag" as who wrote it liked; NULL: none */
        char *containerd_name;   /* the full name in archives of newer Dockers; NULL: none */
        bool is_attestation;     /* about another image: no image itself */
} Descriptor;

typedef struct Descriptors {
        Descriptor *items;
        size_t n;
} Descriptors;

/* index.json and every index and manifest of an OCI layout. Which of the two it is says what it has: never both, since
 * then two readers could see two images (CVE-2021-41190). */
typedef struct OciDocument {
        Descriptors manifests; /* of an index */
        Descriptors layers;    /* of a manifest, with */
        Descriptor config;
        bool is_manifest;
} OciDocument;

int oci_document_parse(const char *text, size_t size, OciDocument *ret, Error *e);
void oci_document_done(OciDocument *document);

/* manifest.json of Docker's own format. */
typedef struct DockerImage {
        char *config;  /* names in the archive */
        char **layers;
        char **tags;
} DockerImage;

typedef struct DockerDocument {
        DockerImage *images;
        size_t n;
} DockerDocument;

int docker_document_parse(const char *text, size_t size, DockerDocument *ret, Error *e);
void docker_document_done(DockerDocument *document);

/* An image's configuration, which both formats share. */
typedef struct ConfigDocument {
        ImageConfig image; /* without `digest` */
        char *os;
        char **diff_ids; /* of each layer, the digest when decompressed: 64 hexadecimal digits */
} ConfigDocument;

int config_document_parse(const char *text, size_t size, ConfigDocument *ret, Error *e);
void config_document_done(ConfigDocument *document);

#define LAYERS_MAX 512
#define IMAGES_MAX 1024
