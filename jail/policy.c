/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The life of a policy: found by its name, read from its file and the files that it extends into one immutable struct
 * (policy_read.c), which is written out again as canonical text (policy_text.c). */

#include "jail/policy_read.h"

#include "engine/base/json.h"
#include "engine/base/name.h"
#include "engine/base/path.h"
#include "engine/base/strv.h"
#include "jail/limits.h"
#include "jail/policy_cache.h"

#include <string.h>

#define EXTENDS_MAX 8
#define PROFILE_EXTENDS "python" /* what a file that is a profile of system calls and nothing else is laid over */

/* Finds NAME.json in the directories from index `from` on; `*ret_index` is where. */
static int find_file(PolicyReading *reading, const char *name, size_t from, char **ret, size_t *ret_index)
{
        char *const *directories = reading->directories;

        for (size_t i = from; i < strv_length(directories); i++) {
                _cleanup_free_ char *file = NULL;
                if (asprintf(&file, "%s/%s.json", directories[i], name) < 0) {
                        file = NULL;
                        return -ENOMEM;
                }
                if (strv_add(&reading->policy->sources, file) < 0)
                        return -ENOMEM;
                if (access(file, F_OK) == 0) {
                        *ret = take(file);
                        *ret_index = i;
                        return 0;
                }
        }
        return -ENOENT;
}

static int load_named(PolicyReading *reading, const char *name, size_t from, unsigned depth, Error *e);

/* Reads what a file extends, then the file itself over it. `index` is that of its directory, SIZE_MAX of none. */
static int load_file(PolicyReading *reading, const char *name, const char *file, size_t index, unsigned depth, Error *e)
{
        _cleanup_json_ json_object *object = NULL;
        _cleanup_free_ char *parent = NULL;
        json_object *extends = NULL;
        int r = json_parse_file(file, &object, e);

        if (r < 0)
                return r;
        if (policy_is_profile(object)) {
                if (!(parent = strdup(PROFILE_EXTENDS)))
                        r = error_oom(e);
        } else if (json_object_is_type(object, json_type_object) &&
                   json_object_object_get_ex(object, "extends", &extends) &&
                   (r = json_read_string(extends, "extends", &parent, e)) < 0) {
                return error_prefix(e, "%s", file), r;
        }
        if (r >= 0 && parent) {
                /* An operator's file may extend the shipped one of the same name. */
                bool same = index != SIZE_MAX && strcmp(parent, name) == 0;
                r = load_named(reading, parent, same ? index + 1 : 0, depth + 1, e);
        }
        if (r < 0)
                return error_prefix(e, "%s: extends", file), r;
        r = policy_read(reading, object, e);
        return r < 0 ? (error_prefix(e, "%s", file), r) : 0;
}

static int load_named(PolicyReading *reading, const char *name, size_t from, unsigned depth, Error *e)
{
        _cleanup_free_ char *file = NULL;
        size_t index;
        int r = name_check("policy", name, e);

        if (r < 0)
                return r;
        if (depth > EXTENDS_MAX)
                return error_set(e, -ELOOP, "\"%s\": policies extend each other in a circle, or more than %d deep",
                                 name, EXTENDS_MAX);
        r = find_file(reading, name, from, &file, &index);
        if (r < 0) {
                _cleanup_free_ char *where = strv_join(reading->directories, ", ");
                return error_set(e, r, "there is no policy \"%s\" in %s%s", name, where ? where : "",
                                 strstr(name, ".json") ? "; a file is named with a \"/\", such as ./mine.json" : "");
        }
        return load_file(reading, name, file, index, depth, e);
}

static int compare_names(const void *a, const void *b)
{
        return strcmp(*(char *const *)a, *(char *const *)b);
}

