/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <json-c/json.h>

/* The report of an attempt in plain words, with units: pairs of a label and a text, what was not measured left out. The
 * strv is the caller's; NULL when out of memory or where there is nothing to say. */
char **report_lines(json_object *report);
