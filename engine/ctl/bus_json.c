/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "engine/ctl/bus_json.h"

#include "engine/base/cleanup.h"

#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>

/* "SubmittedUSec" → "submitted_usec": a word begins where a capital follows a small letter. */
static char *key_of(const char *name)
{
        char *key = malloc(2 * strlen(name) + 1), *out = key;

        for (const char *at = name; key && *at; at++) {
                if (at > name && isupper((unsigned char)*at) && islower((unsigned char)at[-1]))
                        *out++ = '_';
                *out++ = (char)tolower((unsigned char)*at);
        }
        if (key)
                *out = '\0';
        return key;
}

static int read_basic(sd_bus_message *m, char type, json_object **ret)
{
        union {
                uint8_t byte;
                int16_t i16;
                uint16_t u16;
                int32_t i32;
                uint32_t u32;
                int64_t i64;
                uint64_t u64;
                int boolean;
                double real;
                const char *text;
        } v;
        int r = sd_bus_message_read_basic(m, type, &v);

        if (r <= 0)
                return r;
        switch (type) {
        case 'y':
                *ret = json_object_new_int(v.byte);
                break;
        case 'n':
                *ret = json_object_new_int(v.i16);
                break;
        case 'q':
                *ret = json_object_new_int(v.u16);
                break;
        case 'i':
                *ret = json_object_new_int(v.i32);
                break;
        case 'u':
                *ret = json_object_new_int64(v.u32);
                break;
        case 'x':
                *ret = json_object_new_int64(v.i64);
                break;
        case 't':
                if (v.u64 == UINT64_MAX)
                        return 1; /* null, as json_add_number() writes it */
                *ret = json_object_new_uint64(v.u64);
                break;
        case 'b':
                *ret = json_object_new_boolean(v.boolean);
                break;
        case 'd':
                *ret = json_object_new_double(v.real);
                break;
        default:
                *ret = json_object_new_string(v.text);
        }
        return *ret ? 1 : -ENOMEM;
}

/* Of what has strings as keys and variants as values, the keys are names of properties. */
static int read_entry(sd_bus_message *m, const char *contents, json_object *object)
{
        json_object *value = NULL;
        const char *name;
        int r = strchr("sog", contents[0]) ? sd_bus_message_read_basic(m, contents[0], &name) : -EBADMSG;

        if (r < 0)
                return r;
        _cleanup_free_ char *key = strcmp(contents, "sv") == 0 ? key_of(name) : strdup(name);
        if (!key)
                return -ENOMEM;
        r = bus_json_read(m, &value);
        json_object_object_add(object, key, value);
        return r < 0 ? r : 0;
}

static int read_array(sd_bus_message *m, char type, const char *contents, json_object *array)
{
        int r = sd_bus_message_enter_container(m, type, contents);

        while (r >= 0) {
                json_object *value = NULL;
                if ((r = bus_json_read(m, &value)) == 0)
                        return sd_bus_message_exit_container(m);
                json_object_array_add(array, value);
        }
        return r;
}

static int read_dictionary(sd_bus_message *m, const char *contents, json_object *object)
{
        /* Within the braces; a copy, since the message's own is only good until the next look. */
        _cleanup_free_ char *entry = strndup(contents + 1, strlen(contents) - 2);
        int r = entry ? sd_bus_message_enter_container(m, 'a', contents) : -ENOMEM;

        while (r >= 0) {
                if ((r = sd_bus_message_enter_container(m, 'e', entry)) == 0)
                        return sd_bus_message_exit_container(m);
                if (r > 0 && (r = read_entry(m, entry, object)) >= 0)
                        r = sd_bus_message_exit_container(m);
        }
        return r;
}

int bus_json_read(sd_bus_message *m, json_object **ret)
{
        const char *contents;
        char type;
        int r = sd_bus_message_peek_type(m, &type, &contents);

        if (r <= 0)
                return r;
        *ret = NULL; /* what is not whole is the caller's to free all the same */
        switch (type) {
        case 'a':
        case 'r':
                *ret = contents[0] == '{' ? json_object_new_object() : json_object_new_array();
                if (!*ret)
                        return -ENOMEM;
                r = contents[0] == '{' ? read_dictionary(m, contents, *ret) : read_array(m, type, contents, *ret);
                return r < 0 ? r : 1;
        case 'v':
                if ((r = sd_bus_message_enter_container(m, 'v', contents)) < 0)
                        return r;
                if ((r = bus_json_read(m, ret)) >= 0)
                        r = sd_bus_message_exit_container(m);
                return r < 0 ? r : 1;
        case 'h':
                r = sd_bus_message_skip(m, "h");
                return r < 0 ? r : 1;
        default:
                return read_basic(m, type, ret);
        }
}

int bus_json_expect(sd_bus_message *m, const char *types, json_object **ret)
{
        const char *found = sd_bus_message_get_signature(m, true);
        int r = found && strcmp(found, types) == 0 ? bus_json_read(m, ret) : -EBADMSG;

        return r < 0 ? r : 0;
}

json_object *json_member(json_object *object, const char *key)
{
        json_object *value = NULL;

        return json_object_object_get_ex(object, key, &value) ? value : NULL;
}

const char *json_text(json_object *object, const char *key)
{
        json_object *value = json_member(object, key);

        return json_object_is_type(value, json_type_string) ? json_object_get_string(value) : NULL;
}

json_object *json_list(json_object *object, const char *key)
{
        json_object *value = json_member(object, key);

        return json_object_is_type(value, json_type_array) ? value : NULL;
}

uint64_t json_number(json_object *object, const char *key)
{
        return json_object_get_uint64(json_member(object, key));
}
