/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Policies: from a file and the files that it extends to one immutable struct.
 *
 * A chain of `extends` is read from its root down into the same struct: a list adds to what is there, a scalar
 * replaces it. So the merge needs no code of its own. The resolved policy is written out again as canonical JSON
 * (system calls sorted, no groups, no `extends`), which is what the digest is of, and what one program hands another. */

#include "jail/policy.h"

#include "engine/base/digest.h"
#include "engine/base/json.h"
#include "engine/base/name.h"
#include "engine/base/strv.h"
#include "jail/limits.h"
#include "jail/syscall_groups.h"

#include <string.h>
#include <sys/capability.h>

#define EXTENDS_MAX 8

/* What is read of one file. */
typedef struct PolicyFile {
        JailPolicy *policy;
        char *const *directories;
        json_object *groups; /* owned; loaded when the first group is named */
        char *extends;
        char **allow, **deny; /* names, groups expanded, of the whole chain */
} PolicyFile;

static void policy_file_done(PolicyFile *f)
{
        json_object_put(f->groups);
        free(f->extends);
        strv_free(f->allow);
        strv_free(f->deny);
}

/* ---- readers of the keys; each gets the PolicyFile as its target ---- */

static int read_extends(json_object *value, const char *path, void *target, Error *e)
{
        PolicyFile *f = target;

        return json_read_string(value, path, &f->extends, e);
}

