/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Reading a profile: nothing is decided here but whether it is one, and whether a jail can do what it asks for. */

#include "jail/oci_seccomp.h"

#include "engine/base/json.h"
#include "engine/base/name.h"
#include "engine/base/strv.h"

#include <errno.h>
#include <string.h>

#define RULES_MAX 1024
#define CHECKS_MAX 64 /* of one rule: more than its arguments where they are alternatives */
#define ERRNO_MAX 4095 /* MAX_ERRNO, include/linux/err.h */

/* ---- values ---- */

/* Programs that write profiles also write null for what is not there. */
static int read_optional_string(json_object *value, const char *path, void *target_string, Error *e)
{
        return value ? json_read_string(value, path, target_string, e) : 0;
}

static int read_optional_strings(json_object *value, const char *path, void *target_strv, Error *e)
{
        return value ? json_read_strings(value, path, target_strv, e) : 0;
}

static int read_unsigned(json_object *value, const char *path, void *target_uint64, Error *e)
{
        if (!json_object_is_type(value, json_type_int) || json_object_get_int64(value) < 0)
                return json_error(path, e, "must be a whole number from 0");
        *(uint64_t *)target_uint64 = json_object_get_uint64(value);
        return 0;
}

static int read_errno_number(json_object *value, const char *path, void *target_uint64, Error *e)
{
        int r = value ? read_unsigned(value, path, target_uint64, e) : 0;

        if (r >= 0 && value && *(uint64_t *)target_uint64 > ERRNO_MAX)
                return json_error(path, e, "must be at most %d", ERRNO_MAX);
        return r;
}

/* Reads each element of an array, or null, by `read` into an array of structs of this size. */
static int read_array(json_object *value, const char *path, size_t max, size_t element_size, JsonReader read,
                      void **ret, size_t *ret_n, Error *e)
{
        if (!value)
                return 0;
        if (!json_object_is_type(value, json_type_array))
                return json_error(path, e, "must be an array");
        size_t n = json_object_array_length(value);
        if (n > max)
                return json_error(path, e, "has %zu elements: at most %zu are read", n, max);
        *ret = calloc(n + 1, element_size);
        if (!*ret)
                return error_oom(e);
        for (size_t i = 0; i < n; i++) {
                _cleanup_free_ char *here = json_path_index(path, i);
                if (!here)
                        return error_oom(e);
                *ret_n = i + 1;
                int r = read(json_object_array_get_idx(value, i), here, (char *)*ret + i * element_size, e);
                if (r < 0)
                        return r;
        }
        return 0;
}

/* ---- actions ---- */

#define NO_ERRNO UINT64_MAX

/* An action as it is written, before its parts are put together. */
typedef struct ActionText {
        char *action, *errno_name;
        uint64_t errno_number;
} ActionText;

static void action_text_done(ActionText *t)
{
        free(t->action);
        free(t->errno_name);
}

static const struct {
        const char *name;
        uint32_t action;
} actions[] = {
        {"SCMP_ACT_ALLOW", SCMP_ACT_ALLOW},
        {"SCMP_ACT_ERRNO", SCMP_ACT_ERRNO(0)},
        {"SCMP_ACT_KILL", SCMP_ACT_KILL_THREAD},
        {"SCMP_ACT_KILL_THREAD", SCMP_ACT_KILL_THREAD},
        {"SCMP_ACT_KILL_PROCESS", SCMP_ACT_KILL_PROCESS},
        {"SCMP_ACT_TRAP", SCMP_ACT_TRAP},
        {"SCMP_ACT_LOG", SCMP_ACT_LOG},
};

static int errno_by_name(const char *name)
{
        for (int number = 1; number <= ERRNO_MAX; number++) {
                const char *known = strerrorname_np(number);
                if (known && strcmp(known, name) == 0)
                        return number;
        }
        return -ENOENT;
}

