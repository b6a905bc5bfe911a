/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The keys of a policy file, each with its reader. A list adds to what is there, a scalar replaces it: so what a file
 * extends is read first, into the same struct, and the merge needs no code of its own. */

#include "jail/policy_read.h"

#include "engine/base/json.h"
#include "engine/base/name.h"
#include "engine/base/strv.h"
#include "jail/floor.h"
#include "jail/limits.h"
#include "jail/syscall_groups.h"

#include <string.h>
#include <sys/capability.h>

static int read_extends(json_object *value, const char *path, void *target, Error *e)
{
        PolicyReading *p = target;

        return json_read_string(value, path, &p->extends, e);
}

static int read_description(json_object *value, const char *path, void *target, Error *e)
{
        PolicyReading *p = target;

        return json_read_string(value, path, &p->policy->description, e);
}

static bool is_plain_path(const char *path)
{
        size_t n = strlen(path);

        return path[0] == '/' && (n == 1 || path[n - 1] != '/') && !strstr(path, "//") && !strstr(path, "/./") &&
               !strstr(path, "/../") && !(n >= 2 && strcmp(path + n - 2, "/.") == 0) &&
               !(n >= 3 && strcmp(path + n - 3, "/..") == 0);
}

static int read_paths(json_object *value, const char *path, void *target_strv, Error *e)
{
        _cleanup_strv_ char **list = NULL;
        int r = json_read_strings(value, path, &list, e);

        for (size_t i = 0; r >= 0 && list && list[i]; i++)
                if (!is_plain_path(list[i])) {
                        _cleanup_free_ char *here = json_path_index(path, i), *escaped = name_escape(list[i]);
                        return json_error(here ? here : path, e,
                                          "\"%s\" must be an absolute path without \".\", \"..\" and doubled slashes",
                                          escaped ? escaped : "");
                }
        if (r >= 0 && strv_add_new(target_strv, list) < 0)
                return error_oom(e);
        return r;
}

static int read_root(json_object *value, const char *path, void *target_root, Error *e)
{
        char **target = target_root;
        _cleanup_free_ char *root = NULL;
        int r = json_read_string(value, path, &root, e);

        if (r < 0)
                return r;
        /* The name of an image is checked where it is looked up; here, that it is not a path. */
        if (root[0] == '/' ? !is_plain_path(root) : name_check("root", root, NULL) < 0)
                return json_error(path, e, "must be \"host\", the absolute path of a directory or of a squashfs or erofs "
                                           "image, or the name of an imported image (skep-jail image list)");
        free(*target);
        *target = strcmp(root, "host") == 0 ? NULL : take(root);
        return 0;
}

static int read_proc_subset(json_object *value, const char *path, void *target_bool, Error *e)
{
        _cleanup_free_ char *subset = NULL;
        int r = json_read_string(value, path, &subset, e);

        if (r < 0)
                return r;
        if (strcmp(subset, "all") != 0 && strcmp(subset, "pid") != 0)
                return json_error(path, e, "must be \"all\" or \"pid\"");
        *(bool *)target_bool = subset[0] == 'p';
        return 0;
}

static int read_filesystem(json_object *value, const char *path, void *target, Error *e)
{
        PolicyReading *p = target;
        static const JsonField fields[] = {
                {"root", read_root, offsetof(JailPolicy, root), false},
                {"read_only", read_paths, offsetof(JailPolicy, read_only), false},
                {"writable", read_paths, offsetof(JailPolicy, writable), false},
                {"tmpfs", read_paths, offsetof(JailPolicy, tmpfs), false},
                {"hidden", read_paths, offsetof(JailPolicy, hidden), false},
                {"execute", read_paths, offsetof(JailPolicy, execute), false},
                {"proc_subset", read_proc_subset, offsetof(JailPolicy, proc_pid), false},
        };

        return json_read_object(value, path, fields, ELEMENTS(fields), p->policy, e);
}

