/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "engine/base/json.h"

#include "engine/base/fd.h"
#include "engine/base/name.h"
#include "engine/base/size.h"
#include "engine/base/strv.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <math.h>
#include <string.h>

#define SEARCHED_MAX 8192
#define COUNT_MAX (UINT64_C(1) << 40)

static inline void tokenerp(json_tokener **t)
{
        if (*t)
                json_tokener_free(*t);
}

static size_t count_digits(const char *text)
{
        return strspn(text, "0123456789");
}

/* How long the number is that begins here; 0: none does. The library would also take "1." and "-.5", and give them out again as
 * they were: then whoever reads what we have stored, or said, finds no JSON. */
static size_t number_length(const char *text)
{
        const char *p = text + (*text == '-');
        size_t n = *p == '0' ? 1 : count_digits(p);

        p += n;
        if (n > 0 && *p == '.')
                p += 1 + (n = count_digits(p + 1));
        if (n > 0 && (*p == 'e' || *p == 'E')) {
                p += 1 + (p[1] == '+' || p[1] == '-');
                p += n = count_digits(p);
        }
        bool ends = !*p || !strchr("+-.0123456789eE", *p);
        return n > 0 && ends ? (size_t)(p - text) : 0;
}

/* The library takes a whole number that is too large for the largest that there is. */
static bool is_too_large(const char *number, size_t length)
{
        const char *digits = number + (*number == '-'), *largest = *number == '-' ? "9223372036854775808" : "18446744073709551615";
        size_t n = count_digits(digits);
        bool whole = digits + n == number + length;

        return whole && (n > strlen(largest) || (n == strlen(largest) && memcmp(digits, largest, n) > 0));
}

/* Comments become spaces, so that lines and columns stay. What the library would accept beyond the standard (names in
 * single quotes, NaN) is found here: outside of strings JSON has few characters. Returns the place of another one, or
 * of a number that is too large, or SIZE_MAX; `*ret_keys`: how many keys there are, each of which has a colon behind it. */
static size_t blank_comments(char *text, size_t size, size_t *ret_keys)
{
        bool in_string = false;

        *ret_keys = 0;

        for (size_t i = 0; i < size; i++) {
                if (in_string && text[i] == '\\') {
                        i++;
                } else if (text[i] == '"') {
                        in_string = !in_string;
                } else if (!in_string && text[i] == '/' && i + 1 < size && text[i + 1] == '/') {
                        while (i < size && text[i] != '\n')
                                text[i++] = ' ';
                } else if (!in_string && text[i] == ':') {
                        ++*ret_keys;
                } else if (!in_string && strchr("+-.0123456789", text[i])) {
                        size_t length = number_length(text + i);
                        if (length == 0 || is_too_large(text + i, length))
                                return i;
                        i += length - 1;
                } else if (!in_string && !strchr("{}[]:,etrufalsn \t\r\n", text[i])) {
                        return i;
                }
        }
        return SIZE_MAX;
}

/* Of all objects in it. Its depth is what the library's parser takes. */
static size_t count_keys(json_object *o)
{
        size_t n = 0;

        if (json_object_is_type(o, json_type_object)) {
                n = (size_t)json_object_object_length(o);
                json_object_object_foreach(o, key, value)
                {
                        (void)key;
                        n += count_keys(value);
                }
        } else if (json_object_is_type(o, json_type_array)) {
                for (size_t i = 0; i < json_object_array_length(o); i++)
                        n += count_keys(json_object_array_get_idx(o, i));
        }
        return n;
}

typedef struct Key {
        const char *text;
        size_t length, depth;
} Key;

/* The first key that stands twice in an object, as it is written there. False in a long text, in which looking for it would
 * take its time. */
