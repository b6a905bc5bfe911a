/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What each of two policies permits and the other does not. Both directions are the same question, asked twice; of
 * system calls it is asked of the filters, so that it does not matter how the policies were written. */

#include "jail/cli/explain.h"

#include "engine/base/json.h"
#include "engine/base/path.h"
#include "engine/base/strv.h"
#include "jail/cli/layout.h"
#include "jail/limits.h"

#include <string.h>

#define COLUMN 18

enum { ROW_CALLS = SECTION_MAX, ROW_MORE_OF, ROW_LIMITS, ROW_REFUSED, ROW_MAX };

/* What one permits and the other does not, by rows. */
typedef struct Surplus {
        char **rows[ROW_MAX]; /* owned */
} Surplus;

static const char *const row_keys[ROW_MAX] = {
        [SECTION_ROOT] = "root",
        [SECTION_READ] = "read",
        [SECTION_WRITE] = "written",
        [SECTION_WRITE_HOST] = "written_of_host",
        [SECTION_EXECUTE] = "executed",
        [SECTION_HIDDEN] = "not_hidden",
        [SECTION_DEVICES] = "devices",
        [SECTION_NETWORK] = "network",
        [SECTION_CAPABILITIES] = "capabilities",
        [SECTION_REQUIRE] = "not_required",
        [ROW_CALLS] = "system_calls",
        [ROW_MORE_OF] = "more_of",
        [ROW_LIMITS] = "limits",
        [ROW_REFUSED] = "refused_calls",
};

static void surplus_done(Surplus *s)
{
        for (size_t i = 0; i < ROW_MAX; i++)
                strv_free(s->rows[i]);
}

/* What is in a directory is permitted with it. */
static bool covers(char *const *words, const char *word)
{
        for (; words && *words; words++)
                if (path_is_at_or_below(word, *words))
                        return true;
        return false;
}

/* Whether all that is at a path is the root's own: nothing that the jail has in its place, or the policy shows there. But
 * what is shown in /usr is executed with that. */
static bool is_of_root(const Explained *x, const char *path)
{
        static const char *const ours[] = {"/dev", "/proc", "/work", "/tmp", "/output", "/input", NULL};
        static const char *const usr[] = {"/usr", NULL};
        char *const *const shown[] = {(char *const *)ours, x->policy->read_only, x->policy->tmpfs,
                                      x->sections.list[SECTION_WRITE_HOST].words};

        if (covers((char *const *)usr, path))
                return true;
        for (size_t i = 0; i < ELEMENTS(shown); i++) {
                if (covers(shown[i], path))
                        return false;
                for (char *const *place = shown[i]; place && *place; place++)
                        if (covers((char *const[]){(char *)path, NULL}, *place))
                                return false;
        }
        return true;
}

/* Of another root than the host's, "/usr" stands for all that it has. */
static bool executes_with_root(const Explained *a, const Explained *b, const char *path)
{
        return a->root.name && b->root.name && strcmp(a->root.name, b->root.name) == 0 &&
               strv_contains(b->policy->execute, "/usr") && is_of_root(a, path);
}

/* Whether `b` permits, among these words of its section, this one of `a`. */
static bool has(const Explained *a, const Explained *b, PolicySectionKind kind, char *const *words, const char *word)
{
        switch (kind) {
        case SECTION_ROOT: /* a directory of a root is another root */
                return strv_contains(words, word);
        case SECTION_READ: /* of the host, what may be written may be read */
                return covers(words, word) || covers(b->sections.list[SECTION_WRITE_HOST].words, word);
        case SECTION_EXECUTE:
                return covers(words, word) || executes_with_root(a, b, word);
        default:
                return covers(words, word);
        }
}

static int add_sections(const Explained *a, const Explained *b, Surplus *s)
{
        for (PolicySectionKind i = 0; i < SECTION_MAX; i++) {
                bool reverse = a->sections.list[i].takes_away;
                char *const *more = (reverse ? b : a)->sections.list[i].words,
                     *const *less = (reverse ? a : b)->sections.list[i].words;
                for (; more && *more; more++)
                        if (!has(a, b, i, less, *more) && strv_add(&s->rows[i], *more) < 0)
                                return -ENOMEM;
        }
        return 0;
}

static int add_calls(const Explained *a, const Explained *b, Surplus *s)
{
        if (a->policy->filter_size == b->policy->filter_size &&
            memcmp(a->policy->filter, b->policy->filter, a->policy->filter_size) == 0)
                return 0;
        for (size_t i = 0; i < a->calls.n; i++) {
                const Call *call = &a->calls.list[i];
                bool more, less;
                int r = filter_compare(a->policy, b->policy, call->number, &more, &less);
                if (r >= 0 && more && b->calls.list[i].fate == FILTER_REFUSES)
                        r = strv_add(&s->rows[ROW_CALLS], call->name);
                else if (r >= 0 && more) {
                        _cleanup_free_ char *words = call->fate == FILTER_NARROWS ? call_words(a->policy, call) : NULL;
                        r = strv_addf(&s->rows[ROW_MORE_OF], "%s(%s)", call->name, words ? words : "any");
                }
                if (r < 0)
                        return r;
        }
        return 0;
}