static int read_network(json_object *value, const char *path, void *target, Error *e)
{
        PolicyReading *p = target;
        _cleanup_free_ char *mode = NULL;

        if (json_object_is_type(value, json_type_object))
                return json_error(path, e, "an object with a mode and an allowlist is not built yet");
        int r = json_read_string(value, path, &mode, e);
        if (r < 0)
                return r;
        if (strcmp(mode, "none") != 0 && strcmp(mode, "broker") != 0)
                return json_error(path, e, "must be \"none\" or \"broker\"");
        p->policy->network = mode[0] == 'n' ? JAIL_NETWORK_NONE : JAIL_NETWORK_BROKER;
        return 0;
}

static int read_calls(PolicyReading *p, json_object *value, const char *path, char ***names, Error *e)
{
        _cleanup_strv_ char **entries = NULL;
        int r = json_read_strings(value, path, &entries, e);

        for (size_t i = 0; r >= 0 && entries && entries[i]; i++) {
                _cleanup_free_ char *here = json_path_index(path, i);
                if (!here)
                        return error_oom(e);
                if (entries[i][0] == '@' && !p->groups && p->directories)
                        r = syscall_groups_load(p->directories, &p->groups, e);
                if (r >= 0)
                        r = syscall_groups_expand(p->groups, entries[i], here, names, e);
        }
        return r;
}

static int read_allow(json_object *value, const char *path, void *target, Error *e)
{
        PolicyReading *p = target;

        int r = read_calls(p, value, path, &p->allow, e);

        for (size_t i = 0; r >= 0 && p->allow && p->allow[i]; i++)
                if (floor_forbids(p->allow[i]))
                        return json_error(path, e, "\"%s\" is among the calls that no policy allows", p->allow[i]);
        return r;
}

static int read_deny(json_object *value, const char *path, void *target, Error *e)
{
        PolicyReading *p = target;

        return read_calls(p, value, path, &p->deny, e);
}

static int read_action(json_object *value, const char *path, void *target, Error *e)
{
        PolicyReading *p = target;
        _cleanup_free_ char *action = NULL;
        int r = json_read_string(value, path, &action, e);

        if (r < 0)
                return r;
        if (strcmp(action, "errno") != 0 && strcmp(action, "kill") != 0)
                return json_error(path, e, "must be \"errno\" or \"kill\"");
        p->policy->action = action[0] == 'k' ? POLICY_ACTION_KILL : POLICY_ACTION_ERRNO;
        return 0;
}

static int read_syscalls(json_object *value, const char *path, void *target, Error *e)
{
        static const JsonField fields[] = {
                {"allow", read_allow, 0, false},
                {"deny", read_deny, 0, false},
                {"action", read_action, 0, false},
        };

        PolicyReading *p = target;

        /* They replace an inherited profile. */
        p->policy->seccomp = oci_seccomp_free(p->policy->seccomp);
        return json_read_object(value, path, fields, ELEMENTS(fields), target, e);
}

static int read_seccomp(json_object *value, const char *path, void *target, Error *e)
{
        PolicyReading *p = target;

        p->allow = strv_free(p->allow);
        p->deny = strv_free(p->deny);
        p->policy->action = POLICY_ACTION_ERRNO;
        p->policy->seccomp = oci_seccomp_free(p->policy->seccomp);
        return oci_seccomp_read(value, path, &p->policy->seccomp, e);
}

static int read_limits(json_object *value, const char *path, void *target, Error *e)
{
        PolicyReading *p = target;

        return limits_read_policy(value, path, &p->policy->limits, &p->policy->ceilings, e);
}

static int read_devices(json_object *value, const char *path, void *target, Error *e)
{
        PolicyReading *p = target;
        int r = read_paths(value, path, &p->policy->devices, e);

        for (size_t i = 0; r >= 0 && p->policy->devices && p->policy->devices[i]; i++)
                if (strncmp(p->policy->devices[i], "/dev/", 5) != 0)
                        return json_error(path, e, "\"%s\" is not below /dev", p->policy->devices[i]);
        return r;
}

