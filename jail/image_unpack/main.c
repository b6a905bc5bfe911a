/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* skep-image-unpack DISK FILES [TAG]: makes a tree of an image's archive. It runs in a jail, since whoever made the
 * archive may own this process by what it reads: it has the archive, as standard input or as the directory /archive,
 * and the empty tree, /image. What it says of the image is JSON on standard output; why it gave up, a sentence on
 * standard error. Neither is believed outside. */

#include "engine/base/archive_member.h"
#include "engine/base/fd.h"
#include "engine/base/json.h"
#include "engine/base/size.h"
#include "engine/base/strv.h"
#include "jail/image_unpack/layer.h"
#include "jail/image_unpack/layer_stream.h"

#include <fcntl.h>
#include <locale.h>
#include <string.h>
#include <sys/utsname.h>

#define MEMBER_OVERHEAD 4096 /* of a member in a tar archive, beside its content: headers and padding */
#define ARCHIVE_OVERHEAD (UINT64_C(1) << 20)

typedef struct Arguments {
        uint64_t disk_bytes, files;
        const char *tag;
} Arguments;

static int arguments_read(int argc, char **argv, Arguments *ret, Error *e)
{
        if (argc < 3)
                return error_set(e, -EINVAL, "started without its arguments");
        ret->tag = argv[3];
        int r = count_parse(argv[1], 1, UINT64_C(1) << 60, &ret->disk_bytes, e);
        return r < 0 ? r : count_parse(argv[2], 1, UINT64_C(1) << 40, &ret->files, e);
}

/* This machine's architecture as images name it: that of Go, https://go.dev/doc/install/source#environment */
static void find_architecture(char *ret, size_t size)
{
        static const struct {
                const char *kernel, *image;
        } names[] = {
                {"x86_64", "amd64"}, {"aarch64", "arm64"}, {"i686", "386"},       {"armv7l", "arm"},
                {"armv6l", "arm"},   {"loongarch64", "loong64"},
        };
        struct utsname host;

        uname(&host);
        snprintf(ret, size, "%s", host.machine);
        for (size_t i = 0; i < ELEMENTS(names); i++)
                if (strcmp(names[i].kernel, host.machine) == 0)
                        snprintf(ret, size, "%s", names[i].image);
}

/* A file without a name, where there is room. */
static int open_scratch(int tree, Error *e)
{
        _cleanup_close_ int fd = tree_open_at(tree, "scratch", O_RDWR | O_CREAT | O_EXCL, 0600);

        if (fd < 0 || unlinkat(tree, "scratch", 0) < 0)
                return error_errno(e, fd < 0 ? fd : -errno, "writing below /image");
        return take_fd(fd);
}

static int apply_layer(const Source *source, const LayerFile *file, uint64_t max_bytes, bool hidden, Tree *tree,
                       LayerSkipped *skipped, Error *e)
{
        _cleanup_layer_stream_ LayerStream stream = {.in.fd = -1};
        int r = layer_stream_open(source, file, max_bytes, &stream, e);

        if (r >= 0)
                r = hidden ? layer_remove_hidden(stream.tar, tree, e) : layer_unpack(stream.tar, tree, skipped, e);
        return r < 0 ? r : layer_stream_verify(&stream);
}

/* Runtimes make the directory that an image's command starts in, where no layer has it. What is there, or leads through a file,
 * is left as it is. */
static int make_working_directory(Tree *tree, const char *path, Error *e)
{
        _cleanup_strv_ char **parts = NULL;
        struct stat st;

        if (!path || member_split_path(path + strspn(path, "/"), &parts, NULL) < 0 || strv_length(parts) == 0)
                return 0;
        const char *name = parts[strv_length(parts) - 1];
        _cleanup_close_ int parent = tree_open_parent(tree, parts, true, path, e);
        if (parent == -ENOTDIR || parent == -ELOOP)
                return error_clear(e), 0;
        if (parent < 0 || fstatat(parent, name, &st, AT_SYMLINK_NOFOLLOW) == 0)
                return parent < 0 ? parent : 0;
        int r = tree_count_file(tree, path, e);
        if (r >= 0 && mkdirat(parent, name, 0755) < 0)
                r = error_errno(e, -errno, "making the working directory %s", path);
        return r;
}

static int unpack(const Arguments *a, ImageConfig *ret, Error *e)
{
        _cleanup_close_ int root = open("/image", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        Tree tree = {.root = root, .max_bytes = a->disk_bytes, .max_files = a->files};
        uint64_t max_bytes = a->disk_bytes + a->files * MEMBER_OVERHEAD + ARCHIVE_OVERHEAD;
        _cleanup_manifest_ Manifest manifest = {0};
        _cleanup_source_ Source source = {.fd = -1};
        LayerSkipped skipped = {0};
        char architecture[sizeof ((struct utsname *)NULL)->machine];

        if (root < 0)
                return error_errno(e, -errno, "opening /image");
        _cleanup_close_ int scratch = open_scratch(root, e);
        if (scratch < 0)
                return scratch;
        int fd = open("/archive", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0 && errno != ENOENT)
                return error_errno(e, -errno, "opening the archive's directory");
        find_architecture(architecture, sizeof architecture);
        int r = source_open(fd < 0 ? 0 : fd, scratch, max_bytes, &source, e);
        if (r >= 0)
                r = manifest_find(&source, a->tag, architecture, &manifest, e);
        for (size_t i = 0; r >= 0 && i < manifest.n_layers; i++)
                if ((r = apply_layer(&source, &manifest.layers[i], max_bytes, true, &tree, NULL, e)) >= 0)
                        r = apply_layer(&source, &manifest.layers[i], max_bytes, false, &tree, &skipped, e);
        if (r >= 0)
                r = make_working_directory(&tree, manifest.config.working_directory, e);
        if (r < 0)
                return r;
        *ret = manifest.config;
        manifest.config = (ImageConfig){0};
        ret->bytes = tree.bytes;
        ret->files = tree.files;
        ret->devices = skipped.devices;
        ret->fifos = skipped.fifos;
        ret->setuid = skipped.setuid;
        ret->attributes = skipped.attributes;
        return 0;
}

int main(int argc, char **argv)
{
        _cleanup_error_ Error e = ERROR_NULL;
        _cleanup_image_config_ ImageConfig config = {0};
        Arguments arguments = {0};

        /* Names in archives are UTF-8, or bytes. */
        setlocale(LC_CTYPE, "C.UTF-8");
        umask(022);
        int r = arguments_read(argc, argv, &arguments, &e);
        if (r >= 0)
                r = unpack(&arguments, &config, &e);
        _cleanup_json_ json_object *object = r >= 0 ? image_config_to_json(&config) : NULL;
        if (r >= 0 && (!object || puts(json_object_to_json_string_ext(object, JSON_C_TO_STRING_PLAIN)) < 0 ||
                       fflush(stdout) < 0))
                r = error_oom(&e);
        if (r < 0) {
                fprintf(stderr, "%s\n", error_text(&e));
                return 1;
        }
        return 0;
}
