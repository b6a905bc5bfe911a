/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "jail/image_config.h"

#include "engine/base/digest.h"
#include "engine/base/json.h"
#include "engine/base/strv.h"

#include <stdbool.h>
#include <string.h>

#define STRINGS_MAX 1024
#define STRINGS_BYTES_MAX ((size_t)256 << 10)
#define WORD_MAX 4096

void image_config_done(ImageConfig *c)
{
        free(c->digest);
        free(c->imported);
        free(c->architecture);
        strv_free(c->environment);
        free(c->working_directory);
        strv_free(c->entrypoint);
        strv_free(c->command);
        free(c->user);
        *c = (ImageConfig){0};
}

static int check_strings(char *const *list, const char *key, Error *e)
{
        size_t bytes = 0;

        if (strv_length(list) > STRINGS_MAX)
                return error_set(e, -E2BIG, "%s: more than %d strings", key, STRINGS_MAX);
        for (size_t i = 0; list && list[i]; i++)
                bytes += strlen(list[i]) + 1;
        if (bytes > STRINGS_BYTES_MAX)
                return error_set(e, -E2BIG, "%s: more than %zu KiB", key, STRINGS_BYTES_MAX >> 10);
        return 0;
}

static int check_word(const char *text, const char *key, Error *e)
{
        return text && strlen(text) > WORD_MAX ? error_set(e, -E2BIG, "%s: more than %d bytes", key, WORD_MAX) : 0;
}

static bool is_digest(const char *text)
{
        return strncmp(text, "sha256:", 7) == 0 && strlen(text + 7) == DIGEST_HEX_SIZE - 1 &&
               strspn(text + 7, "0123456789abcdef") == DIGEST_HEX_SIZE - 1;
}

int image_config_check(const ImageConfig *c, Error *e)
{
        int r;

        if (!c->digest || !is_digest(c->digest))
                return error_set(e, -EINVAL, "digest: must be \"sha256:\" and 64 hexadecimal digits");
        if ((r = check_strings(c->environment, "Env", e)) < 0 || (r = check_strings(c->entrypoint, "Entrypoint", e)) < 0 ||
            (r = check_strings(c->command, "Cmd", e)) < 0 || (r = check_word(c->user, "User", e)) < 0 ||
            (r = check_word(c->working_directory, "WorkingDir", e)) < 0 ||
            (r = check_word(c->architecture, "architecture", e)) < 0)
                return r;
        for (size_t i = 0; c->environment && c->environment[i]; i++)
                if (c->environment[i][0] == '=' || !strchr(c->environment[i], '='))
                        return error_set(e, -EINVAL, "Env[%zu]: must be NAME=value", i);
        if (c->working_directory && c->working_directory[0] != '/')
                return error_set(e, -EINVAL, "WorkingDir: must be an absolute path");
        return 0;
}

static int read_left_out(json_object *value, const char *path, void *target, Error *e)
{
        static const JsonField fields[] = {
                {"devices", json_read_size, offsetof(ImageConfig, devices), false},
                {"fifos", json_read_size, offsetof(ImageConfig, fifos), false},
                {"setuid", json_read_size, offsetof(ImageConfig, setuid), false},
                {"attributes", json_read_size, offsetof(ImageConfig, attributes), false},
        };

        return json_read_object(value, path, fields, ELEMENTS(fields), target, e);
}

/* Null as what is not there. */
static int read_word(json_object *value, const char *path, void *target_string, Error *e)
{
        return value ? json_read_string(value, path, target_string, e) : 0;
}

int image_config_from_json(json_object *object, ImageConfig *ret, Error *e)
{
        static const JsonField fields[] = {
                {"digest", json_read_string, offsetof(ImageConfig, digest), true},
                {"imported", read_word, offsetof(ImageConfig, imported), false},
                {"architecture", read_word, offsetof(ImageConfig, architecture), false},
                {"environment", json_read_strings, offsetof(ImageConfig, environment), true},
                {"working_directory", read_word, offsetof(ImageConfig, working_directory), false},
                {"entrypoint", json_read_strings, offsetof(ImageConfig, entrypoint), true},
                {"command", json_read_strings, offsetof(ImageConfig, command), true},
                {"user", read_word, offsetof(ImageConfig, user), false},
                {"bytes", json_read_size, offsetof(ImageConfig, bytes), true},
                {"files", json_read_size, offsetof(ImageConfig, files), true},
                {"left_out", read_left_out, 0, true},
        };

        *ret = (ImageConfig){0};
        int r = json_read_object(object, "", fields, ELEMENTS(fields), ret, e);
        return r < 0 ? r : image_config_check(ret, e);
}

static json_object *strings_to_json(char *const *list)
{
        json_object *array = json_object_new_array();

        for (size_t i = 0; list && list[i]; i++)
                json_object_array_add(array, json_object_new_string(list[i]));
        return array;
}

json_object *image_config_to_json(const ImageConfig *c)
{
        json_object *o = json_object_new_object(), *left_out = json_object_new_object();

        if (!o || !left_out) {
                json_object_put(o);
                json_object_put(left_out);
                return NULL;
        }
        json_add_string(o, "digest", c->digest);
        json_add_string(o, "imported", c->imported);
        json_add_string(o, "architecture", c->architecture);
        json_object_object_add(o, "environment", strings_to_json(c->environment));
        json_add_string(o, "working_directory", c->working_directory);
        json_object_object_add(o, "entrypoint", strings_to_json(c->entrypoint));
        json_object_object_add(o, "command", strings_to_json(c->command));
        json_add_string(o, "user", c->user);
        json_add_number(o, "bytes", c->bytes);
        json_add_number(o, "files", c->files);
        json_add_number(left_out, "devices", c->devices);
        json_add_number(left_out, "fifos", c->fifos);
        json_add_number(left_out, "setuid", c->setuid);
        json_add_number(left_out, "attributes", c->attributes);
        json_object_object_add(o, "left_out", left_out);
        return o;
}