static int read_description(json_object *value, const char *path, void *target, Error *e)
{
        PolicyFile *f = target;

        return json_read_string(value, path, &f->policy->description, e);
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

static int read_root(json_object *value, const char *path, void *target, Error *e)
{
        _cleanup_free_ char *root = NULL;
        int r = json_read_string(value, path, &root, e);

        (void)target;
        if (r >= 0 && strcmp(root, "host") != 0)
                return json_error(path, e, "a root other than \"host\" is not built yet");
        return r;
}

static int read_filesystem(json_object *value, const char *path, void *target, Error *e)
{
        PolicyFile *f = target;
        static const JsonField fields[] = {
                {"root", read_root, 0, false},
                {"read_only", read_paths, offsetof(JailPolicy, read_only), false},
                {"writable", read_paths, offsetof(JailPolicy, writable), false},
                {"tmpfs", read_paths, offsetof(JailPolicy, tmpfs), false},
                {"hidden", read_paths, offsetof(JailPolicy, hidden), false},
                {"execute", read_paths, offsetof(JailPolicy, execute), false},
        };
        int r = json_read_object(value, path, fields, ELEMENTS(fields), f->policy, e);

        if (r >= 0 && strv_contains(f->policy->writable, "/"))
                return json_error(path, e, "a writable root is not built yet");
        return r;
}

static int read_network(json_object *value, const char *path, void *target, Error *e)
{
        PolicyFile *f = target;
        _cleanup_free_ char *mode = NULL;

        if (json_object_is_type(value, json_type_object))
                return json_error(path, e, "an object with a mode and an allowlist is not built yet");
        int r = json_read_string(value, path, &mode, e);
        if (r < 0)
                return r;
        if (strcmp(mode, "none") != 0 && strcmp(mode, "broker") != 0)
                return json_error(path, e, "must be \"none\" or \"broker\"");
        f->policy->network = mode[0] == 'n' ? JAIL_NETWORK_NONE : JAIL_NETWORK_BROKER;
        return 0;
}

static int read_calls(PolicyFile *f, json_object *value, const char *path, char ***names, Error *e)
{
        _cleanup_strv_ char **entries = NULL;
        int r = json_read_strings(value, path, &entries, e);

        for (size_t i = 0; r >= 0 && entries && entries[i]; i++) {
                _cleanup_free_ char *here = json_path_index(path, i);
                if (!here)
                        return error_oom(e);
                if (entries[i][0] == '@' && !f->groups && f->directories)
                        r = syscall_groups_load(f->directories, &f->groups, e);
                if (r >= 0)
                        r = syscall_groups_expand(f->groups, entries[i], here, names, e);
        }
        return r;
}

static int read_allow(json_object *value, const char *path, void *target, Error *e)
{
        PolicyFile *f = target;

        return read_calls(f, value, path, &f->allow, e);
}

static int read_deny(json_object *value, const char *path, void *target, Error *e)
{
        PolicyFile *f = target;

        return read_calls(f, value, path, &f->deny, e);
}

static int read_action(json_object *value, const char *path, void *target, Error *e)
{
        PolicyFile *f = target;
        _cleanup_free_ char *action = NULL;
        int r = json_read_string(value, path, &action, e);

        if (r < 0)
                return r;
        if (strcmp(action, "errno") != 0 && strcmp(action, "kill") != 0)
                return json_error(path, e, "must be \"errno\" or \"kill\"");
        f->policy->action = action[0] == 'k' ? POLICY_ACTION_KILL : POLICY_ACTION_ERRNO;
        return 0;
}

static int read_syscalls(json_object *value, const char *path, void *target, Error *e)
{
        static const JsonField fields[] = {
                {"allow", read_allow, 0, false},
                {"deny", read_deny, 0, false},
                {"action", read_action, 0, false},
        };

        return json_read_object(value, path, fields, ELEMENTS(fields), target, e);
}

static int read_limits(json_object *value, const char *path, void *target, Error *e)
{
        PolicyFile *f = target;

        return limits_read_policy(value, path, &f->policy->limits, &f->policy->ceilings, e);
}

static int read_devices(json_object *value, const char *path, void *target, Error *e)
{
        PolicyFile *f = target;
        int r = read_paths(value, path, &f->policy->devices, e);

        for (size_t i = 0; r >= 0 && f->policy->devices && f->policy->devices[i]; i++)
                if (strncmp(f->policy->devices[i], "/dev/", 5) != 0)
                        return json_error(path, e, "\"%s\" is not below /dev", f->policy->devices[i]);
        return r;
}

static int read_capabilities(json_object *value, const char *path, void *target, Error *e)
{
        PolicyFile *f = target;
        _cleanup_strv_ char **names = NULL;
        int r = json_read_strings(value, path, &names, e);

        for (size_t i = 0; r >= 0 && names && names[i]; i++) {
                cap_value_t capability;
                if (cap_from_name(names[i], &capability) < 0) {
                        _cleanup_free_ char *here = json_path_index(path, i), *escaped = name_escape(names[i]);
                        return json_error(here ? here : path, e,
                                          "\"%s\" is not a capability: write them as cap_chown, cap_fowner, …",
                                          escaped ? escaped : "");
                }
                f->policy->capabilities |= UINT64_C(1) << capability;
        }
        return r;
}

static int read_require(json_object *value, const char *path, void *target, Error *e)
{
        PolicyFile *f = target;
        _cleanup_strv_ char **names = NULL;
        int r = json_read_strings(value, path, &names, e);

        for (size_t i = 0; r >= 0 && names && names[i]; i++) {
                JailLayer layer = 0;
                while (layer < JAIL_LAYER_MAX && strcmp(jail_layer_name(layer), names[i]) != 0)
                        layer++;
                if (layer == JAIL_LAYER_MAX) {
                        _cleanup_free_ char *here = json_path_index(path, i), *escaped = name_escape(names[i]);
                        return json_error(here ? here : path, e, "\"%s\" is not a layer", escaped ? escaped : "");
                }
                f->policy->require |= 1U << layer;
        }
        return r;
}

static const JsonField policy_fields[] = {
        {"extends", read_extends, 0, false},
        {"description", read_description, 0, false},
        {"filesystem", read_filesystem, 0, false},
        {"network", read_network, 0, false},
        {"syscalls", read_syscalls, 0, false},
        {"limits", read_limits, 0, false},
        {"devices", read_devices, 0, false},
        {"capabilities", read_capabilities, 0, false},
        {"require", read_require, 0, false},
};

/* ---- from files to the struct ---- */

static int read_object(PolicyFile *f, json_object *object, Error *e)
{
        json_object *seccomp;

        if (json_object_is_type(object, json_type_object) && json_object_object_get_ex(object, "seccomp", &seccomp))
                return json_error("seccomp", e, "profiles of the OCI runtime specification are not built yet");
        return json_read_object(object, "", policy_fields, ELEMENTS(policy_fields), f, e);
}

/* Finds NAME.json in the directories from index `from` on; `*ret_index` is where. */
static int find_file(char *const *directories, const char *name, size_t from, char **ret, size_t *ret_index)
{
        for (size_t i = from; i < strv_length(directories); i++) {
                _cleanup_free_ char *file = NULL;
                if (asprintf(&file, "%s/%s.json", directories[i], name) < 0) {
                        file = NULL;
                        return -ENOMEM;
                }
                if (access(file, F_OK) == 0) {
                        *ret = take(file);
                        *ret_index = i;
                        return 0;
                }
        }
        return -ENOENT;
}

static int load_named(PolicyFile *f, const char *name, size_t from, unsigned depth, Error *e);

/* Reads what a file extends, then the file itself over it. `index` is that of its directory, SIZE_MAX of none. */
static int load_file(PolicyFile *f, const char *name, const char *file, size_t index, unsigned depth, Error *e)
{
        _cleanup_json_ json_object *object = NULL;
        json_object *extends = NULL;
        int r = json_parse_file(file, &object, e);

        if (r < 0)
                return r;
        if (json_object_is_type(object, json_type_object) && json_object_object_get_ex(object, "extends", &extends)) {
                r = json_read_string(extends, "extends", &f->extends, e);
                if (r >= 0) {
                        _cleanup_free_ char *parent = take(f->extends);
                        /* An operator's file may extend the shipped one of the same name. */
                        bool same = index != SIZE_MAX && strcmp(parent, name) == 0;
                        r = load_named(f, parent, same ? index + 1 : 0, depth + 1, e);
                }
                if (r < 0)
                        return error_prefix(e, "%s: extends", file), r;
        }
        r = read_object(f, object, e);
        return r < 0 ? (error_prefix(e, "%s", file), r) : 0;
}

static int load_named(PolicyFile *f, const char *name, size_t from, unsigned depth, Error *e)
{
        _cleanup_free_ char *file = NULL;
        size_t index;
        int r = name_check("policy", name, e);

        if (r < 0)
                return r;
        if (depth > EXTENDS_MAX)
                return error_set(e, -ELOOP, "\"%s\": policies extend each other in a circle, or more than %d deep",
                                 name, EXTENDS_MAX);
        r = find_file(f->directories, name, from, &file, &index);
        if (r < 0) {
                _cleanup_free_ char *where = strv_join(f->directories, ", ");
                return error_set(e, r, "there is no policy \"%s\" in %s%s", name, where ? where : "",
                                 strstr(name, ".json") ? "; a file is named with a \"/\", such as ./mine.json" : "");
        }
        return load_file(f, name, file, index, depth, e);
}

static int compare_names(const void *a, const void *b)
{
        return strcmp(*(char *const *)a, *(char *const *)b);
}

static json_object *strings_to_json(char *const *list)
{
        json_object *array = json_object_new_array();

        for (size_t i = 0; list && list[i]; i++)
                json_object_array_add(array, json_object_new_string(list[i]));
        return array;
}

static json_object *capabilities_to_json(uint64_t set)
{
        json_object *array = json_object_new_array();

        for (cap_value_t c = 0; c < 64; c++)
                if (set & (UINT64_C(1) << c)) {
                        char *name = cap_to_name(c);
                        json_object_array_add(array, json_object_new_string(name ? name : ""));
                        cap_free(name);
                }
        return array;
}

static json_object *layers_to_json(JailLayers set)
{
        json_object *array = json_object_new_array();

        for (JailLayer layer = 0; layer < JAIL_LAYER_MAX; layer++)
                if (set & (1U << layer))
                        json_object_array_add(array, json_object_new_string(jail_layer_name(layer)));
        return array;
}

static json_object *policy_to_json(const JailPolicy *p)
{
        json_object *o = json_object_new_object(), *filesystem = json_object_new_object(),
                    *syscalls = json_object_new_object();

        json_add_string(o, "description", p->description ? p->description : "");
        json_add_string(filesystem, "root", "host");
        json_object_object_add(filesystem, "read_only", strings_to_json(p->read_only));
        json_object_object_add(filesystem, "writable", strings_to_json(p->writable));
        json_object_object_add(filesystem, "tmpfs", strings_to_json(p->tmpfs));
        json_object_object_add(filesystem, "hidden", strings_to_json(p->hidden));
        json_object_object_add(filesystem, "execute", strings_to_json(p->execute));
        json_object_object_add(o, "filesystem", filesystem);
        json_add_string(o, "network", p->network == JAIL_NETWORK_NONE ? "none" : "broker");
        json_object_object_add(syscalls, "allow", strings_to_json(p->syscalls));
        json_add_string(syscalls, "action", p->action == POLICY_ACTION_KILL ? "kill" : "errno");
        json_object_object_add(o, "syscalls", syscalls);
        json_object_object_add(o, "limits", limits_to_json(&p->limits, &p->ceilings));
        json_object_object_add(o, "devices", strings_to_json(p->devices));
        json_object_object_add(o, "capabilities", capabilities_to_json(p->capabilities));
        json_object_object_add(o, "require", layers_to_json(p->require));
        return o;
}

/* Everything is read: settle the system calls, and write the canonical text. */
static int finish(PolicyFile *f, Error *e)
{
        JailPolicy *p = f->policy;
        char hex[DIGEST_HEX_SIZE];

        for (size_t i = 0; f->deny && f->deny[i]; i++)
                strv_remove(f->allow, f->deny[i]);
        if (strv_length(f->allow) == 0)
                return error_set(e, -EINVAL, "syscalls.allow: no system call is allowed, nothing could run");
        if (!strv_contains(f->allow, "execve") || !strv_contains(f->allow, "exit_group"))
                return error_set(e, -EINVAL, "syscalls.allow: without execve and exit_group nothing starts, and nothing ends");
        int r = limits_settle(&p->limits, &p->ceilings, e);
        if (r < 0)
                return r;
        qsort(f->allow, strv_length(f->allow), sizeof *f->allow, compare_names);
        p->syscalls = take(f->allow);

        _cleanup_json_ json_object *object = policy_to_json(p);
        const char *text = json_object_to_json_string_ext(object, JSON_C_TO_STRING_PLAIN);
        if (!text || !(p->text = strdup(text)))
                return error_oom(e);
        digest_hex(text, strlen(text), hex);
        if (asprintf(&p->digest, "sha256:%s", hex) < 0) {
                p->digest = NULL;
                return error_oom(e);
        }
        return 0;
}

static JailPolicy *policy_new(const char *name)
{
        JailPolicy *p = calloc(1, sizeof *p);

        if (!p)
                return NULL;
        *p = (JailPolicy){.references = 1, .limits = jail_limits_none, .ceilings = jail_limits_none};
        p->name = strdup(name);
        return p->name ? p : jail_policy_unref(p);
}

/* "agent" of "/some/where/agent.json". */
static char *name_of_file(const char *file)
{
        const char *base = strrchr(file, '/') + 1;
        size_t n = strlen(base);

        if (n > 5 && strcmp(base + n - 5, ".json") == 0)
                n -= 5;
        return strndup(base, n);
}

int jail_policy_load(const char *name, char *const *directories, JailPolicy **ret, Error *e)
{
        bool is_file = strchr(name, '/');
        _cleanup_free_ char *short_name = is_file ? name_of_file(name) : strdup(name);
        _cleanup_policy_ JailPolicy *policy = short_name ? policy_new(short_name) : NULL;
        _cleanup_(policy_file_done) PolicyFile f = {.policy = policy, .directories = directories};

        if (!policy)
                return error_oom(e);
        int r = is_file ? load_file(&f, short_name, name, SIZE_MAX, 0, e) : load_named(&f, name, 0, 0, e);
        if (r < 0)
                return r;
        r = finish(&f, e);
        if (r < 0)
                return error_prefix(e, "%s", name), r;
        *ret = take(policy);
        return 0;
}

int jail_policy_from_text(const char *name, const char *text, JailPolicy **ret, Error *e)
{
        _cleanup_policy_ JailPolicy *policy = policy_new(name);
        _cleanup_(policy_file_done) PolicyFile f = {.policy = policy};
        _cleanup_json_ json_object *object = NULL;

        if (!policy)
                return error_oom(e);
        int r = json_parse_text(text, strlen(text), &object, e);
        if (r >= 0)
                r = read_object(&f, object, e);
        if (r >= 0 && f.extends)
                r = json_error("extends", e, "not in a resolved policy");
        if (r >= 0)
                r = finish(&f, e);
        if (r < 0)
                return r;
        *ret = take(policy);
        return 0;
}

JailPolicy *jail_policy_ref(JailPolicy *policy)
{
        policy->references++;
        return policy;
}

JailPolicy *jail_policy_unref(JailPolicy *p)
{
        if (!p || --p->references > 0)
                return NULL;
        free(p->name);
        free(p->digest);
        free(p->text);
        free(p->description);
        strv_free(p->read_only);
        strv_free(p->writable);
        strv_free(p->tmpfs);
        strv_free(p->hidden);
        strv_free(p->execute);
        strv_free(p->devices);
        strv_free(p->syscalls);
        free(p->filter);
        free(p);
        return NULL;
}

const char *jail_policy_name(const JailPolicy *policy)
{
        return policy->name;
}

const char *jail_policy_description(const JailPolicy *policy)
{
        return policy->description ? policy->description : "";
}

const char *jail_policy_digest(const JailPolicy *policy)
{
        return policy->digest;
}

const char *jail_policy_text(const JailPolicy *policy)
{
        return policy->text;
}

const JailLimits *jail_policy_limits(const JailPolicy *policy)
{
        return &policy->limits;
}

int jail_policy_admit(const JailPolicy *policy, const JailLimits *asked, Error *e)
{
        return limits_check(asked, &policy->ceilings, policy->name, e);
}