/* libcap takes numbers too, of capabilities that no kernel has, and what only begins with a name. */
static bool read_capability(const char *name, cap_value_t *ret)
{
        if (strncasecmp(name, "cap_", 4) != 0 || cap_from_name(name, ret) < 0)
                return false;
        char *whole = cap_to_name(*ret);
        bool same = whole && strcasecmp(whole, name) == 0;
        cap_free(whole);
        return same;
}

static int read_capabilities(json_object *value, const char *path, void *target, Error *e)
{
        PolicyReading *p = target;
        _cleanup_strv_ char **names = NULL;
        int r = json_read_strings(value, path, &names, e);

        for (size_t i = 0; r >= 0 && names && names[i]; i++) {
                cap_value_t capability;
                if (!read_capability(names[i], &capability)) {
                        _cleanup_free_ char *here = json_path_index(path, i), *escaped = name_escape(names[i]);
                        return json_error(here ? here : path, e,
                                          "\"%s\" is not a capability: write them as cap_chown, cap_fowner, …",
                                          escaped ? escaped : "");
                }
                p->policy->capabilities |= UINT64_C(1) << capability;
        }
        return r;
}

static char *layer_names(void)
{
        _cleanup_strv_ char **names = NULL;

        for (JailLayer layer = 0; layer < JAIL_LAYER_MAX; layer++)
                if (strv_add(&names, jail_layer_name(layer)) < 0)
                        return NULL;
        return strv_join(names, ", ");
}

static int read_require(json_object *value, const char *path, void *target, Error *e)
{
        PolicyReading *p = target;
        _cleanup_strv_ char **names = NULL;
        int r = json_read_strings(value, path, &names, e);

        for (size_t i = 0; r >= 0 && names && names[i]; i++) {
                JailLayer layer = 0;
                while (layer < JAIL_LAYER_MAX && strcmp(jail_layer_name(layer), names[i]) != 0)
                        layer++;
                if (layer == JAIL_LAYER_MAX) {
                        _cleanup_free_ char *here = json_path_index(path, i), *escaped = name_escape(names[i]);
                        _cleanup_free_ char *layers = layer_names();
                        return json_error(here ? here : path, e, "\"%s\" is not a layer; there are: %s",
                                          escaped ? escaped : "", layers ? layers : "");
                }
                p->policy->require |= 1U << layer;
        }
        return r;
}

static const JsonField policy_fields[] = {
        {"extends", read_extends, 0, false},
        {"description", read_description, 0, false},
        {"filesystem", read_filesystem, 0, false},
        {"network", read_network, 0, false},
        {"syscalls", read_syscalls, 0, false},
        {"seccomp", read_seccomp, 0, false},
        {"limits", read_limits, 0, false},
        {"devices", read_devices, 0, false},
        {"capabilities", read_capabilities, 0, false},
        {"require", read_require, 0, false},
};

bool policy_is_profile(json_object *object)
{
        return json_object_is_type(object, json_type_object) &&
               json_object_object_get_ex(object, "defaultAction", NULL);
}

int policy_read(PolicyReading *p, json_object *object, Error *e)
{
        if (policy_is_profile(object))
                return read_seccomp(object, "", p, e);
        if (json_object_is_type(object, json_type_object) && json_object_object_get_ex(object, "seccomp", NULL) &&
            json_object_object_get_ex(object, "syscalls", NULL))
                return json_error("seccomp", e, "a policy has either this or \"syscalls\"");
        return json_read_object(object, "", policy_fields, ELEMENTS(policy_fields), p, e);
}

void policy_reading_done(PolicyReading *p)
{
        json_object_put(p->groups);
        free(p->extends);
        strv_free(p->allow);
        strv_free(p->deny);
}
