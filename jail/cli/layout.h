/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* Text for people: a label, and beside it words that are broken at the width of the terminal, below each other. */

/* Prints "label" at column `indent`, and the text from column `column` on, broken between words. A label that reaches
 * into the text's column has a line of its own. An empty text is "–". */
void layout_text(unsigned indent, unsigned column, const char *label, const char *text);

/* The same for a list. */
void layout_list(unsigned indent, unsigned column, const char *label, char *const *words);

/* "1.2G": three digits are enough for people. `size` is that of `ret`, at least 8. */
void layout_size(uint64_t bytes, char *ret, size_t size);
