/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "jail/cli/explain_root.h"

#include "engine/base/json.h"
#include "engine/base/strv.h"
#include "jail/cli/layout.h"
#include "jail/ids.h"

#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>

/* Of one that cannot be opened: its name tells, or whoever may look at it without reading it. */
static const char *kind_of_name(const char *name)
{
        struct stat st;

        if (name[0] != '/')
                return "image";
        if (stat(name, &st) < 0)
                return NULL;
        return S_ISDIR(st.st_mode) ? "directory" : S_ISREG(st.st_mode) ? "image-file" : NULL;
}

void explained_root_find(const JailPolicy *policy, const char *name, ExplainedRoot *ret)
{
        if (!name)
                name = policy->root;
        if (name && strcmp(name, "host") == 0)
                name = NULL;
        *ret = (ExplainedRoot){
                .name = name,
                .kind = name ? kind_of_name(name) : "host",
                .writable = strv_contains(policy->writable, "/"),
                .source = ROOT_SOURCE_NULL,
        };
        if (root_source_open(name, &ret->source, &ret->error) >= 0 && ret->source.kind == ROOT_FILE &&
            ids_kind() != IDS_RANGE)
                error_set(&ret->error, -EPERM, "root %s: only root can mount an image file", name);
}

void explained_root_done(ExplainedRoot *root)
{
        root_source_done(&root->source);
        error_clear(&root->error);
}

char *explained_root_words(const ExplainedRoot *root)
{
        const char *changes = root->writable ? "changes go to a layer of the jail's own, and are forgotten" : "read-only";
        const ImageConfig *image = &root->source.image.config;
        char *text = NULL, size[16];
        int n;

        if (!root->name)
                n = asprintf(&text, "the host's /usr, and a few files of its /etc; %s", changes);
        else if (root->source.image.root >= 0) {
                layout_size(image->bytes, size, sizeof size);
                n = asprintf(&text, "the imported image %s (%s%s%" PRIu64 " files, %s); %s", root->name,
                             image->architecture ? image->architecture : "", image->architecture ? ", " : "",
                             image->files, size, changes);
        } else if (root->kind && strcmp(root->kind, "image") == 0)
                n = asprintf(&text, "the imported image %s; %s", root->name, changes);
        else
                n = asprintf(&text, "%s%s; %s",
                             !root->kind                             ? ""
                             : strcmp(root->kind, "directory") == 0 ? "the directory "
                                                                    : "the image file ",
                             root->name, changes);
        return n < 0 ? NULL : text;
}

/* Of NAME=value; an image may set one twice, of which the last holds. */
static int add_name(char ***names, const char *variable)
{
        _cleanup_free_ char *name = strndup(variable, strcspn(variable, "="));

        if (!name)
                return -ENOMEM;
        return strv_contains(*names, name) ? 0 : strv_add(names, name);
}

char *explained_root_job_words(const ExplainedRoot *root)
{
        const ImageConfig *image = &root->source.image.config;
        _cleanup_strv_ char **parts = NULL, **words = NULL, **names = NULL;
        int r = strv_add_new(&words, image->entrypoint);

        for (char **word = image->command; r >= 0 && word && *word; word++)
                r = strv_add(&words, *word);
        for (char **variable = image->environment; r >= 0 && variable && *variable; variable++)
                r = add_name(&names, *variable);
        _cleanup_free_ char *command = strv_join(words, " "), *variables = strv_join(names, " ");
        if (r < 0 || !command || !variables)
                return NULL;
        if (words)
                r = strv_addf(&parts, "runs %s", command);
        if (r >= 0 && image->working_directory)
                r = strv_addf(&parts, "in %s", image->working_directory);
        if (r >= 0 && names)
                r = strv_addf(&parts, "sets %s", variables);
        return r < 0 || !parts ? NULL : strv_join(parts, ", ");
}

json_object *explained_root_json(const ExplainedRoot *root)
{
        json_object *object = json_object_new_object();

        json_add_string(object, "kind", root->kind);
        json_add_string(object, "name", root->name);
        json_add_bool(object, "writable", root->writable);
        json_object_object_add(object, "image",
                               root->source.image.root >= 0 ? image_config_to_json(&root->source.image.config) : NULL);
        return object;
}
