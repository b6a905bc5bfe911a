/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "jail/syscall_groups.h"

#include "engine/base/json.h"
#include "engine/base/name.h"
#include "engine/base/strv.h"
#include "jail/syscall_names.h"

#include <seccomp.h>
#include <string.h>

#define NESTING_MAX 8

int syscall_groups_load(char *const *directories, json_object **ret, Error *e)
{
        for (size_t i = 0; directories && directories[i]; i++) {
                _cleanup_free_ char *file = NULL;
                if (asprintf(&file, "%s/syscall-groups.json", directories[i]) < 0) {
                        file = NULL;
                        return error_oom(e);
                }
                if (access(file, F_OK) == 0)
                        return json_parse_file(file, ret, e);
        }
        return error_set(e, -ENOENT, "syscall-groups.json is in none of the policy directories");
}

static int add_call(const char *name, const char *path, bool of_group, char ***names, Error *e)
{
        int number = syscall_number(name);

        /* The groups that ship may name calls that are newer than this host's library, which then cannot be allowed. */
        if (number == __NR_SCMP_ERROR && of_group)
                return 0;
        if (number == __NR_SCMP_ERROR) {
                _cleanup_free_ char *escaped = name_escape(name);
                return json_error(path, e, "\"%s\" is not a system call", escaped ? escaped : "");
        }
        /* Negative numbers are the library's own, for calls of other architectures. */
        if (number >= 0 && !strv_contains(*names, name) && strv_add(names, name) < 0)
                return error_oom(e);
        return 0;
}

static int expand(json_object *groups, const char *entry, const char *path, char ***names, unsigned depth, Error *e)
{
        json_object *members;

        if (*entry != '@')
                return add_call(entry, path, depth > 0, names, e);
        if (depth > NESTING_MAX)
                return json_error(path, e, "the group %s contains itself", entry);
        if (!groups || !json_object_object_get_ex(groups, entry, &members) ||
            !json_object_is_type(members, json_type_array)) {
                _cleanup_free_ char *escaped = name_escape(entry);
                return json_error(path, e, "\"%s\" is not a group of system calls", escaped ? escaped : "");
        }
        for (size_t i = 0; i < json_object_array_length(members); i++) {
                const char *member = json_object_get_string(json_object_array_get_idx(members, i));
                int r = expand(groups, member ? member : "", path, names, depth + 1, e);
                if (r < 0)
                        return r;
        }
        return 0;
}

int syscall_groups_expand(json_object *groups, const char *entry, const char *path, char ***names, Error *e)
{
        return expand(groups, entry, path, names, 0, e);
}
