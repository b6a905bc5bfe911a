/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* One target a file, for libFuzzer: make fuzz SECONDS=30. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The input as a string; owned by the caller. */
static inline char *fuzz_text(const uint8_t *data, size_t size)
{
        char *text = malloc(size + 1);

        if (!text)
                abort();
        memcpy(text, data, size);
        text[size] = '\0';
        return text;
}
