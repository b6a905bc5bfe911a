/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <json-c/json.h>
#include <systemd/sd-bus.h>

/* What the supervisor answers, as JSON, so that tables, objects for programs and the live view read one form. Names of
 * properties become keys of JSON: "SubmittedUSec" is "submitted_usec". */

/* Reads the next value of a message: a dictionary, whose keys have to be texts, becomes an object, an array or a
 * structure an array, a variant what is in it, and UINT64_MAX, which stands for what is not limited or not measured,
 * null. Descriptors are left out. The caller owns `*ret`, also on failure. Returns 1, 0 at the end of a container, or a
 * negative errno. */
int bus_json_read(sd_bus_message *m, json_object **ret);

/* The first value of a message that has these types, all of it: what an array or an object is agreed to be is one, as
 * are the elements. What variants hold is still anything. Returns 0, or a negative errno: -EBADMSG for other types. */
int bus_json_expect(sd_bus_message *m, const char *types, json_object **ret);

/* Of an object's member: NULL where it is not there, null or no string (no array); 0 where it is no number. Borrowed.
 */
json_object *json_member(json_object *object, const char *key);
const char *json_text(json_object *object, const char *key);
json_object *json_list(json_object *object, const char *key);
uint64_t json_number(json_object *object, const char *key);
