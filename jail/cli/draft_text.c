/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A draft as a policy file that a person can review: paths one a line, system calls by the groups that they belong to,
 * amounts with units. */

#include "engine/base/cleanup.h"
#include "engine/base/json.h"
#include "engine/base/size.h"
#include "jail/cli/draft.h"

#include <inttypes.h>
#include <stddef.h>
#include <string.h>

#define LINE_MAX_COLUMNS 110

static int compare_names(const void *a, const void *b)
{
        return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* The names of a kind that are in, sorted; the array is the caller's, the names are the draft's. */
static const char **sorted_names(const Draft *d, DraftKind kind, size_t *ret_n)
{
        const char **names = calloc(d->n_items + 1, sizeof *names);

        *ret_n = 0;
        for (size_t i = 0; names && i < d->n_items; i++)
                if (d->items[i].kind == kind && d->items[i].in)
                        names[(*ret_n)++] = d->items[i].name;
        if (names)
                qsort(names, *ret_n, sizeof *names, compare_names);
        return names;
}

static void print_string(FILE *out, const char *text)
{
        _cleanup_json_ json_object *string = json_object_new_string(text);

        fputs(json_object_to_json_string_ext(string, JSON_C_TO_STRING_NOSLASHESCAPE), out);
}

/* A member of an object; the first of it has no comma before. */
static void print_key(FILE *out, const char *key, int depth, bool first)
{
        fprintf(out, "%s\n%*s\"%s\": ", first ? "" : ",", 2 * depth, "", key);
}

static void print_list(FILE *out, const Draft *d, DraftKind kind, const char *key, int depth, bool *first)
{
        size_t n;
        _cleanup_free_ const char **names = sorted_names(d, kind, &n);

        if (!names || n == 0)
                return;
        print_key(out, key, depth, *first);
        *first = false;
        fputc('[', out);
        for (size_t i = 0; i < n; i++) {
                fprintf(out, "%s\n%*s", i > 0 ? "," : "", 2 * depth + 2, "");
                print_string(out, names[i]);
        }
        fprintf(out, "\n%*s]", 2 * depth, "");
}

static bool is_in_group(json_object *members, const char *name)
{
        for (size_t i = 0; i < json_object_array_length(members); i++)
                if (strcmp(json_object_get_string(json_object_array_get_idx(members, i)), name) == 0)
                        return true;
        return false;
}

/* Those of the names that are in the group (NULL: all that are left), and takes them off the list. */
static void print_group(FILE *out, const char **names, size_t n, const char *group, json_object *members, bool *first)
{
        size_t column = 0;

        for (size_t i = 0; i < n; i++) {
                if (!names[i] || (members && !is_in_group(members, names[i])))
                        continue;
                size_t width = strlen(names[i]) + 4;
                fputs(*first ? "" : ",", out);
                if (column == 0)
                        fprintf(out, "\n      // %s", group);
                if (column == 0 || column + width > LINE_MAX_COLUMNS) {
                        fprintf(out, "\n     ");
                        column = 5;
                }
                fprintf(out, " \"%s\"", names[i]);
                column += width;
                *first = false;
                names[i] = NULL;
        }
}

static void print_calls(FILE *out, const Draft *d, json_object *groups)
{
        size_t n;
        _cleanup_free_ const char **names = sorted_names(d, DRAFT_CALL, &n);
        bool first = true;

        fputs(",\n  \"syscalls\": {\n    \"allow\": [", out);
        if (names) {
                json_object_object_foreach(groups, group, members)
                        print_group(out, names, n, group, members, &first);
                print_group(out, names, n, "others", NULL, &first);
        }
        fputs("\n    ]\n  }", out);
}

typedef char *(*Formatter)(uint64_t amount);

static char *format_count(uint64_t amount)
{
        char *text;

        return asprintf(&text, "%" PRIu64, amount) < 0 ? NULL : text;
}

static char *format_cpus(uint64_t milli)
{
        char *text;

        return asprintf(&text, "%.8g", (double)milli / 1000) < 0 ? NULL : text;
}

typedef struct LimitLine {
        const char *key;
        size_t offset;
        Formatter format;
        bool quoted;
} LimitLine;

static const LimitLine limit_lines[] = {
        {"memory", offsetof(JailLimits, memory_bytes), size_format, true},
        {"cpu", offsetof(JailLimits, cpu_milli), format_cpus, false},
        {"pids", offsetof(JailLimits, pids), format_count, false},
        {"wall", offsetof(JailLimits, wall_usec), duration_format, true},
        {"cpu_time", offsetof(JailLimits, cpu_time_usec), duration_format, true},
        {"disk", offsetof(JailLimits, disk_bytes), size_format, true},
        {"files", offsetof(JailLimits, files), format_count, false},
        {"output", offsetof(JailLimits, output_bytes), size_format, true},
};

static const LimitLine io_lines[] = {
        {"read", offsetof(JailLimits, io_read_bytes_per_sec), size_format, true},
        {"write", offsetof(JailLimits, io_write_bytes_per_sec), size_format, true},
};

/* Owned by the caller; NULL where there is none. */
static char *format_limit(const LimitLine *line, const JailLimits *limits)
{
        uint64_t amount = *(const uint64_t *)(const void *)((const char *)limits + line->offset);
        _cleanup_free_ char *plain = amount == JAIL_UNLIMITED ? NULL : line->format(amount);
        char *text = NULL;

        if (!plain || !line->quoted)
                return take(plain);
        return asprintf(&text, "\"%s\"", plain) < 0 ? NULL : text;
}

/* Returns whether there were any. A default is there wherever a ceiling is. */
static bool print_amounts(FILE *out, const LimitLine *lines, size_t n, const DraftLimits *limits, int depth)
{
        bool any = false;

        for (size_t i = 0; i < n; i++) {
                _cleanup_free_ char *usual = format_limit(&lines[i], limits->defaults),
                                    *most = format_limit(&lines[i], limits->ceilings);
                if (!usual)
                        continue;
                print_key(out, lines[i].key, depth, !any);
                if (most)
                        fprintf(out, "{\"default\": %s, \"max\": %s}", usual, most);
                else
                        fputs(usual, out);
                any = true;
        }
        return any;
}

static void print_limits(FILE *out, const DraftLimits *limits)
{
        const JailLimits *usual = limits->defaults;

        fputs(",\n  \"limits\": {", out);
        bool any = print_amounts(out, limit_lines, ELEMENTS(limit_lines), limits, 2);
        if (usual->io_read_bytes_per_sec != JAIL_UNLIMITED || usual->io_write_bytes_per_sec != JAIL_UNLIMITED) {
                fputs(any ? ",\n    \"io\": {" : "\n    \"io\": {", out);
                print_amounts(out, io_lines, ELEMENTS(io_lines), limits, 3);
                fputs("\n    }", out);
        }
        fputs("\n  }", out);
}

/* What is made of items, or written otherwise. */
static const char *const own_keys[] = {"description",  "filesystem", "syscalls",  "limits",   "devices",
                                       "capabilities", "execute",    "read_only", "writable", "tmpfs",
                                       "proc_subset"};

static bool is_own_key(const char *key)
{
        for (size_t i = 0; i < ELEMENTS(own_keys); i++)
                if (strcmp(own_keys[i], key) == 0)
                        return true;
        return false;
}

/* The other members of an object of the base, as they are; a list that is empty is left out. */
static void print_kept(FILE *out, json_object *from, int depth, bool *first)
{
        json_object_object_foreach(from, key, value)
        {
                bool empty = json_object_is_type(value, json_type_array) && json_object_array_length(value) == 0;
                if (is_own_key(key) || empty)
                        continue;
                print_key(out, key, depth, *first);
                fputs(json_object_to_json_string_ext(value, JSON_C_TO_STRING_SPACED | JSON_C_TO_STRING_NOSLASHESCAPE),
                      out);
                *first = false;
        }
}

char *draft_text(const Draft *d, json_object *groups, const DraftLimits *limits, const char *description)
{
        json_object *filesystem = NULL;
        bool first = true, more = false;
        char *text = NULL;
        size_t size;
        FILE *out = open_memstream(&text, &size);

        if (!out)
                return NULL;
        json_object_object_get_ex(d->base, "filesystem", &filesystem);
        fputs("// Written by skep-jail learn. Every path and system call below is needed: without any one of them the\n"
              "// command does not do what it did when this was learnt. The limits leave room, and may be changed.\n"
              "{\n  \"description\": ", out);
        print_string(out, description);
        fputs(",\n  \"filesystem\": {", out);
        print_kept(out, filesystem, 2, &first);
        print_list(out, d, DRAFT_EXECUTE, "execute", 2, &first);
        print_list(out, d, DRAFT_READ_ONLY, "read_only", 2, &first);
        print_list(out, d, DRAFT_WRITABLE, "writable", 2, &first);
        print_list(out, d, DRAFT_TMPFS, "tmpfs", 2, &first);
        print_key(out, "proc_subset", 2, first);
        fputs(draft_count(d, DRAFT_PROC) > 0 ? "\"all\"" : "\"pid\"", out);
        fputs("\n  }", out);
        print_kept(out, d->base, 1, &more);
        print_calls(out, d, groups);
        print_list(out, d, DRAFT_DEVICE, "devices", 1, &more);
        print_list(out, d, DRAFT_CAPABILITY, "capabilities", 1, &more);
        print_limits(out, limits);
        fputs("\n}\n", out);
        if (fclose(out) != 0) {
                free(text);
                return NULL;
        }
        return text;
}