static int settle_syscalls(PolicyReading *reading, Error *e)
{
        for (size_t i = 0; reading->deny && reading->deny[i]; i++)
                strv_remove(reading->allow, reading->deny[i]);
        if (strv_length(reading->allow) == 0)
                return error_set(e, -EINVAL, "syscalls.allow: no system call is allowed, nothing could run");
        if (!strv_contains(reading->allow, "execve") || !strv_contains(reading->allow, "exit_group"))
                return error_set(e, -EINVAL,
                                 "syscalls.allow: without execve and exit_group nothing starts, and nothing ends");
        qsort(reading->allow, strv_length(reading->allow), sizeof *reading->allow, compare_names);
        reading->policy->syscalls = take(reading->allow);
        return 0;
}

/* A job may move what lies in a directory that it may write, and the next one would find something else at its path, or
 * find at another what was to be hidden. A writable root is the job's own, and gone with it. */
static int refuse_within_writable(const JailPolicy *p, char *const *paths, const char *key, Error *e)
{
        for (size_t i = 0; paths && paths[i]; i++)
                for (size_t k = 0; p->writable && p->writable[k]; k++)
                        if (strcmp(p->writable[k], "/") != 0 && path_is_below(paths[i], p->writable[k])) {
                                _cleanup_free_ char *path = name_escape(paths[i]), *dir = name_escape(p->writable[k]);
                                return error_set(e, -EINVAL, "%s: \"%s\" lies in \"%s\", which is writable: a job could move it",
                                                 key, path ? path : "", dir ? dir : "");
                        }
        return 0;
}

/* The results are what is in the directory of the jail's own, under whatever is mounted there. */
static int refuse_in_output(char *const *paths, const char *key, Error *e)
{
        for (size_t i = 0; paths && paths[i]; i++)
                if (path_is_at_or_below(paths[i], "/output"))
                        return error_set(e, -EINVAL, "%s: what is in another directory than /output is not kept, "
                                                     "and so none can be in its place or in it", key);
        return 0;
}

/* What would do nothing, or not what it says. */
static int check_paths(const JailPolicy *p, Error *e)
{
        static const char *const own[] = {"/proc/self", "/proc/thread-self"};

        if (strv_contains(p->read_only, "/") || strv_contains(p->tmpfs, "/") || strv_contains(p->hidden, "/"))
                return error_set(e, -EINVAL, "filesystem: \"/\" can be in \"writable\" alone; which it is, \"root\" says");
        for (size_t i = 0; p->hidden && p->hidden[i]; i++)
                for (size_t k = 0; k < ELEMENTS(own); k++)
                        if (path_is_at_or_below(p->hidden[i], own[k]))
                                return error_set(e, -EINVAL, "filesystem.hidden: what is in %s, each process has of its own", own[k]);
        int r = refuse_in_output(p->read_only, "filesystem.read_only", e);
        if (r >= 0)
                r = refuse_in_output(p->writable, "filesystem.writable", e);
        if (r >= 0)
                r = refuse_in_output(p->tmpfs, "filesystem.tmpfs", e);
        if (r < 0)
                return r;
        if (strv_length(p->writable) > JAIL_BINDS_MAX + (size_t)strv_contains(p->writable, "/"))
                return error_set(e, -E2BIG, "filesystem.writable: more than %d paths", JAIL_BINDS_MAX);
        r = refuse_within_writable(p, p->read_only, "filesystem.read_only", e);
        return r < 0 ? r : refuse_within_writable(p, p->hidden, "filesystem.hidden", e);
}

