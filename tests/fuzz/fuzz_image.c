/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/fuzz/fuzz.h"

#include "engine/base/fd.h"
#include "engine/base/json.h"
#include "jail/image_unpack/documents.h"
#include "jail/image_unpack/layer_stream.h"
#include "jail/image_unpack/manifest.h"

#include <sys/mman.h>

/* As one of an archive's documents. */
static void read_documents(const char *text, size_t size)
{
        _cleanup_error_ Error e = ERROR_NULL;
        _cleanup_json_ json_object *object = NULL;
        _cleanup_image_config_ ImageConfig image = {0}, again = {0};
        OciDocument oci;
        DockerDocument docker;
        ConfigDocument config;

        if (oci_document_parse(text, size, &oci, &e) >= 0)
                oci_document_done(&oci);
        if (docker_document_parse(text, size, &docker, &e) >= 0)
                docker_document_done(&docker);
        if (config_document_parse(text, size, &config, &e) >= 0)
                config_document_done(&config);
        /* What is said of an image can be read again. */
        if (json_parse_text(text, size, &object, &e) >= 0 && image_config_from_json(object, &image, &e) >= 0) {
                _cleanup_json_ json_object *written = image_config_to_json(&image);
                if (image_config_from_json(written, &again, &e) < 0)
                        abort();
        }
}

/* As an archive. */
static void read_archive(const uint8_t *data, size_t size)
{
        _cleanup_error_ Error e = ERROR_NULL;
        _cleanup_source_ Source source = {.fd = -1};
        _cleanup_manifest_ Manifest manifest = {0};
        _cleanup_close_ int scratch = memfd_create("scratch", MFD_CLOEXEC);
        int fd = memfd_create("archive", MFD_CLOEXEC);

        if (fd < 0 || scratch < 0 || write_full(fd, data, size) < 0)
                abort();
        if (source_open(fd, scratch, 1 << 20, &source, &e) < 0 || manifest_find(&source, NULL, "amd64", &manifest, &e) < 0)
                return;
        for (size_t i = 0; i < manifest.n_layers; i++) {
                _cleanup_layer_stream_ LayerStream stream = {.in.fd = -1};
                if (layer_stream_open(&source, &manifest.layers[i], 1 << 20, &stream, &e) < 0 ||
                    layer_stream_verify(&stream) < 0)
                        return;
        }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        _cleanup_free_ char *text = fuzz_text(data, size);

        read_documents(text, size);
        read_archive(data, size);
        return 0;
}
