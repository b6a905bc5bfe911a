/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/fuzz/fuzz.h"

#include "engine/base/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        _cleanup_error_ Error e = ERROR_NULL;
        _cleanup_json_ json_object *o = NULL;

        json_parse_text((const char *)data, size, &o, &e);
        return 0;
}