/* Everything is read: settle what depends on more than one key, and write the canonical text. */
static int finish(PolicyReading *reading, Error *e)
{
        JailPolicy *p = reading->policy;
        int r = p->seccomp ? oci_seccomp_settle(p->seccomp, p->capabilities, &p->notes, e)
                           : settle_syscalls(reading, e);

        if (r >= 0)
                r = limits_settle(&p->limits, &p->ceilings, e);
        if (r >= 0)
                r = check_paths(p, e);
        return r < 0 ? r : policy_write_text(p, e);
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

/* Beside the policies' own files: the file that was named, and the groups of system calls. */
static int add_sources(JailPolicy *policy, const char *named, char *const *directories)
{
        _cleanup_free_ char *absolute = named ? realpath(named, NULL) : NULL;

        if (named && (!absolute || strv_add(&policy->sources, absolute) < 0))
                return -ENOMEM;
        for (size_t i = 0; directories && directories[i]; i++)
                if (strv_addf(&policy->sources, "%s/syscall-groups.json", directories[i]) < 0)
                        return -ENOMEM;
        return 0;
}

int jail_policy_load(const char *name, char *const *directories, JailPolicy **ret, Error *e)
{
        bool is_file = strchr(name, '/');
        _cleanup_free_ char *short_name = is_file ? name_of_file(name) : strdup(name);
        _cleanup_policy_ JailPolicy *policy = short_name ? policy_new(short_name) : NULL;
        _cleanup_(policy_reading_done) PolicyReading reading = {.policy = policy, .directories = directories};

        if (!policy)
                return error_oom(e);
        int r = is_file ? load_file(&reading, short_name, name, SIZE_MAX, 0, e) : load_named(&reading, name, 0, 0, e);
        if (r < 0)
                return r;
        if (add_sources(policy, is_file ? name : NULL, directories) < 0)
                return error_oom(e);
        r = finish(&reading, e);
        if (r < 0)
                return error_prefix(e, "%s", name), r;
        *ret = take(policy);
        return 0;
}

int jail_policy_load_compiled(const char *name, char *const *directories, const char *cache, JailPolicy **ret, Error *e)
{
        _cleanup_policy_ JailPolicy *read = NULL, *policy = NULL;
        _cleanup_packer_ Packer before = {0};
        int r;

        if (policy_cache_read(cache, name, ret) >= 0)
                return 0;
        if ((r = jail_policy_load(name, directories, &read, e)) < 0)
                return r;
        /* Which files it comes from is known once it has been read, and meanwhile one may have changed. What is kept is
         * therefore read after they were looked at. */
        bool keep = policy_cache_look(read, &before);
        r = keep ? jail_policy_load(name, directories, &policy, e) : 0;
        if (!keep)
                policy = take(read);
        if (r < 0 || (r = policy_compile(policy, e)) < 0)
                return r;
        if (keep)
                policy_cache_write(cache, name, policy, &before);
        *ret = take(policy);
        return 0;
}

int jail_policy_from_text(const char *name, const char *text, JailPolicy **ret, Error *e)
{
        _cleanup_policy_ JailPolicy *policy = policy_new(name);
        _cleanup_(policy_reading_done) PolicyReading reading = {.policy = policy};
        _cleanup_json_ json_object *object = NULL;

        if (!policy)
                return error_oom(e);
        int r = json_parse_text(text, strlen(text), &object, e);
        if (r >= 0)
                r = policy_read(&reading, object, e);
        if (r >= 0 && (reading.extends || policy_is_profile(object)))
                r = error_set(e, -EINVAL, "a resolved policy extends no other");
        if (r >= 0)
                r = finish(&reading, e);
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
        free(p->root);
        strv_free(p->read_only);
        strv_free(p->writable);
        strv_free(p->tmpfs);
        strv_free(p->hidden);
        strv_free(p->execute);
        strv_free(p->devices);
        strv_free(p->syscalls);
        oci_seccomp_free(p->seccomp);
        strv_free(p->sources);
        strv_free(p->notes);
        free(p->filter);
        free(p->refusals);
        free(p);
        return NULL;
}

const char *jail_policy_name(const JailPolicy *policy)
{
        return policy->name;
}

const char *jail_policy_root(const JailPolicy *policy)
{
        return policy->root ? policy->root : "host";
}

const char *jail_policy_description(const JailPolicy *policy)
{
        return policy->description ? policy->description : "";
}

bool jail_policy_may_kill(const JailPolicy *policy)
{
        return policy->kills;
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

char *const *jail_policy_notes(const JailPolicy *policy)
{
        return policy->notes;
}

int jail_policy_admit(const JailPolicy *policy, const JailLimits *asked, Error *e)
{
        return limits_check(asked, &policy->ceilings, policy->name, e);
}
