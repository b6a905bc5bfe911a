/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* skep-jail image: roots for jails, made of the archives in which container images travel. */

#include "jail/image.h"

#include "engine/base/json.h"
#include "engine/base/name.h"
#include "engine/base/options.h"
#include "engine/base/size.h"
#include "engine/base/strv.h"
#include "jail/cli/commands.h"
#include "jail/cli/image_import.h"
#include "jail/cli/layout.h"

#include <inttypes.h>
#include <string.h>
#include <time.h>

#define STATUS_INTERRUPTED 130

/* ---- import ---- */

static int take_disk(const Option *option _unused_, const char *value, void *target, Error *e)
{
        ImageImport *import = target;

        int r = size_parse(value, &import->disk_bytes, e);
        if (r >= 0 && import->disk_bytes == 0)
                return error_set(e, -EINVAL, "must be more than 0");
        /* As much as the unpacking program takes. */
        if (r >= 0 && import->disk_bytes > UINT64_C(1) << 60)
                return error_set(e, -EINVAL, "must be at most 1048576T");
        return r;
}

static int take_files(const Option *option _unused_, const char *value, void *target, Error *e)
{
        ImageImport *import = target;

        return count_parse(value, 1, UINT64_C(1) << 32, &import->files, e);
}

static int take_allow_missing(const Option *option _unused_, const char *value, void *target, Error *e)
{
        ImageImport *import = target;

        return jail_layers_parse_missing(value, &import->allow_missing, e);
}

#define OF_IMPORT(member) offsetof(ImageImport, member)

static const Option import_options[] = {
        {"tag", "NAME:TAG", "which image, where the archive has several", option_set_string, OF_IMPORT(tag)},
        {"replace", NULL, "take the place of an image that has the name", option_set_flag, OF_IMPORT(replace)},
        {"disk", "SIZE", "what its files may have together (default: 64M and 32 times the archive, at most 8G)", take_disk,
         0},
        {"files", "N", "how many they may be (default: 10000 and one per 32 bytes of it, at most 500000)", take_files,
         0},
        {"allow-missing", "LIST", "limits of the unpacking that this host need not enforce", take_allow_missing, 0},
};

/* "3 devices, 1 FIFO": what an image is without. */
static void say_left_out(const ImageConfig *c)
{
        const struct {
                uint64_t n;
                const char *what;
        } kinds[] = {
                {c->devices, "device nodes"},
                {c->fifos, "FIFOs and sockets"},
                {c->setuid, "set-user-id or set-group-id bits"},
                {c->attributes, "files' extended attributes"},
        };
        const char *before = "skep-jail: left out: ";

        for (size_t i = 0; i < ELEMENTS(kinds); i++)
                if (kinds[i].n > 0) {
                        fprintf(stderr, "%s%" PRIu64 " %s", before, kinds[i].n, kinds[i].what);
                        before = ", ";
                }
        if (before[0] == ',')
                fputc('\n', stderr);
}

static int import(int argc, char **argv, Error *e)
{
        ImageImport import = {.disk_bytes = 0};
        _cleanup_image_config_ ImageConfig config = {0};
        int first = options_read(import_options, ELEMENTS(import_options), argc, argv, false, &import, e);

        if (first < 0)
                return first;
        if (argc - first != 2)
                return error_set(e, -EINVAL, "which archive, by which name? skep-jail image import ARCHIVE NAME");
        import.archive = argv[first];
        import.name = argv[first + 1];
        int r = image_import(&import, &config, e);
        if (r == -EINTR) {
                command_say(error_text(e));
                return STATUS_INTERRUPTED;
        }
        if (r < 0)
                return r;
        say_left_out(&config);
        return 0;
}

/* ---- list ---- */

typedef struct ListOptions {
        bool json;
} ListOptions;

static const Option list_options[] = {
        {"json", NULL, "for programs: an object a line", option_set_flag, offsetof(ListOptions, json)},
};

/* Local time, as people want it. */
static void format_time(const char *rfc3339, char *ret, size_t size)
{
        struct tm parts = {0};
        const char *end = rfc3339 ? strptime(rfc3339, "%Y-%m-%dT%H:%M:%SZ", &parts) : NULL;

        if (!end || *end) {
                snprintf(ret, size, "-");
                return;
        }
        time_t seconds = timegm(&parts);
        localtime_r(&seconds, &parts);
        strftime(ret, size, "%Y-%m-%d %H:%M:%S", &parts);
}