static bool find_twice(const char *text, size_t size, Key *ret)
{
        _cleanup_free_ Key *keys = size <= SEARCHED_MAX ? calloc(size, sizeof *keys) : NULL;
        size_t n = 0, depth = 0, string = 0, string_end = 0;

        for (size_t i = 0; keys && i < size; i++) {
                if (text[i] == '"') {
                        for (string = ++i; text[i] != '"'; i++)
                                i += text[i] == '\\';
                        string_end = i;
                } else if (text[i] == '{') {
                        depth++;
                } else if (text[i] == '}') {
                        while (n > 0 && keys[n - 1].depth == depth)
                                n--;
                        depth--;
                } else if (text[i] == ':') {
                        const Key key = {text + string, string_end - string, depth};
                        for (size_t k = n; k > 0 && keys[k - 1].depth == depth; k--)
                                if (keys[k - 1].length == key.length && memcmp(keys[k - 1].text, key.text, key.length) == 0) {
                                        *ret = key;
                                        return true;
                                }
                        keys[n++] = key;
                }
        }
        return false;
}

/* Of two values for one key the library takes the last, and one who reads the text perhaps the first. */
static int twice_error(const char *text, size_t size, Error *e)
{
        Key key;

        if (!find_twice(text, size, &key))
                return error_set(e, -EINVAL, "a key stands twice in one object");
        return error_set(e, -EINVAL, "the key \"%.*s\" stands twice in one object", (int)key.length, key.text);
}

size_t json_count_values(const char *text)
{
        bool in_string = false;
        size_t n = 1;

        for (; *text; text++)
                if (in_string && *text == '\\' && text[1])
                        text++;
                else if (*text == '"')
                        in_string = !in_string;
                else if (!in_string && strchr(",[{", *text))
                        n++;
        return n;
}

static void position(const char *text, size_t offset, unsigned *line, unsigned *column)
{
        *line = *column = 1;
        for (size_t i = 0; i < offset; i++) {
                if (text[i] == '\n') {
                        (*line)++;
                        *column = 1;
                } else {
                        (*column)++;
                }
        }
}

int json_parse_text(const char *text, size_t size, json_object **ret, Error *e)
{
        unsigned line, column;
        size_t keys;

        if (size > JSON_TEXT_MAX)
                return error_set(e, -EFBIG, "JSON text of %zu bytes: at most %u are read", size, JSON_TEXT_MAX);
        if (memchr(text, '\0', size))
                return error_set(e, -EINVAL, "not JSON: a NUL byte in the text");
        _cleanup_free_ char *copy = malloc(size + 1);
        _cleanup_(tokenerp) json_tokener *tokener = json_tokener_new();
        if (!copy || !tokener)
                return error_oom(e);
        memcpy(copy, text, size);
        copy[size] = '\0';
        size_t odd = blank_comments(copy, size, &keys);
        if (odd != SIZE_MAX) {
                position(copy, odd, &line, &column);
                return error_set(e, -EINVAL, number_length(copy + odd) > 0 ? "a number that is too large at line %u, column %u"
                                                                           : "not JSON: unexpected character at line %u, column %u", line, column);
        }

        json_tokener_set_flags(tokener, JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8);
        /* The NUL goes in too: without it the parser waits for more after a bare number. */
        _cleanup_json_ json_object *o = json_tokener_parse_ex(tokener, copy, (int)size + 1);
        enum json_tokener_error problem = json_tokener_get_error(tokener);
        size_t end = json_tokener_get_parse_end(tokener);
        if (problem == json_tokener_success && end < size) {
                end += strspn(copy + end, " \t\r\n");
                if (end < size)
                        problem = json_tokener_error_parse_unexpected;
        }
        if (problem != json_tokener_success) {
                position(copy, end < size ? end : size, &line, &column);
                return error_set(e, -EINVAL, "not JSON: %s at line %u, column %u",
                                 problem == json_tokener_continue ? "the text ends too early"
                                                                  : json_tokener_error_desc(problem),
                                 line, column);
        }
        if (count_keys(o) != keys)
                return twice_error(copy, size, e);
        *ret = take(o);
        return 0;
}