static int settle_action(const ActionText *t, const char *path, uint32_t *ret, Error *e)
{
        uint64_t number = t->errno_number;
        int by_name = t->errno_name && *t->errno_name ? errno_by_name(t->errno_name) : 0;

        if (!t->action)
                return json_error(path, e, "the action is missing");
        if (strcmp(t->action, "SCMP_ACT_TRACE") == 0)
                return json_error(path, e, "SCMP_ACT_TRACE needs a tracer, and a jail has none; SCMP_ACT_ERRNO "
                                           "refuses");
        if (strcmp(t->action, "SCMP_ACT_NOTIFY") == 0)
                return json_error(path, e, "SCMP_ACT_NOTIFY needs a listener, and the jail's own one only counts what "
                                           "is refused; SCMP_ACT_ERRNO refuses");
        if (by_name < 0)
                return json_error(path, e, "\"%s\" is not the name of an error", t->errno_name);
        if (by_name > 0 && number != NO_ERRNO && number != (uint64_t)by_name)
                return json_error(path, e, "the error is given twice, and differently");
        if (by_name > 0)
                number = (uint64_t)by_name;
        for (size_t i = 0; i < ELEMENTS(actions); i++) {
                if (strcmp(actions[i].name, t->action) != 0)
                        continue;
                if (actions[i].action == SCMP_ACT_ERRNO(0))
                        *ret = SCMP_ACT_ERRNO((uint32_t)(number == NO_ERRNO ? EPERM : number));
                else if (number != NO_ERRNO)
                        return json_error(path, e, "%s gives no error", t->action);
                else
                        *ret = actions[i].action;
                return 0;
        }
        _cleanup_free_ char *escaped = name_escape(t->action);
        return json_error(path, e, "\"%s\" is not an action of seccomp", escaped ? escaped : "");
}

/* ---- rules ---- */

static const struct {
        const char *name;
        enum scmp_compare op;
} operators[] = {
        {"SCMP_CMP_NE", SCMP_CMP_NE}, {"SCMP_CMP_LT", SCMP_CMP_LT},
        {"SCMP_CMP_LE", SCMP_CMP_LE}, {"SCMP_CMP_EQ", SCMP_CMP_EQ},
        {"SCMP_CMP_GE", SCMP_CMP_GE}, {"SCMP_CMP_GT", SCMP_CMP_GT},
        {"SCMP_CMP_MASKED_EQ", SCMP_CMP_MASKED_EQ},
};

static int read_operator(json_object *value, const char *path, void *target_uint32, Error *e)
{
        _cleanup_free_ char *name = NULL;
        int r = json_read_string(value, path, &name, e);

        if (r < 0)
                return r;
        for (size_t i = 0; i < ELEMENTS(operators); i++)
                if (strcmp(operators[i].name, name) == 0) {
                        *(uint32_t *)target_uint32 = operators[i].op;
                        return 0;
                }
        return json_error(path, e, "must be SCMP_CMP_NE, _LT, _LE, _EQ, _GE, _GT or _MASKED_EQ");
}

static int read_index(json_object *value, const char *path, void *target_uint32, Error *e)
{
        uint64_t index = 0;
        int r = read_unsigned(value, path, &index, e);

        if (r >= 0 && index >= ARGUMENTS_MAX)
                return json_error(path, e, "a system call has the arguments 0 to %d", ARGUMENTS_MAX - 1);
        *(uint32_t *)target_uint32 = (uint32_t)index;
        return r;
}

static int read_check(json_object *value, const char *path, void *target, Error *e)
{
        static const JsonField fields[] = {
                {"index", read_index, offsetof(ArgumentCheck, argument), true},
                {"value", read_unsigned, offsetof(ArgumentCheck, value), true},
                {"valueTwo", read_unsigned, offsetof(ArgumentCheck, value_two), false},
                {"op", read_operator, offsetof(ArgumentCheck, op), true},
        };

        return json_read_object(value, path, fields, ELEMENTS(fields), target, e);
}

static int read_checks(json_object *value, const char *path, void *target, Error *e)
{
        OciRule *rule = target;
        void *checks = NULL;
        int r = read_array(value, path, CHECKS_MAX, sizeof *rule->checks, read_check, &checks, &rule->n_checks, e);

        rule->checks = checks;
        return r;
}

static int read_kernel(json_object *value, const char *path, void *target_unsigned, Error *e)
{
        _cleanup_free_ char *text = NULL;
        int r = read_optional_string(value, path, &text, e);
        unsigned major, minor;
        int end = 0;

        if (r < 0 || !text || !*text)
                return r;
        if (strspn(text, "0123456789.") != strlen(text) || strlen(text) > 9 ||
            sscanf(text, "%5u.%5u%n", &major, &minor, &end) != 2 || (size_t)end != strlen(text) || minor > UINT16_MAX ||
            major > UINT16_MAX / 2)
                return json_error(path, e, "must be a version such as \"4.8\"");
        *(unsigned *)target_unsigned = major << 16 | minor;
        return 0;
}