static int print_row(const char *name, const ImageConfig *c, Error *e)
{
        _cleanup_strv_ char **words = NULL;
        char size[16], imported[32];

        if (strv_copy(c->entrypoint, &words) < 0)
                return error_oom(e);
        for (size_t i = 0; c->command && c->command[i]; i++)
                if (strv_add(&words, c->command[i]) < 0)
                        return error_oom(e);
        _cleanup_free_ char *command = strv_join(words, " "), *escaped = command ? name_escape(command) : NULL;
        layout_size(c->bytes, size, sizeof size);
        format_time(c->imported, imported, sizeof imported);
        printf("%-24s %6s %8" PRIu64 "  %-19s  %s\n", name, size, c->files, imported,
               escaped && *escaped ? escaped : "-");
        return 0;
}

static int print_json(const char *name, const ImageConfig *c, Error *e)
{
        _cleanup_json_ json_object *object = image_config_to_json(c);

        if (!object)
                return error_oom(e);
        json_add_string(object, "name", name);
        puts(json_object_to_json_string_ext(object, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE));
        return 0;
}

/* One that cannot be read does not hide the others. */
static int list(int argc, char **argv, Error *e)
{
        _cleanup_strv_ char **names = NULL;
        ListOptions options = {0};
        int status = 0, r = options_read(list_options, ELEMENTS(list_options), argc, argv, false, &options, e);

        if (r < 0)
                return r;
        if (r < argc)
                return error_set(e, -EINVAL, "\"%s\": list takes no names", argv[r]);
        if ((r = image_list(&names, e)) < 0)
                return r;
        if (!options.json && names)
                printf("%-24s %6s %8s  %-19s  %s\n", "NAME", "SIZE", "FILES", "IMPORTED", "COMMAND");
        for (size_t i = 0; names && names[i]; i++) {
                _cleanup_error_ Error one = ERROR_NULL;
                _cleanup_image_ Image image = IMAGE_NULL;
                r = image_open(names[i], &image, &one);
                if (r == -ENOENT) /* it has gone meanwhile */
                        continue;
                if (r < 0) {
                        command_say(error_text(&one));
                        status = STATUS_NO_JAIL;
                } else if ((r = (options.json ? print_json : print_row)(names[i], &image.config, e)) < 0) {
                        return r;
                }
        }
        return status;
}

/* ---- rm ---- */

/* One that cannot go does not keep the others. */
static int rm(int argc, char **argv, Error *e)
{
        int first = options_read(NULL, 0, argc, argv, false, NULL, e), status = 0;

        if (first < 0)
                return first;
        if (first == argc)
                return error_set(e, -EINVAL, "which image? skep-jail image rm NAME...");
        for (int i = first; i < argc; i++) {
                _cleanup_error_ Error one = ERROR_NULL;
                if (image_remove(argv[i], &one) < 0) {
                        command_say(error_text(&one));
                        status = STATUS_NO_JAIL;
                }
        }
        return status;
}

/* ---- the command ---- */

static int help(void)
{
        puts("Usage: skep-jail image import [OPTION]... ARCHIVE NAME\n"
             "       skep-jail image list [--json]\n"
             "       skep-jail image rm NAME...\n"
             "Make a root for jails of a container image's archive, as podman save, docker save and skopeo write them:\n"
             "a file, a directory with an OCI layout, or - for standard input.\n");
        options_help(import_options, ELEMENTS(import_options));
        puts("\nIt is unpacked in a jail of the policy \"image\". Exit status: 0; 125 with a reason; 130 interrupted.");
        return 0;
}

int command_image(int argc, char **argv, Error *e)
{
        const char *name = argc > 1 ? argv[1] : "";

        for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++)
                if (strcmp(argv[i], "--help") == 0)
                        return help();
        if (strcmp(name, "import") == 0)
                return import(argc - 1, argv + 1, e);
        if (strcmp(name, "list") == 0)
                return list(argc - 1, argv + 1, e);
        if (strcmp(name, "rm") == 0)
                return rm(argc - 1, argv + 1, e);
        return error_set(e, -EINVAL, "image%s%s: there are import, list and rm; see skep-jail image --help", *name ? " " : "",
                         name);
}