int json_parse_file(const char *file, json_object **ret, Error *e)
{
        _cleanup_free_ char *text = NULL;
        size_t size;
        int r = read_file_at(AT_FDCWD, file, JSON_TEXT_MAX, &text, &size);

        if (r == -EFBIG)
                return error_set(e, r, "%s: longer than %u bytes", file, JSON_TEXT_MAX);
        if (r == -EINVAL)
                return error_set(e, r, "%s is not a regular file", file);
        if (r < 0)
                return error_errno(e, r, "%s", file);
        r = json_parse_text(text, size, ret, e);
        if (r < 0)
                error_prefix(e, "%s", file);
        return r;
}

char *json_path_key(const char *path, const char *key)
{
        _cleanup_free_ char *escaped = name_escape(key);
        char *joined = NULL;

        /* It becomes a part of messages, and the key is a stranger's. */
        if (!escaped || asprintf(&joined, "%s%s%s", path, *path ? "." : "", escaped) < 0)
                return NULL;
        return joined;
}

char *json_path_index(const char *path, size_t index)
{
        char *joined = NULL;

        if (asprintf(&joined, "%s[%zu]", path, index) < 0)
                return NULL;
        return joined;
}

int json_error(const char *path, Error *e, const char *format, ...)
{
        _cleanup_free_ char *what = NULL;
        va_list ap;

        va_start(ap, format);
        int r = vasprintf(&what, format, ap);
        va_end(ap);
        if (r < 0) {
                what = NULL;
                return error_oom(e);
        }
        return error_set(e, -EINVAL, "%s%s%s", path, *path ? ": " : "", what);
}

static int unknown_key(const char *path, const char *key, const JsonField *fields, size_t n, Error *e)
{
        _cleanup_free_ char *here = json_path_key(path, key);
        _cleanup_free_ char *known = NULL;

        for (size_t i = 0; i < n; i++) {
                _cleanup_free_ char *before = known;
                known = NULL;
                if (asprintf(&known, "%s%s%s", before ? before : "", before ? ", " : "", fields[i].key) < 0) {
                        known = NULL;
                        return error_oom(e);
                }
        }
        return json_error(here ? here : key, e, "unknown key; known here: %s", known ? known : "none");
}

static int read_fields(json_object *object, const char *path, const JsonField *fields, size_t n_fields, bool foreign,
                       void *target, Error *e)
{
        if (!json_object_is_type(object, json_type_object))
                return json_error(path, e, "must be an object");
        json_object_object_foreach(object, key, value)
        {
                const JsonField *field = NULL;
                for (size_t i = 0; i < n_fields && !field; i++)
                        if (strcmp(fields[i].key, key) == 0)
                                field = &fields[i];
                if (foreign && (!field || !value))
                        continue;
                if (!field)
                        return unknown_key(path, key, fields, n_fields, e);
                _cleanup_free_ char *here = json_path_key(path, key);
                if (!here)
                        return error_oom(e);
                int r = field->read(value, here, (char *)target + field->offset, e);
                if (r < 0)
                        return r;
        }
        for (size_t i = 0; i < n_fields; i++) {
                json_object *found = NULL;
                bool there = json_object_object_get_ex(object, fields[i].key, &found) && (found || !foreign);
                if (fields[i].required && !there)
                        return json_error(path, e, "the key \"%s\" is missing", fields[i].key);
        }
        return 0;
}

int json_read_object(json_object *object, const char *path, const JsonField *fields, size_t n_fields, void *target,
                     Error *e)
{
        return read_fields(object, path, fields, n_fields, false, target, e);
}

int json_read_members(json_object *object, const char *path, const JsonField *fields, size_t n_fields, void *target,
                      Error *e)
{
        return read_fields(object, path, fields, n_fields, true, target, e);
}

/* The string inside the value, or NULL where it is none. Also refuses a NUL within. */
static const char *plain_string(json_object *value)
{
        if (!json_object_is_type(value, json_type_string))
                return NULL;
        const char *text = json_object_get_string(value);
        return strlen(text) == (size_t)json_object_get_string_len(value) ? text : NULL;
}

int json_read_string(json_object *value, const char *path, void *target_string, Error *e)
{
        char **target = target_string;
        const char *text = plain_string(value);

        if (!text)
                return json_error(path, e, "must be a string without NUL");
        char *copy = strdup(text);
        if (!copy)
                return error_oom(e);
        free(*target);
        *target = copy;
        return 0;
}

