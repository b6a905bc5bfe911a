/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stddef.h>

/* How many columns of a terminal a text takes: characters of East Asian scripts take two, combining ones none. The
 * texts are free of control characters (name_escape()) but for colours, which take none. */

/* To be called once, before the first text. */
void width_init(void);

size_t width_of(const char *text);

/* How many bytes of the text fit into so many columns. */
size_t width_fit(const char *text, size_t columns);
