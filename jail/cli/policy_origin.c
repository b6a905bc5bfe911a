/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "jail/cli/policy_origin.h"

#include "engine/base/json.h"
#include "engine/base/strv.h"

#include <string.h>

/* The place of NAME.json in the directories from index `*at` on, which is then where it was. NULL: nowhere. */
static char *find_file(const char *name, char *const *directories, size_t *at)
{
        for (; directories && directories[*at]; ++*at) {
                char *file;
                if (asprintf(&file, "%s/%s.json", directories[*at], name) < 0)
                        return NULL;
                if (access(file, F_OK) == 0)
                        return file;
                free(file);
        }
        return NULL;
}

static int read_extends(const char *file, char **ret, Error *e)
{
        _cleanup_json_ json_object *object = NULL;
        json_object *extends;
        int r = json_parse_file(file, &object, e);

        if (r < 0 || !json_object_object_get_ex(object, "extends", &extends))
                return r;
        *ret = strdup(json_object_get_string(extends));
        return *ret ? 0 : error_oom(e);
}

int policy_origin(const char *name, char *const *directories, char ***ret, Error *e)
{
        _cleanup_strv_ char **files = NULL;
        _cleanup_free_ char *file = NULL, *current = strdup(name);
        size_t at = 0;

        if (!current)
                return error_oom(e);
        file = strchr(name, '/') ? strdup(name) : find_file(name, directories, &at);
        while (file) {
                _cleanup_free_ char *extends = NULL;
                int r = strv_add(&files, file) < 0 ? error_oom(e) : read_extends(file, &extends, e);
                if (r < 0)
                        return r;
                free(take(file));
                if (!extends)
                        break;
                /* An operator's file may extend the shipped one of its own name. */
                at = strcmp(extends, current) == 0 ? at + 1 : 0;
                free(current);
                current = take(extends);
                file = find_file(current, directories, &at);
        }
        *ret = take(files);
        return 0;
}