/* The list has its size from the start: to find its end for each string would take a stranger's array times itself. */
int json_read_strings_to(json_object *value, const char *path, size_t max, char ***target, Error *e)
{
        _cleanup_strv_ char **list = NULL;

        if (!json_object_is_type(value, json_type_array))
                return json_error(path, e, "must be an array of strings");
        const size_t n = json_object_array_length(value);
        if (n > max)
                return json_error(path, e, "must have at most %zu elements", max);
        if (n > 0 && !(list = calloc(n + 1, sizeof *list)))
                return error_oom(e);
        for (size_t i = 0; i < n; i++) {
                const char *text = plain_string(json_object_array_get_idx(value, i));
                if (!text) {
                        _cleanup_free_ char *here = json_path_index(path, i);
                        return json_error(here ? here : path, e, "must be a string without NUL");
                }
                if (!(list[i] = strdup(text)))
                        return error_oom(e);
        }
        strv_free(*target);
        *target = take(list);
        return 0;
}

int json_read_strings(json_object *value, const char *path, void *target_strv, Error *e)
{
        return json_read_strings_to(value, path, SIZE_MAX, target_strv, e);
}

typedef int (*AmountParser)(const char *text, uint64_t *ret, Error *e);

static int read_amount(json_object *value, const char *path, AmountParser parse, bool bare, void *target, Error *e)
{
        const char *text = plain_string(value);
        bool number = json_object_is_type(value, json_type_int) || json_object_is_type(value, json_type_double);
        _cleanup_error_ Error why = ERROR_NULL;

        if (number && bare)
                text = json_object_get_string(value);
        else if (number)
                return json_error(path, e, "a number needs a unit: write it as a string, such as \"%ss\"",
                                  json_object_get_string(value));
        if (!text)
                return json_error(path, e, "must be a %sstring", bare ? "number or a " : "");
        /* The library holds what is beyond this at the largest one. */
        if (json_object_is_type(value, json_type_int) && json_object_get_int64(value) == INT64_MAX)
                return json_error(path, e, "the number is too large");
        int r = parse(text, target, &why);
        return r < 0 ? error_set(e, r, "%s: %s", path, error_text(&why)) : 0;
}

int json_read_size(json_object *value, const char *path, void *target_uint64, Error *e)
{
        return read_amount(value, path, size_parse, true, target_uint64, e);
}

int json_read_duration(json_object *value, const char *path, void *target_uint64, Error *e)
{
        return read_amount(value, path, duration_parse, false, target_uint64, e);
}

int json_read_cpus(json_object *value, const char *path, void *target_uint64, Error *e)
{
        return read_amount(value, path, cpus_parse, true, target_uint64, e);
}

int json_read_count_to(json_object *value, const char *path, uint64_t max, uint64_t *ret, Error *e)
{
        if (!json_object_is_type(value, json_type_int))
                return json_error(path, e, "must be a whole number");
        int64_t n = json_object_get_int64(value);
        if (n < 1 || (uint64_t)n > max)
                return json_error(path, e, "must be from 1 to %" PRIu64, max);
        *ret = (uint64_t)n;
        return 0;
}

int json_read_count(json_object *value, const char *path, void *target_uint64, Error *e)
{
        return json_read_count_to(value, path, COUNT_MAX, target_uint64, e);
}

void json_add_string(json_object *object, const char *key, const char *value)
{
        json_object_object_add(object, key, value ? json_object_new_string(value) : NULL);
}

void json_add_number(json_object *object, const char *key, uint64_t value)
{
        json_object_object_add(object, key, value == UINT64_MAX ? NULL : json_object_new_uint64(value));
}

void json_add_real(json_object *object, const char *key, double value)
{
        char text[40];

        snprintf(text, sizeof text, "%.6g", value);
        json_object_object_add(object, key, isfinite(value) ? json_object_new_double_s(value, text) : NULL);
}

void json_add_bool(json_object *object, const char *key, bool value)
{
        json_object_object_add(object, key, json_object_new_boolean(value));
}