static int read_condition(json_object *value, const char *path, void *target, Error *e)
{
        static const JsonField fields[] = {
                {"arches", read_optional_strings, offsetof(OciCondition, arches), false},
                {"caps", read_optional_strings, offsetof(OciCondition, capabilities), false},
                {"minKernel", read_kernel, offsetof(OciCondition, kernel), false},
        };

        return value ? json_read_object(value, path, fields, ELEMENTS(fields), target, e) : 0;
}

/* A rule as it is written. */
typedef struct RuleText {
        OciRule rule;
        ActionText action;
        char *name, *comment;
} RuleText;

static int read_rule_text(json_object *value, const char *path, RuleText *text, Error *e)
{
        static const JsonField fields[] = {
                {"names", read_optional_strings, offsetof(RuleText, rule.names), false},
                {"name", read_optional_string, offsetof(RuleText, name), false},
                {"action", json_read_string, offsetof(RuleText, action.action), true},
                {"errnoRet", read_errno_number, offsetof(RuleText, action.errno_number), false},
                {"errno", read_optional_string, offsetof(RuleText, action.errno_name), false},
                {"args", read_checks, offsetof(RuleText, rule), false},
                {"includes", read_condition, offsetof(RuleText, rule.includes), false},
                {"excludes", read_condition, offsetof(RuleText, rule.excludes), false},
                {"comment", read_optional_string, offsetof(RuleText, comment), false},
        };
        OciRule *rule = &text->rule;
        int r = json_read_object(value, path, fields, ELEMENTS(fields), text, e);

        if (r < 0)
                return r;
        if (text->name && *text->name && strv_length(rule->names) > 0)
                return json_error(path, e, "has both \"name\" and \"names\"");
        if (text->name && *text->name && strv_add(&rule->names, text->name) < 0)
                return error_oom(e);
        if (strv_length(rule->names) == 0)
                return json_error(path, e, "names no system call");
        return settle_action(&text->action, path, &rule->action, e);
}

static int read_rule(json_object *value, const char *path, void *target, Error *e)
{
        RuleText text = {.action.errno_number = NO_ERRNO};
        int r = read_rule_text(value, path, &text, e);

        *(OciRule *)target = text.rule;
        action_text_done(&text.action);
        free(text.name);
        free(text.comment);
        return r;
}

/* ---- the profile ---- */

/* A profile as it is written. */
typedef struct ProfileText {
        OciSeccomp *profile;
        ActionText action;
        char *listener_path, *listener_metadata;
} ProfileText;

static int read_rules(json_object *value, const char *path, void *target, Error *e)
{
        OciSeccomp *s = ((ProfileText *)target)->profile;
        void *rules = NULL;
        int r = read_array(value, path, RULES_MAX, sizeof *s->rules, read_rule, &rules, &s->n_rules, e);

        s->rules = rules;
        for (size_t i = 0; i < s->n_rules; i++)
                s->rules[i].index = i;
        return r;
}

static int read_architectures(json_object *value, const char *path, void *target, Error *e)
{
        return read_optional_strings(value, path, &((ProfileText *)target)->profile->architectures, e);
}

static int read_flags(json_object *value, const char *path, void *target, Error *e)
{
        return read_optional_strings(value, path, &((ProfileText *)target)->profile->flags, e);
}

/* Which other architectures go with which one: a jail has the kernel's own alone. */
static int read_arch_map(json_object *value, const char *path, void *target, Error *e)
{
        (void)target;
        return value && !json_object_is_type(value, json_type_array) ? json_error(path, e, "must be an array") : 0;
}

