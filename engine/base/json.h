/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "engine/base/error.h"

#include <json-c/json.h>
#include <stdbool.h>
#include <stdint.h>

/* JSON becomes a typed struct at the border: an object is read by a table of its keys, and every error names the path
 * of the key ("limits.memory") and what is allowed there. */

#define JSON_TEXT_MAX (4U << 20)

static inline void json_freep(json_object **o)
{
        json_object_put(*o);
}
#define _cleanup_json_ _cleanup_(json_freep)

/* Parses one JSON text (RFC 8259, UTF-8, at most 32 levels and JSON_TEXT_MAX bytes) with `//` comments. The caller
 * owns `*ret`. Errors: -EINVAL, with line and column; -EFBIG. */
int json_parse_text(const char *text, size_t size, json_object **ret, Error *e);
/* How many values there are at most in a text: parsed, each takes some hundred bytes. */
size_t json_count_values(const char *text);

/* The same for a file, which the sentence names. */
int json_parse_file(const char *file, json_object **ret, Error *e);

/* Reads one value of the object at `path` into `target`. */
typedef int (*JsonReader)(json_object *value, const char *path, void *target, Error *e);

typedef struct JsonField {
        const char *key;
        JsonReader read;
        size_t offset; /* of the member in the struct that the object becomes */
        bool required;
} JsonField;

/* Reads an object by its table. `path` is "" at the top. An unknown key, a missing one and a value that is not an
 * object are -EINVAL. What was read before an error stays in `target`, for the caller to free. */
int json_read_object(json_object *object, const char *path, const JsonField *fields, size_t n_fields, void *target,
                     Error *e);

/* The same for documents whose format is not ours: a key that the table does not know is passed over, and null is as
 * good as not there. */
int json_read_members(json_object *object, const char *path, const JsonField *fields, size_t n_fields, void *target,
                      Error *e);

/* The path of a member: "a.b", or "b" at the top; of an element: "a[3]". Owned by the caller. */
char *json_path_key(const char *path, const char *key);
char *json_path_index(const char *path, size_t index);

/* A wrong value: "limits.memory: must be …". Returns -EINVAL. */
int json_error(const char *path, Error *e, const char *format, ...) _printf_(3, 4);

/* Readers. Strings have no NUL inside; `target` owns what it gets, and what it held before is freed. */
int json_read_string(json_object *value, const char *path, void *target_string, Error *e);
int json_read_strings(json_object *value, const char *path, void *target_strv, Error *e);
/* The same of an array of at most `max` strings: a longer one is refused before anything of it is read. */
int json_read_strings_to(json_object *value, const char *path, size_t max, char ***target, Error *e);
int json_read_size(json_object *value, const char *path, void *target_uint64, Error *e);
int json_read_duration(json_object *value, const char *path, void *target_uint64, Error *e);
int json_read_cpus(json_object *value, const char *path, void *target_uint64, Error *e);
int json_read_count(json_object *value, const char *path, void *target_uint64, Error *e); /* from 1 */
/* The same, up to `max`: for a reader that knows it. */
int json_read_count_to(json_object *value, const char *path, uint64_t max, uint64_t *ret, Error *e);

/* For writing. A NULL string, UINT64_MAX as a number, and a real number that is none become null; of others six digits are written. */
void json_add_string(json_object *object, const char *key, const char *value);
void json_add_number(json_object *object, const char *key, uint64_t value);
void json_add_real(json_object *object, const char *key, double value);
void json_add_bool(json_object *object, const char *key, bool value);