/* A limit that is not there is JAIL_UNLIMITED, the greatest of all. */
static int add_limits(const Explained *a, const Explained *b, Surplus *s)
{
        const struct {
                const JailLimits *mine, *theirs;
                const char *what;
        } pairs[] = {
                {&a->policy->limits, &b->policy->limits, ""},
                {&a->policy->ceilings, &b->policy->ceilings, "at most "},
        };

        for (size_t i = 0; i < LIMITS_COUNT; i++)
                for (size_t k = 0; k < ELEMENTS(pairs); k++) {
                        uint64_t more = limits_amount(pairs[k].mine, i), less = limits_amount(pairs[k].theirs, i);
                        _cleanup_free_ char *name = limits_name(i), *mine = limits_format(i, more),
                                            *theirs = limits_format(i, less);
                        if (!name || !mine || !theirs)
                                return -ENOMEM;
                        if (more > less && strv_addf(&s->rows[ROW_LIMITS], "%s %s%s, not %s", name, pairs[k].what, mine,
                                                     theirs) < 0)
                                return -ENOMEM;
                }
        return 0;
}

static bool kills(const Explained *x)
{
        uint32_t action = x->usual_refusal & SECCOMP_RET_ACTION_FULL;

        return action == SECCOMP_RET_KILL_PROCESS || action == SECCOMP_RET_KILL_THREAD;
}

static int find_surplus(const Explained *a, const Explained *b, Surplus *s, Error *e)
{
        *s = (Surplus){{NULL}};
        if (add_sections(a, b, s) < 0 || add_calls(a, b, s) < 0 || add_limits(a, b, s) < 0 ||
            (!kills(a) && kills(b) && strv_add(&s->rows[ROW_REFUSED], "go on with an error") < 0))
                return error_oom(e);
        return 0;
}

static bool is_empty(const Surplus *s)
{
        for (size_t i = 0; i < ROW_MAX; i++)
                if (s->rows[i])
                        return false;
        return true;
}

/* Whole groups by their name. */
static int shorten_calls(const Explained *a, char *const *directories, char *const *names, char ***ret, Error *e)
{
        _cleanup_groups_ CallGroups groups;
        int r = call_groups_make(directories, &a->calls, names, &groups, e);

        for (size_t i = 0; r >= 0 && i < groups.n; i++) {
                const CallGroup *group = &groups.list[i];
                bool whole = group->in && !group->out;
                r = whole ? strv_addf(ret, "%s(%zu)", group->name, strv_length(group->in)) : strv_add_new(ret, group->in);
        }
        if (r >= 0)
                r = strv_add_new(ret, groups.ungrouped);
        return r;
}

static int print_surplus(const Explained *a, const Explained *b, const Surplus *s, char *const *directories, Error *e)
{
        if (is_empty(s))
                return 0;
        printf("%s permits, and %s does not:\n", a->name, b->name);
        for (size_t i = 0; i < ROW_MAX; i++) {
                _cleanup_strv_ char **words = NULL;
                _cleanup_free_ char *label = strdup(row_keys[i]);
                int r = i == ROW_CALLS ? shorten_calls(a, directories, s->rows[i], &words, e)
                                       : strv_copy(s->rows[i], &words);
                if (r < 0 || !label)
                        return r < 0 ? r : error_oom(e);
                for (char *c = label; *c; c++)
                        if (*c == '_')
                                *c = ' ';
                _cleanup_free_ char *text = strv_join(words, i == ROW_LIMITS || i == ROW_MORE_OF ? "; " : " ");
                if (words && text)
                        layout_text(2, COLUMN, label, text);
        }
        return 0;
}

static json_object *surplus_to_json(const Surplus *s)
{
        json_object *object = json_object_new_object();

        for (size_t i = 0; i < ROW_MAX; i++) {
                json_object *array = json_object_new_array();
                for (char **word = s->rows[i]; word && *word; word++)
                        json_object_array_add(array, json_object_new_string(*word));
                json_object_object_add(object, row_keys[i], array);
        }
        return object;
}

static void print_json(const Explained *a, const Explained *b, const Surplus *of_a, const Surplus *of_b)
{
        _cleanup_json_ json_object *object = json_object_new_object();

        json_add_string(object, "a", a->name);
        json_add_string(object, "b", b->name);
        json_add_bool(object, "same", is_empty(of_a) && is_empty(of_b));
        json_object_object_add(object, "only_a", surplus_to_json(of_a));
        json_object_object_add(object, "only_b", surplus_to_json(of_b));
        puts(json_object_to_json_string_ext(object, JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_SPACED |
                                                            JSON_C_TO_STRING_NOSLASHESCAPE));
}

int explain_diff(char *const *directories, const char *name_a, const char *name_b, const char *root, bool json, Error *e)
{
        _cleanup_explained_ Explained a = {.root.source = ROOT_SOURCE_NULL}, b = {.root.source = ROOT_SOURCE_NULL};
        _cleanup_(surplus_done) Surplus of_a = {{NULL}}, of_b = {{NULL}};
        int r = explained_make(name_a, root, directories, &a, e);

        if (r < 0 || (r = explained_make(name_b, root, directories, &b, e)) < 0)
                return r;
        if ((r = find_surplus(&b, &a, &of_b, e)) < 0 || (r = find_surplus(&a, &b, &of_a, e)) < 0)
                return r;
        bool same = is_empty(&of_a) && is_empty(&of_b);
        if (json)
                print_json(&a, &b, &of_a, &of_b);
        else if (same)
                printf("%s and %s permit the same\n", name_a, name_b);
        else if ((r = print_surplus(&b, &a, &of_b, directories, e)) < 0 ||
                 (r = print_surplus(&a, &b, &of_a, directories, e)) < 0)
                return r;
        return !same;
}