static int read_profile(json_object *value, const char *path, ProfileText *text, Error *e)
{
        static const JsonField fields[] = {
                {"defaultAction", json_read_string, offsetof(ProfileText, action.action), true},
                {"defaultErrnoRet", read_errno_number, offsetof(ProfileText, action.errno_number), false},
                {"defaultErrno", read_optional_string, offsetof(ProfileText, action.errno_name), false},
                {"architectures", read_architectures, 0, false},
                {"archMap", read_arch_map, 0, false},
                {"flags", read_flags, 0, false},
                {"listenerPath", read_optional_string, offsetof(ProfileText, listener_path), false},
                {"listenerMetadata", read_optional_string, offsetof(ProfileText, listener_metadata), false},
                {"syscalls", read_rules, 0, false},
        };
        int r = json_read_object(value, path, fields, ELEMENTS(fields), text, e);

        if (r < 0)
                return r;
        if ((text->listener_path && *text->listener_path) || (text->listener_metadata && *text->listener_metadata))
                return json_error(path, e, "listenerPath and listenerMetadata: the listener of a jail is its own");
        _cleanup_free_ char *here = json_path_key(path, "defaultAction");
        return here ? settle_action(&text->action, here, &text->profile->default_action, e) : error_oom(e);
}

int oci_seccomp_read(json_object *value, const char *path, OciSeccomp **ret, Error *e)
{
        _cleanup_oci_seccomp_ OciSeccomp *s = calloc(1, sizeof *s);
        ProfileText text = {.profile = s, .action.errno_number = NO_ERRNO};

        if (!s || !(s->path = strdup(path)))
                return error_oom(e);
        int r = read_profile(value, path, &text, e);
        action_text_done(&text.action);
        free(text.listener_path);
        free(text.listener_metadata);
        if (r >= 0)
                *ret = take(s);
        return r;
}

static void condition_done(OciCondition *c)
{
        strv_free(c->arches);
        strv_free(c->capabilities);
}

void oci_rule_done(OciRule *rule)
{
        strv_free(rule->names);
        free(rule->checks);
        condition_done(&rule->includes);
        condition_done(&rule->excludes);
        *rule = (OciRule){0};
}

OciSeccomp *oci_seccomp_free(OciSeccomp *s)
{
        if (!s)
                return NULL;
        for (size_t i = 0; i < s->n_rules; i++)
                oci_rule_done(&s->rules[i]);
        free(s->rules);
        free(s->path);
        strv_free(s->architectures);
        strv_free(s->flags);
        free(s);
        return NULL;
}

/* ---- written out again ---- */

static const char *action_name(uint32_t action)
{
        for (size_t i = 0; i < ELEMENTS(actions); i++)
                if (actions[i].action == (oci_gives_errno(action) ? SCMP_ACT_ERRNO(0) : action))
                        return actions[i].name;
        return "";
}

static json_object *checks_to_json(const OciRule *rule)
{
        json_object *array = json_object_new_array();

        for (size_t i = 0; i < rule->n_checks; i++) {
                const ArgumentCheck *check = &rule->checks[i];
                json_object *o = json_object_new_object();
                json_object_object_add(o, "index", json_object_new_uint64(check->argument));
                json_object_object_add(o, "value", json_object_new_uint64(check->value));
                json_object_object_add(o, "valueTwo", json_object_new_uint64(check->value_two));
                for (size_t k = 0; k < ELEMENTS(operators); k++)
                        if (operators[k].op == check->op)
                                json_add_string(o, "op", operators[k].name);
                json_object_array_add(array, o);
        }
        return array;
}

json_object *oci_seccomp_to_json(const OciSeccomp *s)
{
        json_object *o = json_object_new_object(), *rules = json_object_new_array();

        json_add_string(o, "defaultAction", action_name(s->default_action));
        if (oci_gives_errno(s->default_action))
                json_add_number(o, "defaultErrnoRet", oci_errno(s->default_action));
        for (size_t i = 0; i < s->n_rules; i++) {
                const OciRule *rule = &s->rules[i];
                json_object *one = json_object_new_object(), *names = json_object_new_array();
                for (size_t k = 0; rule->names[k]; k++)
                        json_object_array_add(names, json_object_new_string(rule->names[k]));
                json_object_object_add(one, "names", names);
                json_add_string(one, "action", action_name(rule->action));
                if (oci_gives_errno(rule->action))
                        json_add_number(one, "errnoRet", oci_errno(rule->action));
                if (rule->n_checks > 0)
                        json_object_object_add(one, "args", checks_to_json(rule));
                json_object_array_add(rules, one);
        }
        json_object_object_add(o, "syscalls", rules);
        return o;
}
